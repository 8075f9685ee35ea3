"""Understand how PaddleX names what runs a model: its engines, and its high-performance switch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import UsageError, unknown_name

ENGINES: Mapping[str, str | None] = {
    "paddle": "paddle",
    "paddle_static": "paddle",
    "onnxruntime": "onnxruntime",
    "hpi": None,
}
"""Backends by PaddleX's engines; None leaves the choice."""

HANDLED = ("backend", "auto_config", "model_name", "device_type", "device_id")
"""Keys of an `hpi_config` that are followed, or whose values clsctl finds out itself."""


def backend_of_engine(engine: str | None) -> str | None:
    """Return the backend that one of PaddleX's engines stands for.

    Raises:
        UsageError: clsctl has no such engine (`E_VALUE`).
    """
    if engine is None:
        return None
    if engine not in ENGINES:
        raise UsageError(unknown_name("engine", engine, ENGINES), code="E_VALUE")
    return ENGINES[engine]


def backend_of_hpi(hpi_config: Any) -> str | None:
    """Return the backend that an `hpi_config` asks for; a note names what has no effect.

    Args:
        hpi_config: A mapping, or PaddleX's `HPIConfig`.
    """
    if hpi_config is None:
        return None
    given = hpi_config if isinstance(hpi_config, Mapping) else vars(hpi_config)
    for name, value in given.items():
        if value and not name.startswith("_") and name not in HANDLED:
            note(f"{name} of hpi_config has no effect")
    backend = given.get("backend")
    return None if backend is None else str(backend)
