"""Download a demo dataset, through the same mirrors, sources and checks as a model.

The next call resumes what was interrupted. The dataset's folder appears when it is complete;
its clsctl.json says where it came from, with the size and SHA256 of every file.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from clsctl.console.progress import no_progress
from clsctl.datasets.folder import new_dataset
from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.datasets.problems import UNSPLIT
from clsctl.errors import DataError, ModelError, NetworkError, UsageError, unknown_name
from clsctl.models import provenance
from clsctl.models.archive import extract
from clsctl.models.mirrors import first_success, weight_source
from clsctl.paths import is_dir, is_file
from clsctl.plugin.descriptors import FetchRequest
from clsctl.schema.documents import parse_document
from clsctl.settings import Settings, folders, load_settings
from clsctl.system.files import require_space
from clsctl.system.locks import locked
from clsctl.urls import printable_url
from clsctl.values import PROVENANCE, ModelEntry, Preprocessing, Progress


@dataclass(frozen=True, slots=True)
class Published:
    """A dataset that can be pulled: an entry of datasets.toml.

    Attributes:
        url: An uncompressed tar archive.
        sha256: Its checksum in hex; empty where the publisher states none.
    """

    name: str
    summary: str
    url: str
    sha256: str = ""


def published_datasets() -> dict[str, Published]:
    """Read what can be pulled, by name."""
    text = files("clsctl.datasets").joinpath("datasets.toml").read_text(encoding="utf-8")
    found = (Published(**entry) for entry in parse_document(text, ".toml")["datasets"])
    return {dataset.name: dataset for dataset in found}


def pull_dataset(
    name: str,
    target: Path | str | None = None,
    *,
    mirrors: Sequence[str] = (),
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Download a dataset, unless it is there already.

    Args:
        name: A key of `published_datasets`.
        target: The new folder; by default one of that name in the current folder.
        mirrors: Tried before the mirrors of the settings.
        settings: By default those of `load_settings`.
        progress: Receives the bytes that have come, and in all.

    Returns:
        The dataset's folder.

    Raises:
        UsageError: There is no such dataset (`E_DATASET_UNKNOWN`).
        NetworkError: No mirror and no server could deliver it.
        ModelError: What came is damaged, unsafe, too large or not what it should be.
        DataError: There is something else at `target` (`E_EXISTS`), it cannot be written
            (`E_DATASET_WRITE`), or what came is no dataset (`E_DATASET_INVALID`).
    """
    dataset, settings = _find(name), settings or load_settings()
    root = Path(target or name)
    if is_file(root / PROVENANCE):
        return root
    partial = folders().data / "partial" / f"dataset-{name}"
    request = FetchRequest(
        _as_entry(dataset),
        "training",
        dataset.url,
        partial,
        settings.max_download,
        settings.offline,
        progress,
    )
    with locked(folders().data, partial.name):
        _pull(dataset, request, (*mirrors, *settings.mirrors), root)
        shutil.rmtree(partial)
    return root


def _find(name: str) -> Published:
    known = published_datasets()
    if name not in known:
        raise UsageError(unknown_name("dataset", name, known), code="E_DATASET_UNKNOWN")
    return known[name]


def _as_entry(dataset: Published) -> ModelEntry:
    """Describe the dataset as weight sources expect: by a name, without a preprocessing."""
    unused = Preprocessing(resize_short=0, crop=0)
    return ModelEntry(dataset.name, "datasets", dataset.summary, "datasets", unused, unused)


def _pull(dataset: Published, request: FetchRequest, mirrors: Sequence[str], root: Path) -> None:
    def obtain(request: FetchRequest) -> Path:
        archive = weight_source(request.url).fetch(request)
        _unpack(dataset, archive, request.url, request.max_bytes, root)
        return root

    try:
        first_success(request, mirrors, obtain)
    except NetworkError as failure:
        if failure.code == "E_OFFLINE":  # its hint speaks of models
            failure.hint = f"bring {dataset.url} by hand, and unpack it with `tar -xf`"
        raise


def _unpack(dataset: Published, archive: Path, url: str, max_bytes: int, root: Path) -> None:
    source = provenance.origin(printable_url(url), archive, catalog="datasets")
    if dataset.sha256 not in ("", source["sha256"]):
        raise ModelError(
            f"the file has the SHA256 {source['sha256']}, but it should be {dataset.sha256}",
            code="E_CHECKSUM",
        )
    with new_dataset(root) as folder:
        require_space(folder, archive.stat().st_size)
        extract(archive, folder, max_bytes)
        _lift(folder)
        _require_dataset(folder)
        provenance.record(folder, source)


def _lift(folder: Path) -> None:
    """Take the content out of the one folder that an archive has at its top."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and is_dir(inside[0]):
        top = inside[0].rename(folder / ".top")
        for path in top.iterdir():
            path.rename(folder / path.name)
        top.rmdir()


def _require_dataset(folder: Path) -> None:
    try:
        read_valid_dataset(folder, tolerated=UNSPLIT)
    except DataError as error:
        reason = error.message.replace(str(folder), "the archive")
        raise ModelError(f"it holds no dataset: {reason}", code="E_DATASET_INVALID") from None
