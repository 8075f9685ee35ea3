"""`clsctl doctor` calls a library ok only after importing it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import setuptools_that_is_missing", "No module named 'setuptools_that_is_missing'"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended by signal 9"),
    ],
)
def test_a_library_that_cannot_be_imported_is_not_ok(clsctl, tmp_path: Path, source, reason):
    (tmp_path / "site" / "onnxruntime").mkdir(parents=True)
    (tmp_path / "site" / "onnxruntime" / "__init__.py").write_text(source)
    env = {"PYTHONPATH": str(tmp_path / "site")}
    done = clsctl("doctor", "--offline", "--format", "json", env=env)
    assert done.returncode == 0, done.stderr
    found = {f["name"]: f for f in json.loads(done.stdout) if f["topic"] == "backends"}
    assert found["onnxruntime"]["ok"] is False
    assert found["onnxruntime"]["detail"].endswith(reason)
    assert "\n" not in found["onnxruntime"]["detail"]
    assert found["paddle"]["ok"] is True
