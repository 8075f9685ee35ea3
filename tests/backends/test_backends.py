"""Whatever backend runs a model, the scores are the same; from any thread, at any batch size."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from golden_rules import make_input

from clsctl.errors import DeviceError, ModelError
from clsctl.model_dir import read_model_dir
from clsctl.plugins import default_registry
from clsctl.types import DeviceId, ModelSpec, Placement, Session

CPU = DeviceId("cpu")
NAMES = sorted(
    name
    for name, backend in default_registry().items("backends").items()
    if CPU.kind in backend.devices
)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.concatenate([make_input(seed, [2, 3, 224, 224]) for seed in range(3)])


@pytest.fixture
def spec(ready: Path) -> ModelSpec:
    return read_model_dir(ready)


def opened(name: str, spec: ModelSpec, threads: int = 1) -> Session:
    backend = default_registry().get("backends", name)
    try:
        backend.check()
    except DeviceError as error:
        pytest.skip(error.message)
    return backend.open(spec, Placement(CPU, threads, 3))


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_probabilities_and_equal_the_reference(name, spec, images):
    scores = opened(name, spec).run(images)
    assert (scores.shape, scores.dtype) == ((6, 10), np.float32)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(scores, opened("paddle", spec).run(images), atol=1e-5)
    assert len(set(scores.argmax(axis=1))) > 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threads", [1, 2])
def test_neither_batches_nor_threads_change_scores(name, spec, images, threads):
    session = opened(name, spec, threads)
    together = session.run(images)
    with ThreadPoolExecutor(3) as pool:
        alone = list(pool.map(session.run, [images[i : i + 1] for i in range(6)] * 3))
    for number, scores in enumerate(alone):
        np.testing.assert_allclose(scores[0], together[number % 6], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "package"),
    [("onnxruntime", "onnxruntime"), ("onnxruntime", "paddle2onnx"), ("paddle", "paddle")],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        DeviceError, match=f"backend '{name}' needs .*, which is not installed"
    ) as caught:
        default_registry().get("backends", name).check()
    assert caught.value.code == "E_BACKEND_MISSING"
    assert caught.value.hint.startswith("pip install ")


def test_paddle_says_in_a_line_why_it_cannot_load_a_model(tiny, tmp_path):
    from models import spoilt_copy

    broken = spoilt_copy(tiny, tmp_path / "m", "inference.pdiparams", lambda content: content[:99])
    with pytest.raises(ModelError, match=f"Paddle cannot load '{broken}': ") as caught:
        opened("paddle", read_model_dir(broken))
    assert caught.value.code == "E_MODEL_UNREADABLE"
    assert "\n" not in caught.value.message


def test_paddle_never_falls_back_from_a_gpu_that_it_cannot_use(tiny):
    import paddle

    if paddle.is_compiled_with_cuda():
        pytest.skip("this PaddlePaddle is a CUDA build")
    backend = default_registry().get("backends", "paddle")
    with pytest.raises(DeviceError, match="is a CPU build and cannot run on gpu:0"):
        backend.open(read_model_dir(tiny), Placement(DeviceId("gpu"), 1))
