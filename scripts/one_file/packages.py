"""Install clsctl, its plugins and what they require into the folder of the copied interpreter."""

from __future__ import annotations

import compileall
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from pathlib import Path
from py_compile import PycInvalidationMode

from clsctl.installation import ONE_FILE
from one_file.interpreter import VERSION

_OURS = ("clsctl", "clsctl-efficientnet-lite", "clsctl-serve")
_PROGRAMS = ("python3", VERSION, "clsctl")

_UNNEEDED = (
    "paddle/include",
    "onnx/test",
    "onnx/backend/test",
    "matplotlib/tests",
    "mpl_toolkits/*/tests",
    "networkx/**/tests",
    "numpy/**/tests",
    "onnxruntime/transformers",
    "onnxruntime/tools",
    "**/*.pyi",
    "**/*.a",
)
"""Of site-packages: headers and tests of libraries, which are not run."""


def version_of(wheels: Path) -> str:
    """Read the version of clsctl from the name of its wheel."""
    return _wheel(wheels, "clsctl").name.split("-")[1]


def install(root: Path, wheels: Path, version: str, left_out: Sequence[str]) -> None:
    """Install pip and what ours require from the package index, then ours from the wheels."""
    ours = [f"{name}=={version}" for name in _OURS]
    _pip(root, "pip", *_requirements(wheels, left_out))
    _pip(root, "--no-deps", "--no-index", "--find-links", str(wheels), *ours)
    (root / ONE_FILE).write_text("This Python belongs to the one-file build of clsctl.\n")


def remove_unneeded(root: Path) -> None:
    """Remove what is not needed to run, and programs whose first line names this machine."""
    packages = root / "lib" / VERSION / "site-packages"
    programs = [path for path in (root / "bin").iterdir() if path.name not in _PROGRAMS]
    for path in [*programs, *(path for glob in _UNNEEDED for path in packages.glob(glob))]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def compile_sources(root: Path) -> None:
    """Compile every module. Nobody changes the sources, so no start has to compare them."""
    unchecked = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(root / "lib", quiet=2, invalidation_mode=unchecked, stripdir=root)


def _pip(root: Path, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(root / "bin" / "python3")]
    quiet = ("--quiet", "--no-warn-script-location", "--root-user-action", "ignore")
    subprocess.run([*pip, "install", "--no-compile", *quiet, *arguments], check=True)


def _requirements(wheels: Path, left_out: Sequence[str]) -> Iterator[str]:
    """Yield what our wheels require, without their extras and each other."""
    skipped = re.compile(rf"({'|'.join((*left_out, *_OURS))})(?![\w-])")
    for name in _OURS:
        for requirement in _required_by(_wheel(wheels, name)):
            if "extra ==" not in requirement and not skipped.match(requirement):
                yield requirement


def _required_by(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
        return message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])


def _wheel(wheels: Path, name: str) -> Path:
    found = list(wheels.glob(f"{name.replace('-', '_')}-[0-9]*.whl"))
    if len(found) != 1:
        sys.exit(f"{wheels} has {len(found)} wheels of {name} instead of one: run `make dist`")
    return found[0]
