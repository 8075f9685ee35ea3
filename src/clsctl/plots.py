"""Pictures of figures, as PNG: training curves, confusion, reliability, accuracy for time.

Matplotlib is an extra; without it every function here raises DataError (`E_EXTRA_MISSING`).
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.drawing import FONT
from clsctl.errors import DataError
from clsctl.metrics import expected_calibration_error, reliability_bins
from clsctl.outputs import writing
from clsctl.point_labels import label_points

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from numpy.typing import NDArray

    from clsctl.training.display import EpochInfo, StepInfo
    from clsctl.training.rate_test import Point

BLUE, ORANGE, GREEN, GREY = "#1f5c99", "#d9822b", "#2e8540", "#8a8f98"
DPI = 110

COUNTS_UP_TO, NAMES_UP_TO = 25, 60
"""With more classes than this, a confusion matrix shows no counts, or no names."""

LONGEST_NAME = 24


def training_curves(steps: Sequence[StepInfo], epochs: Sequence[EpochInfo], path: Path) -> None:
    """Draw loss, accuracy and learning rate over the epochs.

    Args:
        steps: In order; some may be missing.
        epochs: In order.
    """
    figure = _figure(12, 3.6)
    loss, accuracy, rate = figure.subplots(1, 3)
    per_epoch = max((step.batch for step in steps), default=1)
    moments = [step.epoch - 1 + step.batch / per_epoch for step in steps]
    numbers = [epoch.epoch for epoch in epochs]
    loss.plot(moments, [step.loss for step in steps], color=GREY, lw=0.7, label="of a step")
    means = {e.epoch - 0.5: e.train_loss for e in epochs if e.train_loss is not None}
    loss.plot(means.keys(), means.values(), ".-", color=BLUE, label="mean of an epoch")
    accuracy.plot(numbers, [100 * e.top1 for e in epochs], ".-", color=BLUE, label="top-1")
    accuracy.plot(numbers, [100 * e.top5 for e in epochs], ".-", color=ORANGE, label="top-5")
    rate.plot(moments, [step.learning_rate for step in steps], color=GREEN)
    _style(loss, "Training loss", "epoch")
    _style(accuracy, "Validation accuracy, %", "epoch")
    _style(rate, "Learning rate", "epoch")
    _mark_best(accuracy, epochs)
    for axes in (loss, accuracy):
        axes.legend(frameon=False)
    for axes in (loss, accuracy, rate):
        axes.locator_params("x", integer=True)
    _save(figure, path)


def rate_range(points: Sequence[Point], chosen: float, path: Path) -> None:
    """Draw a learning-rate range test: the loss over the rate, and the rate that was chosen."""
    figure = _figure(6, 3.6)
    axes = figure.subplots()
    rates = [point.learning_rate for point in points]
    axes.plot(rates, [point.loss for point in points], color=GREY, lw=0.7, label="of a step")
    axes.plot(rates, [point.smoothed for point in points], color=BLUE, label="smoothed")
    axes.axvline(chosen, color=GREEN, ls="--", label=f"chosen: {chosen:.3g}")
    axes.set_xscale("log")
    axes.legend(frameon=False)
    _style(axes, "Training loss", "learning rate")
    _save(figure, path)


def confusion_matrix(matrix: NDArray[np.int64], names: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix, each row coloured by the shares of its class.

    Args:
        matrix: int64 [C, C], right classes in rows, predicted ones in columns.
        names: Class names by id.
    """
    import numpy as np

    count = len(names)
    side = min(max(4.5, 2.5 + 0.3 * count), 11)
    figure = _figure(side + 0.8, side)
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(image, ax=axes, label="% of the class", shrink=0.8, aspect=30)
    if count <= COUNTS_UP_TO:
        _write_counts(axes, matrix, shares)
    if count <= NAMES_UP_TO:
        _write_names(axes, names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("right class")
    axes.set_title(f"{matrix.trace():,} of {matrix.sum():,} images right")
    _save(figure, path)


def reliability(confidences: NDArray[Any], correct: NDArray[Any], path: Path) -> None:
    """Draw how often the best class is right against how sure the model is of it.

    Args:
        confidences: float [N], the best class's probability, 0 to 1.
        correct: bool [N], whether the best class is the right one.
    """
    import numpy as np

    bins = reliability_bins(confidences, correct)
    used = bins.samples > 0
    width = 1 / len(bins.samples)
    middles = (np.arange(len(bins.samples)) + 0.5) * width
    figure = _figure(5.2, 6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.bar(middles[used], bins.accuracy[used], width, color=BLUE, alpha=0.75, ec="white")
    top.plot([0, 1], [0, 1], "--", color=GREY, lw=1, label="as often right as sure")
    top.plot(bins.confidence[used], bins.accuracy[used], ".-", color=ORANGE, label="this model")
    top.set(xlim=(0, 1), ylim=(0, 1.02))
    top.legend(frameon=False, loc="upper left")
    bottom.bar(middles, bins.samples, width, color=GREY, ec="white")
    error = expected_calibration_error(confidences, correct)
    _style(top, f"Expected calibration error {error:.3f}", "")
    top.set_ylabel("share that is right")
    _style(bottom, "", "confidence in the best class")
    bottom.set_ylabel("images")
    _save(figure, path)


def pareto(
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
    figure = _figure(9, 5.6)
    axes = figure.subplots()
    others = [name for name in points if name not in front]
    corners = _corners([points[name] for name in front], max(ms for ms, _ in points.values()))
    axes.plot(*zip(*corners, strict=True), color=BLUE, lw=1.2, alpha=0.5)
    axes.scatter(*_columns(points, front), s=50, color=BLUE, label="the best for their time")
    axes.scatter(*_columns(points, others), s=25, color=GREY, label="beaten by these")
    axes.set_xscale("log")
    axes.margins(0.12)
    _style(axes, title, "one image, milliseconds (network only, all cores)")
    axes.set_ylabel(left)
    _plain_numbers(axes)
    axes.legend(frameon=False, loc="lower right")
    figure.draw_without_rendering()  # which settles where the points are
    label_points(axes, points, [*front, *others], len(front), corners)
    _save(figure, path)


# ---- parts -------------------------------------------------------------------------------------


def _figure(width: float, height: float) -> Figure:
    """A figure of its own, in inches; pyplot would keep it in a global list."""
    if importlib.util.find_spec("matplotlib") is None:
        raise DataError(
            "drawing needs the package matplotlib, which is not installed",
            code="E_EXTRA_MISSING",
            hint="pip install matplotlib",
        )
    from matplotlib.figure import Figure

    return Figure((width, height), dpi=DPI, layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    with writing(path) as part:
        # The library's version would make equal pictures unequal files.
        figure.savefig(part, format="png", bbox_inches="tight", metadata={"Software": None})


def _style(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title, fontsize="medium")
    axes.set_xlabel(below)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _columns(
    points: Mapping[str, tuple[float, float]], names: Sequence[str]
) -> tuple[list[float], list[float]]:
    return [points[name][0] for name in names], [points[name][1] for name in names]


def _corners(front: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """The stairs over a front: what accuracy can be had for each time."""
    return [
        corner
        for (ms, top1), (next_ms, _) in itertools.pairwise([*front, (end, 0)])
        for corner in ((ms, top1), (next_ms, top1))
    ]


def _plain_numbers(axes: Axes) -> None:
    """Milliseconds as people write them, not as powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _mark_best(axes: Axes, epochs: Sequence[EpochInfo]) -> None:
    """Of equally good epochs the later one is the best, as in PaddleX."""
    if epochs:
        best = max(epochs, key=lambda epoch: (epoch.top1, epoch.epoch))
        text = f"best {best.top1:.2%}, epoch {best.epoch}"
        axes.axhline(100 * best.top1, color=BLUE, lw=0.7, ls=":", label=text)


def _write_counts(axes: Axes, matrix: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for (row, column), count in _cells(matrix):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=8)


def _cells(matrix: NDArray[np.int64]) -> Sequence[tuple[tuple[int, int], int]]:
    rows, columns = matrix.nonzero()
    return [((int(r), int(c)), int(matrix[r, c])) for r, c in zip(rows, columns, strict=True)]


def _write_names(axes: Axes, names: Sequence[str]) -> None:
    font = _any_script()
    shown = [n if len(n) <= LONGEST_NAME else f"{n[: LONGEST_NAME - 1]}…" for n in names]
    axes.set_xticks(range(len(names)), shown, rotation=45, ha="right", fontproperties=font)
    axes.set_yticks(range(len(names)), shown, fontproperties=font)


def _any_script() -> FontProperties:
    """The bundled font: Matplotlib's own has no Chinese, Japanese or Korean."""
    from matplotlib.font_manager import FontProperties

    with resources.as_file(resources.files("clsctl") / "fonts" / FONT) as file:
        return FontProperties(fname=file, size=8)
