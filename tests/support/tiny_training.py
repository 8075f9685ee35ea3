"""What the tests of training share: a dataset that is learnt in seconds, and real kills."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import models
import numpy as np
import pytest

import clsctl

CLASSES = ("red apple", "green", "blue")
OPTIONS = ("--scratch", "--epochs", "2", "-b", "6", "--set", "data.image_size=64")
MODEL = "MobileNetV1_x0_25"

# Kills itself at the n-th thing that it asks of the system about the run's folder.
KILLED = """
import os, signal, sys
folder, left = sys.argv.pop(1), int(sys.argv.pop(1))
def count(event, arguments):
    global left
    if event in ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove") and \
            str(arguments[0]).startswith(folder):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
from clsctl.main import main
main()
"""


def write_dataset(root: Path, images: int = 8) -> Path:
    """Three classes by colour: `images` to train and 3 to validate with, each."""
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for label in range(len(CLASSES)):
        for number in range(images + 3):
            pixels = rng.integers(0, 120, (80, 90, 3), dtype=np.uint8)
            pixels[..., 2 - label] += 100
            path = f"images/{label}_{number}.png"
            cv2.imwrite(str(root / path), pixels)
            lists["train" if number < images else "val"].append(f"{path} {label}")
    for name, lines in lists.items():
        (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (root / "label.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(CLASSES)))
    return root


def run_of_folders(factory: pytest.TempPathFactory, place: Path) -> Path:
    """A copy, in `place`, of a run of one epoch, `run`, and of the class folders it learnt."""
    trained = models.once(factory, "run-of-folders", _train)
    shutil.copytree(trained, place, dirs_exist_ok=True)
    config = place / "run" / "config.yaml"
    config.write_text(config.read_text().replace(str(trained), str(place)))
    return place / "tree"


def _train(place: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("train/blue", "train/green", "val/blue", "val/green"):
        (place / "tree" / folder).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
            cv2.imwrite(str(place / "tree" / folder / f"{number}.png"), pixels)
    train = ["train", "-m", MODEL, *OPTIONS, "--epochs", "1", "-d", place / "tree"]
    command = [sys.executable, "-m", "clsctl", *train, "-o", place / "run"]
    subprocess.run(command, check=True, capture_output=True)


def killed(folder: Path, event: int, arguments: Sequence[str | Path]) -> bool:
    """Run `clsctl ARGUMENTS`, killed at its n-th event; whether that came before its end."""
    command = [sys.executable, "-c", KILLED, str(folder), str(event), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, "CLSCTL_THREADS": "1"}, timeout=300
    )
    if done.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(done.stderr.decode())
    return done.returncode != 0


def state(run_dir: Path) -> dict[str, bytes]:
    """The bytes of all checkpoints and exports, by path."""
    files = [path for path in run_dir.glob("*/**/*") if path.is_file()]
    return {path.relative_to(run_dir).as_posix(): path.read_bytes() for path in files}


def weights_for(classes: int, path: Path) -> Path:
    """Weights whose classifier knows that many classes, and is no fresh one."""
    import paddle

    network = clsctl.build(MODEL, num_classes=classes, seed=0)
    network.fc.bias.set_value(np.linspace(-1, 1, classes, dtype="float32"))
    paddle.save(network.state_dict(), str(path))
    return path
