# Everything sets itself up: needs Python 3.11+ with pip, g++, make and perl.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= auto

.PHONY: demo test test-slow lint bench notebooks clean

demo: $(VENV)/demo.stamp ## the whole path: zoo model to proved RTL and an iCE40 bitstream
	$(BIN)/xnorflow demo

test: $(VENV)/all.stamp lint ## everything but the slow tests
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

test-slow: $(VENV)/all.stamp ## the slow tests
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

lint: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

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
	$(PIP) install --quiet --constraint constraints.txt --editable '.[train,fpga,sim,explore,dev]'
	touch $@ $(VENV)/demo.stamp

clean:
	rm -rf $(VENV) build dist out runs
