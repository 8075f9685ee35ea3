"""Order, batches and threads never show in the results; a model that misbehaves is reported."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import models
import numpy as np
import pictures
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from clsctl.errors import ModelError
from clsctl.models.directory import read_model_dir
from clsctl.plugin.registry import default_registry
from clsctl.prediction.pipeline import Engine, batched, classify
from clsctl.result import Result
from clsctl.settings import Settings
from clsctl.values import DeviceId, ModelSpec, Placement, Session

CPU = DeviceId("cpu")


def open_model(spec: ModelSpec, threads: int, streams: int) -> Session:
    backend = default_registry().get("backends", models.BACKEND)
    session: Session = backend.open(spec, Placement(CPU, threads, streams))
    return session


@pytest.fixture
def engine(ready: Path) -> Engine:
    spec = read_model_dir(ready)
    return Engine(spec, CPU, functools.cache(functools.partial(open_model, spec)), Settings())


@pytest.fixture
def album(tmp_path: Path) -> list[Path]:
    """Good and bad files, and one that gives two results."""
    second = Image.fromarray(pictures.photo(seed=9))
    files = {
        f"{seed}.png": pictures.encoded(pictures.photo(seed=seed), "PNG") for seed in range(3)
    } | {
        "empty.png": b"",
        "text.jpg": b"hello",
        "pages.tif": pictures.encoded(
            pictures.photo(seed=8), "TIFF", save_all=True, append_images=[second]
        ),
    }
    return list(pictures.write(tmp_path, files).values())


def plain(results: Iterator[Result]) -> list[object]:
    return [result.as_dict() for result in results]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    picks=st.lists(st.integers(0, 5), max_size=12),
    batch_size=st.integers(1, 9),
    threads=st.integers(1, 3),
)
def test_every_input_gives_what_it_gives_alone(engine, album, picks, batch_size, threads):
    alone = {path: plain(classify(engine, [path])) for path in album}
    chosen = [album[pick] for pick in picks]
    threaded = Engine(engine.model, CPU, engine.session, Settings(threads=threads))
    together = plain(classify(threaded, chosen, batch_size))
    assert together == [record for path in chosen for record in alone[path]]


def test_no_input_gives_no_result_and_opens_no_session(ready):
    def refuse(threads: int) -> object:
        raise AssertionError

    assert list(classify(Engine(read_model_dir(ready), CPU, refuse, Settings()), [])) == []


def test_an_image_that_the_model_cannot_take_is_a_record(ready, tmp_path, album):
    """A crop larger than the image, where nothing enlarges it first."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in ready.iterdir():
        text = path.read_bytes()
        if path.name == "inference.yml":
            text = text.replace(b"resize_short: 256", b"size: [91, 60]")
        (folder / path.name).write_bytes(text)
    spec = read_model_dir(folder)
    engine = Engine(spec, CPU, functools.partial(open_model, spec), Settings())
    [small, empty] = classify(engine, [album[0], album[3]], batch_size=2)
    assert (small.error.code, empty.error.code) == ("E_IMAGE_TOO_SMALL", "E_IMAGE_EMPTY")


class Told:
    """A backend that gives what it is told to, as a plugin's may."""

    def __init__(self, output: object) -> None:
        self._output = output

    def run(self, batch: np.ndarray) -> np.ndarray:
        if isinstance(self._output, Exception):
            raise self._output
        return self._output


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            RuntimeError("out of\n memory"),
            r"it fails on a batch of shape \(1, 3, 224, 224\): out of memory",
        ),
        (
            np.zeros((1, 10, 7, 7), np.float32),
            r"an output of shape \(1, 10, 7, 7\) is no classifier's",
        ),
        (np.zeros((3, 10), np.float32), r"an output of shape \(3, 10\) is no classifier's"),
        (np.full((1, 10), np.nan, np.float32), "its scores are not numbers"),
        (
            np.linspace(-1, 3, 10, dtype=np.float32)[None],
            "its outputs, from -1 to 3, are no probabilities",
        ),
        (np.zeros((1, 11), np.float32), "it has 11 outputs and names for 10 classes"),
    ],
)
def test_a_model_that_is_no_classifier_is_reported(ready, album, output, said):
    engine = Engine(read_model_dir(ready), CPU, lambda threads, streams: Told(output), Settings())
    with pytest.raises(ModelError, match=said) as caught:
        list(classify(engine, [album[0]]))
    assert caught.value.code == "E_MODEL_UNUSABLE"


def test_a_session_that_does_not_open_ends_it(ready, album):
    def fail(threads: int, streams: int) -> object:
        raise ModelError("it is damaged")

    engine = Engine(read_model_dir(ready), CPU, fail, Settings())
    with pytest.raises(ModelError, match="it is damaged"):
        list(classify(engine, album))


@pytest.mark.parametrize(
    ("inputs", "threads", "expected"), [(1, 4, 4), (2, 4, 2), (9, 4, 1), (3, 1, 1)]
)
def test_where_there_are_few_batches_they_share_the_cores(ready, album, inputs, threads, expected):
    spec, asked = read_model_dir(ready), []

    def open_session(threads: int, streams: int) -> object:
        asked.append(threads)
        return open_model(spec, threads, streams)

    list(classify(Engine(spec, CPU, open_session, Settings(threads=threads)), album[:1] * inputs))
    assert asked == [expected]


@given(st.lists(st.integers()), st.integers(1, 9))
def test_batches_hold_everything_in_order(items, size):
    batches = list(batched(items, size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(batches)
