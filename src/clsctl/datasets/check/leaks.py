"""Find images that a dataset holds twice, above all in training and validation alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsctl.datasets.check.duplicates import MAX_BITS, equal_files, near_pairs
from clsctl.datasets.check.listing import sample_problem
from clsctl.datasets.problems import Problem
from clsctl.datasets.samples import SPLITS, Dataset, SplitSample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.datasets.check.scan import Scan


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images that are equal or nearly so.

    Attributes:
        first: The one that comes first, in the order train, val, test.
        bits: How many of the 64 bits of their hashes differ; None where the files are equal.
    """

    first: SplitSample
    second: SplitSample
    bits: int | None = None


@dataclass(frozen=True, slots=True)
class Copies:
    """What a dataset holds more than once.

    Attributes:
        equal: Each file that is equal to an earlier one, with the first such file.
        near: Each image that nearly equals one of an earlier split, with the nearest such image.
        near_pairs: How many pairs of near-duplicates there are in all, equal files included; None
            where pixels were not looked at.
    """

    equal: tuple[Pair, ...]
    near: tuple[Pair, ...]
    near_pairs: int | None


def find_copies(dataset: Dataset, images: Mapping[str, SplitSample], scan: Scan) -> Copies:
    """Find the files that are equal, and the near-duplicates in different splits.

    Args:
        dataset: The dataset.
        images: Its images by path, in the order scanned.
        scan: What was found in them.
    """
    places = list(images.values())
    groups = equal_files(dataset.root, list(images), scan.signatures)
    equal = tuple(Pair(places[group[0]], places[again]) for group in groups for again in group[1:])
    if scan.fingerprints is None:
        return Copies(equal, (), None)
    pairs = near_pairs(scan.fingerprints)
    near = (
        Pair(places[first], places[second], bits)
        for first, second, bits in _nearest_in_another_split(pairs, places, groups).tolist()
    )
    return Copies(equal, tuple(near), len(pairs))


def copy_problems(copies: Copies) -> Iterator[Problem]:
    """Report what is wrong about images that are there more than once."""
    for pair in copies.equal:
        yield from _equal_problems(pair.first, pair.second)
    for pair in copies.near:
        first, second = pair.first, pair.second
        message = (
            f"{second.sample.path} in {second.split} is nearly {first.sample.path} in "
            f"{first.split} ({first.where}): {pair.bits} of 64 hash bits differ "
            f"(reported up to {MAX_BITS})"
        )
        yield sample_problem("D_NEAR_LEAK", message, second.sample)


def _equal_problems(first: SplitSample, second: SplitSample) -> Iterator[Problem]:
    sample, twin = second.sample, f"{first.sample.path} ({first.where})"
    same_label = first.sample.label == sample.label
    if not same_label:
        labels = f"class {sample.label} here and class {first.sample.label} there"
        message = f"{sample.path} equals {twin} byte for byte, but has {labels}"
        yield sample_problem("D_DUPLICATE_TWO_LABELS", message, sample)
    if first.split != second.split:
        message = f"{sample.path} in {second.split} equals {twin} in {first.split} byte for byte"
        yield sample_problem("D_LEAK", message, sample)
    elif same_label:
        yield sample_problem("D_DUPLICATE", f"{sample.path} equals {twin} byte for byte", sample)


def _nearest_in_another_split(
    pairs: NDArray[np.int64], places: Sequence[SplitSample], groups: Sequence[Sequence[int]]
) -> NDArray[np.int64]:
    """Find, for each second image, the closest first one in another split, if the files differ."""
    import numpy as np

    split = np.array([SPLITS.index(place.split) for place in places])
    file = np.arange(len(places))
    for group in groups:
        file[list(group)] = group[0]
    first, second = pairs[:, 0], pairs[:, 1]
    pairs = pairs[(split[first] != split[second]) & (file[first] != file[second])]
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 2], pairs[:, 1]))]
    _, nearest = np.unique(pairs[:, 1], return_index=True)
    return pairs[nearest]
