"""Every failure a user can cause, with a stable code, an exit status and a hint.

ClsctlError                      exit status
├── UsageError                   2  a wrong option, name or combination
├── DataError                    3  an unreadable image, an invalid dataset
├── ModelError                   4  a model or its weights are not available
├── NetworkError                 5  a server could not be reached or misbehaved
├── DeviceError                  6  a device or backend is not available
├── SomeInputsFailed             7  finished, but some inputs failed
├── ProcessLost                  8  one of several processes died
└── Interrupted                  130  Ctrl-C

Exit status 0 means done and 1 a bug of ours. `main()` prints a ClsctlError once, so raise it
with everything a user needs: what happened, why, and what to type next.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar


class ClsctlError(Exception):
    """A failure that a user can understand and act on.

    Args:
        message: One sentence saying what happened and why, without a trailing newline.
        code: A stable identifier such as `E_MODEL_UNKNOWN`; scripts may rely on it.
        hint: What to type or change next; empty where there is nothing useful to say.
    """

    exit_status: ClassVar[int] = 1
    default_code: ClassVar[str] = "E_INTERNAL"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint

    def __str__(self) -> str:
        """Message and code, and on a line of its own the hint, as the command line prints them."""
        coded = f"{self.message} [{self.code}]"
        return f"{coded}\nhint: {self.hint}" if self.hint else coded

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.code, self.hint)

    def as_dict(self) -> dict[str, str]:
        """The error as it appears in JSON output: code, message and, where there is one, hint."""
        fields = {"code": self.code, "message": self.message}
        return fields | ({"hint": self.hint} if self.hint else {})


class UsageError(ClsctlError):
    """The command line, the configuration or an argument is wrong."""

    exit_status = 2
    default_code = "E_USAGE"


class DataError(ClsctlError):
    """An image cannot be read or a dataset is invalid."""

    exit_status = 3
    default_code = "E_DATA"


class ModelError(ClsctlError):
    """A model or its weights are unknown, missing or damaged."""

    exit_status = 4
    default_code = "E_MODEL"


class NetworkError(ClsctlError):
    """A server could not be reached, or answered something unusable."""

    exit_status = 5
    default_code = "E_NETWORK"


class DeviceError(ClsctlError):
    """A device or an inference backend is not available."""

    exit_status = 6
    default_code = "E_DEVICE"


class SomeInputsFailed(ClsctlError):
    """The command finished, but some inputs ended in an error record."""

    exit_status = 7
    default_code = "E_SOME_INPUTS_FAILED"


class ProcessLost(ClsctlError):
    """One of the processes that work together has died or cannot be reached."""

    exit_status = 8
    default_code = "E_PROCESS_LOST"


class Interrupted(ClsctlError):
    """Ctrl-C; raised where there is something to say about what is left and how to continue."""

    exit_status = 130
    default_code = "E_INTERRUPTED"


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """A message for a failed look-up: the nearest names, or all of them where they are few."""
    names = sorted(valid)
    lowered = {candidate.lower(): candidate for candidate in names}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=3)]
    if close:
        return f"unknown {kind} '{name}'. Did you mean {' or '.join(close)}?"
    if names and len(names) <= 12:
        return f"unknown {kind} '{name}'. Valid: {', '.join(names)}."
    return f"unknown {kind} '{name}'."


def internal_error(subject: str, error: Exception) -> ClsctlError:
    """Return the error for a bug that one input of many brought out."""
    *_, frame = traceback.extract_tb(error.__traceback__)
    return ClsctlError(
        f"{subject}: this is a bug in clsctl: {type(error).__name__}: {error} "
        f"({Path(frame.filename).name}, line {frame.lineno})",
        hint="please report it, with the input if you can",
    )


def _rebuild(cls: type[ClsctlError], message: str, code: str, hint: str) -> ClsctlError:
    return cls(message, code=code, hint=hint)
