"""Keep models on this machine: pull, lock, check, verify and remove them.

Below the data folder (`CLSCTL_HOME`, or the platform's own):

    models/NAME/inference/     inference.json (or .pdmodel), inference.pdiparams, inference.yml
    models/NAME/training/      NAME_pretrained.pdparams
    partial/NAME-KIND/         interrupted downloads and folders being assembled
    locks/NAME-KIND.lock

Each models/NAME/KIND folder also holds clsctl.json: where the model came from, and the size and
SHA256 of every file. A folder appears there in one rename, once it is checked and on the disk, so
one with a clsctl.json is complete. The checksums of the first pull count: other content under
the same name is refused until the model is removed.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from clsctl.console.progress import no_progress
from clsctl.errors import ModelError
from clsctl.models import provenance
from clsctl.models.archive import extract, model_folder
from clsctl.models.checks import (
    check_weights,
    not_pulled,
    pdparams_path,
    require_artifact,
    require_pinned,
    require_unchanged,
    safe_name,
)
from clsctl.models.directory import PROVENANCE, read_model_dir
from clsctl.models.integrity import weights_sha256
from clsctl.models.mirrors import first_success, weight_source
from clsctl.paths import exists, is_file
from clsctl.plugin.descriptors import FetchRequest
from clsctl.settings import Settings, folders, load_settings
from clsctl.system.files import sync, sync_tree
from clsctl.system.locks import locked
from clsctl.system.os_errors import translate_store_errors
from clsctl.urls import printable_url
from clsctl.values import ModelEntry, Progress, WeightKind

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

KINDS: tuple[WeightKind, ...] = get_args(WeightKind)
_FULL_HINT = (
    "free some space (`clsctl models remove NAME`), or set CLSCTL_HOME to a folder on another "
    "disk; a download then resumes where it stopped"
)


def open_store(settings: Settings | None = None) -> Store:
    """Open the store in the data folder, with the mirrors and limits of the settings."""
    settings = settings or load_settings()
    return Store(folders().data, settings.mirrors, settings.max_download, settings.offline)


@dataclass(frozen=True, slots=True)
class Store:
    """The models on this machine.

    Attributes:
        root: The data folder.
        mirrors: URLs or folders tried before an artifact's own URL (see `clsctl.models.mirrors`).
        max_bytes: The largest download, and the most that an archive may unpack to.
        offline: Open no socket.
    """

    root: Path
    mirrors: tuple[str, ...] = ()
    max_bytes: int = 8 << 30
    offline: bool = False

    def find(self, name: str, kind: WeightKind = "inference") -> Path | None:
        """Find the model directory, or the folder with the .pdparams file; None if not pulled."""
        folder = self.folder(name, kind)
        with translate_store_errors(self.root):
            return folder if is_file(folder / PROVENANCE) else None

    def pulled(self, kind: WeightKind = "inference") -> list[str]:
        """List the models whose weights of that kind are in the store, sorted."""
        records = (self.root / "models").glob(f"*/{kind}/{PROVENANCE}")
        return sorted({record.parent.parent.name for record in records})

    def kinds(self, name: str) -> list[WeightKind]:
        """List the kinds of weights that are there.

        Raises:
            ModelError: There are none (`E_MODEL_NOT_PULLED`).
        """
        kinds = [kind for kind in KINDS if self.find(name, kind)]
        if not kinds:
            raise not_pulled(name)
        return kinds

    def folder(self, name: str, kind: WeightKind) -> Path:
        """Return where that model is or will be.

        Raises:
            UsageError: The name cannot be the name of a folder (`E_NAME`).
        """
        return self.root / "models" / safe_name(name) / kind

    def ensure(
        self,
        entry: ModelEntry,
        kind: WeightKind = "inference",
        *,
        mirrors: Sequence[str] = (),
        force: bool = False,
        offline: bool = False,
        progress: Progress = no_progress,
    ) -> Path:
        """Return what `find` does, after pulling the model if it is not there yet.

        Args:
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
        found = self.find(entry.name, kind)
        if found and not force:
            return found
        artifact = require_artifact(entry, kind)
        partial = self._partial(entry.name, kind)
        offline = offline or self.offline
        request = FetchRequest(
            entry, kind, artifact.url, partial, self.max_bytes, offline, progress
        )
        with self.locked(partial.name):
            found = self.find(entry.name, kind)
            if found and not force:
                return found
            obtain = functools.partial(self._pull_from, pin=artifact.sha256)
            return first_success(request, (*mirrors, *self.mirrors), obtain)

    def locked(self, label: str) -> AbstractContextManager[None]:
        """Keep others out of a part of the store; see `clsctl.system.locks.locked`."""
        return locked(self.root, label, _FULL_HINT)

    def verify(self, name: str) -> dict[str, str]:
        """Read every file of a model and compare it with its recorded checksum.

        Returns:
            `ok`, `changed`, `missing` or `unexpected`, by KIND/FILE.

        Raises:
            ModelError: The model is not in the store (`E_MODEL_NOT_PULLED`).
        """
        with translate_store_errors(self.root):
            return {
                f"{kind}/{file}": state
                for kind in self.kinds(name)
                for file, state in provenance.compare(self.folder(name, kind)).items()
            }

    def remove(self, name: str) -> None:
        """Delete a model, what was derived from it, and whatever an interrupted pull of it left.

        Raises:
            ModelError: There is nothing of that name (`E_MODEL_NOT_PULLED`).
        """
        places = {kind: (self.folder(name, kind), self._partial(name, kind)) for kind in KINDS}
        kinds = [kind for kind in KINDS if any(exists(path) for path in places[kind])]
        if not kinds:
            raise not_pulled(name)
        for kind in kinds:
            with self.locked(f"{name}-{kind}"):
                delete_cached(self.folder(name, kind))
                self._retire(name, kind)
                shutil.rmtree(self._partial(name, kind))

    def install(
        self, name: str, kind: WeightKind, content: Path, source: Mapping[str, str]
    ) -> Path:
        """Check a folder and let it take its place in one rename; returns what `find` returns.

        `content` is a folder on the store's disk, which is moved. `source` goes into clsctl.json;
        where it is empty, what the folder itself says is kept. The caller holds the model's lock.

        Raises:
            ModelError: It is no usable model, or not what is in the store under that name.
        """
        folder = self.folder(name, kind)
        provenance.record(content, source)
        check_weights(content, name, kind)
        if is_file(folder / PROVENANCE):
            require_unchanged(name, folder, content)
        sync_tree(content)
        self._retire(name, kind)
        folder.parent.mkdir(parents=True, exist_ok=True)
        content.rename(folder)
        sync(folder.parent)
        shutil.rmtree(self._partial(name, kind))
        return folder

    def _pull_from(self, request: FetchRequest, pin: str) -> Path:
        name, kind = request.entry.name, request.kind
        fetched = content = weight_source(request.url).fetch(request)
        source = provenance.origin(
            printable_url(request.url), fetched, catalog=request.entry.catalog
        )
        staged = request.workdir / "staged"
        shutil.rmtree(staged, ignore_errors=True)
        try:
            if is_file(fetched):
                require_pinned(source["sha256"], pin)
                content = self._unpack(fetched, staged, name, kind)
            return self.install(name, kind, content, source)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _unpack(self, file: Path, staged: Path, name: str, kind: WeightKind) -> Path:
        """Make a folder of what was pulled as one file."""
        staged.mkdir()
        if kind == "inference":
            extract(file, staged, self.max_bytes)
            return model_folder(staged)
        file.rename(pdparams_path(staged, name))
        return staged

    def _retire(self, name: str, kind: WeightKind) -> None:
        """Take a model out of sight in one rename, so that half of it is never seen."""
        folder, old = self.folder(name, kind), self._partial(name, kind) / "old"
        shutil.rmtree(old, ignore_errors=True)
        old.parent.mkdir(parents=True, exist_ok=True)
        if exists(folder):
            folder.rename(old)

    def _partial(self, name: str, kind: WeightKind) -> Path:
        return self.root / "partial" / f"{safe_name(name)}-{kind}"


def delete_cached(directory: Path) -> None:
    """Delete what the cache holds of a model: whatever carries its weights' SHA256 in its name."""
    try:
        key = weights_sha256(read_model_dir(directory))
    except ModelError:
        return  # A damaged model cannot say any more what was made of it.
    for path in folders().cache.glob(f"*/{key}*"):
        path.unlink()
