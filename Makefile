# Fallline: `make demo` shows it, `make test` proves it, `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
# torch and the workers share the cores: one thread each unless told otherwise.
export OMP_NUM_THREADS ?= 1

PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
# Public libraries that the tests hold our rules against. Only their optimizers are imported, so
# what else they ask for (torchvision) stays away.
WITNESSES := pytorch_optimizer timm schedulefree prodigyopt dog-optimizer

.DEFAULT_GOAL := help

.venv/installed: pyproject.toml constraints.txt
	@echo "Installing into .venv: some minutes the first time."
	@$(PYTHON) -m venv .venv
	@$(PIP) torch numpy
	@$(PIP) -e '.[dev]'
	@$(PIP) --no-deps $(WITNESSES)
	@touch $@

.PHONY: install
install: .venv/installed  ## Create .venv with everything in it

.PHONY: demo
demo: install  ## Tune on real data and show the answer (ONCE=1 exits when done)
	@$(BIN)/fallline demo $(if $(ONCE),--once)

.PHONY: serve
serve: install  ## Start the server
	@$(BIN)/fallline serve

# Tests of pages need a browser, one of the chaos a clock that can be shifted. Without them these
# tests are skipped, and say so.
.PHONY: debian
debian:  ## Install what tests use of Debian, where that is allowed: Chromium, libfaketime
	@for package in chromium libfaketime; do \
		dpkg -s $$package >/dev/null 2>&1 \
		|| { apt-get -qq update && apt-get -qq install -y $$package; } >/dev/null 2>&1 \
		|| echo "$$package cannot be installed here: the tests that use it will be skipped."; \
	done

.PHONY: test
test: install debian  ## Run all tests but the journeys, the chaos and the fuzzing
	$(BIN)/pytest -n 2 --dist loadgroup -m "not fuzzing" --ignore tests/end_to_end --ignore tests/chaos

.PHONY: journeys
journeys: install  ## Whole machines: the command, servers that are killed, the README's examples
	$(BIN)/pytest -n 2 --dist loadgroup tests/end_to_end

.PHONY: chaos
chaos: install debian  ## Kill servers and workers a thousand times (KILLS=40 for less)
	KILLS=$(or $(KILLS),1000) $(BIN)/pytest -s tests/chaos

.PHONY: fuzz
fuzz: install  ## Thousands of made-up requests to a live server (minutes)
	$(BIN)/pytest -m fuzzing

.PHONY: screenshots
screenshots: install debian  ## Take the pictures of the README again
	SCREENSHOTS=docs/screenshots $(BIN)/pytest tests/browser/test_newcomer.py

.PHONY: check
check: install  ## Formatter, linter, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: install  ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: install  ## Measure Fallline and its peers side by side (minutes)
	$(BIN)/python -m benchmarks

.PHONY: clean
clean:  ## Remove what was built and measured
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help
help:  ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
