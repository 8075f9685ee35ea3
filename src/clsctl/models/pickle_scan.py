"""Look through a pickle before it is loaded: what it may make its reader do is bounded.

A pickle is a program for a machine with a stack and a memo. Nine bytes can reserve gigabytes of
memo, a pair of the same pair of the same pair is hashed or printed for ever, and nesting overflows
the stack of the C library. The scan runs the program on the size of each value in place of the
value.
"""

from __future__ import annotations

import pickletools
from collections.abc import Sequence
from pickle import UnpicklingError
from typing import Any, NamedTuple, Protocol

MAX_OPCODES = 200_000
MAX_DEPTH = 32
MAX_SIZE = 200_000
"""Values within a value; one that is there several times counts each time."""

_TEXTS = frozenset(["SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"])
_KINDS = dict.fromkeys(_TEXTS, "text") | {"REDUCE": "object"}
_GETS = frozenset(["BINGET", "LONG_BINGET"])
_PUTS = frozenset(["BINPUT", "LONG_BINPUT", "MEMOIZE"])
_ADDS = frozenset(["APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"])
_KEYS = {"SETITEM": 1, "SETITEMS": 1, "DICT": 0}
"""Where the first key is among what an opcode takes; it is followed by every second value."""

_ADMITTED = (
    {"PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE"}
    | {"EMPTY_DICT", "DICT", "EMPTY_LIST", "LIST"}
    | {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
    | {"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
    | {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
    | (_TEXTS | _GETS | _PUTS | _ADDS)
)


class Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...

    def readline(self) -> bytes: ...

    def tell(self) -> int: ...


class _Value(NamedTuple):
    """What the scan knows of a value.

    Attributes:
        kind: `text`, `object` for what a call made, or empty.
    """

    kind: str = ""
    depth: int = 0
    size: int = 1


_MARK = _Value(size=0)


def scan(stream: Readable) -> None:
    """Raise UnpicklingError unless a pickle builds text, numbers, bytes, tuples, lists and dicts.

    It may call functions too, on which `find_class` of its reader decides. Dictionaries have text
    as keys, nothing is nested deeper than `MAX_DEPTH` or holds more than `MAX_SIZE` values, and
    there are no more than `MAX_OPCODES` steps, nor more places in the memo than steps.
    """
    stack: list[_Value] = []
    memo: dict[Any, _Value] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):  # type: ignore[arg-type]
        if opcode.name not in _ADMITTED or count > MAX_OPCODES:
            raise UnpicklingError("it is not written as paddle.save writes weights")
        if opcode.name in _PUTS:
            place = len(memo) if argument is None else argument
            if place > count:
                raise UnpicklingError("it asks for more memory than it has values")
            memo[place] = stack[-1]
        elif opcode.name in _GETS:
            stack.append(memo[argument])
        else:
            _step(opcode, stack)


def _step(opcode: pickletools.OpcodeInfo, stack: list[_Value]) -> None:
    """Take from the stack what an opcode takes, and put there what it makes of that."""
    taken = _take(opcode, stack)
    if opcode.name in _KEYS and any(key.kind != "text" for key in taken[_KEYS[opcode.name] :: 2]):
        raise UnpicklingError("one of its names is not a text")
    if opcode.name == "BUILD" and taken[0].kind != "object":
        raise UnpicklingError("it changes what it did not make")
    if opcode.name == "MARK":
        stack.append(_MARK)
    elif opcode.name in _ADDS:
        stack.append(_joined(taken[0], taken[1:]))
    elif opcode.stack_after:
        stack.append(_joined(_Value(_KINDS.get(opcode.name, "")), taken))


def _take(opcode: pickletools.OpcodeInfo, stack: list[_Value]) -> Sequence[_Value]:
    """What the opcode takes from the stack, without the mark that some values lie above."""
    wanted = [item for item in opcode.stack_before if item is not pickletools.stackslice]
    above: list[_Value] = []
    if pickletools.markobject in wanted:
        wanted.remove(pickletools.markobject)
        while (value := stack.pop()) is not _MARK:
            above.append(value)
    below = [stack.pop() for _ in wanted]
    return [*reversed(below), *reversed(above)]


def _joined(value: _Value, parts: Sequence[_Value]) -> _Value:
    """A value with these parts in it."""
    depth = max([value.depth, *(part.depth + 1 for part in parts)])
    size = value.size + sum(part.size for part in parts)
    if depth > MAX_DEPTH or size > MAX_SIZE:
        raise UnpicklingError("its values are nested too deeply, or too often")
    return _Value(value.kind, depth, size)
