"""Order, batches and threads never show in the results; a model that misbehaves is reported."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
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
from clsctl.plugin import DeviceId, Placement, PredictJob, Session
from clsctl.prediction.job import run_job, session_factory
from clsctl.prediction.pipeline import OpenSession
from clsctl.result import Result
from clsctl.settings import Settings


def job_of(model_dir: Path) -> PredictJob:
    spec = read_model_dir(model_dir)
    return PredictJob(spec, (), models.BACKEND, Placement(DeviceId("cpu")), Settings())


@pytest.fixture
def job(ready: Path) -> PredictJob:
    return job_of(ready)


@pytest.fixture
def open_session(job: PredictJob) -> OpenSession:
    return session_factory(job)


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


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    picks=st.lists(st.integers(0, 5), max_size=12),
    batch_size=st.integers(1, 9),
    threads=st.integers(1, 3),
)
def test_every_input_gives_what_it_gives_alone(
    job, open_session, album, picks, batch_size, threads
):
    alone = {path: plain(run_job(replace(job, inputs=[path]), open_session)) for path in album}
    chosen = [album[pick] for pick in picks]
    settings = Settings(threads=threads)
    whole = replace(job, inputs=chosen, batch_size=batch_size, settings=settings)
    together = plain(run_job(whole, open_session))
    assert together == [record for path in chosen for record in alone[path]]


def test_no_input_gives_no_result_and_opens_no_session(job):
    def refuse(threads: int, streams: int) -> Session:
        raise AssertionError

    assert list(run_job(job, refuse)) == []


def test_an_image_that_the_model_cannot_take_is_a_record_with_its_name(ready, tmp_path, album):
    """A crop larger than the image, where nothing enlarges it first."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in ready.iterdir():
        text = path.read_bytes()
        if path.name == "inference.yml":
            text = text.replace(b"resize_short: 256", b"size: [91, 60]")
        (folder / path.name).write_bytes(text)
    job = replace(job_of(folder), inputs=[album[0], album[3]], batch_size=2)
    [small, empty] = run_job(job)
    assert (small.error.code, empty.error.code) == ("E_IMAGE_TOO_SMALL", "E_IMAGE_EMPTY")
    assert small.error.message.startswith(f"{album[0]}: the image, 91 x 60 pixels, is smaller")
    assert empty.error.message.startswith(f"{album[3]}: ")


def test_pages_are_results_before_their_document_is_at_its_end(job, tmp_path):
    pages = [Image.fromarray(pictures.photo(seed=seed)) for seed in range(3)]
    document = pictures.encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    pictures.write(tmp_path, {"pages.tif": document})
    seen = threading.Event()

    class Waiting:
        runs = 0

        def run(self, batch: np.ndarray) -> np.ndarray:
            self.runs += 1
            assert self.runs == 1 or seen.wait(60)
            return np.full((len(batch), 10), 0.1, np.float32)

    inputs = replace(job, inputs=[tmp_path / "pages.tif"])
    results = run_job(inputs, lambda threads, streams: Waiting())
    assert next(results).page_index == 0
    seen.set()
    assert [result.page_index for result in results] == [1, 2]


def test_what_is_wrong_with_an_image_stays_with_its_result(job, open_session, tmp_path):
    whole = pictures.encoded(pictures.photo(), "JPEG")
    files = pictures.write(tmp_path, {"a.jpg": whole, "b.jpg": whole[:-2]})
    good, odd = run_job(replace(job, inputs=list(files.values()), batch_size=2), open_session)
    assert good.warnings == ()
    assert "warnings" not in good.as_dict()
    assert odd.as_dict()["warnings"] == ["the JPEG file lacks the marker of its end"]
    assert odd["warnings"] == list(odd.warnings)
    assert odd.class_ids.tolist() == good.class_ids.tolist()


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
def test_a_model_that_is_no_classifier_is_reported(job, album, output, said):
    with pytest.raises(ModelError, match=said) as caught:
        list(run_job(replace(job, inputs=album[:1]), lambda threads, streams: Told(output)))
    assert caught.value.code == "E_MODEL_UNUSABLE"


def test_a_session_that_does_not_open_ends_it(job, album):
    def fail(threads: int, streams: int) -> Session:
        raise ModelError("it is damaged")

    with pytest.raises(ModelError, match="it is damaged"):
        list(run_job(replace(job, inputs=album), fail))


@pytest.mark.parametrize(
    ("inputs", "threads", "expected"), [(1, 4, 4), (2, 4, 2), (9, 4, 1), (3, 1, 1)]
)
def test_where_there_are_few_batches_they_share_the_cores(
    job, open_session, album, inputs, threads, expected
):
    asked = []

    def open_and_tell(threads: int, streams: int) -> Session:
        asked.append(threads)
        return open_session(threads, streams)

    settings = Settings(threads=threads)
    list(run_job(replace(job, inputs=album[:1] * inputs, settings=settings), open_and_tell))
    assert asked == [expected]
