# Everything here sets itself up: python3 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test bench lint clean

demo: $(VENV)/ready
	@$(BIN)/sigtrace parse tests/fixtures/evidence_events.txt -o demo.parquet
	@$(BIN)/sigtrace report demo.parquet
	@echo
	@$(BIN)/sigtrace who demo.parquet

test: $(VENV)/ready
	$(BIN)/python -m pytest

bench: $(VENV)/ready
	$(BIN)/python benchmarks/bench.py

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build *.egg-info sigtrace/*.so sigtrace/scan.c demo.parquet

$(VENV)/ready: requirements-dev.txt pyproject.toml setup.py sigtrace/scan.py sigtrace/scan.pxd
	@PYTHON=$(PYTHON) sh tools/setup.sh $(VENV)
	@touch $@
