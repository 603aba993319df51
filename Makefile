# Two commands do all the set-up: `make demo` and `make test`.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -q
COVERAGE := $(BIN)/python -m coverage
# Warnings about files that a mirror does not have are not ours.
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test check bench bench-large proto soak fast fuzz clean

help:
	@echo "make demo    sign, verify, tamper, refuse: the whole story"
	@echo "make test    everything that CI runs: check, tests, real peers, the wheel"
	@echo "make check   format, lint, types, import rules, contract"
	@echo "make fast    the tests without real peers and crashes"
	@echo "make bench   measure, and rewrite BENCHMARKS.md"
	@echo "make bench-large  a ledger of ten million entries, once: about an hour and 25 GB of disk"
	@echo "make soak    the long loops"
	@echo "make fuzz    an hour of strange input on every parser"
	@echo "make proto   generate signer/v1 from the contract"

demo: $(VENV)/.server
	@$(BIN)/sealbook demo

# Parts that know nothing of each other, as many at once as there are processors; the long ones
# first. What a part printed appears when it is done.
PARTS := interop signer crash fuzz wheel judging ledger keys access audit pull images
JOBS  ?= $(shell nproc)
access  := tests/signer/access tests/signer/trail tests/signer/config
images  := $(addprefix tests/signer/,attach carry publish registries)
keys    := tests/signer/hsm tests/signer/openbao tests/signer/at_rest
judging := tests/verifier/test_catalogue.py tests/bench
ledger  := tests/ledger
others   = $(foreach taken,$(access) $(images) $(keys),--ignore=$(taken))

test: $(VENV)/.dev
	@tests/debian
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory --jobs $(JOBS) --keep-going --output-sync=target $(PARTS:%=part-%)

part-judging: $(VENV)/.dev
	@mkdir -p .cache
	$(COVERAGE) run -m pytest -q tests/verifier --ignore=tests/verifier/test_catalogue.py
	$(COVERAGE) report
	$(PYTEST) $(judging)

part-wheel: $(VENV)/.dev
	tests/wheel $(BIN)/python

part-signer: $(VENV)/.dev
	$(PYTEST) -m "not soak" tests/signer $(others)

part-%: $(VENV)/.dev
	$(PYTEST) -m "not soak" $(or $($*),tests/$*)

fast: $(VENV)/.dev
	SEALBOOK_EXPLORE=1 $(PYTEST) -m "not soak" tests/verifier tests/ledger tests/audit tests/signer tests/pull

check: $(VENV)/.dev
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python proto/contract.py check
	$(BIN)/python tests/licences.py

bench: $(VENV)/.dev
	@tests/debian
	$(BIN)/python -m tests.bench

bench-large: $(VENV)/.dev
	$(BIN)/python -m tests.bench.large

soak: $(VENV)/.dev
	$(PYTEST) -m soak --timeout 7200 tests

fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz

proto: $(VENV)/.dev
	PYTHON=$(BIN)/python proto/generate.sh

clean:
	rm -rf $(VENV) build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { echo "needs Python 3.11 with its venv module: apt-get install python3-venv"; exit 1; }

$(VENV)/.server: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) -e '.[server,crosscheck]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.server
