# Everything sets itself up: needs Python 3.11+ with pip, g++, make and perl.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= auto
# One thread for each worker: with more, those of PyTorch wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations=25 --durations-min=1

# Verilator's run-time library, compiled once for all simulations: it costs several times as much as a small design.
export XNORFLOW_VERILATOR_RUNTIME ?= $(abspath $(VENV))/verilator-runtime

# Where it is set, pytest rewrites every assertion and Python compiles every module again in each process of each run.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo quick test test-slow lint format docs bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp ## the whole path: zoo model to proved RTL and an iCE40 bitstream
	$(BIN)/xnorflow demo

quick: $(VENV)/all.stamp lint ## about a minute: no simulator, no training, few random examples
	$(PYTEST) -m "not slow and not long and not sim and not train" --hypothesis-profile=quick tests sim_tests

test: $(VENV)/all.stamp lint ## five to ten minutes: everything but the slow tests
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/all.stamp ## eleven to twenty-five minutes: the slow tests, and many more random examples
	$(PYTEST) -m "slow or hypothesis" --hypothesis-profile=many

lint: $(VENV)/all.stamp ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/all.stamp ## let ruff put right what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/all.stamp ## the documentation as a site that works offline: build/site/index.html
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -c docs -d build/site.cache . build/site

bench: $(VENV)/all.stamp ## figures, as a table
	$(BIN)/python -m benchmarks

# Debian's Python has no ensurepip unless python3-venv is there: then the system's pip puts one into the environment.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) \
	  || { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(VENV)/bin/python install -q pip; } \
	  || { rm -rf $(VENV); false; }

# The demo needs no training packages; the tests need all. A change of the versions installs again.
$(VENV)/demo.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	test -e $(VENV)/all.stamp || $(PIP) install --quiet --constraint constraints.txt --editable '.[fpga,sim]'
	touch $@

$(VENV)/all.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable '.[train,fpga,sim,explore,docs,dev]'
	touch $@ $(VENV)/demo.stamp

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist out runs
