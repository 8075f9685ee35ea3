"""What parameters a graph of Paddle needs, and which of them its file holds.

`inference.pdiparams` is written by Paddle's `save_combine`: one tensor after the other, ordered by
their names, which are in the graph alone. Each has the version 0 (u32), a number of levels (u64)
with the bytes of each (u64 and as many bytes), the version 0 (u32), the length of a description
(i32), the description, a protocol buffer with the type in field 1 and a side of the shape in each
field 2, and the values.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from clsctl.models.protobuf import fields
from clsctl.paths import open_regular

Shape = tuple[int, ...]

# Bytes of a value, by the number of its type in `framework.proto`.
_BYTES = {0: 1, 1: 2, 2: 4, 3: 8, 4: 2, 5: 4, 6: 8, 20: 1, 21: 1, 22: 2, 23: 8, 24: 16}
_BYTES |= {32: 1, 33: 1, 36: 2, 37: 4, 38: 8}
_LONGEST_DESCRIPTION, _MOST_LEVELS = 4096, 16
_LARGEST_GRAPH = 64 << 20

# Fields of `framework.proto`: ProgramDesc, BlockDesc, VarDesc, VarType, LoDTensorDesc, TensorDesc.
_BLOCKS, _VARS, _TYPE, _PERSISTABLE = 1, 3, 2, 3
_KIND, _LOD_TENSOR, _TENSOR, _DATA_TYPE, _DIMS = 1, 3, 1, 1, 2
_IS_LOD_TENSOR = 7


def missing_parameters(graph: Path, params: Path) -> str:
    """Say in what way a file does not hold a graph's parameters; nothing where it does.

    Raises:
        ValueError: The graph cannot be understood.
        OSError: A file cannot be read.
    """
    needed = Counter(graph_shapes(graph))
    try:
        found = Counter(stored_shapes(params, needed.total()))
    except ValueError as error:
        return f"{error} (the graph has {needed.total()})"
    if found.total() != needed.total():
        return f"it holds {found.total()} parameters, and the graph has {needed.total()}"
    other = next(iter((found - needed).elements()), None)
    return "" if other is None else f"it holds a parameter of shape {other}, and the graph has none"


def graph_shapes(path: Path) -> list[Shape]:
    """Read the shapes of the parameters that a graph has.

    Args:
        path: `inference.json` (PIR) or `inference.pdmodel`.

    Raises:
        ValueError: It is no such graph.
        OSError: It cannot be read.
    """
    read = _program_shapes if path.suffix == ".pdmodel" else _pir_shapes
    try:
        with open_regular(path) as stream:
            return list(read(stream, os.fstat(stream.fileno()).st_size))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path.name} is no graph of Paddle, or cut off") from None


def stored_shapes(path: Path, most: int) -> list[Shape]:
    """Read the shapes of the parameters that a file holds, and not their values.

    Raises:
        ValueError: It is cut off, or no such file, or holds more than `most`.
        OSError: It cannot be read.
    """
    shapes: list[Shape] = []
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        while stream.tell() < size:
            if len(shapes) == most:
                raise ValueError(f"it goes on after {most} parameters")
            try:
                shapes.append(_skip_tensor(stream, size))
            except (ValueError, struct.error):
                reason = f"it is cut off or damaged within parameter {len(shapes) + 1}"
                raise ValueError(reason) from None
    return shapes


def _skip_tensor(stream: IO[bytes], size: int) -> Shape:
    version, levels = _unpack(stream, "<IQ")
    if version or levels > _MOST_LEVELS:
        raise ValueError("this is no tensor")
    for _ in range(levels):
        _skip(stream, _unpack(stream, "<Q")[0], size)
    version, length = _unpack(stream, "<Ii")
    if version or not 0 <= length <= _LONGEST_DESCRIPTION:
        raise ValueError("this is no tensor")
    kind, shape = _description(stream, stream.tell() + length)
    if kind not in _BYTES:
        raise ValueError("its type is none")
    _skip(stream, math.prod(shape) * _BYTES[kind], size)
    return shape


def _skip(stream: IO[bytes], count: int, size: int) -> None:
    if count > size - stream.tell():
        raise ValueError("its values are not there")
    stream.seek(count, os.SEEK_CUR)


def _unpack(stream: IO[bytes], layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, stream.read(struct.calcsize(layout)))


def _description(stream: IO[bytes], end: int) -> tuple[int, Shape]:
    """Type and shape of a `TensorDesc`."""
    found = [(field.number, field.value) for field in fields(stream, end)]
    kind = next((value for number, value in found if number == _DATA_TYPE), -1)
    return kind, tuple(value for number, value in found if number == _DIMS)


# ---- graphs ------------------------------------------------------------------------------------


def _pir_shapes(stream: IO[bytes], size: int) -> Iterator[Shape]:
    """Shapes of the operations called `p`, which stand for parameters."""
    if size > _LARGEST_GRAPH:
        raise ValueError("this is too large for a graph")
    for region in json.loads(stream.read())["program"]["regions"]:
        for block in region["blocks"]:
            for operation in block["ops"]:
                if operation["#"] == "p":
                    yield tuple(map(int, operation["O"]["TT"]["D"][1]))


def _program_shapes(stream: IO[bytes], size: int) -> Iterator[Shape]:
    """Shapes of the persistable variables of the first block, but for those that feed and fetch."""
    blocks = 0
    for block in fields(stream, size):
        blocks += block.number == _BLOCKS
        if block.number == _BLOCKS and blocks == 1:
            for variable in fields(stream, block.end):
                if variable.number == _VARS:
                    yield from _variable_shape(stream, variable.end)
    if not blocks:
        raise ValueError("it has no block")


def _variable_shape(stream: IO[bytes], end: int) -> list[Shape]:
    """The shape of a `VarDesc` that is a parameter; no shape of any other."""
    persistable, kind = False, -1
    shape: Shape = ()
    for field in fields(stream, end):
        if field.number == _PERSISTABLE:
            persistable = bool(field.value)
        elif field.number == _TYPE:
            kind, shape = _variable_type(stream, field.end)
    return [shape] if persistable and kind == _IS_LOD_TENSOR else []


def _variable_type(stream: IO[bytes], end: int) -> tuple[int, Shape]:
    kind = -1
    shape: Shape = ()
    for field in fields(stream, end):
        if field.number == _KIND:
            kind = field.value
        elif field.number == _LOD_TENSOR:
            for inner in fields(stream, field.end):
                if inner.number == _TENSOR:
                    _, shape = _description(stream, inner.end)
    return kind, shape
