# `make demo` and `make test` each set up everything they need; a second call starts at once.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
PATIENT_PYTEST := $(PYTEST) -o faulthandler_timeout=3600
PIP := $(BIN)/python -m pip install --quiet --quiet
# The first that is Python 3.11 or newer and can make a virtual environment; PYTHON=... overrides.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	{ echo "$$python"; break; }; done)
# Test processes.
JOBS ?= 2
# Of test-mutants.
MUTANTS ?= 100000
SEED ?= 0

TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
# Where PyTorch publishes its builds without CUDA, asked only if the registry in use has none.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Packages from elsewhere must not stand in for those of this checkout.
unexport PYTHONPATH PYTHONHOME

.PHONY: test-crashes help setup lint format test test-slow test-real test-torch test-mutants test-kills determinism bench demo docs clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(VENV)/installed ## the virtual environment .venv, with this checkout installed in it

$(VENV)/installed: pyproject.toml constraints.txt
	@$(BIN)/python -c '' 2>/dev/null || { \
		[ -n "$(PYTHON)" ] || { echo "ckptrace needs Python 3.11 or newer with venv; none found" >&2; exit 1; }; \
		echo "Making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing torch $(TORCH), CPU build"
	@$(PIP) --no-deps "torch==$(TORCH)+cpu" 2>/dev/null \
		|| $(PIP) --no-deps --retries 1 --index-url $(TORCH_CPU_INDEX) "torch==$(TORCH)" 2>/dev/null \
		|| echo "No CPU build found: the registry's default build follows, on Linux several GB" >&2
	@echo "Installing ckptrace and the tools of its tests"
	@$(PIP) --constraint constraints.txt hatchling
	@$(PIP) --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

lint: setup ## style, types, and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: setup ## lay the code out and repair what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint ## what must pass before a change lands
	$(PYTEST) -n $(JOBS) --dist worksteal

test-slow: setup ## the tests that take minutes
	$(PATIENT_PYTEST) -n $(JOBS) --dist worksteal -m slow

test-real: setup ## the tests that drive released training libraries
	$(PATIENT_PYTEST) -m real

# What each of TORCHES is tested with: a version, or newest. The CPU builds are PyTorch's own.
TORCHES ?= newest
test-torch: ## what depends on torch, with each of TORCHES, in environments of their own
	for version in $(TORCHES); do \
		"$(PYTHON)" -m venv --clear "$(VENV)-torch-$$version"; \
		wanted="torch$${version:+==}$$version"; if [ "$$version" = newest ]; then wanted=torch; fi; \
		"$(VENV)-torch-$$version/bin/python" -m pip install --quiet --index-url $(TORCH_CPU_INDEX) "$$wanted"; \
		"$(VENV)-torch-$$version/bin/python" -m pip install --quiet --editable ".[dev]"; \
		"$(VENV)-torch-$$version/bin/python" -m pytest tests/boundary tests/engines tests/conformance; \
	done

test-mutants: setup ## MUTANTS=100000 mutated traces and scenarios: no internal error, no hang, no code run
	nice -n 10 $(BIN)/python -m tests.mutants --number $(MUTANTS) --seed $(SEED)

KILLS ?= 1000

test-kills: setup ## commands killed at random instants, KILLS=1000 of them: whole files, no process left, the next works
	$(BIN)/python -m tests.ending.kills $(KILLS)

test-crashes: setup ## power losses on mounted ext4, XFS and btrfs (root), PROGRAMS=1000 of them on each
	CRASH_PROGRAMS=$(or $(PROGRAMS),1000) $(PATIENT_PYTEST) -m slow --capture=no -k logged_write \
		tests/filesystems/durability/test_real_crashes.py

determinism: setup ## the same scenario and seed, a thousand times over
	$(PATIENT_PYTEST) -n $(JOBS) --dist worksteal -m slow -k determinism

bench: setup ## speed, each figure beside its yardstick; nothing else should be running
	$(PATIENT_PYTEST) -m bench --capture=no

demo: setup ## the incident, its schedules, and every strategy compared
	$(BIN)/ckptrace demo

docs: setup ## the documents as pages, in docs/_build/html; a link that leads nowhere fails
	@$(PIP) --constraint constraints.txt --no-build-isolation --editable '.[docs]'
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs docs/_build/html

clean: ## forget everything that was built
	rm -rf $(VENV) build dist docs/_build .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
