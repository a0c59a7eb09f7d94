# Every target sets up what it needs: .venv is created once, and again when the dependencies change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: train test check package ready bench pictures campaign audit lint types clean help

help:
	@echo "make train     train the textbook's network, test it, draw a test image with its prediction"
	@echo "make test      run the tests"
	@echo "make check     run lint, type checks, tests and an installation, which every change must pass"
	@echo "make package   build the wheel, install it without and with the extra train, and use it there"
	@echo "make ready     train the bundled networks on MNIST, and measure them (an hour)"
	@echo "make bench     measure speed against the references (short form)"
	@echo "make campaign  run the full campaigns: kills, faults, damaged and hostile files (over an hour)"
	@echo "make audit     list the dependencies and look up their known vulnerabilities"
	@echo "make pictures RUN=...  measure a trained model on pictures of every kind (an hour)"
	@echo "make clean     remove the environment and caches (runs are kept)"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: $(READY)
	$(BIN)/penstroke train
	$(BIN)/penstroke show

# One process for each core, with one thread each.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache

types: $(READY)
	$(BIN)/mypy  # strict: see pyproject.toml

check: lint types test
	$(BIN)/python -m benchmarks.installation --plain

package: $(READY)
	$(BIN)/python -m benchmarks.installation

# With one thread, the result does not depend on the number of cores.
ready: $(READY)
	rm -rf build/ready
	$(BIN)/python -m benchmarks.ready_strips
	$(BIN)/penstroke train robust --data mnist --seed 0 --threads 1 --out build/ready
	$(BIN)/python -m benchmarks.ready build/ready
	$(BIN)/python -m benchmarks.tables

bench: $(READY)
	$(BIN)/python -m benchmarks.speed --short

campaign: $(READY)
	$(BIN)/python -m pytest -m campaign

audit: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[supply-chain]'
	PYTHONPATH=tests $(BIN)/python -m campaigns.supply_chain

pictures: $(READY)
	$(BIN)/python -m benchmarks.pictures '$(or $(RUN),$(error name the run: make pictures RUN=runs/...))'
	$(BIN)/python -m benchmarks.tables

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
