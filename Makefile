# Every target sets up what it needs; `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-light check fix docs serve wheel bench starter clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## make .venv and install residerm with pinned versions

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "residerm needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[official]' \
		|| echo "isic-challenge-scoring could not be installed (has this machine a C compiler?): its tests will be skipped"
	@touch $@

demo: setup ## run the whole pipeline on synthetic lesions, and write a report to demo/
	rm -rf demo
	$(BIN)/residerm demo --out demo

serve: setup ## serve the starter model, or MODEL=…, at http://127.0.0.1:8000/, and open the page in a browser
	$(BIN)/residerm serve $(or $(MODEL),starter) --open

test: setup ## run the tests, except slow ones
	$(BIN)/pytest -n 2 -m 'not slow and not light'

test-slow: setup ## run the slow tests
	$(BIN)/pytest -m slow

test-light: setup ## install without torch in a new environment, and test an exported model there
	rm -rf build/light
	$(BIN)/python -m venv build/light
	build/light/bin/python -m pip install --quiet --constraint constraints.txt .
	RESIDERM_LIGHT=$(CURDIR)/build/light $(BIN)/pytest -m light

check: setup ## run ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup ## format, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## regenerate docs/python.md from the docstrings
	$(BIN)/python docs/make_python_page.py

wheel: setup ## build the wheel in dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist

bench: setup ## measure training speed on synthetic images, in under 10 minutes
	test -d bench-archive || $(BIN)/residerm data synth bench-archive
	$(BIN)/residerm bench bench-archive --minutes 8

starter: setup ## train the starter model; MEASURED="RUN …": evaluated runs for its card
	$(BIN)/python dev/starter.py ../shared/data/ham10000 --measured $(MEASURED)

clean: ## remove everything that these targets made
	rm -rf .venv demo bench-archive build dist
