"""Paddle Inference: the reference backend, for PIR and legacy graphs, on CPU, GPU and NPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsctl.errors import require_library
from clsctl.inference.paddle_session import PaddleSession
from clsctl.plugin import Backend, hookimpl

if TYPE_CHECKING:
    pass


@hookimpl
def clsctl_backends() -> list[Backend]:
    help_text = "Paddle Inference, with oneDNN on CPU; the reference."
    return [
        Backend(
            "paddle",
            help_text,
            ("cpu", "gpu", "npu"),
            _check,
            PaddleSession,
            precisions={"gpu": ("fp32", "fp16")},
            packages=("paddlepaddle", "paddlepaddle-gpu"),
        )
    ]


def _check() -> None:
    require_library("paddle", "paddle", "PaddlePaddle", "pip install paddlepaddle")
