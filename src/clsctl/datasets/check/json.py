"""Put a check into plain values: what `check_dataset_result.json` holds.

The keys of the specification are those of PaddleX's own check; `report` holds what only clsctl
finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from clsctl.datasets.check.check import CheckReport
from clsctl.datasets.check.duplicates import MAX_BITS, MAX_COLOUR
from clsctl.datasets.check.leaks import Pair
from clsctl.datasets.check.rules import CROP, EXTREME_RATIO, IMBALANCE
from clsctl.datasets.samples import SplitSample
from clsctl.errors import ClsctlError, DataError

THRESHOLDS = {
    "smaller_than_crop": CROP,
    "aspect_ratio": EXTREME_RATIO,
    "imbalance": IMBALANCE,
    "near_duplicate_bits_of_64": MAX_BITS,
    "near_duplicate_levels_of_255": MAX_COLOUR,
}


def passed_fields(
    report: CheckReport, label_file: str, histogram: str, demos: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return the result of a check that found no error.

    Args:
        report: What was found.
        label_file: Path of the file that names the classes.
        histogram: Path of the drawing.
        demos: Paths of images with their label drawn on them, by split.
    """
    splits = report.dataset.splits
    attributes: dict[str, Any] = {
        "label_file": label_file,
        "num_classes": report.dataset.num_classes,
    }
    for split in ("train", "val"):
        attributes[f"{split}_samples"] = len(splits.get(split, ()))
        attributes[f"{split}_sample_paths"] = list(demos.get(split, ()))
    return {
        "done_flag": True,
        "check_pass": True,
        "attributes": attributes,
        "analysis": {"histogram": histogram},
        "dataset_path": report.dataset.root.name,
        "show_type": "image",
        "dataset_type": "ClsDataset",
        "report": report_fields(report),
    }


def failed_fields(error: ClsctlError, report: CheckReport | None = None) -> dict[str, Any]:
    """Return the result of a check that found an error, or nothing to check."""
    fields = {
        "done_flag": False,
        "check_pass": False,
        "err_type": str(type(error)),
        "err_msg": error.message,
    }
    return fields | ({"report": report_fields(report)} if report else {})


def verdict(report: CheckReport) -> DataError | None:
    """Return the error that a dataset with errors ends in, or None."""
    if report.passed:
        return None
    first = report.problems[0]
    errors = report.counts["error"]
    more = f", and {errors - 1:,} more" if errors > 1 else ""
    return DataError(
        f"{report.dataset.root} is not valid: {first.where}: {first.message}{more}",
        code="E_DATASET_INVALID",
        hint=first.hint,
    )


def report_fields(report: CheckReport) -> dict[str, Any]:
    """Return everything that was found."""
    return {
        "dataset": report.dataset.root.resolve().name,
        "layout": report.dataset.layout,
        "fast": report.fast,
        "counts": report.counts,
        "ignored": dict(report.ignored),
        "thresholds": THRESHOLDS,
        "statistics": _statistics_fields(report),
        "duplicates": [_pair_fields(pair) for pair in report.copies.equal],
        "near_duplicates": [_pair_fields(pair) for pair in report.copies.near],
        "problems": [asdict(problem) for problem in report.problems],
    }


def _statistics_fields(report: CheckReport) -> dict[str, Any]:
    statistics = report.statistics
    summaries = {
        name: summary and summary._asdict()
        for name in ("width", "height", "aspect_ratio")
        for summary in [getattr(statistics, name)]
    }
    return asdict(statistics) | summaries


def _pair_fields(pair: Pair) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "first": _listed_fields(pair.first),
        "second": _listed_fields(pair.second),
    }
    return fields if pair.bits is None else fields | {"bits": pair.bits}


def _listed_fields(listed: SplitSample) -> dict[str, Any]:
    return {"split": listed.split, **asdict(listed.sample)}
