# make run    sets up everything, then runs the scenarios on ppc64-hash
# make test   sets up everything, then runs the project's tests, real guests included
# make soak   runs the scenarios again and again until CELLS came to an end or one met trouble
# make bench  measures what docs/performance.md shows, ratios of one run
# make trials harms TRIALS runs at random and looks at what came of it
ARCH ?= ppc64-hash
CELLS ?= 300
TRIALS ?= 200
SEED ?= 1

.PHONY: setup run test soak trials bench

setup:
	@./setup.sh

run: setup
	.venv/bin/pytest scenarios/ --arch $(ARCH)

test: setup
	.venv/bin/pytest tests/ scenarios/ --arch all -n 2

soak: setup
	.venv/bin/python -m tests.soak --arch all --cells $(CELLS)

trials: setup
	.venv/bin/python -m tests.faults --arch $(ARCH) --trials $(TRIALS) --seed $(SEED)

# What is measured starts from compiled modules, as it does for whoever has not forbidden them.
bench: export PYTHONDONTWRITEBYTECODE =
bench: setup
	.venv/bin/python -m bench.collection --arch $(ARCH)
	.venv/bin/python -m bench.model
	.venv/bin/python -m bench.boots --arch all
	.venv/bin/python -m bench.one_scenario --arch $(ARCH)
	.venv/bin/python -m bench.reuse --arch $(ARCH)
	.venv/bin/python -m bench.core
	.venv/bin/python -m bench.memory
	.venv/bin/python -m bench.memmap_nodes --arch $(ARCH)
	.venv/bin/python -m bench.report_page
	.venv/bin/python -m bench.incremental_build --arch $(ARCH)
