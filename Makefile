# Two commands on a fresh machine: `make demo` classifies a photo, `make test` runs every check.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-install lint golden reference docs dist binary clean

PLUGINS = $(wildcard plugins/*)

# Where it is set, each of the thousands of processes of the tests would compile clsctl again.
unexport PYTHONDONTWRITEBYTECODE

demo: $(VENV)/clsctl
	$(BIN)/clsctl predict examples/chelsea.png -m EfficientNet-Lite0

# Three for two cores: a fifth of the time is waiting for other processes.
test: lint
	$(BIN)/python -m pytest -n 3 --dist loadfile tests plugins

# What takes long: packages in fresh environments of every kind, the one-file build in a root
# without Python. Before a release.
test-install: binary
	$(BIN)/python -m pytest -rs -m long tests plugins

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# All 80 networks against the reference: names, logits, export, ONNX parity. Takes long.
golden: $(VENV)/dev
	$(BIN)/python benchmarks/golden.py

# The pages of docs/reference that say what the code says. A test fails where they do not.
reference: $(VENV)/dev
	$(BIN)/python scripts/write_reference.py

# The documentation as a site in site/, which search works in once it is served.
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "$(BIN)/python -m http.server --directory site   shows it"

# The packages of clsctl and its plugins, as a package index takes them.
dist: $(VENV)/dev
	rm -f dist/*.whl dist/*.tar.gz
	for project in . $(PLUGINS); do \
		$(BIN)/python -m build --quiet --no-isolation --outdir dist $$project || exit; \
	done
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

# clsctl and clsctl-light as one executable file each, which needs no Python on the machine.
binary: dist
	$(PIP) install --group binary
	$(BIN)/python scripts/binary.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"

$(VENV)/clsctl: $(VENV)/bin/python pyproject.toml
	$(PIP) install ".[imagenet]" ./plugins/clsctl-efficientnet-lite
	touch $@

# Editable, so that the tests see the sources as they are. The extras name plugins that are on no
# package index: given beside them, the folders are what pip takes. Most of the 12,000 files are never
# imported, and compiling them all takes 40 seconds.
$(VENV)/dev: $(VENV)/bin/python pyproject.toml $(PLUGINS:%=%/pyproject.toml)
	$(PIP) install --no-compile --editable ".[imagenet,pdf,parquet,ray,serve]" $(PLUGINS:%=--editable ./%)
	$(PIP) install --no-compile --group dev
	touch $@

$(VENV)/docs: $(VENV)/bin/python pyproject.toml
	$(PIP) install --group docs
	touch $@

clean:
	rm -rf $(VENV) dist site
