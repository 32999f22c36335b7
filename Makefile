# Every command of the project. `make` alone lists them.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check format lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements.lock packaging/fbgemm-gpu/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Solaris needs $(PYTHON) on the PATH (or PYTHON=/path/to/python3.11 make ...)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation ./packaging/fbgemm-gpu
	rm -rf packaging/fbgemm-gpu/build packaging/fbgemm-gpu/*.egg-info
	touch $(STAMP)

install: $(STAMP) ## build .venv with the pinned, hashed dependencies

lock: $(STAMP) ## pin every dependency anew, with hashes, into requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --extra local --extra dev --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock
