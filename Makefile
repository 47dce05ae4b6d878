# make run    sets up everything, then runs the scenarios on ppc64-hash
# make test   sets up everything, then runs the project's tests, real guests included
ARCH ?= ppc64-hash

.PHONY: setup run test

setup:
	@./setup.sh

run: setup
	.venv/bin/pytest scenarios/ --arch $(ARCH)

test: setup
	.venv/bin/pytest tests/ scenarios/ --arch all -n 2
