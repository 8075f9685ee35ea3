"""Report what is wrong with a dataset's images, one by one, and with the size of its classes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.datasets.check.listing import sample_problem, split_place
from clsctl.datasets.check.statistics import Statistics
from clsctl.datasets.problems import Problem, problem
from clsctl.datasets.samples import Dataset, Sample, SplitSample
from clsctl.errors import ClsctlError

if TYPE_CHECKING:
    from clsctl.datasets.check.scan import Scan

CROP = 224
"""Side in pixels of what most networks see."""

EXTREME_RATIO = 3.0
IMBALANCE = 10.0
_IMAGE_CODES = {
    "E_INPUT_MISSING": "D_FILE_MISSING",
    "E_IMAGE_EMPTY": "D_IMAGE_EMPTY",
    "E_IMAGE_TRUNCATED": "D_IMAGE_TRUNCATED",
    "E_IMAGE_TOO_LARGE": "D_IMAGE_TOO_LARGE",
}


def imbalance_problems(dataset: Dataset, statistics: Statistics) -> Iterator[Problem]:
    """Report whether the largest class has many times the training samples of the smallest."""
    if statistics.imbalance is None or statistics.imbalance < IMBALANCE:
        return
    classes = [one for one in statistics.classes if one.samples["train"]]
    small, large = (choose(classes, key=lambda one: one.samples["train"]) for choose in (min, max))
    message = (
        f"'{large.name}' has {large.samples['train']} training samples and '{small.name}' "
        f"{small.samples['train']}: {statistics.imbalance:.1f} times as many "
        f"(reported from {IMBALANCE:g})"
    )
    yield problem("D_IMBALANCE", message, *split_place(dataset, "train"))


# ---- the images --------------------------------------------------------------------------------


def image_problems(
    dataset: Dataset, images: Mapping[str, SplitSample], scan: Scan
) -> Iterator[Problem]:
    """Report files that cannot be read, and images that a network sees little of."""
    places = list(images.values())
    for position, error in scan.errors.items():
        yield _unreadable(dataset.root, places[position].sample, error)
    for position, warning in scan.warnings.items():
        sample = places[position].sample
        yield sample_problem("D_IMAGE_DAMAGED", f"{sample.path}: {warning}", sample)
    for place, (width, height) in zip(places, scan.sizes.tolist(), strict=True):
        yield from _awkward(place.sample, width, height)


def image_notes(images: Mapping[str, SplitSample], scan: Scan) -> Iterator[Problem]:
    """Report how many images EXIF data turn, and how many are not RGB, and the first of each."""
    places = list(images.values())
    rotated = scan.rotated.nonzero()[0]
    if len(rotated):
        sample = places[rotated[0]].sample
        message = f"{len(rotated)} of {len(places)} images, the first being {sample.path}"
        yield sample_problem("D_EXIF_ROTATED", message, sample)
    other = [position for position, mode in enumerate(scan.modes) if mode not in ("", "RGB")]
    if other:
        sample, mode = places[other[0]].sample, scan.modes[other[0]]
        message = f"{len(other)} of {len(places)} images, the first being {sample.path} ({mode})"
        yield sample_problem("D_NOT_RGB", message, sample)


def _awkward(sample: Sample, width: int, height: int) -> Iterator[Problem]:
    shorter, longer = sorted((width, height))
    if 0 < shorter < CROP:
        message = f"{sample.path} has {width} x {height} pixels, less than the crop of {CROP}"
        yield sample_problem("D_IMAGE_SMALL", message, sample)
    if 0 < shorter * EXTREME_RATIO <= longer:
        message = (
            f"{sample.path} has {width} x {height} pixels, a ratio of {longer / shorter:.1f} "
            f"(reported from {EXTREME_RATIO:g})"
        )
        yield sample_problem("D_ASPECT_RATIO", message, sample)


def _unreadable(root: Path, sample: Sample, error: ClsctlError) -> Problem:
    code = _IMAGE_CODES.get(error.code, "D_IMAGE_UNREADABLE")
    if code == "D_FILE_MISSING":
        hint = _misspelt(root, sample.path)
        return sample_problem(code, f"{sample.path} does not exist", sample, hint)
    return sample_problem(code, f"{sample.path}: {error.message}", sample)


def _misspelt(root: Path, listed: str) -> str:
    """Return a hint where the file exists under nearly the same name."""
    if "\\" in listed:
        return "write / instead of \\ in paths"
    path = root / listed
    found = _names_by_lower_case(path.parent).get(path.name.lower())
    return (
        f"there is {found}: letters in the path must be large or small as in the file"
        if found
        else ""
    )


@functools.lru_cache(maxsize=64)
def _names_by_lower_case(folder: Path) -> dict[str, str]:
    try:
        return {path.name.lower(): path.name for path in folder.iterdir()}
    except (OSError, ValueError):
        return {}
