"""Paddle Inference: the reference backend, on every device that says how Paddle uses it."""

from __future__ import annotations

from importlib import import_module

from clsctl.inference.paddle_session import PaddleSession
from clsctl.inference.trial import require_bounded
from clsctl.installation import require_library
from clsctl.plugin import Backend, hookimpl


@hookimpl
def clsctl_backends() -> list[Backend]:
    return [
        Backend(
            "paddle",
            "Paddle Inference, with oneDNN on CPU; the reference.",
            _check,
            PaddleSession,
            prepare=require_bounded,
            packages=("paddlepaddle", "paddlepaddle-gpu"),
            import_library=lambda: import_module("paddle"),
        )
    ]


def _check() -> None:
    require_library("paddle", "paddle", "PaddlePaddle", "paddlepaddle")
