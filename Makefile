# The commands of this repository; `make help` lists them. Nothing is written outside .venv and the data folder.
SHELL := /bin/sh
.DEFAULT_GOAL := help

export BROKER_PORT ?= 7071
export BROKER_DATA ?= .data
# Compiled modules go where everything installed goes, not between the sources.
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.venv/pycache
unexport PYTHONDONTWRITEBYTECODE
PYTEST_ARGS ?= -n auto --dist loadfile
BENCH_ARGS ?= --quick
ENVIRONMENT ?= dev

PY := .venv/bin/python
# The first of these that is Python 3.13; pyenv's shims exist even when their Python does not.
CANDIDATES := $(PYTHON) python3.13 python3 $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python3.13)
FIND_PYTHON = for candidate in $(CANDIDATES); do \
	if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Error: Python 3.13 was not found: install it (pyenv install 3.13, or your system's python3.13), or name it with PYTHON=/path/to/python3.13." >&2; exit 1; fi
INSTALL = @found=; $(FIND_PYTHON); "$$found" sandbox/install.py

.PHONY: help run test check bench cast token verify backup restore clean preflight install-sandbox install-dev

help: ## List the commands
	@echo "Usage: make COMMAND [NAME=VALUE...]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12
	@echo "BROKER_PORT ($(BROKER_PORT)) and BROKER_DATA ($(BROKER_DATA)) let several sandboxes run side by side."

run: install-sandbox ## Start the broker and everything it needs, place one order, serve until Ctrl-C
	@$(PY) -m sandbox run

test: install-dev ## Run all tests; a running sandbox does not disturb them (PYTEST_ARGS="-k orders")
	@$(PY) -m pytest $(PYTEST_ARGS)

check: install-dev ## Check format, lint, types, import directions and dead code
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/lint-imports --config emulators/pyproject.toml
	.venv/bin/vulture

bench: install-dev ## Run the benchmarks, one JSON line each (BENCH="orders sagas" for some, BENCH_ARGS= for full length)
	@for name in $(or $(BENCH),$(patsubst bench/%/__main__.py,%,$(wildcard bench/*/__main__.py))); do $(PY) -m bench.$$name $(BENCH_ARGS) || exit 1; done

cast: install-sandbox ## Record a run of the sandbox as docs/make-run.svg, the picture of the README
	@$(PY) -m sandbox.cast docs/make-run.svg

token: ## Print a bearer token of a demo user: make token USER=alice
	@test -x $(PY) || { echo "Error: nothing is installed yet: start the sandbox with make run." >&2; exit 1; }
	@$(PY) -m sandbox token "$(USER)"

verify: install-sandbox ## Check the invariants of a running or stopped sandbox
	@$(PY) -m sandbox verify

backup: install-sandbox ## Back up a running or stopped sandbox into one file (BACKUP=FILE)
	@$(PY) -m sandbox backup $(if $(BACKUP),"$(BACKUP)")

restore: install-sandbox ## Fill the data folder from a backup: BACKUP=FILE, FORCE=1 to replace what is there
	@$(PY) -m sandbox restore "$(BACKUP)" $(if $(filter 1,$(FORCE)),--force)

clean: install-sandbox ## Delete the data folder (FORCE=1 skips the confirmation)
	@$(PY) -m sandbox clean $(if $(filter 1,$(FORCE)),--yes)

preflight: install-dev ## Check the parameters of an environment in Azure before a deployment (ENVIRONMENT=prod SUBSCRIPTION=ID)
	@$(PY) -m infra.preflight "$(ENVIRONMENT)" $(if $(SUBSCRIPTION),--subscription "$(SUBSCRIPTION)")

install-sandbox:
	$(INSTALL) sandbox

install-dev:
	$(INSTALL) dev
