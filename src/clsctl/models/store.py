"""Find the models on this machine.

Below the data folder (`CLSCTL_HOME`, or the platform's own):

    models/NAME/inference/     inference.json (or .pdmodel), inference.pdiparams, inference.yml
    models/NAME/training/      NAME_pretrained.pdparams
    partial/NAME-KIND/         interrupted downloads and folders being assembled
    locks/NAME-KIND.lock

Each models/NAME/KIND folder also holds clsctl.json: where the model came from, and the size and
SHA256 of every file. A folder appears there in one rename, once it is checked and on the disk, so
one with a clsctl.json is complete. `clsctl.models.pull` and `clsctl.models.install` change what is
there; most commands only look something up, and need not wait for their imports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from clsctl.errors import ModelError, UsageError
from clsctl.paths import is_file
from clsctl.settings import Settings, folders, load_settings
from clsctl.system.os_errors import translate_store_errors
from clsctl.values import PROVENANCE, WeightKind

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

KINDS: tuple[WeightKind, ...] = get_args(WeightKind)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
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

    def partial(self, name: str, kind: WeightKind) -> Path:
        """Return where that model is downloaded to and assembled; raises as `folder` does."""
        return self.root / "partial" / f"{safe_name(name)}-{kind}"

    def locked(self, label: str) -> AbstractContextManager[None]:
        """Keep others out of a part of the store; see `clsctl.system.locks.locked`."""
        from clsctl.system.locks import locked

        return locked(self.root, label, _FULL_HINT)


def safe_name(name: str) -> str:
    """Return a model's name that can be the name of a folder.

    Raises:
        UsageError: It cannot (`E_NAME`).
    """
    if not _SAFE_NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot name a model: use letters, digits, '.', '_' and '-'",
            code="E_NAME",
            hint="`clsctl models list` shows the names; `models import --name` gives another",
        )
    return name


def pdparams_path(folder: Path, name: str) -> Path:
    """Return the path of the .pdparams file in a models/NAME/training folder."""
    return folder / f"{safe_name(name)}_pretrained.pdparams"


def not_pulled(name: str) -> ModelError:
    """Make the error for a model that is not in the store."""
    return ModelError(
        f"'{name}' is not in the store",
        code="E_MODEL_NOT_PULLED",
        hint=f"`clsctl models pull {name}` gets it, `clsctl models import PATH` without a network",
    )
