"""A mirror with the files of one small model, and the place of that model in the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import (
    NAME,
    PDPARAMS,
    TAR,
    close_the_network,
    model_files,
    pdparams,
    tar_of,
    write_files,
)


@pytest.fixture(autouse=True)
def _network(monkeypatch):
    close_the_network(monkeypatch)


@pytest.fixture
def mirror(tmp_path) -> Path:
    """A folder mirror with both forms of the model."""
    files = {TAR[1:]: tar_of(model_files()), PDPARAMS[1:]: pdparams()}
    return write_files(tmp_path / "mirror", files)


@pytest.fixture
def folder(home) -> Path:
    return home / "models" / NAME / "inference"
