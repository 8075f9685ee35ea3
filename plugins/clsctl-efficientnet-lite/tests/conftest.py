"""The fixtures of clsctl's own tests, and a home with the model pulled and converted once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures import Run, call, clsctl, home
from models import once

__all__ = ["Run", "call", "clsctl", "home"]

NAME = "EfficientNet-Lite0"
EXAMPLES = Path(__file__).parents[3] / "examples"


def _pull(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "clsctl", "predict", EXAMPLES / "chelsea.png", "-m", NAME],
        check=True,
        env={**os.environ, "CLSCTL_HOME": str(folder)},
    )


@pytest.fixture(scope="session")
def _pulled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "lite-home", _pull)


@pytest.fixture
def pulled(_pulled_once: Path, home: Path) -> Path:
    """The home, with EfficientNet-Lite0 in its store and in its cache."""
    shutil.copytree(_pulled_once, home, dirs_exist_ok=True)
    return home
