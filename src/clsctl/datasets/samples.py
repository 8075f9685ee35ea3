"""Hold what every layout is read into: samples, splits and class names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from clsctl.datasets.problems import Problem
from clsctl.errors import ClsctlError, DataError

Layout = Literal["lists", "folders", "table"]
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its class.

    Attributes:
        path: As listed; relative to the dataset's root.
        label: The class id as listed; a problem tells where no class has it.
        file: Where it is listed, relative to the root; in a folder tree, the image itself.
        line: Line of the list or row of the table, from 1; 0 in a folder tree.
    """

    path: str
    label: int
    file: str
    line: int


def located(error: ClsctlError, sample: Sample) -> DataError:
    """Return an error about a sample's image that says where it is listed."""
    where = f"{sample.file}, line {sample.line}: {sample.path}" if sample.line else sample.path
    return DataError(
        f"{where}: {error.message}",
        code=error.code,
        hint="`clsctl dataset check DIR` finds every such image before training does",
    )


class SplitSample(NamedTuple):
    """A sample and the split that it is in."""

    split: str
    sample: Sample

    @property
    def where(self) -> str:
        """`train.txt:12`, or the image's path in a folder tree."""
        return f"{self.sample.file}:{self.sample.line}" if self.sample.line else self.sample.file


@dataclass(frozen=True)
class Dataset:
    """A dataset as it was found, with what is wrong about its lists.

    Attributes:
        root: The folder that sample paths are relative to.
        class_names: Names by class id.
        splits: The samples by split, `train`, `val`, `test`, in the order listed; a split that
            the dataset does not have is absent.
        class_lines: Lines of label.txt by class id; empty where there is none.
        problems: What could not be read or makes no sense; the images were not looked at.
    """

    root: Path
    layout: Layout
    class_names: Mapping[int, str]
    splits: Mapping[str, tuple[Sample, ...]]
    problems: tuple[Problem, ...]
    class_lines: Mapping[int, int] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """Outputs that a network needs: the highest class id plus one."""
        return max(self.class_names, default=-1) + 1

    def samples(self) -> Iterator[SplitSample]:
        """Iterate over every sample, with the name of its split."""
        return (
            SplitSample(split, sample) for split, group in self.splits.items() for sample in group
        )

    def image_path(self, sample: Sample) -> Path:
        return self.root / sample.path
