"""A run that learns nothing shows the classifier that it starts with; it is the result, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_training import CLASSES, MODEL, weights_for, write_dataset

import clsctl
from clsctl.networks.pdparams import read_pdparams

STILL = {
    "batch_size": 6,
    "epochs": 1,
    "data.image_size": 64,
    "optimizer.learning_rate": 1e-12,
    "optimizer.weight_decay": 0,
    "freeze_until": "head",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def test_a_new_classifier_is_fitted_to_the_features(data: Path, tmp_path: Path):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    fitted = clsctl.train(MODEL, data, tmp_path / "fitted", weights=weights, **STILL)
    random = clsctl.train(MODEL, data, tmp_path / "no", weights=weights, few_images=0, **STILL)
    assert fitted.top1 > random.top1
    assert fitted.top1 >= 2 / 3


def test_the_start_is_the_result_where_training_only_spoils_it(data: Path, tmp_path: Path):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    spoiling = STILL | {"optimizer.learning_rate": 1e3, "epochs": 2, "patience": 1}
    fitted = clsctl.train(MODEL, data, tmp_path / "still", weights=weights, **STILL)
    result = clsctl.train(MODEL, data, tmp_path / "run", weights=weights, **spoiling)
    start, spoilt = result.history
    assert start == {"epoch": 0, "top1": result.top1, "top5": result.top5}
    assert spoilt["top1"] < start["top1"] == fitted.top1
    assert result.best_epoch == 0
    evaluated = clsctl.evaluate(data, weights=tmp_path / "run")
    assert evaluated.top1 == result.top1
    assert (tmp_path / "run" / "results.csv").read_text().splitlines()[1].startswith("0,,")


def test_few_images_do_not_change_the_statistics(data: Path, tmp_path: Path):
    weights = weights_for(5, tmp_path / "other.pdparams")
    before = read_pdparams(weights)

    def changed(name: str, few: int) -> bool:
        run, moving = tmp_path / name, {"optimizer.learning_rate": 1e-3, "few_images": few}
        learns = STILL | {"freeze_until": ""} | moving
        clsctl.train(MODEL, data, run, weights=str(weights), **learns)
        after = read_pdparams(run / "latest" / "latest.pdparams")
        assert any((after[name] != before[name]).any() for name in before if "conv" in name)
        return any((after[name] != before[name]).any() for name in before if "_mean" in name)

    assert not changed("few", 2000)
    assert changed("many", 0)


def test_the_fitted_classifier_learns_as_fast_as_a_person_says(data: Path, tmp_path: Path):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))

    def learnt(name: str, **settings: object) -> object:
        run = tmp_path / name
        clsctl.train(MODEL, data, run, weights=weights, **STILL | settings)
        return read_pdparams(run / "latest" / "latest.pdparams")["fc.weight"]

    moving = {"optimizer.learning_rate": 1e-3}
    still = learnt("still")
    assert learnt("fixed", **moving, **{"optimizer.head_rate": 0}) == pytest.approx(still, abs=1e-6)
    assert learnt("plain", **moving) != pytest.approx(still, abs=1e-6)
    assert learnt("as_fast", **moving, **{"optimizer.head_rate": 1}) == pytest.approx(
        learnt("default", **moving), abs=0
    )


def test_a_trained_classifier_is_kept(data: Path, tmp_path: Path):
    weights = weights_for(len(CLASSES), tmp_path / "same.pdparams")
    result = clsctl.train(MODEL, data, tmp_path / "run", weights=str(weights), **STILL)
    before, after = read_pdparams(weights), read_pdparams(result.weights)
    assert after["fc.weight"] == pytest.approx(before["fc.weight"], abs=1e-6)
