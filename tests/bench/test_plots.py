"""Accuracy over latency is drawn for few and many models."""

from __future__ import annotations

import pytest
from pngs import size_of_drawn_png

from clsctl.bench.plots import plot_pareto


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 40])
def test_accuracy_for_time_of_few_and_many_models(tmp_path, count):
    points = {f"model {n}": (1.5**n, 50 + 40 * n / count) for n in range(count)}
    points["a model that is beaten by the others " * 3] = (1.5**count, 40.0)
    front = list(points)[:count]
    plot_pareto(points, front, "this machine", "top-1, %", tmp_path / "pareto.png")
    width, height = size_of_drawn_png(tmp_path / "pareto.png")
    assert width > height > 500
