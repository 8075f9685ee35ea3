"""Read and write clsctl.json: where a model came from, and what each of its files must be.

    {"source": {"url": ..., "catalog": ..., "date": ..., "sha256": ...},
     "files": {"inference.json": {"size": ..., "sha256": ...}, ...}}

`source.sha256` is that of the archive or file that was pulled or imported. Whatever else a
clsctl.json says (`clsctl export` writes metrics there) is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from clsctl.errors import ModelError
from clsctl.models.directory import PROVENANCE
from clsctl.system.files import FileFacts, atomic_replace, file_facts, file_sha256


def origin(url: str, path: Path, **facts: str) -> dict[str, str]:
    """Describe the source of what came from `url` and lies at `path`; a folder has no checksum."""
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    checksum = {"sha256": file_sha256(path)} if path.is_file() else {}
    return {"url": url, **facts, "date": date, **checksum}


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
    text = json.dumps(content | {"files": found}, indent=1, ensure_ascii=False)
    with atomic_replace(folder / PROVENANCE) as part:
        part.write_text(f"{text}\n", encoding="utf-8")


def read_facts(folder: Path) -> dict[str, Any]:
    """Read everything that clsctl.json says; nothing where there is none.

    Raises:
        ModelError: It cannot be read (`E_PROVENANCE`).
    """
    return _read(folder) if (folder / PROVENANCE).exists() else {}


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
        content = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("files", {}), dict):
        raise ModelError(
            f"'{folder / PROVENANCE}' is damaged",
            code="E_PROVENANCE",
            hint="remove the model and get it again",
        )
    return content
