# The hub's commands. Everything is installed into .venv; only Python 3.11 or newer, pip and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
ARGS ?=

# Bytecode is kept in any case: without it, each start would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

# What to run if tests fail; only CI sets it.
ON_FAILURE ?=

.PHONY: demo test test-fast check lint types imports schema docs bench clean

# README's first command: starts engines and hub, loads real data and plays a journey, then keeps running until Ctrl-C.
# ARGS=--exit ends it after the journey.
demo: $(VENV)/installed
	@$(BIN)/uriba demo $(ARGS)

# README's second command.
test: $(VENV)/installed
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS) $(ON_FAILURE)

# The tests that need no engine and start no process, with a tenth of the random cases.
test-fast: $(VENV)/installed
	URIBA_TEST_FAST=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not engines" $(ARGS)

# CI runs this.
check: test lint types imports schema docs

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

imports: $(VENV)/installed
	$(BIN)/lint-imports

# Checks that the exported files are up to date; `uriba schema` writes them.
schema: $(VENV)/installed
	$(BIN)/uriba schema --folder $(VENV)/schema
	diff -u schema/schema.graphql $(VENV)/schema/schema.graphql
	diff -u schema/webhooks.json $(VENV)/schema/webhooks.json
	diff -u schema/asyncapi.json $(VENV)/schema/asyncapi.json
	diff -u docs/events-reference.md $(VENV)/docs/events-reference.md

# Builds the docs into build/docs. A link or an anchor that does not exist is an error, in all Markdown pages.
docs: $(VENV)/installed
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going --conf-dir docs/_site --doctree-dir build/doctrees . build/docs

# Measures what docs/performance.md shows.
bench: $(VENV)/installed
	$(BIN)/python -m benchmarks $(ARGS)

# uv installs in parallel, several times faster than pip. It reads no settings of pip, so a mirror that pip uses is passed on;
# where uv cannot install, pip does.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; give one with PYTHON=") if sys.version_info < (3, 11) else 0'
	@echo "Installing into $(VENV) (once, less than a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@mirror=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}}; \
	$(PIP_INSTALL) uv && $(BIN)/uv pip install --quiet --system-certs $${mirror:+--default-index "$$mirror"} \
		--python $(BIN)/python --constraint constraints.txt --editable '.[dev]' \
	|| $(PIP_INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .uriba build
