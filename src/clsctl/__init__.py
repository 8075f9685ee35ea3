"""clsctl: image classification on PaddlePaddle, from the terminal and from Python.

>>> from clsctl import create_model
>>> model = create_model("PP-LCNet_x1_0")
>>> for result in model.predict("img.jpg"):
...     result.print()

Importing this package imports nothing heavy: each public name is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from clsctl.building import build as build
    from clsctl.classifier import Classifier as Classifier
    from clsctl.classifier import create_model as create_model
    from clsctl.errors import ClsctlError as ClsctlError
    from clsctl.results import Result as Result

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("clsctl")

_LAZY = {
    "build": "clsctl.building",
    "Classifier": "clsctl.classifier",
    "ClsctlError": "clsctl.errors",
    "Result": "clsctl.results",
    "create_model": "clsctl.classifier",
}

__all__ = [
    "Classifier",
    "ClsctlError",
    "Result",
    "__version__",
    "build",
    "create_model",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'clsctl' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
