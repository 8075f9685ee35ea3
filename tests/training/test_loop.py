import csv
import itertools
import json
from pathlib import Path

import pytest
from tiny_training import MODEL, OPTIONS, killed, state, write_dataset

import clsctl
from clsctl.networks.pdparams import read_pdparams

RICH = (
    *("-m", "MobileNetV3_small_x0_35", *OPTIONS, "--save-every", "1"),
    *("--set", "checkpoint.minutes=1e-9", "--set", "ema=0.9", "--set", "mix.mixup=0.2"),
    *("--set", "optimizer.name=AdamW", "--set", "optimizer.accumulate=2", "--set", "epochs=2"),
)


SMALL = {"batch_size": 6, "data.image_size": 64}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


@pytest.mark.parametrize(
    "events", [(21, 47), pytest.param((14, 21, 33, 47, 58), marks=pytest.mark.long)]
)
def test_killed_again_and_again_it_ends_in_the_very_same_weights(
    data: Path, tmp_path: Path, events: tuple[int, ...]
):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert not killed(whole, 10**6, ["train", *RICH, "-d", data, "-o", whole])
    assert killed(broken, 44, ["train", *RICH, "-d", data, "-o", broken])
    kills = 0
    for event in itertools.chain(events, itertools.repeat(10**6)):
        if not killed(broken, event, ["train", "--resume", broken]):
            break
        kills += 1
    assert kills == len(events)
    assert state(broken) == state(whole)
    results = [json.loads((run / "train_result.json").read_text()) for run in (whole, broken)]
    assert results[0] == results[1]
    figures = []
    for run in (whole, broken):
        rows = list(csv.DictReader((run / "results.csv").read_text().splitlines()))
        figures.append([{**row, "seconds": "not compared"} for row in rows])
    assert len(figures[1]) == 2
    assert figures[0] == figures[1]


def test_every_part_of_a_recipe_works_with_the_others(data: Path, tmp_path: Path):
    """With nothing published here, a first run gives the weights to fine-tune and to learn from."""
    first = clsctl.train(MODEL, data, tmp_path / "first", pretrained=False, **SMALL, epochs=1)
    second = clsctl.train(
        MODEL,
        data,
        tmp_path / "second",
        batch_size=6,
        epochs=2,
        weights=str(tmp_path / "first"),
        freeze_until="stage2",
        data={"image_size": 64, "balanced": True, "cache": "ram"},
        augment={"randaugment": 2, "erasing": 0.3},
        mix={"cutmix": 1.0, "mixup": 0.2, "probability": 0.2},
        loss={"focal_gamma": 1.0, "balanced": True},
        distill={"teacher": MODEL, "weights": str(first.weights.parent), "share": 0.1},
        patience=1,
    )
    assert second.history[second.best_epoch - 1]["top1"] == second.top1
    before, after = (read_pdparams(result.weights) for result in (first, second))
    frozen = [name for name in before if (before[name] == after[name]).all()]
    assert any(name.startswith("conv") for name in frozen)
    assert not any(name.startswith("fc") for name in frozen)


def test_evaluating_the_best_weights_gives_the_runs_best_metric(data: Path, tmp_path: Path):
    result = clsctl.train(MODEL, data, tmp_path / "run", pretrained=False, **SMALL, epochs=2)
    for model in ({"weights": result.weights}, {"model_dir": result.model_dir}):
        assert clsctl.evaluate(data, **model).top1 == result.top1


def test_it_learns(tmp_path: Path):
    """Each of four seeds classified 8 or 9 of the 9 images; chance is 3, and 6 are asked for."""
    data = write_dataset(tmp_path / "data", images=32)
    small = {"batch_size": 8, "data.image_size": 64, "augment.crop_scale": (0.5, 1.0), "epochs": 4}
    rate = {"optimizer.name": "AdamW", "optimizer.learning_rate": 0.01, "schedule.warmup_epochs": 1}
    result = clsctl.train(MODEL, data, tmp_path / "run", pretrained=False, **small, **rate)
    assert result.history[-1]["train_loss"] < 0.8 * result.history[0]["train_loss"]
    assert result.top1 >= 0.6
