"""Carry models by hand: what was brought goes into the store, and bundles come out of it.

A bundle is an uncompressed tar: first `clsctl-bundle.json`, which lists the size and SHA256 of
every other entry, then NAME/KIND/... as in the store.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from clsctl.errors import ModelError, UsageError
from clsctl.models.archive import extract, model_folder
from clsctl.models.checks import check_weights, repair_hint
from clsctl.models.directory import read_model_dir
from clsctl.models.install import install_model, verify_model
from clsctl.models.provenance import ListedFile, as_portable, origin, read_facts
from clsctl.models.store import KINDS, Store, pdparams_path
from clsctl.paths import copy_file, is_dir, is_file, open_regular
from clsctl.schema.documents import read_document
from clsctl.schema.errors import SchemaError
from clsctl.system.files import FileFacts, atomic_output, file_facts, stream_sha256
from clsctl.values import PROVENANCE, WeightKind

MANIFEST = "clsctl-bundle.json"
Imported = list[tuple[str, WeightKind]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle's first entry says of all others, by name."""

    format: Literal[1]
    files: Mapping[str, ListedFile]


def import_path(store: Store, path: Path, name: str = "") -> Imported:
    """Bring a model directory, a tar of one, a .pdparams file or a bundle into the store.

    Args:
        store: Where it goes.
        path: What was brought.
        name: What to call it; by default the name in its inference.yml, or the file's own.

    Returns:
        Name and kind of each model that is now in the store.

    Raises:
        UsageError: `path` cannot be read (`E_NO_SUCH_FILE`), or the name is unusable (`E_NAME`).
        ModelError: It is damaged, unsafe, too large, or not what is in the store under that name;
            or the disk is full or read-only.
    """
    if not os.access(path, os.R_OK):
        raise UsageError(f"'{path}' does not exist or cannot be read", code="E_NO_SUCH_FILE")
    scratch = store.root / "partial" / "import"
    with store.locked("import"):
        shutil.rmtree(scratch, ignore_errors=True)
        content = scratch / (path.resolve().stem or "model")
        content.mkdir(parents=True)
        try:
            if is_dir(path):
                return _import_directory(store, path, name, content)
            if path.suffix == ".pdparams":
                return _import_pdparams(store, path, name, content)
            return _import_tar(store, path, name, content)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def write_bundle(store: Store, names: Iterable[str], out: Path) -> None:
    """Write models, with the checksum of every file, into one file for `import_path`.

    Raises:
        ModelError: A model is not in the store (`E_MODEL_NOT_PULLED`) or is damaged
            (`E_CHECKSUM`).
        UsageError: `out` cannot be written (`E_OUTPUT`).
    """
    files = {name: path for model in names for name, path in _intact_files(store, model)}
    listed = {name: _listed(path) for name, path in files.items()}
    manifest = json.dumps({"format": 1, "files": listed}, indent=1).encode()
    with atomic_output(out) as part, tarfile.open(part, "w") as tar:
        _add(tar, MANIFEST, io.BytesIO(manifest), len(manifest))
        for name, path in files.items():
            with _open(path) as stream:
                _add(tar, name, stream, listed[name]["size"])


# ---- in ----------------------------------------------------------------------------------------


def _import_directory(store: Store, path: Path, name: str, content: Path) -> Imported:
    name = name or read_model_dir(path).name
    for file in path.iterdir():
        if is_file(file):
            shutil.copyfile(file, content / file.name)
    return _install(store, name, "inference", content, _source(path))


def _import_pdparams(store: Store, path: Path, name: str, content: Path) -> Imported:
    name = name or path.stem.removesuffix("_pretrained")
    copy_file(path, pdparams_path(content, name))
    return _install(store, name, "training", content, _source(path))


def _import_tar(store: Store, path: Path, name: str, content: Path) -> Imported:
    extract(path, content, store.max_bytes)
    if is_file(content / MANIFEST):
        if name:
            raise UsageError("a bundle keeps the names of its models", hint="leave out --name")
        return _import_bundle(store, content)
    folder = model_folder(content)
    name = name or read_model_dir(folder).name
    return _install(store, name, "inference", folder, _source(path))


def _import_bundle(store: Store, content: Path) -> Imported:
    _check_bundle(content)
    models = [
        (path.name, kind, path / kind)
        for path in sorted(content.iterdir())
        for kind in KINDS
        if is_dir(path / kind)
    ]
    for name, kind, folder in models:
        check_weights(folder, name, kind)
    return [
        item
        for name, kind, folder in models
        for item in _install(store, name, kind, folder, source={})
    ]


def _install(
    store: Store, name: str, kind: WeightKind, content: Path, source: Mapping[str, str]
) -> Imported:
    store.folder(name, kind)
    with store.locked(f"{name}-{kind}"):
        install_model(store, name, kind, content, source)
    return [(name, kind)]


def _source(path: Path) -> dict[str, str]:
    return origin(path.absolute().as_uri(), path)


def _check_bundle(content: Path) -> None:
    """Raise ModelError unless the files are those of the list, byte for byte."""
    listed = _listed_files(content)
    found = file_facts(content, skip=MANIFEST)
    wrong = sorted(name for name in listed | found if listed.get(name) != found.get(name))
    if wrong:
        raise ModelError(
            f"the bundle is damaged: {', '.join(wrong)} is not as its list says",
            code="E_CHECKSUM",
            hint="carry the bundle over again",
        )


def _listed_files(content: Path) -> dict[str, Any]:
    try:
        manifest = read_document(Manifest, content / MANIFEST)
    except SchemaError as error:
        raise ModelError(
            f"the bundle's {MANIFEST} cannot be read; it may come from a later clsctl: "
            f"{error.reason}",
            code="E_ARCHIVE",
        ) from None
    return {name: asdict(facts) for name, facts in manifest.files.items()}


# ---- out ---------------------------------------------------------------------------------------


def _intact_files(store: Store, name: str) -> list[tuple[str, Path]]:
    _require_intact(name, verify_model(store, name))
    folders = {kind: store.folder(name, kind) for kind in store.kinds(name)}
    return [
        (f"{name}/{kind}/{path.relative_to(folder).as_posix()}", path)
        for kind, folder in folders.items()
        for path in sorted(folder.rglob("*"))
        if is_file(path)
    ]


def _require_intact(name: str, states: Mapping[str, str]) -> None:
    """Raise ModelError (`E_CHECKSUM`) unless `verify_model` found every file `ok`."""
    wrong = [f"{file} is {state}" for file, state in states.items() if state != "ok"]
    if wrong:
        raise ModelError(
            f"{name} is damaged: {', '.join(wrong)}",
            code="E_CHECKSUM",
            hint=repair_hint(name),
        )


def _open(path: Path) -> BinaryIO:
    """Open a file as a bundle holds it: a record may stem from a version that kept paths."""
    if path.name == PROVENANCE:
        return io.BytesIO(as_portable(read_facts(path.parent)))
    return open_regular(path)


def _listed(path: Path) -> FileFacts:
    with _open(path) as stream:
        checksum = stream_sha256(stream)
        return {"size": stream.tell(), "sha256": checksum}


def _add(tar: tarfile.TarFile, name: str, stream: BinaryIO, size: int) -> None:
    """Add a file; owner and time stay zero, so that the same models give the same bundle."""
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, stream)
