"""Whoever holds a lock is alone; what goes wrong meanwhile is told without naming who uses it."""

from __future__ import annotations

import pytest

from clsctl.errors import ModelError
from clsctl.system.files import require_space
from clsctl.system.locks import locked


def test_a_full_disk_is_told_in_general_words(tmp_path):
    with pytest.raises(ModelError) as caught, locked(tmp_path, "thing"):
        require_space(tmp_path, 1 << 60)
    assert caught.value.code == "E_DISK_FULL"
    assert caught.value.message.startswith(f"the disk that holds {tmp_path} is full: ")
    assert caught.value.hint == "free some space, or set CLSCTL_HOME to a folder on another disk"


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "locks").touch()
    with pytest.raises(ModelError) as caught, locked(tmp_path, "thing"):
        raise AssertionError("the lock cannot be there")
    assert caught.value.code == "E_STORE"
    assert caught.value.message == f"cannot use {tmp_path / 'locks'}: File exists"
