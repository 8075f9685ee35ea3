"""Pictures are whole PNGs of a sensible size, whatever the number and script of classes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clsctl.training.display import EpochInfo, StepInfo

pytest.importorskip("matplotlib")
from clsctl import plots


def looked_at(path: Path) -> tuple[int, int]:
    """Width and height of a PNG in which something is drawn."""
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 10
        return image.size


@pytest.mark.parametrize("count", [1, 2, 25, 26, 100])
@pytest.mark.filterwarnings("error")
def test_a_confusion_matrix_of_any_size(tmp_path, count):
    names = [f"类 {number} " + "x" * number for number in range(count)]
    matrix = np.eye(count, dtype=np.int64) * 7
    matrix[0, -1] = 3
    plots.confusion_matrix(matrix, names, tmp_path / "matrix.png")
    assert max(looked_at(tmp_path / "matrix.png")) < 1500


@pytest.mark.filterwarnings("error")
def test_reliability_of_few_and_many_samples(tmp_path):
    rng = np.random.default_rng(0)
    for count in (1, 500):
        confidences = rng.random(count)
        correct = rng.random(count) < confidences
        plots.reliability(confidences, correct, tmp_path / "reliability.png")
        assert looked_at(tmp_path / "reliability.png")[0] > 400


@pytest.mark.filterwarnings("error")
def test_curves_from_the_first_epoch_on(tmp_path):
    for count in (1, 3):
        epochs = [EpochInfo(epoch, 1 / epoch, 0.5, 0.9, 0.5, 1.0) for epoch in range(1, count + 1)]
        steps = [StepInfo(epoch.epoch, 1, 1.0, 0.1, 1.0, 1.0) for epoch in epochs]
        plots.training_curves(steps, epochs, tmp_path / "curves.png")
        assert looked_at(tmp_path / "curves.png")[0] > 1000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 40])
def test_accuracy_for_time_of_few_and_many_models(tmp_path, count):
    points = {f"model {n}": (1.5**n, 50 + 40 * n / count) for n in range(count)}
    points["a model that is beaten by the others " * 3] = (1.5**count, 40.0)
    front = list(points)[:count]
    plots.pareto(points, front, "this machine", "top-1, %", tmp_path / "pareto.png")
    width, height = looked_at(tmp_path / "pareto.png")
    assert width > height > 500


def test_equal_figures_give_equal_files(tmp_path):
    for name in ("one.png", "two.png"):
        plots.confusion_matrix(np.eye(3, dtype=np.int64), ["a", "b", "c"], tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_without_matplotlib_it_is_said_what_to_install(tmp_path):
    script = (
        "import importlib.util as util, sys, numpy as np\n"
        "from pathlib import Path\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'matplotlib' else find(name)\n"
        "from clsctl import plots\n"
        "from clsctl.errors import DataError\n"
        "try:\n"
        "    plots.confusion_matrix(np.eye(2, dtype=int), ['a', 'b'], Path('matrix.png'))\n"
        "except DataError as error:\n"
        "    print(error.code, error.message, error.hint, sep='; ')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == (
        "E_EXTRA_MISSING; drawing needs the package matplotlib, which is not installed; "
        "pip install matplotlib\n"
    )
    assert not (tmp_path / "matrix.png").exists()
