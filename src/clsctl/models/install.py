"""Put models into the store, verify and remove them.

The checksums of the first pull count: other content under the same name is refused until the model
is removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from clsctl.errors import ModelError
from clsctl.models import provenance
from clsctl.models.checks import check_weights, require_unchanged
from clsctl.models.directory import read_model_dir
from clsctl.models.integrity import weights_sha256
from clsctl.models.store import KINDS, Store, not_pulled
from clsctl.paths import exists, is_file
from clsctl.settings import folders
from clsctl.system.files import sync, sync_tree
from clsctl.system.os_errors import translate_store_errors
from clsctl.values import PROVENANCE, WeightKind


def install_model(
    store: Store, name: str, kind: WeightKind, content: Path, source: Mapping[str, str]
) -> Path:
    """Check a folder and let it take its place in one rename; returns what `Store.find` returns.

    `content` is a folder on the store's disk, which is moved. `source` goes into clsctl.json;
    where it is empty, what the folder itself says is kept. The caller holds the model's lock.

    Raises:
        ModelError: It is no usable model, or not what is in the store under that name.
    """
    folder = store.folder(name, kind)
    provenance.record(content, source)
    check_weights(content, name, kind)
    if is_file(folder / PROVENANCE):
        require_unchanged(name, folder, content)
    sync_tree(content)
    _retire(store, name, kind)
    folder.parent.mkdir(parents=True, exist_ok=True)
    content.rename(folder)
    sync(folder.parent)
    shutil.rmtree(store.partial(name, kind))
    return folder


def verify_model(store: Store, name: str) -> dict[str, str]:
    """Read every file of a model and compare it with its recorded checksum.

    Returns:
        `ok`, `changed`, `missing` or `unexpected`, by KIND/FILE.

    Raises:
        ModelError: The model is not in the store (`E_MODEL_NOT_PULLED`).
    """
    with translate_store_errors(store.root):
        return {
            f"{kind}/{file}": state
            for kind in store.kinds(name)
            for file, state in provenance.compare(store.folder(name, kind)).items()
        }


def remove_model(store: Store, name: str) -> None:
    """Delete a model, what was derived from it, and whatever an interrupted pull of it left.

    Raises:
        ModelError: There is nothing of that name (`E_MODEL_NOT_PULLED`).
    """
    places = {kind: (store.folder(name, kind), store.partial(name, kind)) for kind in KINDS}
    kinds = [kind for kind in KINDS if any(exists(path) for path in places[kind])]
    if not kinds:
        raise not_pulled(name)
    for kind in kinds:
        with store.locked(f"{name}-{kind}"):
            _delete_cached(store.folder(name, kind))
            _retire(store, name, kind)
            shutil.rmtree(store.partial(name, kind))


def _retire(store: Store, name: str, kind: WeightKind) -> None:
    """Take a model out of sight in one rename, so that half of it is never seen."""
    folder, old = store.folder(name, kind), store.partial(name, kind) / "old"
    shutil.rmtree(old, ignore_errors=True)
    old.parent.mkdir(parents=True, exist_ok=True)
    if exists(folder):
        folder.rename(old)


def _delete_cached(directory: Path) -> None:
    """Delete what the cache holds of a model: whatever carries its weights' SHA256 in its name."""
    try:
        key = weights_sha256(read_model_dir(directory))
    except ModelError:
        return  # A damaged model cannot say any more what was made of it.
    for path in folders().cache.glob(f"*/{key}*"):
        path.unlink()
