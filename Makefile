# Everything here sets itself up: python3 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOT := $(shell find sigtrace -name '*.pxd')
# If ccache is there, what is compiled for one wheel is not compiled again for the next, nor in another folder.
export PATH := /usr/lib/ccache:$(PATH)
export CCACHE_NOHASHDIR := 1

.PHONY: live demo test zoo kernels service torture soak week fuzz difference lies bench picture site lint clean

live:
	@sh tools/live.sh

demo: $(VENV)/ready live
	@$(BIN)/sigtrace demo

test: $(VENV)/ready live
	@sh tools/install.sh tests
	$(BIN)/python -m pytest --numprocesses auto --no-loadscope-reorder

zoo: $(VENV)/ready live
	@rm -rf build/zoo
	@cd tests/live && ../../$(BIN)/python -m zoo --keep ../../build/zoo

kernels: $(VENV)/ready live
	@sh tools/install.sh kernels foreign
	@$(BIN)/python -m tests.kernels $(KERNELS)

service: $(VENV)/ready live
	@sh tools/install.sh kernels
	$(BIN)/python -m tests.service

torture: $(VENV)/ready live
	@cd tests/live && ../../$(BIN)/python -m torture $(or $(ROUNDS),300)

soak: $(VENV)/ready live
	@cd tests/live && ../../$(BIN)/python -m torture.soak $(or $(SECONDS),3600) $(or $(RATE),20000)

week: $(VENV)/ready
	@$(BIN)/python -m tests.week $(or $(EVENTS),72000000) $(or $(HOURS),168)

fuzz:
	@PYTHON=$(PYTHON) sh tools/fuzz.sh $(or $(RUNS),5000000)

difference: $(VENV)/ready
	$(BIN)/python tests/difference 100000 10000 $(wildcard build/zoo)

lies: $(VENV)/ready live
	SIGTRACE_LIES=$${SIGTRACE_LIES:-25} $(BIN)/python -m pytest tests/live/test_lies.py

bench: $(VENV)/ready live
	$(BIN)/python benchmarks/bench.py

picture: $(VENV)/ready
	sh tools/picture.sh $(BIN)/python

site: $(VENV)/ready
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/site/index.html: open it in a browser."

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest .venv-fuzz .fuzz build dist *.egg-info $(HOT:.pxd=.c) $(HOT:.pxd=.*.so)

$(VENV)/ready: requirements-dev.txt pyproject.toml setup.py $(HOT) $(HOT:.pxd=.py)
	@PYTHON=$(PYTHON) sh tools/setup.sh $(VENV)
	@touch $@
