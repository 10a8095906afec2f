# make demo    train, evaluate and draw on the bundled images (the whole way, about two minutes on two cores)
# make test    every test              make check   format, lint, types, fast tests
# make golden  compare or accept recorded outputs   make bench   the measured figures
# make docs    the documentation site, in site/
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile

# The environment is made anew when pyproject.toml changes; uv is used where it is there, else venv and pip.
.venv/installed: pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		echo "installing with uv …" && uv venv -q --allow-existing --python $(PYTHON) .venv && uv pip install -q --python $(BIN)/python -e '.[dev]'; \
	else \
		echo "installing with pip …" && $(PYTHON) -m venv .venv && $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'; \
	fi
	@touch $@

demo: .venv/installed
	$(BIN)/pixelwise demo

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

golden: .venv/installed
	$(BIN)/python tests/golden/accept.py

# The peers that benchmarks compare with are installed beside pixelwise.
.venv/peers: .venv/installed
	@if command -v uv >/dev/null 2>&1; then uv pip install -q --python $(BIN)/python -e '.[dev,bench]'; \
	else $(BIN)/python -m pip install -q -e '.[dev,bench]'; fi
	@touch $@

bench: .venv/peers
	$(BIN)/python benchmarks/run.py

docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf .venv build dist runs site .pytest_cache .mypy_cache .ruff_cache

.PHONY: help demo test check golden bench docs clean
