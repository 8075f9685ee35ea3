"""Whatever backend runs a model, the scores are the same; from any thread, at any batch size."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from golden_rules import make_input

from clsctl.errors import DeviceError, ModelError
from clsctl.inference.devices import get_device
from clsctl.models.directory import read_model_dir
from clsctl.plugin.registry import default_registry
from clsctl.values import DeviceId, ModelSpec, Placement, Session

CPU = DeviceId("cpu")
TASKS = Path("/proc/self/task")
NAMES = sorted(
    name
    for name, backend in default_registry().items("backends").items()
    if backend.precisions_on(get_device(CPU))
)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.concatenate([make_input(seed, [2, 3, 224, 224]) for seed in range(3)])


@pytest.fixture
def spec(ready: Path) -> ModelSpec:
    return read_model_dir(ready)


def opened(name: str, spec: ModelSpec, threads: int = 1) -> Session:
    backend = default_registry().get("backends", name)
    placement = Placement(CPU, threads, 3)
    try:
        backend.check()
        backend.prepare(spec, placement)
    except DeviceError as error:
        pytest.skip(error.message)
    return backend.open(spec, placement)


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
    [("onnxruntime", "onnxruntime"), ("openvino", "openvino"), ("paddle", "paddle")],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        DeviceError, match=f"backend '{name}' needs .*, which is not installed"
    ) as caught:
        default_registry().get("backends", name).check()
    assert caught.value.code == "E_BACKEND_MISSING"
    assert "pip install " in caught.value.hint


def test_a_missing_converter_is_named(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "paddle2onnx", None)
    backend = default_registry().get("backends", "onnxruntime")
    with pytest.raises(DeviceError, match="needs paddle2onnx to convert models") as caught:
        backend.prepare(read_model_dir(tiny), Placement(CPU))
    assert caught.value.code == "E_BACKEND_MISSING"


def test_a_gpu_needs_the_gpu_build_of_onnx_runtime(tiny):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime is a CUDA build")
    backend = default_registry().get("backends", "onnxruntime")
    with pytest.raises(DeviceError, match="cannot use its CUDAExecutionProvider") as caught:
        backend.prepare(read_model_dir(tiny), Placement(DeviceId("gpu", 0)))
    assert "onnxruntime-gpu" in caught.value.hint


def test_tensorrt_is_named_with_the_command_that_installs_it():
    if find_spec("tensorrt"):
        pytest.skip("TensorRT is installed")
    with pytest.raises(DeviceError, match="needs TensorRT, which is not installed") as caught:
        default_registry().get("backends", "tensorrt").check()
    assert re.search(r"pip install (--python \S+ )?'tensorrt-cu12<11'", caught.value.hint)


THREADS = """
import sys
from pathlib import Path
from clsctl.inference import openvino_session
from clsctl.models.directory import read_model_dir
from clsctl.plugin.registry import default_registry
from clsctl.values import DeviceId, Placement

spec, backend = read_model_dir(Path(sys.argv[1])), default_registry().get("backends", "openvino")

def threads_of(streams):
    global session
    before = len(list(Path("/proc/self/task").iterdir()))
    session = backend.open(spec, Placement(DeviceId("cpu"), 1, streams))
    return len(list(Path("/proc/self/task").iterdir())) - before

threads_of(1)  # the first brings threads that stay
print(threads_of(8))
openvino_session.COPIES_BYTES = 0
print(threads_of(8))
"""


@pytest.mark.skipif(not TASKS.exists(), reason="threads are counted by Linux's /proc")
def test_openvino_runs_a_small_model_in_the_thread_that_asks(spec):
    opened("openvino", spec)
    command = [sys.executable, "-c", THREADS, str(spec.directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    copies, streams = map(int, done.stdout.split())
    assert copies == 0 < streams


def test_openvino_says_in_a_line_what_it_cannot_load(tmp_path):
    pytest.importorskip("openvino")
    path = tmp_path / "damaged.blob"
    for content in (b"", b"no blob" * 1000):
        path.write_bytes(content)
        form = default_registry().get("backends", "openvino").compiled
        with pytest.raises(ModelError, match=f"OpenVINO cannot load {path}: ") as caught:
            form.load(path, Placement(CPU))
        assert caught.value.code == "E_MODEL_UNREADABLE"
        assert "\n" not in caught.value.message


def test_openvino_reports_to_nobody():
    """Its import would send an event over the network, from a process that it forks for that."""
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    code = (
        "import sys; from clsctl.inference.openvino_session import import_openvino; "
        "import_openvino(); "
        "print([m for m in sys.modules if m.startswith(('openvino_telemetry.', 'multiproc'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


TWO_MODELS = """
import ctypes, gc, signal, sys
import clsctl, numpy
image = numpy.zeros((32, 32, 3), "uint8")
models = [clsctl.create_model(model_dir=sys.argv[1], backend="openvino") for _ in range(2)]
print([int(r.class_ids[0]) for model in models for r in model.predict(image)], flush=True)
for _ in range(2):
    models.pop(0)
    gc.collect()
ctypes.CDLL(None).malloc_trim(0)
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.skipif(not TASKS.exists(), reason="freed memory is given back by glibc's malloc_trim")
def test_ctrl_c_after_two_models_of_openvino_is_no_crash(ready):
    """On processors with AVX-512 the first that went left the thread a stack for signals."""
    pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    pytest.importorskip("openvino")
    command = [sys.executable, "-c", TWO_MODELS, str(ready)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr.endswith("KeyboardInterrupt\n")
    first, second = json.loads(done.stdout)
    assert first == second


@pytest.mark.parametrize("name", ["paddle", "onnxruntime", "openvino"])
def test_a_model_that_was_removed_meanwhile_is_one_error(tiny, tmp_path, name):
    pytest.importorskip(name)
    spec = read_model_dir(Path(shutil.copytree(tiny, tmp_path / "model")))
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(ModelError) as caught:
        opened(name, spec)
    assert caught.value.code == "E_MODEL_DIR_INVALID"


def test_paddle_says_in_a_line_why_it_cannot_load_a_model(tiny, tmp_path):
    from models import spoilt_copy

    def misspell(graph: bytes) -> bytes:
        return graph.replace(b'"1.conv2d"', b'"1.konv2d"')

    broken = spoilt_copy(tiny, tmp_path / "m", "inference.json", misspell)
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
        backend.open(read_model_dir(tiny), Placement(DeviceId("gpu", 0), 1))
