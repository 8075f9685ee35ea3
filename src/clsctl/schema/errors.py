"""The one error that reading raises, and how it shows what it found."""

from __future__ import annotations

import reprlib

SHOWN = 80
"""The most characters of a found value in a message."""


class SchemaError(ValueError):
    """A value is not what was declared.

    Attributes:
        reason: What was expected and what was found.
        place: The keys that lead to it, from the outermost one.
    """

    def __init__(self, reason: str, place: tuple[str, ...] = ()) -> None:
        super().__init__(": ".join([*place, reason]))
        self.reason, self.place = reason, place

    def below(self, key: str) -> SchemaError:
        """The same error, seen from the table or list that holds the value under a key."""
        return SchemaError(self.reason, (key, *self.place))


def unexpected(expected: str, value: object) -> SchemaError:
    return SchemaError(f"expected {expected}, not {brief(value)}")


def brief(value: object) -> str:
    """A value as Python writes it, short and on one line whatever it holds."""
    text = _SHORT.repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def label(key: str) -> str:
    """A key as a message shows it: as it is, unless it is long or would upset a terminal."""
    return key if key.isprintable() and len(key) <= SHOWN else brief(key)[1:-1]


def one_line(text: str) -> str:
    """Another library's message on one line, with nothing that would upset a terminal."""
    words = " ".join(text.split())
    shown = words if words.isprintable() else ascii(words)
    return shown if len(shown) <= 3 * SHOWN else f"{shown[: 3 * SHOWN]}..."


class _Short(reprlib.Repr):
    """Shows the beginning of what is nested or long."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxstring = self.maxother = self.maxlong = SHOWN

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write numbers of thousands of digits."""
        return super().repr_int(x, level) if x.bit_length() < 1000 else "a number of many digits"


_SHORT = _Short()
