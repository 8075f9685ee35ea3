# Two commands on a fresh machine: `make demo` classifies a photo, `make test` runs every check.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test lint golden clean

demo: $(VENV)/demo
	$(BIN)/clsctl predict examples/chelsea.png -m EfficientNet-Lite0

test: $(VENV)/dev lint
	$(BIN)/python -m pytest -n 2 tests plugins

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# All 80 networks against the reference: names, logits, export, ONNX parity. Takes long.
golden: $(VENV)/dev
	$(BIN)/python benchmarks/golden.py

$(VENV)/demo: pyproject.toml plugins/clsctl-efficientnet-lite/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[imagenet]"
	touch $@

$(VENV)/dev: $(VENV)/demo
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

clean:
	rm -rf $(VENV)
