PYTHON ?= python3.11
ARGS ?=
PROCESSES ?= 2
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: help install demo test check faults bench bench-large ml-bench schemas real-data lock
help:  ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed ($(PYTHON) was not found): install it, or name yours with make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: .venv/installed  ## Only .venv, with all that is needed; then .venv/bin/touchstone up

demo: .venv/installed  ## The whole main job on real data (ARGS=--exit stops by itself)
	$(BIN)/touchstone demo $(ARGS)

test: check  ## Everything: rules of the house, then the tests, on real PostgreSQL and Kafka
	$(BIN)/python -m pytest -n $(PROCESSES) --no-loadscope-reorder $(ARGS)

check: .venv/installed  ## The fast part of test: lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: .venv/installed  ## All fault tests in their long form, two hours (FAULT_SEED=N repeats a run)
	FAULTS=long FAULTS_REPORT=$(if $(ARGS),,docs/faults.md) $(BIN)/python -m pytest tests/faults tests/property $(ARGS)

.venv-bench/installed: bench/rivals/requirements.lock
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/rivals/requirements.lock
	@touch $@

bench: .venv/installed .venv-bench/installed  ## Measure everything beside its bare parts and the alternatives (ARGS=--quick tries it)
	$(BIN)/python -m bench $(ARGS)

bench-large: .venv/installed .venv-bench/installed  ## The same, with a journal of ten million events
	$(BIN)/python -m bench --large $(ARGS)

ml-bench: .venv/installed  ## Predictions and lists on real data, each figure beside its reference (DATA=DIR; ARGS=--write writes the page)
	$(BIN)/python -m bench.ml $(if $(DATA),--data $(DATA)) $(ARGS)

schemas: .venv/installed  ## Write the generated contract anew: JSON Schemas, AsyncAPI, catalogue page
	$(BIN)/touchstone schemas --write
	$(BIN)/touchstone catalogue --write

real-data: .venv/installed  ## Import what is known in a folder and check its counts (DATA=DIR)
	@test -n "$(DATA)" || { echo "Say where the files are: make real-data DATA=/path/to/folder"; exit 2; }
	$(BIN)/touchstone real-data $(DATA)

lock:  ## Pin every dependency anew, with hashes
	uv pip compile pyproject.toml --all-extras --generate-hashes --python-version 3.11 -o requirements.lock -q
