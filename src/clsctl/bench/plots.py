"""Draw accuracy over latency, with the Pareto front."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.bench.point_labels import label_points
from clsctl.plotting import BLUE, GREY, new_figure, save_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_pareto(
    points: Mapping[str, tuple[float, float]],
    front: Sequence[str],
    title: str,
    left: str,
    path: Path,
) -> None:
    """Draw accuracy over latency, and a line through what nothing else beats in both.

    Args:
        points: Milliseconds of one image and accuracy in percent, by name.
        front: Names of the points on the line, the fastest first.
        left: What the accuracy is.
    """
    figure = new_figure(9, 5.6)
    axes = figure.subplots()
    others = [name for name in points if name not in front]
    corners = _corners([points[name] for name in front], max(ms for ms, _ in points.values()))
    axes.plot(*zip(*corners, strict=True), color=BLUE, lw=1.2, alpha=0.5)
    axes.scatter(*_columns(points, front), s=50, color=BLUE, label="Pareto front")
    axes.scatter(*_columns(points, others), s=25, color=GREY, label="dominated")
    axes.set_xscale("log")
    axes.margins(0.12)
    style_axes(axes, title, "one image, milliseconds (network only, all cores)")
    axes.set_ylabel(left)
    _plain_numbers(axes)
    axes.legend(frameon=False, loc="lower right")
    figure.draw_without_rendering()  # which settles where the points are
    label_points(axes, points, [*front, *others], len(front), corners)
    save_figure(figure, path)


def _columns(
    points: Mapping[str, tuple[float, float]], names: Sequence[str]
) -> tuple[list[float], list[float]]:
    return [points[name][0] for name in names], [points[name][1] for name in names]


def _corners(front: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """The steps of a front: which accuracy can be had for each latency."""
    return [
        corner
        for (ms, top1), (next_ms, _) in itertools.pairwise([*front, (end, 0)])
        for corner in ((ms, top1), (next_ms, top1))
    ]


def _plain_numbers(axes: Axes) -> None:
    """Write milliseconds as plain numbers, not as powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
