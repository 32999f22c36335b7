# Every command of the project. `make` alone lists them.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test bench bench-kernels test-gpu bench-gpu check format lock tools clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements.lock packaging/fbgemm-gpu/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Solaris needs $(PYTHON) on the PATH (or PYTHON=/path/to/python3.11 make ...)" >&2; exit 2; }
	@echo "building $(VENV): about 3 GB to download and 5 GB on disk, most of it PyTorch; two minutes or more, without output"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation ./packaging/fbgemm-gpu
	rm -rf packaging/fbgemm-gpu/build packaging/fbgemm-gpu/*.egg-info
	touch $(STAMP)

install: $(STAMP) ## build .venv with the pinned, hashed dependencies

lock: $(STAMP) ## pin every dependency anew, with hashes: requirements.lock, and its part that the image needs
	$(BIN)/uv pip compile --quiet pyproject.toml --extra local --extra dev --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --constraint requirements.lock --generate-hashes --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements-runtime.lock

demo: $(STAMP) ## the whole stack on this machine, with traffic; ONCE=1 ends by itself
	$(BIN)/python -m local demo $(if $(ONCE),--once)

TOOLS := var/tools
COMPOSE_VERSION := v2.40.3

tools: $(TOOLS)/docker-compose ## what the checks need beyond Python: promtool, Chromium, redis-server (apt), docker compose (Go)
	@missing=; for t in promtool chromium redis-server; do command -v $$t >/dev/null || missing=1; done; \
	if [ -n "$$missing" ]; then \
		$(if $(filter 0,$(shell id -u)),,sudo) apt-get update -qq && \
		$(if $(filter 0,$(shell id -u)),,sudo) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			prometheus chromium fonts-dejavu-core redis-server >/dev/null; fi

$(TOOLS)/docker-compose:
	@command -v go >/dev/null || { echo "docker compose is built with Go here; install Go, or put docker-compose into $(TOOLS)" >&2; exit 2; }
	mkdir -p $(TOOLS)/compose-build
	cd $(TOOLS)/compose-build && rm -f go.mod go.sum && go mod init compose-build >/dev/null 2>&1 && \
		go get github.com/docker/compose/v2/cmd@$(COMPOSE_VERSION) >/dev/null 2>&1 && \
		go build -o ../docker-compose github.com/docker/compose/v2/cmd

check: $(STAMP) ## lint, types, layers, container and rule files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/python -m tests.tools compose
	$(BIN)/python -m tests.tools rules

test: $(STAMP) ## every test, against a real Kafka and a real Valkey
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/integration/test_readme.py
	$(BIN)/python -m pytest tests/integration/test_readme.py

bench: $(STAMP) ## the figures of docs/figures.md, measured on this machine (half an hour)
	$(BIN)/python -m benchmarks ranker-overhead --repeats 5
	$(BIN)/python -m benchmarks freshness
	$(BIN)/python -m benchmarks agent-throughput
	$(BIN)/python -m benchmarks kills

KERNEL_FIGURES := benchmarks/kernels/results

bench-kernels: $(STAMP) ## every op beside its baselines on this machine's CPU, and docs/kernels/figures.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.kernels cpu --out $(KERNEL_FIGURES)  # one thread: two on a shared machine wait for each other
	$(BIN)/python -m benchmarks.kernels report

# On a machine with a GPU and no more than torch, Triton, numpy and pytest: GPU_PYTHON=python3 make test-gpu
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,python3)

test-gpu: ## the tests of kernels and forward pass on a real GPU; says so where there is none
	@$(GPU_PYTHON) -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || { echo "test-gpu needs a CUDA GPU, and the PyTorch of $(GPU_PYTHON) sees none here (or it has no PyTorch)" >&2; exit 2; }
	$(GPU_PYTHON) -m pytest -c tests/gpu/pytest.ini --rootdir=.

bench-gpu: ## the kernels' figures on a real GPU, in under ten minutes; says so where there is none
	PYTHON=$(GPU_PYTHON) benchmarks/kernels/gpu.sh $(KERNEL_FIGURES)

format: $(STAMP) ## format the code and sort its imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove local data; a running demo keeps its own until it ends
	rm -rf var
