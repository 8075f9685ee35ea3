"""Read and write clsctl.json: where a model came from, and what each of its files must be.

    {"source": {"url": ..., "catalog": ..., "date": ..., "sha256": ...},
     "files": {"inference.json": {"size": ..., "sha256": ...}, ...}}

`source.sha256` is that of the archive or file that was pulled or imported. Whatever else a
clsctl.json says (`clsctl export` writes metrics there) is kept. It is handed on with the model, so
it holds no path of this machine, only the last name of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

from clsctl.errors import ModelError
from clsctl.paths import exists, is_file, last_name, without_folders
from clsctl.schema.constraints import NonNegativeInt, Pattern
from clsctl.schema.documents import load_document
from clsctl.schema.errors import SchemaError
from clsctl.schema.read import read
from clsctl.system.files import FileFacts, atomic_replace, file_facts, file_sha256
from clsctl.values import PROVENANCE


@dataclass(frozen=True, slots=True)
class ListedFile:
    """What a record says of a file: its size in bytes, and its SHA256 in hex."""

    size: NonNegativeInt
    sha256: Annotated[str, Pattern("[0-9a-f]{64}", "64 digits in lower-case hex")]


@dataclass(frozen=True, slots=True)
class Record:
    """What clsctl.json says of the files, by path, and of their origin."""

    source: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, ListedFile] = field(default_factory=dict)


def origin(url: str, path: Path, **facts: str) -> dict[str, str]:
    """Describe the source of what came from `url` and lies at `path`; a folder has no checksum.

    Args:
        url: A path, or a URL of any scheme; of a local one only the last name is kept.
        path: What came from there.
        facts: What else is known of it.
    """
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    checksum = {"sha256": file_sha256(path)} if is_file(path) else {}
    shown = url if "://" in url and not url.startswith("file:") else f"file:{last_name(url)}"
    return {"url": shown, **facts, "date": date, **checksum}


def record(folder: Path, source: Mapping[str, str], **facts: object) -> None:
    """Write clsctl.json; an empty `source` keeps what the folder says of its origin.

    Args:
        folder: A model's folder; its files are read for their checksums.
        source: Where it came from; see `origin`.
        facts: What else to say there, by key; other keys are kept.

    Raises:
        ModelError: The folder brought a clsctl.json that cannot be read (`E_PROVENANCE`), or that
            its files disagree with (`E_CHECKSUM`).
    """
    content = read_facts(folder)
    found = file_facts(folder, skip=PROVENANCE)
    for name, recorded in content.get("files", {}).items():
        if found.get(name) != recorded:
            raise ModelError(
                f"{name} is not the file that {PROVENANCE} beside it describes",
                code="E_CHECKSUM",
                hint=f"get the model again, or delete its {PROVENANCE} if you changed it yourself",
            )
    content |= ({"source": dict(source)} if source else {}) | facts
    with atomic_replace(folder / PROVENANCE) as part:
        part.write_bytes(as_portable(content | {"files": found}))


def as_portable(content: Mapping[str, Any]) -> bytes:
    """Write the content of a clsctl.json without the paths that an absolute one tells of."""
    text = json.dumps(without_folders(content), indent=1, ensure_ascii=False)
    return f"{text}\n".encode()


def read_facts(folder: Path) -> dict[str, Any]:
    """Read everything that clsctl.json says; nothing where there is none.

    Raises:
        ModelError: It cannot be read (`E_PROVENANCE`).
    """
    return _read(folder) if exists(folder / PROVENANCE) else {}


def recorded_files(folder: Path) -> dict[str, FileFacts]:
    """Read the files that clsctl.json lists, by path relative to the folder.

    Raises:
        ModelError: It cannot be read (`E_PROVENANCE`).
    """
    files: dict[str, FileFacts] = _read(folder).get("files", {})
    return files


def compare(folder: Path) -> dict[str, str]:
    """Compare every file with its record: `ok`, `changed`, `missing` or `unexpected`, by path."""
    try:
        recorded = recorded_files(folder)
    except ModelError:
        return {PROVENANCE: "changed"}
    found = file_facts(folder, skip=PROVENANCE)
    return {name: _state(recorded.get(name), found.get(name)) for name in sorted(recorded | found)}


def _state(recorded: FileFacts | None, found: FileFacts | None) -> str:
    if recorded is None:
        return "unexpected"
    if found is None:
        return "missing"
    return "ok" if recorded == found else "changed"


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = load_document(folder / PROVENANCE)
        read(Record, content, extra_keys=True)
    except SchemaError as error:
        raise ModelError(
            f"{PROVENANCE} of the model is damaged: {error}",
            code="E_PROVENANCE",
            hint="remove the model and get it again",
        ) from None
    return dict(content)
