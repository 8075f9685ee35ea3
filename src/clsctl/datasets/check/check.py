"""Check a dataset: read everything, and report every problem with its place and its fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from clsctl.console.progress import no_progress
from clsctl.datasets.check.leaks import Copies, copy_problems, find_copies
from clsctl.datasets.check.listing import listed_once, listing_problems
from clsctl.datasets.check.rules import image_notes, image_problems, imbalance_problems
from clsctl.datasets.check.scan import scan_images
from clsctl.datasets.check.statistics import Statistics, measure
from clsctl.datasets.layouts.detect import read_dataset
from clsctl.datasets.problems import CODES, SEVERITIES, Problem
from clsctl.datasets.samples import Dataset, Layout
from clsctl.errors import UsageError, unknown_name
from clsctl.settings import load_settings
from clsctl.system.cpu import available_cores
from clsctl.values import Progress


@dataclass(frozen=True)
class CheckReport:
    """Everything that a check found.

    Attributes:
        problems: By severity, then by kind, then by place.
        ignored: How many problems of each code were left out because the caller asked for it.
        copies: Images that are there more than once.
        fast: Whether only the headers of images were read.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]
    ignored: Mapping[str, int]
    statistics: Statistics
    copies: Copies
    fast: bool

    @property
    def passed(self) -> bool:
        """Whether there is no error."""
        return not self.counts["error"]

    @property
    def counts(self) -> dict[str, int]:
        """Problems by severity."""
        found = Counter(problem.severity for problem in self.problems)
        return {severity: found[severity] for severity in SEVERITIES}


def check_dataset(
    path: Path | str,
    *,
    layout: Layout | None = None,
    fast: bool = False,
    strict: bool = False,
    ignore: Collection[str] = (),
    workers: int = 0,
    progress: Progress = no_progress,
) -> CheckReport:
    """Check a dataset in any layout; never stops at the first problem.

    Args:
        path: The dataset's folder, or a table.
        layout: Read this layout alone; see `read_dataset`.
        fast: Read only the headers of images: damaged pixels and near-duplicates go unnoticed.
        strict: Count warnings as errors.
        ignore: Codes of problems to leave out.
        workers: Threads; 0 takes the settings', or every core.
        progress: Receives the images looked at, and in all.

    Raises:
        UsageError: A code to ignore does not exist (`E_CODE_UNKNOWN`).
        DataError: There is no dataset (see `read_dataset`).
    """
    _require_known(ignore)
    settings = load_settings()
    dataset = read_dataset(Path(path), layout)
    images = listed_once(dataset)
    scan = scan_images(
        dataset.root,
        list(images),
        workers=workers or settings.threads or available_cores(),
        settings=settings,
        fast=fast,
        progress=progress,
    )
    copies = find_copies(dataset, images, scan)
    statistics = measure(dataset, scan, copies.near_pairs)
    problems = [*dataset.problems, *listing_problems(dataset)]
    problems += imbalance_problems(dataset, statistics)
    problems += image_problems(dataset, images, scan)
    problems += copy_problems(copies)
    problems += image_notes(images, scan)
    kept = [problem for problem in problems if problem.code not in ignore]
    ignored = Counter(problem.code for problem in problems if problem.code in ignore)
    return CheckReport(dataset, _ordered(kept, strict), ignored, statistics, copies, fast)


def _require_known(codes: Iterable[str]) -> None:
    for code in codes:
        if code not in CODES:
            raise UsageError(
                unknown_name("code", code, CODES),
                code="E_CODE_UNKNOWN",
                hint="the codes stand in the report of `clsctl dataset check`",
            )


def _ordered(problems: Iterable[Problem], strict: bool) -> tuple[Problem, ...]:
    if strict:
        problems = (
            replace(one, severity="error") if one.severity == "warning" else one for one in problems
        )
    codes = {code: number for number, code in enumerate(CODES)}

    def place(one: Problem) -> tuple[int, int, str, int]:
        return SEVERITIES.index(one.severity), codes[one.code], one.file, one.line or 0

    return tuple(sorted(problems, key=place))
