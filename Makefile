# One word for each thing a developer does. `make check` is what .ci/run runs.
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)

.NOTPARALLEL:
.PHONY: check format lint types contracts reports-check test fix reports proofs app bench

check: format lint types contracts reports-check test

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

test:
	$(BIN)python -m pytest

fix:
	$(BIN)ruff format .
	$(BIN)ruff check --fix .

reports:
	$(BIN)python -m analyzer report --refresh
	$(BIN)python -m analyzer check --update

proofs:
	$(BIN)python -m analyzer equivalence resnext50_32x4d --full --format markdown --output reports/equivalence/resnext50_32x4d.md
	$(BIN)python -m analyzer equivalence resnext101_64x4d --full --dtype float64 --dtype float32 --format markdown --output reports/equivalence/resnext101_64x4d.md
	$(BIN)python -m analyzer equivalence resnext101_64x4d --full --dtype bfloat16 --dtype float16 --format markdown --output reports/equivalence/resnext101_64x4d-16bit.md

app:
	$(BIN)python -m streamlit run app.py

bench:
	$(BIN)python -m benchmarks.speed
