"""Figures of an evaluation are whole PNGs, whatever the number and script of classes."""

from __future__ import annotations

import numpy as np
import pytest
from pngs import size_of_drawn_png

from clsctl.evaluation.plots import plot_confusion_matrix, plot_reliability


@pytest.mark.parametrize("count", [1, 2, 25, 26, 100])
@pytest.mark.filterwarnings("error")
def test_a_confusion_matrix_of_any_size(tmp_path, count):
    names = [f"类 {number} " + "x" * number for number in range(count)]
    matrix = np.eye(count, dtype=np.int64) * 7
    matrix[0, -1] = 3
    plot_confusion_matrix(matrix, names, tmp_path / "matrix.png")
    assert max(size_of_drawn_png(tmp_path / "matrix.png")) < 1500


@pytest.mark.filterwarnings("error")
def test_reliability_of_few_and_many_samples(tmp_path):
    rng = np.random.default_rng(0)
    for count in (1, 500):
        confidences = rng.random(count)
        correct = rng.random(count) < confidences
        plot_reliability(confidences, correct, tmp_path / "reliability.png")
        assert size_of_drawn_png(tmp_path / "reliability.png")[0] > 400


def test_equal_figures_give_equal_files(tmp_path):
    for name in ("one.png", "two.png"):
        plot_confusion_matrix(np.eye(3, dtype=np.int64), ["a", "b", "c"], tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
