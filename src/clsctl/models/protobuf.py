"""Walk protocol buffers without their definitions, in a file and without loading it.

A message is a sequence of fields, each a key (number << 3 | wire type) and a value
(https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, NamedTuple

VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: Of the definition.
        end: Where its content ends, counted from the start of the file; the stream stands at the
            content's first byte. 0 where the field is a number.
        value: The number; 0 where the field has content.
    """

    number: int
    end: int
    value: int


def fields(stream: IO[bytes], end: int) -> Iterator[Field]:
    """Walk a message; whoever takes a field may read its content, and fields in that likewise.

    Args:
        stream: A file that can be sought in, at the message's first byte.
        end: Where the message ends, counted from the start of the file.

    Raises:
        ValueError: It is no message, or does not end there.
    """
    while stream.tell() < end:
        key = _varint(stream)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            yield Field(number, 0, _varint(stream))
        elif kind in (FIXED_32, FIXED_64):
            stream.seek(4 if kind == FIXED_32 else 8, os.SEEK_CUR)
        elif kind == LENGTH:
            length = _varint(stream)
            after = stream.tell() + length
            if after > end:
                raise ValueError("a field is longer than the file")
            yield Field(number, after, 0)
            stream.seek(after)
        else:
            raise ValueError("it is not a protocol buffer")
    if stream.tell() > end:
        raise ValueError("a field is longer than the file")


def content(stream: IO[bytes], field: Field, limit: int) -> bytes:
    """Read the content of a field.

    Raises:
        ValueError: It has more than `limit` bytes.
    """
    length = field.end - stream.tell()
    if length > limit:
        raise ValueError(f"a field has {length:,} bytes, more than {limit:,}")
    return stream.read(length)


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
