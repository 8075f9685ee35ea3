"""What differs between operating systems, with the other systems' side of it given as arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from paths import EXAMPLES
from PIL import Image

from clsctl.datasets.atomic_lists import replace_lists
from clsctl.errors import UsageError
from clsctl.images.sandbox.local import LocalDocument
from clsctl.images.sandbox.process import iter_sandboxed_pages
from clsctl.schema.layers import ConfigSource
from clsctl.settings import load_settings
from clsctl.system.descriptors import lock, open_flags
from clsctl.system.files import sync
from clsctl.system.shared_folders import other_writers
from clsctl.system.temporary import temporary_file, temporary_folder
from clsctl.training.distributed.launch import supervise
from clsctl.training.distributed.nodes import Nodes

WITHOUT_POSIX = """
import asyncio, concurrent.futures, ctypes, http.client, importlib, multiprocessing.connection
import os, pathlib, pkgutil, select, selectors, shutil, signal, socket, subprocess, sys, tempfile
import typer, rich, httpx, numpy, cv2, PIL.Image, matplotlib, paddle, onnxruntime, filelock, uvicorn
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("geteuid", "register_at_fork", "readv", "sched_getaffinity", "O_NOFOLLOW",
             "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "killpg"):
    delattr(os, name)
del select.poll
for name in ("SIGHUP", "SIGXCPU", "SIGKILL"):
    delattr(signal, name)
sys.modules["uvloop"] = None
failed = []
for package in ("clsctl", "clsctl_serve"):
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except Exception as error:
                failed.append(f"{module.name}: {error!r}")
print(failed)
"""


def test_no_module_needs_what_posix_alone_has():
    """Windows lacks these modules and names; what is used of them is asked for first."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_POSIX],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


def test_flags_that_a_system_lacks_are_left_out():
    windows = SimpleNamespace(O_RDWR=2, O_CREAT=256, O_BINARY=32768)
    assert open_flags("O_RDWR", "O_CREAT", "O_CLOEXEC", known=windows) == 2 | 256 | 32768
    assert open_flags("O_RDWR", "O_CLOEXEC") == os.O_RDWR | os.O_CLOEXEC


def test_a_file_is_locked_for_others(tmp_path):
    with (tmp_path / "a").open("w") as one, (tmp_path / "a").open("w") as other:
        lock(one.fileno(), wait=False)
        with pytest.raises(BlockingIOError):
            lock(other.fileno(), wait=False)


def test_where_nothing_open_can_be_renamed_temporary_files_are_closed(tmp_path):
    with temporary_file(tmp_path, lockable=False) as path:
        lock_of_others = path.open("r+")
        lock(lock_of_others.fileno(), wait=False)  # which would fail if this one held a lock
        lock_of_others.close()
        path.write_text("content")
        path.replace(tmp_path / "there")
    with temporary_folder(tmp_path, lockable=False) as folder:
        (folder / "inside").touch()
    with pytest.raises(KeyError), temporary_file(tmp_path, lockable=False):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_what_only_windows_cannot_do_is_left_out(tmp_path):
    (tmp_path / "file").touch()
    sync(tmp_path, posix=False)
    sync(tmp_path / "file", posix=False)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert other_writers(shared, has_owners=True) == "everybody"
    assert other_writers(shared, has_owners=False) == ""


def test_training_in_several_processes_is_refused_elsewhere_than_on_linux(tmp_path):
    several = ConfigSource("test", {"model": "MobileNetV1_x0_25", "data.path": "x", "processes": 2})
    with pytest.raises(UsageError, match="runs on Linux alone") as caught:
        supervise([several], False, Nodes(), linux=False)
    assert caught.value.code == "E_PROCESSES"


@pytest.mark.parametrize("links", [True, False])
def test_lists_are_replaced_with_links_and_without(tmp_path, links):
    (tmp_path / "train.txt").write_text("old\n")
    (tmp_path / "gone.txt").write_text("gone\n")
    backups = replace_lists(tmp_path, {"train.txt": "new\n", "gone.txt": None}, links=links)
    assert backups == {"train.txt": "train.txt.bak", "gone.txt": "gone.txt.bak"}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "train.txt": "new\n",
        "train.txt.bak": "old\n",
        "gone.txt.bak": "gone\n",
    }


def test_a_document_is_decoded_here_as_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "pages.tiff"
    pictures = [
        Image.open(EXAMPLES / name).convert("RGB") for name in ("coffee.png", "chelsea.png")
    ]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    settings, data = load_settings(), path.read_bytes()
    apart = [(page.number, page.decode()) for page in pages(data, settings)]
    limits = {"max_pixels": settings.max_pixels, "draft": 0, "memory": 0, "value_range": None}
    document = LocalDocument({"kind": "TIFF", **limits}, data)
    for number, pixels in apart:
        assert document.ask("next") == {"page": number}
        assert np.array_equal(document.decode(settings.max_pixels, pytest.fail), pixels)
    assert document.ask("next") == {"end": True}


def pages(data, settings):
    return iter_sandboxed_pages("TIFF", data, settings, pytest.fail)
