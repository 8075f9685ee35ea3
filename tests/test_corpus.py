"""Damaged and hostile files that were found once: each is read, or refused by a ClsctlError.

tests/corpus has a folder for each format of benchmarks/fuzz_files.py, which finds more of them.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from paths import ROOT

CORPUS = Path(__file__).parent / "corpus"
FILES = [path.relative_to(CORPUS).as_posix() for path in sorted(CORPUS.glob("*/*"))]


@pytest.fixture(scope="module")
def fuzz_files():
    spec = importlib.util.spec_from_file_location(
        "fuzz_files", ROOT / "benchmarks" / "fuzz_files.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def formats(fuzz_files):
    return {name.replace(" ", "-"): kind for name, kind in fuzz_files.formats().items()}


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_found_once(fuzz_files, formats, monkeypatch, file):
    monkeypatch.setenv("CLSCTL_OFFLINE", "1")
    fuzz_files.read_one(formats[file.split("/")[0]], (CORPUS / file).read_bytes())


def test_the_corpus_has_formats_that_are_fuzzed(formats):
    assert {file.split("/")[0] for file in FILES} <= set(formats)


def test_what_is_no_refusal_is_found(fuzz_files):
    def fail(path: Path) -> None:
        int(path.read_text())

    kind = fuzz_files.Format("a.txt", [b"1"], fail, {})
    fuzz_files.read_one(kind, b"5")
    with pytest.raises(ValueError, match="invalid literal"):
        fuzz_files.read_one(kind, b"five")
    assert fuzz_files.by_hypothesis(kind, 30, seed=0) is not None
