"""Read the metadata of an ONNX file without loading its graph.

A `ModelProto` is a protocol buffer: a sequence of fields, each a key (number << 3 | wire type) and
a value. `metadata_props` is field 14, a message with the key in field 1 and the value in field 2
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from clsctl.errors import ModelError

METADATA_PROPS, KEY, VALUE = 14, 1, 2
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5
LONGEST_TEXT = 64 << 20
"""Bytes of one text: class names of a very large model."""


def read_metadata(path: Path) -> dict[str, str]:
    """Read the texts that an ONNX file holds beside its graph, by key.

    Raises:
        ModelError: The file is not ONNX, or cannot be read (`E_MODEL_UNREADABLE`).
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            entries = [
                dict(_fields(stream, end))
                for number, end in _spans(stream, size)
                if number == METADATA_PROPS
            ]
            return {_text(entry.get(KEY, b"")): _text(entry.get(VALUE, b"")) for entry in entries}
    except (OSError, ValueError) as error:
        raise ModelError(
            f"'{path}' cannot be read as an ONNX file: {error}", code="E_MODEL_UNREADABLE"
        ) from None


def _spans(stream: IO[bytes], end: int) -> Iterator[tuple[int, int]]:
    """Number and end of each field that has a length; the caller may read up to its end."""
    while stream.tell() < end:
        key = _varint(stream)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            _varint(stream)
        elif kind in (FIXED_32, FIXED_64):
            stream.seek(4 if kind == FIXED_32 else 8, os.SEEK_CUR)
        elif kind == LENGTH:
            length = _varint(stream)
            after = stream.tell() + length
            if after > end:
                raise ValueError("a field is longer than the file")
            yield number, after
            stream.seek(after)
        else:
            raise ValueError("it is not a protocol buffer")


def _fields(stream: IO[bytes], end: int) -> Iterator[tuple[int, bytes]]:
    for number, after in _spans(stream, end):
        length = after - stream.tell()
        if length > LONGEST_TEXT:
            raise ValueError("a text in its metadata is too long")
        yield number, stream.read(length)


def _varint(stream: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("it ends in the middle of a field, or is not a protocol buffer")


def _text(content: bytes) -> str:
    return content.decode("utf-8")
