"""The shell's own protocol: what bash and zsh get when the user presses Tab."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("paddle", "onnxruntime", "openvino", "cv2", "numpy", "PIL", "httpx", "matplotlib", "ray")


def complete(line: str, shell: str = "bash", *python: str) -> subprocess.CompletedProcess[str]:
    """What the completion function of a shell runs for a line with the cursor at its end."""
    words = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line.strip(), "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
    }
    return subprocess.run(
        [sys.executable, *python, "-m", "clsctl"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **asked[shell], "_CLSCTL_COMPLETE": f"complete_{shell}"},
    )


def values(line: str) -> list[str]:
    return complete(line).stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("clsctl pre", {"predict"}),
        ("clsctl models pu", {"pull"}),
        ("clsctl predict --back", {"--backend"}),
        ("clsctl predict -m PP-LCNetV2_", {"PP-LCNetV2_base", "PP-LCNetV2_small"}),
        ("clsctl predict --backend ", {"auto", "onnxruntime", "paddle"}),
        ("clsctl predict --format ", {"csv", "json", "jsonl", "parquet", "table"}),
        ("clsctl predict --executor ", {"local"}),
        ("clsctl eval --split ", {"train", "val", "test"}),
        ("clsctl eval --precision b", {"bf16"}),
        ("clsctl export --to paddle", {"paddle", "paddle-legacy"}),
        ("clsctl train --device ", {"auto", "cpu", "gpu", "npu"}),
        ("clsctl train --set optimizer.n", {"optimizer.name="}),
        ("clsctl models list --family Swin", {"SwinTransformer"}),
        ("clsctl models list --sort s", {"size"}),
        ("clsctl models pull ResNet10", {"ResNet101", "ResNet101_vd"}),
        ("clsctl dataset pull ", {"cls_flowers_examples"}),
        ("clsctl dataset check x --ignore D_ONE", {"D_ONE_CLASS"}),
        ("clsctl explain x.jpg --class zeb", {"zebra"}),
        ("clsctl explain x.jpg --class Persian", {"Persian\\ cat"}),
    ],
)
def test_bash_gets_the_values_that_begin_so(line, some):
    found = values(line)
    assert some <= set(found)
    assert all(value.startswith(line.split(" ")[-1]) for value in found)


def test_classes_are_those_of_the_model_that_the_line_names(run):
    assert values(f"clsctl explain x.png -m {run} --class ") == ["red\\ <b>", "green", "blue\\ 蓝"]


def test_models_in_the_store_complete_too(home):
    folder = home / "models" / "my-own" / "inference"
    folder.mkdir(parents=True)
    (folder / "clsctl.json").write_text("{}")
    assert values("clsctl predict -m my") == values("clsctl models remove ") == ["my-own"]


def test_zsh_gets_help_with_the_values():
    shown = complete("clsctl models list --family PP-LCNetV", "zsh").stdout
    assert re.match(r"_arguments '.*\(\(\"PP-LCNetV2\":\"PP-LCNet whose", shown)
    assert complete("clsctl predict -o x", "zsh").stdout.strip() == "_files"


@pytest.mark.parametrize("line", ["clsctl predict -m R", "clsctl train --set a", "clsctl p"])
def test_nothing_heavy_is_imported(line):
    loaded = complete(line, "bash", "-X", "importtime").stderr
    modules = {row.rpartition("|")[2].strip() for row in loaded.splitlines()}
    assert "clsctl.main" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_that_bash_is_given_completes(tmp_path: Path):
    """As bash itself calls it, with the values in COMPREPLY."""
    program = tmp_path / "clsctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m clsctl "$@"\n')
    program.chmod(0o755)
    script = """
        source <(_CLSCTL_COMPLETE=source_bash clsctl)
        COMP_WORDS=(clsctl predict -m ResNet15); COMP_CWORD=3
        _clsctl_completion clsctl
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert set(done.stdout.split()) == {"ResNet152", "ResNet152_vd"}
