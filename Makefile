# From a bare clone, with Python 3.11 or newer and make: `make demo`, then `make test`.
# Everything Python goes into .venv, at the versions and hashes of requirements/lock.txt.

PYTHON ?= python3
DEMO_OUT ?= out/demo
CHROMIUM ?= /usr/bin/chromium
UV_VERSION ?= 0.13.9
# `make lock UPGRADE=--upgrade` moves every pin; without it only what pyproject.toml asks for moves.
UPGRADE ?=

BIN := .venv/bin
QUICK := not slow and not chromium and not libreoffice
PIP_INSTALL := -m pip -qq --disable-pip-version-check --no-input install
COMPILE := pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(UPGRADE)

# pytest-xdist gives each core a process; a thread pool inside each would only fight for the same cores.
export OPENBLAS_NUM_THREADS ?= 1
export CHROMIUM

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-apps slow lint docs notebooks picture bench lock test-floors test-pandas3 clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: .venv/.installed ## Run the main job on real data and say where the report is (under two minutes)
	@$(BIN)/impactkit demo --out $(DEMO_OUT) --overwrite
	@echo "The report: $(CURDIR)/$(DEMO_OUT)/report.html (open it in any browser; it needs no network)"

test: .venv/.installed ## Run every test that needs only Python, with coverage
	@$(BIN)/python -m pytest -m "$(QUICK)" -n auto --cov=impactkit --cov-report=term --cov-fail-under=90

test-apps: .venv/.installed ## Run the tests that drive Chromium or LibreOffice (installed beforehand)
	@test -x "$(CHROMIUM)" || { \
	  echo "make test-apps drives a browser and found none at $(CHROMIUM)." >&2; \
	  echo "Install Chromium (Debian: apt-get install chromium), or name yours: make test-apps CHROMIUM=/path/to/chromium" >&2; \
	  exit 1; }
	@$(BIN)/python -m pytest -m "chromium or libreoffice"

slow: .venv/.installed ## Run the simulations of size and coverage, and show their tables
	@$(BIN)/python -m pytest -m slow -n auto -rP

lint: .venv/.installed ## Style, types and the direction of imports
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy --strict src
	@$(BIN)/lint-imports

docs: .venv/.installed ## Build the documentation; any warning is an error
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation: $(CURDIR)/docs/_build/html/index.html"

notebooks: .venv/.installed ## Build the notebooks of examples/ from their scripts, and run them
	@$(BIN)/python examples/notebooks.py

picture: .venv/.installed ## Draw the README's picture again
	@$(BIN)/python docs/picture.py

bench: .venv-bench/.installed ## Time impactkit beside other packages, in one run
	@.venv-bench/bin/python benchmarks/run.py

test-floors: .venv-floors/.installed ## Quick tests on the oldest versions we promise to work with (Python 3.11 or 3.12)
	@# Old releases warn about the newer ones around them, so here a warning is shown and is not an error.
	@.venv-floors/bin/python -m pytest -m "$(QUICK)" -n auto -W default

test-pandas3: .venv-pandas3/.installed ## Quick tests on pandas 3
	@.venv-pandas3/bin/python -m pytest -m "$(QUICK)" -n auto

lock: ## Make requirements/*.txt anew from pyproject.toml (UPGRADE=--upgrade for the newest versions)
	@$(check_python)
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	echo "Fetching uv $(UV_VERSION) into a throwaway environment ..."; \
	$(PYTHON) -m venv "$$tools"; \
	"$$tools/bin/python" $(PIP_INSTALL) uv==$(UV_VERSION); \
	uv="$$tools/bin/uv"; \
	echo "requirements/lock.txt ..."; \
	"$$uv" $(COMPILE) --extra tables --extra excel --extra plots --extra data --extra examples --group dev \
	  -o requirements/lock.txt; \
	echo "requirements/bench.txt ..."; \
	"$$uv" $(COMPILE) --group build --group bench -c requirements/lock.txt -o requirements/bench.txt; \
	echo "requirements/floors.txt ..."; \
	"$$uv" $(COMPILE) --resolution lowest-direct --extra data --group build --group test -o requirements/floors.txt; \
	echo "requirements/pandas3.txt ..."; \
	echo 'pandas>=3' | "$$uv" $(COMPILE) - --extra data --group build --group test -o requirements/pandas3.txt

clean: ## Remove what was built or cached (the .venv folders stay)
	@rm -rf build dist out htmlcov docs/_build .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests docs benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# ---- environments ----------------------------------------------------------------------------------------------------
# NAME/.locked is newer than the lock once its versions are in; NAME/.installed is newer than pyproject.toml once the
# package itself is in, editable. A folder whose Python no longer starts, or is too old, is made again.

define check_python
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  found=$$($(PYTHON) --version 2>&1 || true); \
  echo "impactkit needs Python 3.11 or newer; '$(PYTHON)' gives: $$found" >&2; \
  echo "Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
endef

# $(1) folder, $(2) requirements file, $(3) how long it takes
define install_locked
@set -e; \
if ! $(1)/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
  $(check_python); \
  echo "Making $(1) with $$($(PYTHON) --version) ..."; \
  rm -rf $(1); \
  $(PYTHON) -m venv $(1) || { rm -rf $(1); \
    echo "'$(PYTHON) -m venv' failed: on Debian and Ubuntu, install the package python3-venv" >&2; exit 1; }; \
  echo '*' > $(1)/.gitignore; \
fi; \
echo "Installing pinned versions into $(1) ($(3)) ..."; \
$(1)/bin/python $(PIP_INSTALL) --require-hashes -r $(2); \
touch $(1)/.locked
endef

define install_package
@set -e; \
echo "Installing impactkit itself into $(1) ..."; \
$(1)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .; \
touch $(1)/.installed
endef

.venv/.locked: requirements/lock.txt
	$(call install_locked,.venv,$<,about a minute)

.venv-bench/.locked: requirements/bench.txt
	$(call install_locked,.venv-bench,$<,about a minute)

.venv-floors/.locked: requirements/floors.txt
	$(call install_locked,.venv-floors,$<,about half a minute)

.venv-pandas3/.locked: requirements/pandas3.txt
	$(call install_locked,.venv-pandas3,$<,about half a minute)

.venv/.installed: .venv/.locked pyproject.toml
	$(call install_package,.venv)

.venv-bench/.installed: .venv-bench/.locked pyproject.toml
	$(call install_package,.venv-bench)

.venv-floors/.installed: .venv-floors/.locked pyproject.toml
	$(call install_package,.venv-floors)

.venv-pandas3/.installed: .venv-pandas3/.locked pyproject.toml
	$(call install_package,.venv-pandas3)
