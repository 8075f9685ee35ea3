"""What an annotation demands beyond a type, as in `Annotated[int, Range(1)]`.

A constraint `admits` a value of the type or not, and describes what it admits: `describe` is given
the description of the type.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sized
from dataclasses import dataclass
from typing import Annotated, Any, Protocol


class Constraint(Protocol):
    def admits(self, value: Any) -> bool: ...

    def describe(self, expected: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Range:
    """A number from `low` to `high`, both included.

    Attributes:
        noun: What an error says is expected, in place of the bounds.
    """

    low: float = -math.inf
    high: float = math.inf
    noun: str = ""

    def admits(self, value: float) -> bool:
        return self.low <= value <= self.high

    def describe(self, expected: str) -> str:
        return self.noun or f"{expected}{_bounds(self.low, self.high)}"


@dataclass(frozen=True, slots=True)
class Length:
    """A text, list or table with so many characters, items or keys."""

    low: int = 0
    high: float = math.inf

    def admits(self, value: Sized) -> bool:
        return self.low <= len(value) <= self.high

    def describe(self, expected: str) -> str:
        return f"{expected} of length{_bounds(self.low, self.high).removeprefix(',')}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text that a regular expression matches as a whole."""

    pattern: str
    noun: str

    def admits(self, value: str) -> bool:
        return re.fullmatch(self.pattern, value) is not None

    def describe(self, expected: str) -> str:
        return self.noun


@dataclass(frozen=True, init=False)
class OneOf:
    """One of a few texts; where they are known to the type checker, `Literal` says the same."""

    choices: tuple[str, ...]

    def __init__(self, *choices: str) -> None:
        object.__setattr__(self, "choices", choices)

    def admits(self, value: str) -> bool:
        return value in self.choices

    def describe(self, expected: str) -> str:
        return either(self.choices)


@dataclass(frozen=True, slots=True)
class Word:
    """A word that may be written for a value, which need not be one that could be written."""

    word: str
    value: Any

    def admits(self, value: object) -> bool:
        return True

    def describe(self, expected: str) -> str:
        return f"{expected}, or {self.word}"


PositiveInt = Annotated[int, Range(1)]
NonNegativeInt = Annotated[int, Range(0)]
NonNegativeFloat = Annotated[float, Range(0)]
PositiveFloat = Annotated[float, Range(math.ulp(0.0), noun="a number above 0")]
Fraction = Annotated[float, Range(0, 1)]


def either(words: tuple[str, ...]) -> str:
    """The words in prose: `a, b or c`; with a comma more where one of them has a comma itself."""
    *first, last = words
    comma = "," if any("," in word for word in words) else ""
    return f"{', '.join(first)}{comma} or {last}" if first else last


def _bounds(low: float, high: float) -> str:
    if low == -math.inf:
        return f", {high:g} or less"
    return f", {low:g} or more" if high == math.inf else f" from {low:g} to {high:g}"
