"""`--batch auto` times the batches that a job needs anyway, and changes no answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import models
import numpy as np
import onnx_graphs
import pictures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl import Classifier, create_model
from clsctl.errors import ModelError
from clsctl.inference.batch_size import (
    FEW,
    MARGIN,
    MAX_BYTES,
    RUN_MS,
    RUNS,
    SIZES,
    TOLERANCE,
    AutoBatch,
    smallest_fast,
)
from clsctl.models.directory import read_model_dir
from clsctl.values import DeviceId, Placement

ENOUGH = FEW + 2 * RUNS * sum(SIZES)
"""Images that time every size often enough, with those that are already on their way."""

DECIDED = FEW + (RUNS + 1) * len(SIZES)
"""Batches after which a size is chosen: the first of each is compared, and not timed."""


@pytest.fixture
def own_cache(ready: Path, tiny_cache: Path, home: Path) -> Path:
    """A cache of this test's own, with the forms of the small model that there are already."""
    (home / "cache").unlink()
    (home / "cache").mkdir()
    for path in tiny_cache.iterdir():
        if path.is_dir() and path.name != "batches":
            (home / "cache" / path.name).symlink_to(path)
    return home / "cache"


@pytest.fixture
def auto(ready: Path, own_cache: Path) -> AutoBatch:
    return AutoBatch(read_model_dir(ready), Placement(DeviceId("cpu")), models.BACKEND)


def album(folder: Path, count: int) -> list[Path]:
    """Small images, each another."""
    files = {
        f"{seed:04}.png": pictures.encoded(pictures.photo(8, 8, seed), "PNG")
        for seed in range(count)
    }
    return list(pictures.write(folder, files).values())


def kept(cache: Path) -> list[Path]:
    return list((cache / "batches").glob("*.json"))


def same(tensors: list[np.ndarray]) -> np.ndarray:
    """Scores that do not depend on the batch."""
    return np.stack([tensor.mean((1, 2)) for tensor in tensors])


def taken(auto: AutoBatch, count: int) -> Iterator[int]:
    """So many sizes, each followed by such a run."""
    for number, size in enumerate(itertools.islice(auto.sizes(), count)):
        auto.run(same, list(np.full((size, 3, 4, 4), number, np.float32)))
        yield size


# ---- the command -------------------------------------------------------------------------------


def test_a_long_job_finds_the_batch_and_answers_as_with_one(ready, own_cache, tmp_path, call):
    album(tmp_path / "photos", ENOUGH)
    arguments = ["predict", "photos", "--model-dir", ready, "--format", "jsonl"]
    single = rows(call(*arguments, "--batch", "1").stdout)
    assert kept(own_cache) == []

    first, second = (rows(call(*arguments).stdout) for _ in range(2))
    [path] = kept(own_cache)
    assert {int(size) for size in json.loads(path.read_text())["ms"]} == set(SIZES)
    for one, *others in zip(single, first, second, strict=True):
        for other in others:
            assert other["input_path"] == one["input_path"]
            assert other["class_ids"] == one["class_ids"]
            # Scores that differ by TOLERANCE may be rounded to the next of the printed digits.
            assert other["scores"] == pytest.approx(one["scores"], abs=2 * TOLERANCE["fp32"])

    report = call("doctor", "--offline").stdout.splitlines()
    assert any(models.NAME in line and "batch 1:" in line for line in report)


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_for_few_images_nothing_is_measured(ready, own_cache, tmp_path, call):
    album(tmp_path / "photos", 20)
    assert call("predict", "photos", "--model-dir", ready).returncode == 0
    assert kept(own_cache) == []


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "65537", "9" * 5000])
def test_a_batch_that_is_none(ready, tmp_path, call, text):
    album(tmp_path / "photos", 1)
    done = call("predict", "photos", "--model-dir", ready, f"--batch={text}")
    assert done.returncode == 2
    assert "--batch must be auto or a whole number from 1 to 65536" in done.stderr
    assert "[E_VALUE]" in done.stderr


@pytest.mark.parametrize("write", [onnx_graphs.write_single, onnx_graphs.write_mixing])
def test_a_graph_whose_images_cannot_share_a_run_keeps_one(write, home, tmp_path, call):
    write(tmp_path / "model")
    album(tmp_path / "photos", FEW + sum(SIZES))
    arguments = ["predict", "photos", "-m", "model", "--backend", "onnxruntime", "--format", "csv"]
    alone, auto = call(*arguments, "--batch", "1"), call(*arguments)
    assert (auto.returncode, auto.stdout) == (0, alone.stdout)


# ---- the law -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "paddle"])
def test_an_answer_does_not_depend_on_who_else_is_in_the_batch(backend, ready, tmp_path):
    """Every size and every place in a batch, last batches that are not full among them."""
    pytest.importorskip(backend)
    paths = album(tmp_path / "photos", 17)
    model = create_model(model_dir=ready, backend=backend, topk=len(models.LABELS))
    exact = scores_of(model, paths, 1)
    for size in range(2, 18):
        found = scores_of(model, paths, size)
        assert (found.argmax(1) == exact.argmax(1)).all()
        assert np.abs(found - exact).max() <= 2 * TOLERANCE["fp32"]


def scores_of(model: Classifier, paths: list[Path], size: int) -> np.ndarray:
    scores = np.zeros((len(paths), len(models.LABELS)))
    for row, result in zip(scores, model.predict(paths, batch_size=size), strict=True):
        row[result.class_ids] = result.scores
    return scores


# ---- the choice --------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(SIZES), st.floats(0.01, 1e6), min_size=1))
def test_the_choice_is_the_smallest_that_is_nearly_the_fastest(ms):
    whole = {size: value + RUN_MS / size for size, value in ms.items()}
    chosen, limit = smallest_fast(ms), MARGIN * min(whole.values())
    assert whole[chosen] <= limit
    assert all(value > limit for size, value in whole.items() if size < chosen)


def test_sizes_are_tried_in_turn_until_one_is_chosen_and_taken_from_then_on(auto, ready, own_cache):
    sizes = list(taken(auto, DECIDED + 5))
    assert sizes[:FEW] == [1] * FEW
    assert sizes[FEW : FEW + 2 * len(SIZES)] == [*SIZES, *SIZES]
    [chosen] = set(sizes[-5:])
    again = AutoBatch(read_model_dir(ready), Placement(DeviceId("cpu")), models.BACKEND)
    assert set(itertools.islice(again.sizes(), FEW, FEW + 9)) == {chosen}


def test_what_another_version_of_a_library_measured_is_measured_again(auto, ready, own_cache):
    list(taken(auto, DECIDED + 5))
    [path] = kept(own_cache)
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"machine": {**facts["machine"], "onnxruntime": "0.1"}}))
    again = AutoBatch(read_model_dir(ready), Placement(DeviceId("cpu")), models.BACKEND)
    assert list(itertools.islice(again.sizes(), FEW, FEW + 3)) == [1, 2, 4]


def test_a_large_input_bounds_the_batch(auto):
    tensor = np.zeros((3, 1024, 1024), np.float32)
    taken = []

    def scores(tensors):
        taken.append(len(tensors))
        return same(tensors)

    assert auto.measure(scores, tensor) <= MAX_BYTES // tensor.nbytes < SIZES[-1]
    assert max(taken) <= MAX_BYTES // tensor.nbytes


def test_one_image_that_fails_is_an_error_whatever_the_batch(auto):
    def fails(tensors):
        raise ModelError("no")

    for size in (1, 3):
        with pytest.raises(ModelError):
            auto.run(fails, [np.zeros((3, 4, 4), np.float32)] * size)
