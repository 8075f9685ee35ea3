"""clsctl: image classification on PaddlePaddle, from the terminal and from Python.

>>> from clsctl import create_model
>>> model = create_model("PP-LCNet_x1_0")
>>> for result in model.predict("img.jpg"):
...     result.print()

Importing this package imports nothing heavy: each public name is loaded on first use.
"""

from __future__ import annotations

import importlib
import os
import warnings
from typing import TYPE_CHECKING, Any

from clsctl.values import __version__

if TYPE_CHECKING:
    from clsctl.errors import ClsctlError as ClsctlError
    from clsctl.evaluation.evaluate import evaluate as evaluate
    from clsctl.evaluation.result import Evaluation as Evaluation
    from clsctl.exporting.export import Export as Export
    from clsctl.exporting.export import export as export
    from clsctl.networks.build import build as build
    from clsctl.prediction.batch import BatchPrediction as BatchPrediction
    from clsctl.prediction.classifier import Classifier as Classifier
    from clsctl.prediction.classifier import create_model as create_model
    from clsctl.prediction.paddlex_pipeline import create_pipeline as create_pipeline
    from clsctl.quantization.quantize import Quantized as Quantized
    from clsctl.quantization.quantize import quantize as quantize
    from clsctl.result import Result as Result
    from clsctl.searching.search import SearchResult as SearchResult
    from clsctl.searching.search import search as search
    from clsctl.training.train import TrainResult as TrainResult
    from clsctl.training.train import train as train

_LAZY = {
    "BatchPrediction": "clsctl.prediction.batch",
    "build": "clsctl.networks.build",
    "Classifier": "clsctl.prediction.classifier",
    "ClsctlError": "clsctl.errors",
    "Evaluation": "clsctl.evaluation.result",
    "Export": "clsctl.exporting.export",
    "Quantized": "clsctl.quantization.quantize",
    "Result": "clsctl.result",
    "SearchResult": "clsctl.searching.search",
    "create_model": "clsctl.prediction.classifier",
    "create_pipeline": "clsctl.prediction.paddlex_pipeline",
    "train": "clsctl.training.train",
    "TrainResult": "clsctl.training.train",
    "evaluate": "clsctl.evaluation.evaluate",
    "export": "clsctl.exporting.export",
    "quantize": "clsctl.quantization.quantize",
    "search": "clsctl.searching.search",
}

__all__ = [
    "BatchPrediction",
    "Classifier",
    "ClsctlError",
    "Evaluation",
    "Export",
    "Quantized",
    "Result",
    "SearchResult",
    "TrainResult",
    "__version__",
    "build",
    "create_model",
    "create_pipeline",
    "evaluate",
    "export",
    "quantize",
    "search",
    "train",
]


def _quieten_paddle() -> None:
    """Hide what only those who debug Paddle need: it prints that at its import and at first use."""
    warnings.filterwarnings("ignore", message="No ccache found")
    os.environ.setdefault("GLOG_minloglevel", "2")


_quieten_paddle()


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'clsctl' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
