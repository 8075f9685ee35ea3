"""`clsctl.train(...)` in Python leaves the process as it found it."""

from __future__ import annotations

import ctypes
import os
import signal
import warnings
from pathlib import Path

import cv2
import paddle
import pytest
from tiny_training import write_dataset

import clsctl
from clsctl.onednn.onednn import THREADING
from clsctl.training.paddle_state import STRIDES, transposing_at_once
from clsctl.values import HOST

MODEL = "PP-LCNet_x0_25"
SMALL = {"pretrained": False, "batch_size": 6, "data.image_size": 64, "epochs": 1}

pytestmark = pytest.mark.usefixtures("one_thread")


def global_state() -> dict[str, object]:
    openmp = ctypes.CDLL(str(Path(paddle.__file__).with_name("libs") / THREADING))
    return {
        "device": paddle.device.get_device(),
        "strides": paddle.get_flags(STRIDES),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "OpenMP's threads": openmp.omp_get_max_threads(),
        "OpenCV's threads": cv2.getNumThreads(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
    }


@pytest.mark.parametrize("accelerate", ["on", "off"])
def test_a_run_leaves_the_process_as_it_was(tmp_path: Path, accelerate: str):
    data = write_dataset(tmp_path / "data")
    paddle.seed(5)
    expected = paddle.rand([4]).tolist()
    paddle.seed(5)
    ctypes.CDLL(str(Path(paddle.__file__).with_name("libs") / THREADING)).omp_set_num_threads(3)
    before = global_state()
    result = clsctl.train(MODEL, data, tmp_path / "run", **SMALL, accelerate=accelerate)
    assert global_state() == before
    assert paddle.rand([4]).tolist() == expected
    clsctl.evaluate(data, weights=result.weights)
    assert global_state() == before


def test_on_a_processor_training_transposes_in_memory():
    tensor = paddle.rand([2, 3])
    with transposing_at_once(HOST):
        assert tensor.transpose([1, 0]).is_contiguous()
    assert not tensor.transpose([1, 0]).is_contiguous()
