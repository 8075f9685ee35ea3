"""Pack the folder of the copied interpreter behind the launcher that unpacks it."""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
from pathlib import Path

from clsctl.system.files import atomic_replace, file_sha256
from one_file.interpreter import ELF

_LAUNCHER = Path(__file__).with_name("launcher.sh")
_OLDEST_GLIBC = (2, 17)


def unpacked_size(root: Path) -> int:
    """Add up the bytes of all files."""
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())


def newest_glibc(root: Path) -> str:
    """Return the newest release of the C library that any file asks for."""
    asked = {_OLDEST_GLIBC}
    for path in root.rglob("*"):
        if path.is_file() and (".so" in path.name or path.name == "python3"):
            content = path.read_bytes()
            if content.startswith(ELF):
                asked |= {(2, int(minor)) for minor in re.findall(rb"GLIBC_2\.(\d+)", content)}
    return ".".join(map(str, max(asked)))


def pack(root: Path, payload: Path) -> None:
    """Pack in the same order, with the same owner and time, whenever it is built."""
    with (
        gzip.GzipFile(payload, "wb", compresslevel=6, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted(root.rglob("*")):
            archive.add(path, path.relative_to(root), recursive=False, filter=_without_origin)


def write_executable(payload: Path, target: Path, *, flavour: str, version: str) -> None:
    """Write the launcher, filled in, and the payload behind it, as one executable file."""
    digest = file_sha256(payload)
    facts = {"FLAVOUR": flavour, "VERSION": version, "DIGEST": digest, "SHORT": digest[:12]}
    script = _LAUNCHER.read_text("utf-8")
    for name, value in facts.items():
        script = script.replace(f"@{name}@", value)
    with atomic_replace(target) as part:
        with part.open("wb") as out, payload.open("rb") as stream:
            out.write(_with_its_length(script))
            shutil.copyfileobj(stream, out)
        part.chmod(0o755)


def _without_origin(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _with_its_length(script: str) -> bytes:
    """Fill in where the payload begins, counted from 1, behind a script of a fixed length."""
    offset = len(script.replace("@OFFSET@", f"{0:08}").encode()) + 1
    return script.replace("@OFFSET@", f"{offset:08}").encode()
