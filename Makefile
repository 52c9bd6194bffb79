# `make demo` and `make test` set everything up by themselves: they need python3 (3.11 or newer) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint clean

help:
	@echo "make demo      install into $(VENV), then train on the shipped scene and cut three objects out of it"
	@echo "make test      install into $(VENV), then check style, types and run the tests"
	@echo "make lint      check style and types only"
	@echo "make install   install into $(VENV) only"
	@echo "make clean     remove what these made (not runs/)"

install: $(STAMP)

# The stamp is as old as the last install, so nothing is installed again until what is needed changes.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than 3.11: say which to use, as in 'make PYTHON=python3.12 $(MAKECMDGOALS)'"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/sanerf demo

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) .venv-wheel build dist .hypothesis .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
