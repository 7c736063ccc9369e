# `make help` lists the targets. Python 3.11 to 3.13 and make are all that a machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Tests that take more seeds in a deep run.
HISTORIES := $(addprefix tests/integration/test_,live.py twins.py core_chains.py)

.DEFAULT_GOAL := help

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

# uv installs the same pinned files as pip, in a fraction of the time; where it does not run, pip does it. Compiled as
# pip does: where nothing may write bytecode, every start would compile polars and the rest again.
$(INSTALLED): constraints.txt pyproject.toml | $(BIN)/python
	@printf '%s\n' 'Installing what constraints.txt pins (once)'
	@grep -A99 '^uv==' constraints.txt | awk 'NR > 1 && /^[a-z]/ {exit} {print}' > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --python $(BIN)/python -r constraints.txt \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: help install demo test test-deep check format bench bench-data texts lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

install: $(INSTALLED)  ## Make the virtual environment

demo: $(INSTALLED)  ## Set up a demonstration and serve its pages
	$(BIN)/cloister demo $(DEMO)

test: $(INSTALLED)  ## Run the tests, in two processes, each with a PostgreSQL of its own
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TESTS)

test-deep: $(INSTALLED)  ## Run the property tests with 10,000 examples, more histories, and the sealer under load for longer
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest tests/properties $(HISTORIES) tests/integration/test_sealer.py --timeout=7200

check: $(INSTALLED)  ## Lint, types, import directions, SQL style, security
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy samples/client
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml api infra orchestration policies
	$(BIN)/sqlfluff lint dbt_project/models

format: $(INSTALLED)  ## Bring the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## Measure; prints a table and writes build/bench.json
	$(BIN)/python -m bench $(BENCH)

bench-data: $(INSTALLED)  ## Make the scale set that the benchmarks run on
	$(BIN)/python -m bench.scale_data

texts: $(INSTALLED)  ## Collect the texts of the pages for translators
	$(BIN)/pybabel -q extract -F api/pages/locale/babel.cfg -k N_ -k say -k say_count:1,2 --no-location --sort-output \
		--omit-header --project=Cloister -o api/pages/locale/cloister.pot api/pages

lock: $(INSTALLED)  ## Pin all dependencies anew
	$(BIN)/uv pip compile pyproject.toml --group dev --python-version 3.11 --universal --generate-hashes \
		--no-header --no-emit-index-url --no-emit-find-links --no-annotate --no-strip-extras --quiet -o constraints.txt

clean:  ## Remove the virtual environment, build outputs and caches (not .cloister)
	@[ ! -d build/bench ] || [ ! -x $(BIN)/cloister ] || CLOISTER_HOME=$(CURDIR)/build/bench $(BIN)/cloister down
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
