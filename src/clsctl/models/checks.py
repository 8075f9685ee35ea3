"""Check what is to enter the store: its name, its files and their checksums."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

from clsctl.errors import ModelError
from clsctl.models import provenance
from clsctl.models.directory import read_model_dir
from clsctl.models.integrity import require_complete
from clsctl.models.pickle_scan import scan
from clsctl.models.store import pdparams_path
from clsctl.paths import open_regular
from clsctl.values import Artifact, ModelEntry, WeightKind


def check_weights(folder: Path, name: str, kind: WeightKind) -> None:
    """Raise ModelError unless a folder is a whole model directory, or has the .pdparams file."""
    if kind == "inference":
        require_complete(read_model_dir(folder))
        return
    reason = _fault(pdparams_path(folder, name))
    if reason:
        raise ModelError(f"this is no .pdparams file: {reason}", code="E_WEIGHTS_INVALID")


def _fault(path: Path) -> str:
    """Say what is wrong with training weights as far as shows without loading them, if anything."""
    try:
        with open_regular(path) as stream:
            scan(stream)
            return ""
    except UnpicklingError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - a hostile or broken pickle may end in any exception
        return "it is cut off, or no file that paddle.save wrote"


def require_pinned(found: str, pin: str) -> None:
    """Raise ModelError (`E_CHECKSUM`) where the catalog states another SHA256."""
    if pin and found != pin.lower():
        raise ModelError(
            f"the file has the SHA256 {found}, but the catalog says {pin}",
            code="E_CHECKSUM",
            hint="try another server with --mirror",
        )


def require_unchanged(name: str, present: Path, coming: Path) -> None:
    """Raise ModelError (`E_MODEL_CHANGED`) where files differ from those in the store."""
    before, after = provenance.recorded_files(present), provenance.recorded_files(coming)
    changed = sorted(file for file in before | after if before.get(file) != after.get(file))
    if changed:
        raise ModelError(
            f"{', '.join(changed)} differs from the {name} that was pulled before",
            code="E_MODEL_CHANGED",
            hint=f"if you trust the new one: `clsctl models remove {name}`, then try again",
        )


def repair_hint(name: str) -> str:
    """Say what to do where files of a model in the store are damaged."""
    return f"`clsctl models pull {name} --kind all --force` repairs a pulled model"


def require_artifact(entry: ModelEntry, kind: WeightKind) -> Artifact:
    """Return the artifact of that kind, or raise ModelError (`E_NO_WEIGHTS`)."""
    artifact = entry.artifact(kind)
    if artifact is None:
        raise ModelError(
            f"the catalog '{entry.catalog}' names no {kind} weights for {entry.name}",
            code="E_NO_WEIGHTS",
        )
    return artifact
