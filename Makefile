# Two commands on a fresh machine (Python 3.11+ with pip and venv, make): `make demo`, `make test`.
# `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
BUILD := build
RAY := $(BUILD)/ray
# tests wait for disks and servers: one more at a time than there are cores
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
# where containers set this, every `nba` that is started would compile half of itself anew
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv ray demo demo-full test test-all packages lint types unit docs bench faults fresh lock protos schemas format clean

help: ## show what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Stale means: the lock or a pyproject.toml is newer than the stamp that was written last.
$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "nba-engine needs Python 3.11 or newer; $$($(PYTHON) --version) is too old. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing the locked dependencies into $(VENV) (once; a minute or two) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml $(wildcard plugins/*/pyproject.toml)
	@echo "Installing nba-engine and its plugins ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  -e . $(foreach plugin,$(PLUGINS),-e $(plugin))
	@touch $@

venv: $(VENV)/.installed ## build .venv when it is missing or stale

# Ray is large and needed by one plugin alone: an environment of its own, over that of everything else.
$(RAY)/.installed: plugins/nba-ray/requirements.lock $(VENV)/.locked
	@echo "Installing Ray into $(RAY) (once; 80 MB) ..."
	@$(BIN)/python -m venv --clear $(RAY)
	@$(RAY)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r plugins/nba-ray/requirements.lock
	@$(BIN)/python scripts/ray_environment.py $(RAY)
	@touch $@

ray: venv $(RAY)/.installed ## nba-ray with Ray: one machine, two nodes, killed workers
	@$(RAY)/bin/python -m pytest -q -p no:cacheprovider plugins/nba-ray
	@touch $(RAY)/.tested

demo: venv ## a real year of shopping, from the raw data to explained decisions (four to six minutes)
	@$(BIN)/nba demo --out $(BUILD)/demo

demo-full: venv ## the demo, its replay without the plan, and everything that learns on it, with reports
	@$(BIN)/nba demo --out $(BUILD)/demo --full

test: venv lint types unit ## everything that must hold: lint, types, contracts, tests (COVERAGE=1: and coverage, as CI does)

test-all: ## the tests on every supported Python of this machine (ONLY="3.12 3.13", ARGUMENTS="tests/rules -x")
	@$(PYTHON) scripts/test_all.py --only "$(ONLY)" -- $(ARGUMENTS)

packages: venv ## the example plugin and every kind of generated plugin, installed and checked in fresh environments
	@$(BIN)/python -m pytest -q tests/packages plugins/nba-example

lint: venv ## ruff, import contracts, buf, drift of generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --config pyproject.toml
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/generate_protos.py --check
	@$(BIN)/nba schema --built-in --out $(BUILD)/schemas >/dev/null
	@git --no-pager diff --no-index --exit-code schemas $(BUILD)/schemas || { echo "schemas/ is stale: make schemas" >&2; exit 1; }

types: venv ## mypy --strict
	@$(BIN)/mypy
	@for file in plugins/*/tests/conftest.py; do $(BIN)/mypy "$$file" || exit 1; done

unit: venv ## pytest on all cores (WORKERS=n; COVERAGE=1: with branch coverage of nba_engine, at least 90 %)
ifdef COVERAGE
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest -q -n $(WORKERS) --dist loadgroup
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=90 --skip-covered
else
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup
endif

docs: venv ## the documentation as a site in build/site; a broken link or anchor fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict && echo "$(BUILD)/site/index.html"

bench: venv ## figures: rules, decisions against a bare gRPC echo, store, models (benchmarks/README.md)
	@$(BIN)/python benchmarks/run.py

faults: venv ## kill -9 of server processes, 20,000 reservations (LONG=1: a million, and 200 kills; SEED=n; STORE=postgres)
	@$(BIN)/python faults/run.py $(if $(LONG),--long) $(if $(SEED),--seed $(SEED)) $(if $(STORE),--store $(STORE))

fresh: ## clone into an empty folder and run both commands with only Python, make, git and coreutils
	@sh scripts/fresh.sh

lock: ## write requirements.lock anew (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url \
	  --all-extras --group build --group plugins --group docs --group dev pyproject.toml -o requirements.lock
	sed -n 's/^ray = \["\(.*\)"\]$$/\1/p' plugins/nba-ray/pyproject.toml | uv pip compile --universal --generate-hashes \
	  --python-version 3.11 --no-header --no-annotate --no-emit-index-url -c requirements.lock - -o plugins/nba-ray/requirements.lock

protos: venv ## generate nba_engine/_gen from proto/
	@$(BIN)/python scripts/generate_protos.py

schemas: venv ## write schemas/: the JSON Schemas of nba.toml and the catalog
	@$(BIN)/nba schema --built-in --out schemas

format: venv ## ruff format and its safe fixes
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

clean: ## remove the environment and everything built
	rm -rf $(VENV) $(BUILD) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
