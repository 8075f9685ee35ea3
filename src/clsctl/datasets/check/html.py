"""Render a check as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from clsctl.datasets.check.check import CheckReport
from clsctl.datasets.check.leaks import Pair
from clsctl.datasets.check.statistics import describe
from clsctl.datasets.problems import CODES, Problem
from clsctl.datasets.samples import Dataset, Sample, SplitSample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Load = Callable[[Path], "NDArray[np.uint8] | None"]

TEMPLATE = "report.html"
GRID_IMAGES, MOST_PAIRS, MOST_PROBLEMS = 48, 30, 100
SIDE = 160
"""Length of a small picture's longer side, in pixels."""


def render_report(report: CheckReport, histogram: bytes, load: Load) -> str:
    """Render the page.

    Args:
        report: What was found.
        histogram: A PNG, or nothing.
        load: Returns an image's pixels, or None where it cannot be read.
    """
    dataset, copies = report.dataset, report.copies
    figures = describe(report.statistics)
    template = Template((resources.files("clsctl.datasets.check") / TEMPLATE).read_text("utf-8"))
    return template.substitute(
        name=escape(dataset.root.resolve().name),
        verdict="passed" if report.passed else "failed",
        summary=_summary(report),
        problems="".join(_problem_groups(report.problems)),
        histogram=f'<img src="{_data_url(histogram, "png")}" alt="">' if histogram else "",
        grid="".join(_cell(dataset, sample, load) for sample in _grid_samples(dataset)),
        pairs="".join(_pairs(dataset, [*copies.equal, *copies.near], load)),
        figures="".join(f"<tr><th>{name}<td>{escape(text)}" for name, text in figures),
    )


def _summary(report: CheckReport) -> str:
    return ", ".join(
        f"{number:,} {severity}{'s' if number != 1 else ''}"
        for severity, number in report.counts.items()
    )


def _problem_groups(problems: Sequence[Problem]) -> Iterator[str]:
    for code, group in groupby(problems, key=lambda one: one.code):
        listed = list(group)
        rows = "".join(
            f"<tr><td>{escape(one.where)}<td>{escape(one.message)}<td>{escape(one.hint)}"
            for one in listed[:MOST_PROBLEMS]
        )
        hidden = len(listed) - MOST_PROBLEMS
        more = f"<p>and {hidden:,} more, see check_dataset_result.json" if hidden > 0 else ""
        yield (
            f'<details class="{listed[0].severity}" open><summary>{escape(CODES[code].title)} '
            f"<code>{code}</code> ({len(listed):,})</summary>"
            f"<table><tr><th>Where<th>What<th>What to do{rows}</table>{more}</details>"
        )


def _grid_samples(dataset: Dataset) -> list[Sample]:
    """Choose samples evenly over the training list, and so over the classes of a sorted one."""
    samples = dataset.splits.get("train", ())
    step = max(1, len(samples) // GRID_IMAGES)
    return list(samples[::step][:GRID_IMAGES])


def _cell(dataset: Dataset, sample: Sample, load: Load) -> str:
    name = dataset.class_names.get(sample.label, str(sample.label))
    return _figure(dataset, sample, escape(name), load)


def _pairs(dataset: Dataset, pairs: Sequence[Pair], load: Load) -> Iterator[str]:
    for pair in pairs[:MOST_PAIRS]:
        kind = "equal" if pair.bits is None else f"{pair.bits} of 64 bits differ"
        sides = "".join(_side(dataset, listed, load) for listed in (pair.first, pair.second))
        yield f'<div class="pair">{sides}<p>{kind}</div>'
    if len(pairs) > MOST_PAIRS:
        yield f"<p>and {len(pairs) - MOST_PAIRS:,} more, see check_dataset_result.json"


def _side(dataset: Dataset, listed: SplitSample, load: Load) -> str:
    caption = f"{escape(listed.sample.path)}<br>{listed.split}, {escape(listed.where)}"
    return _figure(dataset, listed.sample, caption, load)


def _figure(dataset: Dataset, sample: Sample, caption: str, load: Load) -> str:
    pixels = load(dataset.image_path(sample))
    picture = "cannot be read"
    if pixels is not None:
        picture = f'<img src="{_data_url(_thumbnail(pixels), "jpeg")}" alt="">'
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
