"""Whoever may write to our folders is named, once, with what mends it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clsctl.system.shared_folders import other_writers

NOBODY = 65534
AS_NOBODY = """
import os, sys
from pathlib import Path
from clsctl.system.shared_folders import other_writers
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(other_writers(Path(sys.argv[1])))
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.mark.parametrize(
    ("mode", "others"), [(0o755, ""), (0o700, ""), (0o777, "everybody"), (0o1777, "everybody")]
)
def test_who_may_write_by_mode(tmp_path, mode, others):
    tmp_path.chmod(mode)
    assert other_writers(tmp_path) == others


def test_a_folder_that_is_not_there():
    assert other_writers(Path("/nowhere")) == ""


@as_root
def test_a_group(tmp_path):
    os.chown(tmp_path, 0, 54321)
    tmp_path.chmod(0o775)
    assert other_writers(tmp_path) == "the group 54321"


@as_root
def test_the_group_of_a_single_user(tmp_path):
    os.chown(tmp_path, 0, os.getgid())
    tmp_path.chmod(0o775)
    assert other_writers(tmp_path) == ""


@as_root
def test_an_owner(tmp_path):
    os.chown(tmp_path, 54321, 0)
    assert other_writers(tmp_path) == "its owner 54321"


@as_root
@pytest.mark.parametrize(("mode", "others"), [(0o755, ""), (0o757, "everybody")])
def test_a_store_that_we_can_only_read(mode, others):
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 54321, 0)
        Path(folder).chmod(mode)
        command = [sys.executable, "-c", AS_NOBODY, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{others}\n"


def test_every_command_warns_and_goes_on(call, home):
    home.chmod(0o777)
    done = call("config", "show")
    assert done.returncode == 0
    assert done.stderr.count("warning") == 1
    assert f"everybody may change {home}" in done.stderr
    assert f"`chmod go-w {home}`" in done.stderr
    home.chmod(0o755)
    assert call("config", "show").stderr == ""


def test_help_does_not_warn(call, home):
    home.chmod(0o777)
    assert call("config", "show", "--help").stderr == ""
