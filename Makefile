# Everything runs in $(VENV), which is created and filled on first use. A stamp inside it remembers
# each set of extras that was installed, so that a second call installs nothing.

VENV ?= .venv
PYTEST_FLAGS ?= -n auto

UV := $(shell command -v uv 2>/dev/null)
PYTHON := $(VENV)/bin/python

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help verify test lint format types contracts notebooks wheel clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' Makefile

verify: $(VENV)/.installed  ## re-derive every claim
	$(VENV)/bin/lop verify

test: $(VENV)/.installed-test  ## run the suite and every doctest, but no notebook
	$(PYTHON) -m pytest -m "not notebook" $(PYTEST_FLAGS)

lint: $(VENV)/.installed-dev  ## formatting and lint
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

format: $(VENV)/.installed-dev  ## format, and mend what lint can mend
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

types: $(VENV)/.installed-dev  ## mypy, strict for the three packages
	$(VENV)/bin/mypy

contracts: $(VENV)/.installed-dev  ## which package may import which
	$(VENV)/bin/lint-imports

notebooks: $(VENV)/.installed-test $(VENV)/.installed-notebooks  ## execute every notebook; the stored files stay as they are
	$(PYTHON) -m pytest -m notebook $(PYTEST_FLAGS) tests/test_notebooks.py

wheel: $(VENV)/.installed-dev  ## build the wheel into dist/
	rm -rf dist
	$(PYTHON) -m build --wheel --outdir dist .

clean:  ## remove the environment, caches and builds
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

ifdef UV
INSTALL = $(UV) pip install --quiet --python $(PYTHON)
else
INSTALL = $(PYTHON) -m pip install --quiet --disable-pip-version-check
endif

# The commands of the project are found by an entry point: a stamp older than pyproject.toml is stale.
$(VENV)/.installed: $(PYTHON) pyproject.toml
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-%: $(PYTHON) pyproject.toml
	$(INSTALL) --editable ".[$*]"
	@touch $@

# An interpreter that is missing, or whose base was removed, is made anew.
$(PYTHON):
	@rm -rf $(VENV)
ifdef UV
	$(UV) venv --quiet --python ">=3.11" $(VENV)
else
	@for python in python3 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "$$python -m venv $(VENV)"; \
	        $$python -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; \
	        exit 0; \
	    fi; \
	done; \
	echo "no Python >= 3.11 found: looked for python3, python3.13, python3.12, python3.11" >&2; exit 1
endif
