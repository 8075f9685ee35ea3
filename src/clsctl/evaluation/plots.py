"""Figures of an evaluation: the confusion matrix and the reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.evaluation.metrics import expected_calibration_error, reliability_bins
from clsctl.plotting import (
    BLUE,
    GREY,
    ORANGE,
    figure_text,
    font_for_any_script,
    new_figure,
    save_figure,
    style_axes,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


COUNTS_UP_TO, NAMES_UP_TO = 25, 60
"""With more classes than this, a confusion matrix shows no counts, or no names."""

LONGEST_NAME = 24


def plot_confusion_matrix(matrix: NDArray[np.int64], names: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix, each row coloured by the shares of its class.

    Args:
        matrix: int64 [C, C], right classes in rows, predicted ones in columns.
        names: Class names by id.
    """
    import numpy as np

    count = len(names)
    side = min(max(4.5, 2.5 + 0.3 * count), 11)
    figure = new_figure(side + 0.8, side)
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
    save_figure(figure, path)


def plot_reliability(confidences: NDArray[Any], correct: NDArray[Any], path: Path) -> None:
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
    figure = new_figure(5.2, 6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.bar(middles[used], bins.accuracy[used], width, color=BLUE, alpha=0.75, ec="white")
    top.plot([0, 1], [0, 1], "--", color=GREY, lw=1, label="perfect calibration")
    top.plot(bins.confidence[used], bins.accuracy[used], ".-", color=ORANGE, label="this model")
    top.set(xlim=(0, 1), ylim=(0, 1.02))
    top.legend(frameon=False, loc="upper left")
    bottom.bar(middles, bins.samples, width, color=GREY, ec="white")
    error = expected_calibration_error(confidences, correct)
    style_axes(top, f"Expected calibration error {error:.3f}", "")
    top.set_ylabel("share that is right")
    style_axes(bottom, "", "confidence in the best class")
    bottom.set_ylabel("images")
    save_figure(figure, path)


def _write_counts(axes: Axes, matrix: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for (row, column), count in _cells(matrix):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=8)


def _cells(matrix: NDArray[np.int64]) -> Sequence[tuple[tuple[int, int], int]]:
    rows, columns = matrix.nonzero()
    return [((int(r), int(c)), int(matrix[r, c])) for r, c in zip(rows, columns, strict=True)]


def _write_names(axes: Axes, names: Sequence[str]) -> None:
    font = font_for_any_script()
    cut = (n if len(n) <= LONGEST_NAME else f"{n[: LONGEST_NAME - 1]}…" for n in names)
    shown = [figure_text(name) for name in cut]
    axes.set_xticks(range(len(names)), shown, rotation=45, ha="right", fontproperties=font)
    axes.set_yticks(range(len(names)), shown, fontproperties=font)
