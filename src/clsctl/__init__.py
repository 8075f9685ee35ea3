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
    from clsctl.evaluation import Evaluation as Evaluation
    from clsctl.evaluation import evaluate as evaluate
    from clsctl.exporting import Export as Export
    from clsctl.exporting import export as export
    from clsctl.quantization import Quantized as Quantized
    from clsctl.quantization import quantize as quantize
    from clsctl.results import Result as Result
    from clsctl.training.running import TrainResult as TrainResult
    from clsctl.training.running import train as train

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("clsctl")

_LAZY = {
    "build": "clsctl.building",
    "Classifier": "clsctl.classifier",
    "ClsctlError": "clsctl.errors",
    "Evaluation": "clsctl.evaluation",
    "Export": "clsctl.exporting",
    "Quantized": "clsctl.quantization",
    "Result": "clsctl.results",
    "create_model": "clsctl.classifier",
    "train": "clsctl.training.running",
    "TrainResult": "clsctl.training.running",
    "evaluate": "clsctl.evaluation",
    "export": "clsctl.exporting",
    "quantize": "clsctl.quantization",
}

__all__ = [
    "Classifier",
    "ClsctlError",
    "Evaluation",
    "Export",
    "Quantized",
    "Result",
    "TrainResult",
    "__version__",
    "build",
    "create_model",
    "evaluate",
    "export",
    "hookimpl",
    "quantize",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'clsctl' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
