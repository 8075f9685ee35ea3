"""A PaddleX configuration (`Global`, `Train`, ...) -> a layer of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import UsageError, unknown_name
from clsctl.training.config.sources import Layer

# PaddleX's learning rates are for this many devices, each with the batch that the file says.
DEVICES = 4

# Sections of other commands; nothing in them concerns training.
OTHER_SECTIONS = ("CheckDataset", "Evaluate", "Export", "Predict", "Benchmark")

KEYS = {
    "Global.model": "model",
    "Global.dataset_dir": "data.path",
    "Global.device": "device",
    "Global.output": "output",
    "Train.num_classes": "data.num_classes",
    "Train.epochs_iters": "epochs",
    "Train.batch_size": "batch_size",
    "Train.learning_rate": "optimizer.base_learning_rate",
    "Train.warmup_steps": "schedule.warmup_epochs",
    "Train.save_interval": "checkpoint.save_every",
}

# What PaddleX has and clsctl does otherwise -> the values with which that makes no difference.
WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "Global.mode": ("check_dataset", "train", "evaluate", "export", "predict"),
    "Global.export_with_pir": (True, False, None),
    "Train.log_interval": (1, 10),
    "Train.eval_interval": (1,),
    "Train.resume_path": (None, ""),
    "Train.dy2st": (False, None),
    "Train.dist_ips": (None, ""),
    "Train.uniform_output_enabled": (True, None),
    "Train.basic_config_path": (None, ""),
}
WEIGHTS, AMP = "Train.pretrain_weight_path", "Train.amp"


def is_peer_config(document: Mapping[str, Any]) -> bool:
    """Whether it is a PaddleX file: its sections are capitalised, ours are not."""
    return "Global" in document


def peer_layer(document: Mapping[str, Any], origin: str) -> Layer:
    """What a PaddleX file says about training.

    Raises:
        UsageError: It has a key that PaddleX does not have (`E_CONFIG`).
    """
    values: dict[str, Any] = {"recipe": "family"}
    for section, items in document.items():
        if section in OTHER_SECTIONS:
            continue
        for name, value in (items or {}).items():
            values |= _translated(f"{section}.{name}", value, origin)
    if "batch_size" in values:
        values["optimizer.base_batch_size"] = DEVICES * int(values["batch_size"])
    return Layer(origin, values)


def _translated(name: str, value: Any, origin: str) -> dict[str, Any]:
    known = [*KEYS, *WITHOUT_EFFECT, WEIGHTS, AMP]
    if name not in known:
        raise UsageError(f"{origin}: {unknown_name('key', name, known)}", code="E_CONFIG")
    if name == WEIGHTS:
        return _weights(value)
    if name == AMP:
        return {"amp": "off" if value in ("OFF", False, None) else value}
    if name in KEYS:
        return {KEYS[name]: value}
    if value not in WITHOUT_EFFECT[name]:
        note(f"{name} = {value} in {origin} has no effect")
    return {}


def _weights(value: str | None) -> dict[str, Any]:
    """A URL is where the published weights are; the catalog knows that too."""
    published = not value or value.startswith(("http://", "https://"))
    return {"pretrained": True} if published else {"weights": value}
