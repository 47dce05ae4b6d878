# make run    sets up everything, then runs the scenarios on ppc64-hash
# make test   sets up everything, then runs the tests of the harness and the scenarios on all targets
# make soak   runs the scenarios again and again until CELLS came to an end or one met trouble
# make bench  measures what docs/performance.md shows, ratios of one run
# make trials harms TRIALS runs at random and looks at what came of it
ARCH ?= ppc64-hash
CELLS ?= 300
TRIALS ?= 200
SEED ?= 1
# A test that takes longer than a cold kernel build hangs: it fails, and says where it is.
HANGS = -o faulthandler_timeout=2400 -o faulthandler_exit_on_timeout=true

.PHONY: setup run test soak trials bench

setup:
	@./setup.sh

run: setup
	.venv/bin/pytest scenarios/ --arch $(ARCH)

test: setup
	.venv/bin/pytest tests/ -n 2 --dist worksteal $(HANGS)
	.venv/bin/pytest scenarios/ --arch all

soak: setup
	.venv/bin/python -m tests.soak --arch all --cells $(CELLS)

trials: setup
	.venv/bin/python -m tests.faults --arch $(ARCH) --trials $(TRIALS) --seed $(SEED)

bench: setup
	.venv/bin/python -m bench --arch $(ARCH)
