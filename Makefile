# Every target sets up what it needs: .venv is made once, and again only when the dependencies change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: train test check bench pictures campaign audit lint types clean help

help:
	@echo "make train   train the textbook's network, test it, draw a test image with its prediction"
	@echo "make test    run the tests"
	@echo "make check   lint, types, tests: what decides whether a change lands"
	@echo "make bench   measure speed against the references (short form)"
	@echo "make campaign  kill, fault, damage and attack all there is, in full (over an hour)"
	@echo "make audit   list what Penstroke is made of, and ask whether holes are known in it"
	@echo "make pictures RUN=...  measure a trained model on pictures of every kind (an hour)"
	@echo "make clean   remove the environment and caches (runs are kept)"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: $(READY)
	$(BIN)/penstroke train
	$(BIN)/penstroke show

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy  # strict: see pyproject.toml

check: lint types test

bench: $(READY)
	$(BIN)/python -m benchmarks.speed --short

campaign: $(READY)
	PYTHONPATH=.:tests $(BIN)/python -m campaigns.run
	PYTHONPATH=tests $(BIN)/python -m campaigns.fetch_race
	PYTHONPATH=tests $(BIN)/python -m campaigns.idx_fuzz
	PYTHONPATH=tests $(BIN)/python -m campaigns.model_files
	PYTHONPATH=tests $(BIN)/python -m campaigns.picture_fuzz

audit: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[audit]'
	PYTHONPATH=tests $(BIN)/python -m campaigns.supply_chain

pictures: $(READY)
	$(BIN)/python -m benchmarks.pictures '$(or $(RUN),$(error name the run: make pictures RUN=runs/...))'
	$(BIN)/python -m benchmarks.tables

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
