"""Describe a run in run.json: where its weights come from, and how to make them again."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from clsctl.datasets.samples import Dataset, located
from clsctl.images.fetch import unreadable
from clsctl.paths import open_regular
from clsctl.system.cpu import available_cores, processor_name
from clsctl.system.files import file_facts, file_sha256
from clsctl.values import __version__

NAME = "run.json"
END = 4096
LIBRARIES = ("paddlepaddle", "paddlepaddle-gpu", "numpy", "opencv-python-headless", "pillow")


def environment(device: str) -> dict[str, Any]:
    """Collect versions and hardware."""
    return {
        "clsctl": __version__,
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "git_commit": _git_commit(),
        "system": platform.platform(),
        "processor": processor_name(),
        "cores": available_cores(),
        "device": device,
        "command": ["clsctl", *sys.argv[1:]],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def fingerprint(dataset: Dataset) -> str:
    """Compute a SHA256 over the class names and, of every image, split, path, class, size and ends.

    A picture that changes changes its end; whole files would take minutes on a large dataset.

    Raises:
        DataError: A file cannot be read; the message says where it is listed.
    """
    digest = hashlib.sha256(repr(sorted(dataset.class_names.items())).encode())
    for split, sample in dataset.samples():
        try:
            size, ends = _size_and_ends(dataset.image_path(sample))
        except (OSError, ValueError) as error:
            raise located(unreadable(error), sample) from None
        digest.update(repr((split, sample.path, sample.label, size)).encode() + ends)
    return digest.hexdigest()


def _size_and_ends(path: Path) -> tuple[int, bytes]:
    with open_regular(path, buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - END, 0))
        end = stream.read(END)
        stream.seek(0)
        return size, stream.read(END) + end


def output_hashes(run_dir: Path) -> dict[str, str]:
    """Compute the SHA256 of the configuration and of each file of the best model, by path."""
    best = run_dir / "best_model"
    files = {f"best_model/{name}": facts["sha256"] for name, facts in file_facts(best, "").items()}
    return {"config.yaml": file_sha256(run_dir / "config.yaml")} | files


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the repository that the command was given in, if it was in one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
