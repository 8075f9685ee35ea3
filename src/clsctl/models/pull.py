"""Pull models into the store: lock, fetch from the first place that works, check and install."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

from clsctl.console.progress import no_progress
from clsctl.models import provenance
from clsctl.models.archive import extract, model_folder
from clsctl.models.checks import require_artifact, require_pinned
from clsctl.models.install import install_model
from clsctl.models.mirrors import first_success, weight_source
from clsctl.models.store import Store, pdparams_path
from clsctl.paths import is_file
from clsctl.plugin.descriptors import FetchRequest
from clsctl.urls import printable_url
from clsctl.values import ModelEntry, Progress, WeightKind


def ensure_pulled(
    store: Store,
    entry: ModelEntry,
    kind: WeightKind = "inference",
    *,
    mirrors: Sequence[str] = (),
    force: bool = False,
    offline: bool = False,
    progress: Progress = no_progress,
) -> Path:
    """Return what `Store.find` does, after pulling the model if it is not there yet.

    Args:
        store: Where to look for it, and where to put it.
        entry: What the catalog says of it.
        kind: Which of its weights.
        mirrors: Tried before the store's own mirrors.
        force: Pull although it is there, which repairs damaged files.
        offline: Open no socket, whatever the store's own setting.
        progress: Told of every block that arrives.

    Raises:
        NetworkError: No mirror and no server could deliver it.
        ModelError: There are no such weights, or what came is damaged, unsafe, too large or
            not what was pulled before; or the disk is full or read-only.
    """
    found = store.find(entry.name, kind)
    if found and not force:
        return found
    artifact = require_artifact(entry, kind)
    partial = store.partial(entry.name, kind)
    offline = offline or store.offline
    request = FetchRequest(entry, kind, artifact.url, partial, store.max_bytes, offline, progress)
    with store.locked(partial.name):
        found = store.find(entry.name, kind)
        if found and not force:
            return found
        obtain = functools.partial(_pull_from, store, pin=artifact.sha256)
        return first_success(request, (*mirrors, *store.mirrors), obtain)


def _pull_from(store: Store, request: FetchRequest, pin: str) -> Path:
    name, kind = request.entry.name, request.kind
    fetched = content = weight_source(request.url).fetch(request)
    source = provenance.origin(printable_url(request.url), fetched, catalog=request.entry.catalog)
    staged = request.workdir / "staged"
    shutil.rmtree(staged, ignore_errors=True)
    try:
        if is_file(fetched):
            require_pinned(source["sha256"], pin)
            content = _unpack(fetched, staged, request)
        return install_model(store, name, kind, content, source)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _unpack(file: Path, staged: Path, request: FetchRequest) -> Path:
    """Make a folder of what was pulled as one file."""
    staged.mkdir()
    if request.kind == "inference":
        extract(file, staged, request.max_bytes)
        return model_folder(staged)
    file.rename(pdparams_path(staged, request.entry.name))
    return staged
