"""Read plain values, as TOML, YAML and JSON hold them, into what an annotation declares.

An annotation is `str`, `int`, `float`, `bool`, `None`, `Any`, a `Literal`, a dataclass whose fields
are the keys of a table, `tuple[...]`, `list[...]` or `Mapping[str, ...]` of these, a union of them,
or `Annotated[...]` with the constraints of `clsctl.schema.constraints`:

>>> @dataclass
... class Box:
...     name: Annotated[str, Pattern("[a-z]+", "a word")]
...     size: Annotated[int, Range(0, 10)] = 0
>>> read(Box, {"name": "crate", "size": 11})
Traceback (most recent call last):
clsctl.schema.errors.SchemaError: size: expected a whole number from 0 to 10, not 11

Types are exact, save that a whole number is a number too: true is no number, and 3.0 is not a whole
one. Numbers are finite. Whatever the value, nothing but a SchemaError is raised.
"""

from __future__ import annotations

import functools
import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from clsctl.errors import unknown_name
from clsctl.schema.constraints import Constraint, Word, either
from clsctl.schema.errors import SchemaError, brief, label, unexpected

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def read(kind: type[T], value: object, *, from_text: bool = False, extra_keys: bool = False) -> T:
    """Read a value as an annotation declares it.

    Args:
        kind: The annotation.
        value: A plain value.
        from_text: A text may stand for what it says, as on a command line: `3`, `yes`, `none`, or
            items between commas or blanks, perhaps in brackets.
        extra_keys: Skip keys that a dataclass does not have, instead of refusing them.

    Raises:
        SchemaError: The value is another one; the message names the place, what was expected and
            what was found. A dataclass may raise ValueError in its `__post_init__` for the same.
    """
    return cast("T", _reader(kind, from_text, extra_keys).read(value))


def describe(kind: Any) -> str:
    """Return in words what an annotation admits: `a whole number, 1 or more`."""
    return _reader(kind, from_text=True, extra_keys=False).expected


def cached(function: F) -> F:
    """Keep what a function returned, as `functools.cache` does, which forgets its signature."""
    return cast("F", functools.cache(function))


@cached
def type_hints(kind: Any) -> Mapping[str, Any]:
    """The annotations of a dataclass's fields, with their constraints."""
    return get_type_hints(kind, include_extras=True)


class _Reader(NamedTuple):
    """How one annotation is read, and the words for what it expects."""

    expected: str
    read: Callable[[object], Any]


@cached
def _reader(kind: Any, from_text: bool, extra_keys: bool) -> _Reader:
    origin, arguments = get_origin(kind), get_args(kind)

    def inner(part: Any) -> _Reader:
        return _reader(part, from_text, extra_keys)

    if kind is Any:
        return _Reader("anything", lambda value: value)
    if is_dataclass(kind):
        keys = {name: inner(hint) for name, hint in type_hints(kind).items()}
        return _record(kind, keys, extra_keys)
    if origin is Annotated:
        return _constrained(inner(arguments[0]), arguments[1:])
    if origin is Literal:
        return _choice(arguments)
    if origin in (Union, types.UnionType):
        # A text that says it is none is no other text; elsewhere None is the rarest.
        return _union([inner(part) for part in sorted(arguments, key=_is_none, reverse=from_text)])
    if origin in (Mapping, dict):
        return _mapping(inner(arguments[1]))
    if origin is tuple and arguments[-1] is not ...:
        return _fixed([inner(part) for part in arguments], from_text)
    if origin in (tuple, list):
        return _sequence(origin, inner(arguments[0]), from_text)
    return _plain(kind, from_text)


# ---- single values -----------------------------------------------------------------------------

_NOUNS: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "none",
}


def _plain(kind: Any, from_text: bool) -> _Reader:
    expected = _NOUNS[kind]

    def check(value: object) -> Any:
        found = _meant(kind, value) if from_text and isinstance(value, str) else value
        if kind is float and type(found) is int and abs(found) <= 2**1023:
            found = float(found)
        exact = isinstance(found, str) if kind is str else type(found) is kind
        if not exact or (isinstance(found, float) and not math.isfinite(found)):
            raise unexpected(expected, value)
        return found

    return _Reader(expected, check)


_SWITCH = {"1": True, "true": True, "yes": True, "on": True}
_SWITCH |= {"0": False, "false": False, "no": False, "off": False, "": False}


def _meant(kind: Any, text: str) -> object:
    """What a text says, or the text itself where that is nothing of the kind."""
    word = text.strip().lower()
    if kind is bool:
        return _SWITCH.get(word, text)
    if kind is type(None):
        return None if word in ("none", "null", "") else text
    try:
        return kind(text)
    except ValueError:
        return text


def _choice(choices: tuple[Any, ...]) -> _Reader:
    expected = either(tuple(map(str, choices)))

    def check(value: object) -> Any:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise unexpected(expected, value)
        return value

    return _Reader(expected, check)


def _constrained(base: _Reader, constraints: Sequence[Constraint]) -> _Reader:
    expected = base.expected
    for constraint in constraints:
        expected = constraint.describe(expected)
    words = {c.word: c.value for c in constraints if isinstance(c, Word)}

    def check(value: object) -> Any:
        if isinstance(value, str) and value in words:
            return words[value]
        try:
            found = base.read(value)
        except SchemaError as error:
            if error.place:  # something inside is wrong
                raise
            raise unexpected(expected, value) from None
        if not all(constraint.admits(found) for constraint in constraints):
            raise unexpected(expected, value)
        return found

    return _Reader(expected, check)


def _union(kinds: Sequence[_Reader]) -> _Reader:
    """The first kind that fits; where none does, that it may be left out is not worth a word."""
    likely = [kind for kind in kinds if kind.expected != _NOUNS[type(None)]]
    expected = either(tuple(kind.expected for kind in likely))

    def check(value: object) -> Any:
        errors = {}
        for kind in kinds:
            try:
                return kind.read(value)
            except SchemaError as error:
                errors[kind] = error
        raise errors[likely[0]] if len(likely) == 1 else unexpected(expected, value)

    return _Reader(expected, check)


def _is_none(kind: object) -> bool:
    return kind is type(None)


# ---- tables and lists --------------------------------------------------------------------------


def _record(kind: Any, keys: Mapping[str, _Reader], extra_keys: bool) -> _Reader:
    required = [
        item.name
        for item in fields(kind)
        if item.default is MISSING and item.default_factory is MISSING
    ]

    def check(value: object) -> Any:
        table = _table(value)
        for name in table:
            if name not in keys and not extra_keys:
                raise SchemaError(unknown_name("key", label(name), keys))
        for name in required:
            if name not in table:
                raise SchemaError(f"the key '{name}' is missing")
        known = {name: _below(name, keys[name], table[name]) for name in keys if name in table}
        try:
            return kind(**known)
        except ValueError as error:
            raise SchemaError(str(error)) from None

    return _Reader("a table", check)


def _mapping(values: _Reader) -> _Reader:
    def check(value: object) -> dict[str, Any]:
        return {name: _below(label(name), values, item) for name, item in _table(value).items()}

    return _Reader("a table", check)


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise unexpected("a table", value)
    for name in value:
        if not isinstance(name, str):
            raise SchemaError(f"keys must be text, not {brief(name)}")
    return value


def _sequence(make: Callable[[list[Any]], Any], items: _Reader, from_text: bool) -> _Reader:
    expected = "a list of tables" if items.expected == "a table" else "a list"

    def check(value: object) -> Any:
        found = _list(expected, value, from_text)
        return make([_below(_name(item, n), items, item) for n, item in enumerate(found, start=1)])

    return _Reader(expected, check)


def _fixed(items: Sequence[_Reader], from_text: bool) -> _Reader:
    expected = f"a list of {len(items)}"

    def check(value: object) -> tuple[Any, ...]:
        found = _list(expected, value, from_text)
        if len(found) != len(items):
            raise unexpected(expected, value)
        return tuple(reader.read(item) for reader, item in zip(items, found, strict=True))

    return _Reader(expected, check)


def _list(expected: str, value: object, from_text: bool) -> Sequence[object]:
    if from_text and isinstance(value, str):
        inside = value.strip()
        if inside.startswith("[") and inside.endswith("]"):
            inside = inside[1:-1]
        return [part for part in re.split(r"[,\s]+", inside) if part]
    if not isinstance(value, (list, tuple)):
        raise unexpected(expected, value)
    return value


def _name(item: object, number: int) -> str:
    """What an error calls an item of a list: by its own name where it is a table that has one."""
    name = item.get("name") if isinstance(item, Mapping) else None
    return label(name) if isinstance(name, str) and name else f"number {number}"


def _below(key: str, reader: _Reader, value: object) -> Any:
    try:
        return reader.read(value)
    except SchemaError as error:
        raise error.below(key) from None
