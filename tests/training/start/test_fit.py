"""A run that learns nothing shows the classifier that it starts with; it is the result, too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import models
import numpy as np
import pytest
import yaml
from fixtures import Run
from tiny_training import CLASSES, MODEL, weights_for, write_dataset

import clsctl
from clsctl.errors import UsageError
from clsctl.networks.pdparams import read_pdparams

STILL = {
    "batch_size": 6,
    "epochs": 1,
    "data.image_size": 64,
    "optimizer.learning_rate": 1e-12,
    "optimizer.weight_decay": 0,
    "freeze_until": "head",
}

pytestmark = pytest.mark.usefixtures("one_thread")


def _train_still(place: Path) -> None:
    data, weights = write_dataset(place / "data"), weights_for(5, place / "other.pdparams")
    clsctl.train(MODEL, data, place / "run", weights=str(weights), **STILL)


@pytest.fixture
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that changed nothing of its fitted start; not to be changed."""
    return models.once(tmp_path_factory, "still", _train_still) / "run"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def top1_of(run: Path) -> float:
    result = json.loads((run / "train_result.json").read_text())
    return float(result["models"]["best"]["score"])


def test_a_new_classifier_is_fitted_to_the_features(data: Path, still: Path, tmp_path: Path):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    random = clsctl.train(
        MODEL, data, tmp_path / "no", weights=weights, **{"start.fit": False}, **STILL
    )
    assert top1_of(still) > random.top1
    assert top1_of(still) >= 2 / 3


def test_one_line_says_what_was_compared_and_what_was_best(clsctl: Run, tmp_path: Path):
    """64 images or more: as many as statistics need to be estimated again."""
    data = write_dataset(tmp_path / "many", 22)
    weights = weights_for(5, tmp_path / "other.pdparams")
    tiny = ("-m", MODEL, "--weights", weights, "--epochs", "1", "--lr", "1e-9", "-b", "22")
    done = clsctl("train", *tiny, "--set", "data.image_size=64", "-d", data, "-o", "run")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "run" / "train.log").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("start: "))
    found = re.fullmatch(
        r"start: a classifier fitted to 66 images, left-out top-1 (\S+)% \(95 % \S+% to \S+%\); "
        r"penalty \S+, temperature \S+, (\w+) statistics "
        r"\(left-out NLL: published (\S+), reestimated (\S+)\)",
        line,
    )
    assert found, line
    top1, best, published, reestimated = found.groups()
    assert float(top1) > 60
    better = "published" if float(published) <= float(reestimated) else "reestimated"
    assert best == better
    assert f"note: {line}\n" in done.stderr
    assert done.stderr.count("classifier re-initialised") == 1
    # Colours are what they are, flipped or not.
    assert "augment.flip" not in done.stderr


def test_statistics_and_penalty_are_the_users(data: Path, tmp_path: Path):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    data = write_dataset(tmp_path / "many", 22)

    def started(name: str, **start: object) -> dict[str, Any]:
        settings = STILL | {"batch_size": 22, "start": start}
        clsctl.train(MODEL, data, tmp_path / name, weights=weights, **settings)
        return dict(read_pdparams(tmp_path / name / "latest" / "latest.pdparams"))

    published, again, weak = (
        started("published", statistics="published", penalty=1.0),
        started("again", statistics="reestimated", penalty=1.0),
        started("weak", statistics="published", penalty=1e-4),
    )
    means = [name for name in published if name.endswith("_mean")]
    source = read_pdparams(Path(weights))
    assert all((published[name] == source[name]).all() for name in means)
    assert all((again[name] != source[name]).any() for name in means)
    assert (weak["fc.weight"] != published["fc.weight"]).any()


@pytest.mark.parametrize(("options", "flip"), [((), 0.0), (("--set", "augment.flip=0.25"), 0.25)])
def test_images_that_flips_change_are_not_flipped(
    clsctl: Run, tmp_path: Path, options: tuple[str, ...], flip: float
):
    """Teeth that rise to the right are one class, to the left the other."""
    rng = np.random.default_rng(0)
    for number in range(120):
        teeth = np.tile(np.arange(80) % 8 * 28, (80, 1)) + rng.integers(0, 30, (80, 80))
        label = ("right", "left")[number % 2]
        folder = tmp_path / "data" / ("val" if number < 20 else "train") / label
        folder.mkdir(parents=True, exist_ok=True)
        pixels = teeth if label == "right" else teeth[:, ::-1]
        cv2.imwrite(str(folder / f"{number}.png"), pixels.astype(np.uint8))
    weights = weights_for(5, tmp_path / "other.pdparams")
    tiny = ("-m", MODEL, "--weights", weights, "--epochs", "1", "--lr", "1e-9", "-b", "25")
    tiny = (*tiny, "--set", "data.image_size=64", *options)
    done = clsctl("train", *tiny, "-d", tmp_path / "data", "-o", "run")
    assert done.returncode == 0, done.stderr
    origin = "--set" if options else r"flipped images lose \d+ points"
    assert re.search(rf"note: augment.flip: {flip:g} \({origin}\)\n", done.stderr), done.stderr
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["augment"]["flip"] == flip


def test_the_start_is_the_result_where_training_only_spoils_it(
    data: Path, still: Path, tmp_path: Path
):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    spoiling = STILL | {"optimizer.learning_rate": 1e3, "epochs": 2, "patience": 1}
    result = clsctl.train(MODEL, data, tmp_path / "run", weights=weights, **spoiling)
    start, spoilt = result.history
    losses = {name: start[name] for name in ("val_loss", "calibrated_loss")}
    assert start == {"epoch": 0, **losses, "top1": result.top1}
    assert result.top5 is None
    assert spoilt["top1"] < start["top1"] == top1_of(still)
    assert result.best_epoch == 0
    evaluated = clsctl.evaluate(data, weights=tmp_path / "run")
    assert evaluated.top1 == result.top1
    assert (tmp_path / "run" / "results.csv").read_text().splitlines()[1].startswith("0,,")


@pytest.mark.parametrize("mode", ["frozen", "adapt"])
def test_frozen_statistics_are_kept(data: Path, tmp_path: Path, mode: str):
    weights = weights_for(5, tmp_path / "other.pdparams")
    learning = {"optimizer.learning_rate": 1e-3, "on_setback": "continue", "batch_norm": mode}
    settings = STILL | {"freeze_until": ""} | learning
    clsctl.train(MODEL, data, tmp_path / "run", weights=str(weights), **settings)
    before, after = (
        read_pdparams(path) for path in (weights, tmp_path / "run" / "latest" / "latest.pdparams")
    )
    changed = {name for name in before if not np.array_equal(after[name], before[name])}
    assert any("conv" in name for name in changed)
    assert any("_mean" in name for name in changed) == (mode == "adapt")


def test_the_fitted_classifier_learns_as_fast_as_a_person_says(
    data: Path, still: Path, tmp_path: Path
):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))

    def learnt(name: str, **settings: object) -> object:
        run = tmp_path / name
        clsctl.train(MODEL, data, run, weights=weights, **STILL | settings)
        return classifier(run)

    def classifier(run: Path) -> object:
        return read_pdparams(run / "latest" / "latest.pdparams")["fc.weight"]

    moving = {"optimizer.learning_rate": 1e-3}
    unmoved = classifier(still)
    assert learnt("fixed", **moving, **{"optimizer.head_rate": 0}) == pytest.approx(
        unmoved, abs=1e-6
    )
    default = learnt("default", **moving)
    assert default != pytest.approx(unmoved, abs=1e-6)
    assert learnt("as_fast", **moving, **{"optimizer.head_rate": 1}) == pytest.approx(
        default, abs=0
    )


def test_a_trained_classifier_is_kept(data: Path, tmp_path: Path):
    weights = weights_for(len(CLASSES), tmp_path / "same.pdparams")
    result = clsctl.train(MODEL, data, tmp_path / "run", weights=str(weights), **STILL)
    before, after = read_pdparams(weights), read_pdparams(result.weights)
    assert after["fc.weight"] == pytest.approx(before["fc.weight"], abs=1e-6)


def test_the_start_knows_nothing_of_frequency_where_the_loss_adds_it(data: Path, tmp_path: Path):
    lines = (data / "train.txt").read_text().splitlines()
    (data / "train.txt").write_text("\n".join(lines[:8] + lines[8:12] + lines[16:18]) + "\n")
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    plain, adjusted = (
        read_pdparams(
            clsctl.train(
                MODEL,
                data,
                tmp_path / str(tau),
                weights=weights,
                calibrate=False,
                **{"loss.logit_adjustment": tau},
                **STILL,
            ).weights
        )["fc.bias"]
        for tau in (0.0, 1.0)
    )
    # The rate of 1e-12 moves nothing that 1e-4 would not forgive.
    np.testing.assert_allclose(plain - adjusted, np.log(np.array([8, 4, 2]) / 14), atol=1e-4)


def test_frequency_is_made_up_for_once(data: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="logit_adjustment"):
        clsctl.train(
            MODEL,
            data,
            tmp_path / "run",
            pretrained=False,
            **{"loss.logit_adjustment": 1.0, "loss.balanced": True},
        )
