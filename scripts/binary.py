"""Build clsctl as executable files that need no Python: `python scripts/binary.py`.

Each holds this interpreter, made relocatable, and an ordinary environment with the wheels of
`make dist`, behind a launcher that unpacks both once. Since that is a real Python, child processes,
plugins and libraries find all that they find elsewhere. docs/explanation/one-file.md compares the
tools that were weighed.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from one_file.archive import newest_glibc, pack, unpacked_size, write_executable
from one_file.interpreter import copy_interpreter, link_system_libraries
from one_file.packages import compile_sources, install, remove_unneeded, version_of

DIST = Path(__file__).parents[1] / "dist"

FLAVOURS = {"clsctl": (), "clsctl-light": ("paddlepaddle", "paddle2onnx", "setuptools")}
"""Name of the file, and what is left out of it: without Paddle it runs exported models alone."""

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=FLAVOURS, help="build one of the two files")
    only = parser.parse_args().only
    if sys.platform != "linux":
        sys.exit("the one-file build is for Linux, and is built there")
    for flavour in [only] if only else FLAVOURS:
        build(flavour)


def build(flavour: str) -> None:
    """Build the file of a flavour beside the wheels that it is made of."""
    version = version_of(DIST)
    with tempfile.TemporaryDirectory(dir=DIST) as folder:
        root, payload = Path(folder, "root"), Path(folder, "payload.tar.gz")
        copy_interpreter(root)
        install(root, DIST, version, left_out=FLAVOURS[flavour])
        remove_unneeded(root)
        link_system_libraries(root)
        compile_sources(root)
        facts = f"{unpacked_size(root) / MIB:.0f} MiB unpacked, glibc {newest_glibc(root)} or newer"
        pack(root, payload)
        target = DIST / f"{flavour}-{version}-linux-{platform.machine()}"
        write_executable(payload, target, flavour=flavour, version=version)
    print(f"{target.name}: {target.stat().st_size / MIB:.0f} MiB; {facts}")


if __name__ == "__main__":
    main()
