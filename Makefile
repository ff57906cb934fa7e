# Everything a contributor types. `make` alone lists it.
UV ?= $(shell command -v uv || echo .cache/uv/bin/uv)
RUN = $(UV) run --frozen --all-extras

.DEFAULT_GOAL := help
.PHONY: help run test check format lint types contracts bench clients demo docs

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.cache/uv/bin/uv:
	python3 -m venv .cache/uv
	.cache/uv/bin/pip install --quiet --disable-pip-version-check uv

ifneq ($(filter .cache/%,$(UV)),)
run test check format lint types contracts bench clients demo docs: .cache/uv/bin/uv
endif

run: ## start the gateway on http://127.0.0.1:8080/v1
	$(UV) run --frozen --no-dev headgate serve

test: ## run the tests
	$(RUN) --group model-server pytest $(ARGS)

check: format lint types contracts test ## all that CI checks

format:
	$(RUN) ruff format --check .

lint:
	$(RUN) ruff check .

types:
	$(RUN) mypy

contracts:
	$(RUN) lint-imports

bench: ## measure the cost per request beside nginx and a bare relay
	$(RUN) python -m tests.bench

clients: ## install the official clients that the end-to-end tests use
	UV=$(UV) tests/e2e/clients/install

demo: ## a local model server, a replayed cloud vendor, two teams, one cost report
	$(RUN) --group model-server python -m tests.demo

docs: ## write the generated pages and schemas again
	$(RUN) python -m tests.generated_docs
	$(RUN) headgate policy schema --write policies/schema
