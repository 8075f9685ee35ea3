"""Which build of a library is there, and what to type for the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clsctl.inference.gpu_builds import (
    ONNXRUNTIME,
    PADDLE,
    Builds,
    build_problem,
    cuda_of_driver,
    replace_commands,
)
from clsctl.installation import Installation


def lay(site: Path, *distributions: str, cuda: str | None = None) -> None:
    """Lay installed distributions out and the file that tells Paddle's builds apart."""
    for name in distributions:
        info = site / f"{name.replace('-', '_')}-3.3.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.3.1\n")
    if cuda is not None:
        facts = site / "paddle" / "version" / "__init__.py"
        facts.parent.mkdir(parents=True)
        (site / "paddle" / "__init__.py").touch()
        facts.write_text(f"full_version     = '3.3.1'\ncuda_version     = '{cuda}'\n")


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder that is before all others on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_installed_builds_are_those_for_the_processor():
    assert [build_problem(builds) for builds in (PADDLE, ONNXRUNTIME)] == [
        "the installed PaddlePaddle is a CPU build",
        "the installed ONNX Runtime is a CPU build",
    ]


def test_a_build_for_gpus_is_told_by_its_files(site):
    lay(site, cuda="12.6")
    assert PADDLE.for_gpus


@pytest.mark.parametrize(
    ("cuda", "whose"), [("12.6", "paddlepaddle-gpu"), ("False", "paddlepaddle")]
)
def test_both_builds_in_one_folder_are_a_problem(site, cuda, whose):
    lay(site, "paddlepaddle", "paddlepaddle-gpu", cuda=cuda)
    assert build_problem(PADDLE) == (
        "both paddlepaddle and paddlepaddle-gpu are installed, into one folder, where the files "
        f"are those of {whose}"
    )


@pytest.mark.parametrize(
    ("answer", "cuda"),
    [
        ("470.256.02, 7.5", "cu118"),
        ("550.54.15, 8.6\n550.54.15, 8.6", "cu126"),
        ("575.51.03, 12.0", "cu129"),
        ("[N/A], [N/A]", "cu126"),
    ],
)
def test_the_driver_says_which_cuda(tmp_path, monkeypatch, answer, cuda):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(shutil.which('cat')).parent}")
    assert cuda_of_driver() == cuda


def test_the_commands_leave_one_build(site, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    lay(site, "paddlepaddle", "paddlepaddle-gpu")
    venv = tmp_path / "venvs" / "clsctl"
    venv.mkdir(parents=True)
    (venv / "pipx_metadata.json").write_text("{}")
    pipx = Installation("pipx", venv)
    assert replace_commands(PADDLE, pipx) == (
        "pipx runpip clsctl uninstall --yes paddlepaddle paddlepaddle-gpu && "
        "pipx inject clsctl paddlepaddle-gpu==3.3.1 "
        "--index-url https://www.paddlepaddle.org.cn/packages/stable/cu126/"
    )
    pip = Installation("pip", Path("/srv/env"), ("pip",))
    assert replace_commands(ONNXRUNTIME, pip) == (
        "pip uninstall --yes onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]<1.27'"
    )


def test_a_library_that_is_not_there_is_for_no_gpu():
    assert not Builds("X", "no_such_package", "x", "x-gpu", "facts", "gpu").for_gpus
