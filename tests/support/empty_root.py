"""A root folder with a shell and the few programs that the one-file build needs, and no Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = (
    *("sh", "env", "tail", "cut", "mktemp", "mkdir", "mv", "rm", "ls", "sync", "sleep"),
    *("sha256sum", "gzip", "tar", "flock"),
)
DEVICES = {"null": 3, "zero": 5, "random": 8, "urandom": 9}


@contextmanager
def empty_root(folder: Path) -> Iterator[Path]:
    """Make such a root, with /proc and the devices that every system has; needs to be root."""
    for name in ("proc", "dev/shm", "tmp", "root", "usr/bin", "etc"):
        (folder / name).mkdir(parents=True)
    (folder / "bin").symlink_to("usr/bin")
    for program in PROGRAMS:
        _copy(Path(shutil.which(program)), folder, folder / "usr" / "bin" / program)
    for name, minor in DEVICES.items():
        os.mknod(folder / "dev" / name, 0o20666, os.makedev(1, minor))
    subprocess.run(["mount", "-t", "proc", "proc", folder / "proc"], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder / "proc"], check=True)


def _copy(program: Path, root: Path, target: Path) -> None:
    """Copy a program and the libraries that it loads to where it looks for them."""
    shutil.copy2(program.resolve(), target)
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    # Those that Python packages take for granted come with every C library.
    names = [*re.findall(r"(/\S+)", said)]
    folder = Path(next(name for name in names if "libc.so" in name)).parent
    names += [
        str(folder / f"lib{name}") for name in ("m.so.6", "dl.so.2", "pthread.so.0", "rt.so.1")
    ]
    names += [str(folder / f"lib{name}") for name in ("util.so.1", "resolv.so.2", "nss_files.so.2")]
    for name in names:
        inside = root / name.lstrip("/")
        if Path(name).exists() and not inside.exists():
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(name).resolve(), inside)


def enter(root: Path, *words: str) -> list[str]:
    """The command that runs something inside, with nothing of the environment outside."""
    settings = ("HOME=/root", "PATH=/bin", "COLUMNS=200", "TMPDIR=/tmp")
    return ["env", "-i", *settings, shutil.which("chroot") or "chroot", str(root), *words]
