"""What is meant to be handed on tells nothing of the machine and folders it was made in."""

from __future__ import annotations

import socket
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import models
import pytest
import tiny_training

PRIVATE = "Jane-Doe-4711"
"""A user's folder, which is nowhere else in the files."""

HANDED_ON = ("best_model", "run.json", "train_result.json", "train_results.json", "label_dict.txt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("home") / PRIVATE / "work"
    tiny_training.write_dataset(place / "fruit")
    return place


@pytest.fixture
def clsctl_here(clsctl, call, folder, one_thread, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("CLSCTL_HOME", str(folder / "store"))
    monkeypatch.chdir(folder)

    def run(*arguments):
        done = clsctl(*arguments, cwd=folder) if arguments[0] == "train" else call(*arguments)
        assert done.returncode == 0, done.stderr
        return done

    return run


def files(*paths: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below the paths, and what bundles contain."""
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file():
                yield file, file.read_bytes()
            if file.suffix == ".tar":
                with tarfile.open(file) as archive:
                    for member in archive:
                        yield file / member.name, repr(member.get_info()).encode()


def require_nothing_private(*paths: Path) -> None:
    """Search for the folders of the user, of the libraries and of this repository, and the host."""
    host = socket.gethostname()
    words = [PRIVATE, "site-packages", sys.prefix, str(Path(__file__).parents[1]), str(Path.home())]
    words += [host] if len(host) > 4 else []
    seen = 0
    for path, content in files(*paths):
        seen += 1
        for word in words:
            assert word.encode() not in content, (path, word)
    assert seen


def test_a_training_and_all_that_is_made_of_it(clsctl_here, folder):
    run, data = folder / "run", folder / "fruit"
    config = folder / "config.yaml"
    config.write_text("seed: 3\n")
    clsctl_here(
        *("train", "-m", tiny_training.MODEL, "-d", data, "-o", run, "--config", config),
        *tiny_training.OPTIONS,
    )
    require_nothing_private(*(run / name for name in HANDED_ON))
    clsctl_here("train", "--resume", run, "--epochs", "3")
    require_nothing_private(*(run / name for name in HANDED_ON))
    for form in ("onnx", "openvino", "paddle-legacy"):
        clsctl_here("export", "-m", run, "-o", folder / f"made-{form}", "--to", form, "-d", data)
        require_nothing_private(folder / f"made-{form}")
    best = run / "best_model" / "inference"
    clsctl_here("calibrate", "-d", data, "--model-dir", best)
    clsctl_here("eval", "-d", data, "--model-dir", best, "-o", folder / "eval")
    clsctl_here("dataset", "check", data, "-o", folder / "check")
    clsctl_here("models", "import", best, "--name", "Fruit")
    clsctl_here("models", "bundle", "Fruit", "-o", folder / "fruit.tar")
    if models.QUANTISES:
        clsctl_here("quantize", "-d", data, "--model-dir", best, "-o", folder / "int8")
        require_nothing_private(folder / "int8")
    require_nothing_private(best, *(folder / x for x in ("eval", "check", "fruit.tar")))
