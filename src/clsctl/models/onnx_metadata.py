"""Read what an ONNX file says beside its graph, and which other files it needs, without loading it.

The numbers are those of the fields in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from clsctl.errors import ModelError
from clsctl.models.protobuf import content, fields
from clsctl.paths import open_regular

METADATA_PROPS, EXTERNAL_DATA, KEY, VALUE = 14, 13, 1, 2
LONGEST_TEXT = 16 << 20
"""Bytes of one text: class names of a very large model."""

# The messages that lead to tensors, by the number of their field.
_TENSORS_BELOW = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
}


def read_metadata(path: Path) -> dict[str, str]:
    """Read the texts that an ONNX file holds beside its graph, by key.

    Raises:
        ModelError: The file is not ONNX, is cut off, or cannot be read (`E_MODEL_UNREADABLE`).
    """
    try:
        with open_regular(path) as stream:
            return _entries(stream, os.fstat(stream.fileno()).st_size, METADATA_PROPS)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"'{path}' cannot be read as an ONNX file: {error}", code="E_MODEL_UNREADABLE"
        ) from None


def external_data(path: Path) -> dict[str, int]:
    """Read which other files hold tensors of an ONNX file, and where the last of them ends in each.

    Raises:
        ValueError: The file is not ONNX, or is cut off.
        OSError: It cannot be read.
    """
    ends: dict[str, int] = {}
    try:
        with open_regular(path) as stream:
            for entry in _external_entries(stream, os.fstat(stream.fileno()).st_size, "model"):
                name = entry["location"]
                end = int(entry.get("offset", 0)) + int(entry.get("length", 0))
                ends[name] = max(ends.get(name, 0), end)
    except (KeyError, RecursionError):
        raise ValueError("a tensor in it lies nowhere") from None
    return ends


def _external_entries(stream: IO[bytes], end: int, message: str) -> Iterator[dict[str, str]]:
    """What is said of each tensor in a message that lies in another file."""
    if message == "tensor":
        if found := _entries(stream, end, EXTERNAL_DATA):
            yield found
        return
    for field in fields(stream, end):
        if below := _TENSORS_BELOW[message].get(field.number):
            yield from _external_entries(stream, field.end, below)


def _entries(stream: IO[bytes], end: int, number: int) -> dict[str, str]:
    """The pairs of texts in the fields of that number of a message."""
    entries = [
        {item.number: content(stream, item, LONGEST_TEXT) for item in fields(stream, field.end)}
        for field in fields(stream, end)
        if field.number == number
    ]
    return {_text(entry.get(KEY, b"")): _text(entry.get(VALUE, b"")) for entry in entries}


def _text(content: bytes) -> str:
    return content.decode("utf-8")
