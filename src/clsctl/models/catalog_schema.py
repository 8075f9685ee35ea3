"""Check data from a file against a shape, with errors that name the place.

A check is a function that returns a value in the form clsctl uses, or raises ValueError saying
what it expected. Shapes are built from checks:

>>> check = record({"name": match("[a-z]+", "a word")}, {"size": number(0, 10, "0 to 10")})
>>> check({"name": "box", "size": 11})
Traceback (most recent call last):
ValueError: size: expected 0 to 10, not 11
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clsctl.errors import unknown_name

Check = Callable[[object], Any]


def unexpected(expected: str, value: object) -> ValueError:
    return ValueError(f"expected {expected}, not {value!r}")


@contextmanager
def at(key: str) -> Iterator[None]:
    """Put the place before what is wrong there."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def apply(check: Check, key: str, value: object) -> Any:
    with at(key):
        return check(value)


# ---- tables and lists --------------------------------------------------------------------------


def table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise unexpected("a table", value)
    return value


def record(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """A table with these keys and no other."""
    checks = {**required, **optional}

    def check(value: object) -> dict[str, Any]:
        items = table(value)
        for key in items:
            if key not in checks:
                raise ValueError(unknown_name("key", key, checks))
        for key in required:
            if key not in items:
                raise ValueError(f"the key '{key}' is missing")
        return {key: apply(checks[key], key, item) for key, item in items.items()}

    return check


def each(check: Check) -> Check:
    """A table whose keys are free."""
    return lambda value: {key: apply(check, key, item) for key, item in table(value).items()}


def named(check: Check) -> Check:
    """A list of tables, each with a `name` of its own."""

    def check_all(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise unexpected("a list of tables", value)
        found: dict[str, Any] = {}
        for position, item in enumerate(value, start=1):
            name = str(table(item).get("name", f"number {position}"))
            if name in found:
                raise ValueError(f"{name}: listed twice")
            found[name] = apply(check, name, item)
        return list(found.values())

    return check_all


def several(count: int, check: Check) -> Check:
    """A list of that many values."""

    def check_all(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != count:
            raise unexpected(f"a list of {count}", value)
        return tuple(check(item) for item in value)

    return check_all


# ---- values ------------------------------------------------------------------------------------


def match(pattern: str, expected: str) -> Check:
    """Text that a regular expression matches as a whole."""
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise unexpected(expected, value)
        return value

    return check


def number(low: float, high: float, expected: str, kind: type = float) -> Check:
    """A number within bounds; with `kind=int` a whole one."""
    kinds = (int,) if kind is int else (int, float)

    def check(value: object) -> float:
        if type(value) not in kinds or not low <= value <= high:  # type: ignore[operator]
            raise unexpected(expected, value)
        return value  # type: ignore[return-value]

    return check


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise unexpected("true or false", value)
    return value
