# Two commands matter: `make demo` sets up and runs the main job, `make test` sets up and passes the tests.
PYTHON ?= python3
BIN := .venv/bin
HOME_DEMO := .yunhe/demo
COUNT ?= 20000
SEED ?= 12345
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test extras check format bench lock help clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

demo: .venv/run.stamp ## Set up, then run the main job: from raw text to an accountable answer
	@$(BIN)/python examples/hotline/generate.py --count $(COUNT) --seed $(SEED) -o $(HOME_DEMO)/input
	@$(BIN)/yunhe --home $(HOME_DEMO) run examples/hotline/plan.yaml --input $(HOME_DEMO)/input/tickets.jsonl

test: check ## Set up, check and run all tests, those that touch storage on PostgreSQL too
	@sh tools/test-packages.sh
	@$(BIN)/pytest -n 2 --dist loadgroup
	@$(BIN)/pytest -n 2 --dist loadgroup --on postgresql

extras: .venv/extras.stamp ## Add what PostgreSQL, S3 and traces need

check: .venv/dev.stamp ## Formatting, lint, types and the floors' import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: .venv/dev.stamp ## Format and mend what can be mended by itself
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: .venv/dev.stamp ## List the benchmarks; `make bench RUN=ledger/transfers` runs one
	@$(BIN)/python tools/bench.py $(RUN)

lock: ## Renew requirements/*.txt (needs uv on the path)
	@sh tools/lock.sh

clean: ## Remove the environment and every cache; homes with data stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

.venv/bin/python:
	@$(PYTHON) tools/preflight.py
	@$(PYTHON) -m venv .venv

# The lock pins every package and its hashes; the project itself is linked in, so a change needs no new set-up.
.venv/run.stamp: requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "Setting up the private environment in .venv (once) …"
	@$(BIN)/pip install -q --require-hashes -r requirements/run.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation --no-index -e .
	@echo "Compiling the kernels of cleansing (half a minute, once) …"
	@$(BIN)/yunhe kernels
	@touch $@

.venv/extras.stamp: requirements/extras.txt .venv/run.stamp
	@$(BIN)/pip install -q --require-hashes -r requirements/extras.txt
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/run.stamp
	@$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	@touch $@
