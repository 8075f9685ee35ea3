"""Frame the messages between this process and the one that decodes: fields, and bytes after them.

A message is the length of its fields in four bytes, the fields as JSON, and as many bytes as the
field `bytes` says. Nothing in it is ever executed: a decoder that was taken over can only lie.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import IO, Any

from clsctl.errors import ClsctlError, DataError

_LENGTH = struct.Struct(">I")
_LONGEST = 1 << 20

Buffer = bytes | bytearray | memoryview


def send(stream: IO[bytes], fields: Mapping[str, Any], content: Buffer = b"") -> None:
    """Write a message and let it go."""
    head = json.dumps({**fields, "bytes": len(content)}).encode()
    stream.write(_LENGTH.pack(len(head)) + head)
    stream.write(content)
    stream.flush()


def receive(read: Callable[[int], Buffer]) -> dict[str, Any]:
    """Read the fields of a message; `bytes` says how many bytes are to be read after them.

    Args:
        read: Returns exactly that many bytes, or raises EOFError.

    Raises:
        EOFError: There is none.
        ValueError: It is none.
    """
    (length,) = _LENGTH.unpack(read(_LENGTH.size))
    if length > _LONGEST:
        raise ValueError("this is no message")
    fields: dict[str, Any] = json.loads(bytes(read(length)))
    return fields


def error_fields(error: ClsctlError) -> dict[str, Any]:
    """Return the message that an error is."""
    return {"error": error.as_dict()}


def raise_error(fields: Mapping[str, Any]) -> None:
    """Raise the error that a message is, if it is one."""
    if "error" in fields:
        error = fields["error"]
        raise DataError(error["message"], code=error["code"], hint=error.get("hint", ""))
