# Two commands on a fresh machine: `make demo` classifies a photo, `make test` runs every check.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test lint golden clean

demo: $(VENV)/clsctl
	$(BIN)/clsctl predict examples/chelsea.png -m EfficientNet-Lite0

test: lint
	$(BIN)/python -m pytest -n 2 tests plugins

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# All 80 networks against the reference: names, logits, export, ONNX parity. Takes long.
golden: $(VENV)/dev
	$(BIN)/python benchmarks/golden.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"

$(VENV)/clsctl: $(VENV)/bin/python pyproject.toml
	$(PIP) install ".[imagenet]"
	touch $@

# Editable, so that the tests see the sources as they are.
$(VENV)/dev: $(VENV)/bin/python pyproject.toml
	$(PIP) install --editable ".[imagenet,pdf,parquet,ray,serve]"
	$(PIP) install --no-deps --editable ./plugins/clsctl-efficientnet-lite --editable ./plugins/clsctl-ray \
		--editable ./plugins/clsctl-serve
	$(PIP) install --group dev
	touch $@

clean:
	rm -rf $(VENV)
