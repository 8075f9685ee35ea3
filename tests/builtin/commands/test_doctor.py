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


def test_two_builds_in_one_folder_are_reported_with_what_to_type(clsctl, tmp_path: Path):
    info = tmp_path / "site" / "paddlepaddle_gpu-3.3.1.dist-info"
    info.mkdir(parents=True)
    facts = "Metadata-Version: 2.1\nName: paddlepaddle-gpu\nVersion: 3.3.1\n"
    (info / "METADATA").write_text(facts)
    env = {"PYTHONPATH": str(tmp_path / "site")}
    done = clsctl("doctor", "--offline", "--format", "json", env=env)
    (found,) = [f for f in json.loads(done.stdout) if f["topic"] == "builds"]
    assert (found["name"], found["ok"]) == ("PaddlePaddle", False)
    assert "both paddlepaddle and paddlepaddle-gpu are installed" in found["detail"]
    assert "uninstall --yes paddlepaddle paddlepaddle-gpu && " in found["detail"]
