# One word for each thing a developer does. `make check` is what .ci/run runs, its tests by the README's command.
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)

.NOTPARALLEL:
.PHONY: check quick static format lint types contracts reports-check fit-check test fix reports proofs app bench

check: static test

# What can be tried after every change: no torch, no browser, nothing slow.
quick: format lint
	$(BIN)python -m pytest --numprocesses=2 -m "not browser and not live and not slow"

# All but the tests, which .ci/run has run by the README's command.
static: format lint types contracts reports-check fit-check

format:
	$(BIN)ruff format --check .

lint:
	$(BIN)ruff check .

types:
	$(BIN)mypy

contracts:
	$(BIN)lint-imports --no-logo

reports-check:
	$(BIN)python -m analyzer report --check
	$(BIN)python -m analyzer check

# The predictor's numbers and their page, fitted again: 15 seconds.
fit-check:
	$(BIN)python -m tools.latency_fit --check

test:
	$(BIN)python -m pytest

fix:
	$(BIN)ruff format .
	$(BIN)ruff check --fix .

reports:
	$(BIN)python -m analyzer report --refresh
	$(BIN)python -m analyzer check --update

PROOF = $(BIN)python -m analyzer equivalence $(1) --full $(2) --format markdown --output reports/equivalence/$(1)$(3).md

proofs:
	$(call PROOF,resnext50_32x4d,--dtype float64 --dtype float32)
	$(call PROOF,resnext50_32x4d,--dtype bfloat16 --dtype float16,-16bit)
	$(call PROOF,resnext101_64x4d,--dtype float64 --dtype float32)
	$(call PROOF,resnext101_64x4d,--dtype bfloat16 --dtype float16,-16bit)

app:
	$(BIN)python -m analyzer page

bench:
	$(BIN)python -m benchmarks.speed
	$(BIN)python -m benchmarks.sweep
