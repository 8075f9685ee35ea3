"""Read a PaddleX configuration (`Global`, `Train`, ...) as a source of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import UsageError, unknown_name
from clsctl.schema.errors import SchemaError, label, unexpected
from clsctl.schema.layers import ConfigSource, config_keys
from clsctl.schema.read import read
from clsctl.training.config.train_config import TrainConfig

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

# Keys that clsctl ignores, and the values with which that makes no difference.
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


def is_paddlex_config(document: Mapping[str, Any]) -> bool:
    """Whether it is a PaddleX file: its sections are capitalised, ours are not."""
    return "Global" in document


def paddlex_source(document: Mapping[str, Any], origin: str) -> ConfigSource:
    """Take what a PaddleX file says about training.

    Raises:
        UsageError: It has a key that PaddleX does not have, or a wrong value (`E_CONFIG`).
    """
    values: dict[str, Any] = {"recipe": "family"}
    try:
        for name, value in _items(document):
            values |= _translated(name, value, origin)
    except SchemaError as error:
        raise UsageError(f"{origin}: {error}", code="E_CONFIG") from None
    if values.get("batch_size"):
        values["optimizer.base_batch_size"] = DEVICES * values["batch_size"]
    return ConfigSource(origin, values)


def _items(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key of the sections that concern training, dotted."""
    for section, items in document.items():
        if section in OTHER_SECTIONS:
            continue
        if not isinstance(items, Mapping | None):
            raise unexpected("a table", items).below(label(str(section)))
        for name, value in (items or {}).items():
            yield f"{section}.{name}", value


def _translated(name: str, value: Any, origin: str) -> dict[str, Any]:
    known = [*KEYS, *WITHOUT_EFFECT, WEIGHTS, AMP]
    if name not in known:
        raise SchemaError(unknown_name("key", label(name), known))
    if name == WEIGHTS:
        return _weights(value)
    if name == AMP:
        return {"amp": "off" if value in ("OFF", False, None) else _checked(name, "amp", value)}
    if name in KEYS:
        return {KEYS[name]: _checked(name, KEYS[name], value)}
    if value not in WITHOUT_EFFECT[name]:
        note(f"{name} = {value} in {origin} has no effect")
    return {}


def _checked(name: str, ours: str, value: Any) -> Any:
    """The value as our key of the same meaning has it; errors name PaddleX's key."""
    (kind,) = (item.kind for item in config_keys(TrainConfig) if item.name == ours)
    try:
        return read(kind, value, from_text=True)
    except SchemaError as error:
        raise error.below(name) from None


def _weights(value: Any) -> dict[str, Any]:
    """A URL is where the published weights are; the catalog knows that too."""
    if not value or str(value).startswith(("http://", "https://")):
        return {"pretrained": True}
    return {"weights": _checked(WEIGHTS, "weights", value)}
