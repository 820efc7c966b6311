# Everything here sets itself up: python3 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: live demo test zoo bench picture lint clean

live:
	@sh tools/live.sh

demo: $(VENV)/ready live
	@$(BIN)/sigtrace demo

test: $(VENV)/ready live
	@sh tools/install.sh tests
	$(BIN)/python -m pytest

zoo: $(VENV)/ready live
	@cd tests/live && ../../$(BIN)/python -m zoo

bench: $(VENV)/ready live
	$(BIN)/python benchmarks/bench.py

picture: $(VENV)/ready
	sh tools/picture.sh $(BIN)/python

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest build dist *.egg-info sigtrace/*/*.so sigtrace/*/*.c

$(VENV)/ready: requirements-dev.txt pyproject.toml setup.py sigtrace/trace/scan.py sigtrace/trace/scan.pxd
	@PYTHON=$(PYTHON) sh tools/setup.sh $(VENV)
	@touch $@
