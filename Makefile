# Zhiyin's own commands. Each does all the set-up it needs: `.venv`, filled from the hash-pinned locks.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow check bench chaos audit lock clean
SHELL := /bin/sh

PORT ?= 8080
KILLS ?= 20
JOBS ?= 4
ARGS ?=
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-stamp
DEV_STAMP := $(VENV)/.dev-stamp
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes
# Ends with make, even when that is killed: tests then leave no process behind (tests/parts/bound.py).
WITH_MAKE := $(BIN)/python -m zhiyin.processes.parent_death $$PPID 9
PYTEST := $(WITH_MAKE) $(BIN)/python -m pytest
SCENARIOS := ZHIYIN_TEST_SCENARIOS=1; export ZHIYIN_TEST_SCENARIOS
IN_SEVERAL = --numprocesses $(JOBS) --dist loadscope --no-loadscope-reorder
UP = $(BIN)/python -m zhiyin up --demo --port $(PORT) $(ARGS)
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"
PEERS := $(patsubst %/requirements.in,%,$(wildcard bench/peers/*/requirements.in))

help: ## list these commands
	@echo "make <command> [VARIABLE=value]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Variables"
	@echo "  PORT=8080   HTTP port of 'make run'; 0 takes any free ones"
	@echo "  KILLS=20    how many times 'make chaos' kills"
	@echo "  JOBS=4      how many processes tests run in; most of them wait most of the time"
	@echo "  ARGS=       more words for the command behind run, test, test-slow, bench and chaos, e.g. make test ARGS='-k journey'"
	@echo "  PYTHON=     the Python to make .venv with (else python3.12, python3.11 or python3 on PATH)"
	@echo "  REDIS_URL=  a Redis to use instead of one of our own"

setup: $(DEV_STAMP) ## make .venv with all that running, testing and checking need

# On a terminal the command gets a process group of its own, so that Ctrl-C ends it (with 0) and not make (with 130).
run: $(RUN_STAMP) ## everything on this machine, with simulated customers; Ctrl-C stops it
	@if [ -t 0 ]; then set -m; else exec $(UP); fi; $(UP)

test: $(DEV_STAMP) ## every behaviour once, in minutes; what this machine lacks is one line each at the end
	@exec $(PYTEST) $(IN_SEVERAL) -m "not slow" $(ARGS)

# Scenarios are whole set-ups side by side already: they run after the others, in one process.
test-slow: $(DEV_STAMP) ## what is slow by nature (clusters, brokers that die, figures, SDKs), then 20 kills; with ARGS only what they name
	@$(SCENARIOS); exec $(PYTEST) $(IN_SEVERAL) -m slow $(if $(ARGS),$(ARGS),--ignore tests/chaos)
	@$(if $(ARGS),:,$(SCENARIOS); exec $(PYTEST) -m slow tests/chaos)
	@$(if $(ARGS),:,exec $(WITH_MAKE) $(BIN)/python -m tests.chaos --kills $(KILLS))

check: $(DEV_STAMP) ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(DEV_STAMP) ## the figures, as a report with this machine's line
	@$(BIN)/python -m bench $(ARGS)

chaos: $(DEV_STAMP) ## kill every part again and again, and count what was not told exactly once
	@$(BIN)/python -m tests.chaos --kills $(KILLS) $(ARGS)

audit: $(DEV_STAMP) ## the locked packages against the public advisories (where the package index answers that)
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off --requirement requirements/run.txt

lock: ## write requirements/*.txt anew from pyproject.toml, and those of bench/peers (needs uv)
	@$(UV) --version >/dev/null 2>&1 || { echo "make lock: no '$(UV)' to run; install uv, or name it: make lock UV=/path/to/uv" >&2; exit 1; }
	@$(LOCK) pyproject.toml --output-file requirements/run.txt
	@$(LOCK) pyproject.toml --group dev --group bench --group evaluation --constraint requirements/run.txt --output-file requirements/dev.txt
	@for folder in $(PEERS); do $(LOCK) $$folder/requirements.in --output-file $$folder/requirements.txt || exit 1; done

clean: ## remove .venv, var/ and what tools left behind
	rm -rf $(VENV) var .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN_STAMP): requirements/run.txt
	@sh requirements/make_venv.sh $(VENV)
	@echo "setup: installing requirements/run.txt into $(VENV) (about a minute on a first run)"
	@$(PIP) -r requirements/run.txt
	@touch $@

$(DEV_STAMP): requirements/dev.txt
	@sh requirements/make_venv.sh $(VENV)
	@echo "setup: installing requirements/dev.txt into $(VENV) (about two minutes on a first run)"
	@$(PIP) -r requirements/dev.txt
	@touch $@ $(RUN_STAMP)
