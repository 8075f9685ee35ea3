"""Read a PaddleX configuration (`Global`, `Train`, ...) as a source of ours.

paddlex.toml holds every key that PaddleX has, and what it stands for here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import UsageError, unknown_name
from clsctl.schema.documents import parse_document
from clsctl.schema.errors import SchemaError, label, unexpected
from clsctl.schema.layers import ConfigSource, config_keys
from clsctl.schema.read import read
from clsctl.training.config.train_config import TrainConfig

# PaddleX's learning rates are for this many devices, each with the batch that the file says.
DEVICES = 4

SECTIONS = ("Global", "CheckDataset", "Train", "Evaluate", "Export", "Predict", "Benchmark")
WEIGHTS, AMP = "Train.pretrain_weight_path", "Train.amp"

PaddlexKeys = Mapping[str, Any]
"""Values by dotted key, such as `Train.epochs_iters`."""


def is_paddlex_config(document: Mapping[str, Any]) -> bool:
    """Whether it is a PaddleX file: its sections are capitalised, ours are not."""
    return "Global" in document


def is_paddlex_key(name: str) -> bool:
    """Whether a dotted key is of one of PaddleX's sections."""
    return name.partition(".")[0] in SECTIONS


def paddlex_keys(document: Mapping[str, Any], origin: str) -> PaddlexKeys:
    """Return what a PaddleX file says, by dotted key.

    Raises:
        UsageError: It has a key that PaddleX does not have (`E_CONFIG`).
    """
    try:
        found = dict(_flattened(document, ""))
        for name in found:
            if name not in _known():
                raise SchemaError(unknown_name("key", label(name), _known()))
    except SchemaError as error:
        raise UsageError(f"{origin}: {error}", code="E_CONFIG") from None
    return found


def paddlex_source(keys: PaddlexKeys, origin: str, whole: bool = True) -> ConfigSource:
    """Take what PaddleX's keys say about training.

    Args:
        whole: Whether these are a whole configuration, whose learning rate is for its batch on
            PaddleX's number of devices.

    Raises:
        UsageError: A value is wrong, or a key is set that clsctl has something else for
            (`E_CONFIG`).
    """
    values: dict[str, Any] = {"recipe": "family"} if whole else {}
    try:
        for name, value in keys.items():
            values |= _translated(name, value, origin)
    except SchemaError as error:
        raise UsageError(f"{origin}: {error}", code="E_CONFIG") from None
    if whole and values.get("batch_size"):
        values["optimizer.base_batch_size"] = DEVICES * values["batch_size"]
    return ConfigSource(origin, values)


@functools.cache
def _tables() -> Mapping[str, Mapping[str, Any]]:
    text = files("clsctl.training.config").joinpath("paddlex.toml").read_text(encoding="utf-8")
    tables: Mapping[str, Mapping[str, Any]] = parse_document(text, ".toml")
    return tables


@functools.cache
def _known() -> tuple[str, ...]:
    return (*dict.fromkeys(name for table in _tables().values() for name in table), WEIGHTS, AMP)


def _flattened(document: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Every key, dotted; a table that is a value itself, as of an engine, stays one."""
    for name, value in document.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, Mapping) and dotted not in ("Predict.engine_config",):
            yield from _flattened(value, f"{dotted}.")
        elif not prefix and value is not None:
            raise unexpected("a table", value).below(label(str(name)))
        elif prefix:
            yield dotted, value


def _translated(name: str, value: Any, origin: str) -> dict[str, Any]:
    tables = _tables()
    if name == WEIGHTS:
        return _weights(value)
    if name == AMP:
        return {"amp": "off" if value in ("OFF", False, None) else _checked(name, "amp", value)}
    if name in tables["keys"]:
        ours = tables["keys"][name]
        return {ours: _checked(name, ours, value)}
    if name in tables["modes"] or value in (None, "", {}, *tables["ignored"].get(name, ())):
        return {}
    if name in tables["instead"]:
        raise UsageError(
            f"{origin}: {name} = {value} is not followed",
            code="E_CONFIG",
            hint=f"use {tables['instead'][name]}",
        )
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
    if not value or is_url(value):
        return {"pretrained": True}
    return {"weights": _checked(WEIGHTS, "weights", value)}


def is_url(value: object) -> bool:
    """Whether weights are named by an address, as PaddleX names the published ones."""
    return str(value).startswith(("http://", "https://"))
