"""Keep a file of one record a line true to the run when training is rolled back or resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clsctl.paths import exists
from clsctl.system.files import atomic_replace

Key = tuple[float, float]
"""Epoch and step, both from 1; an epoch's own record has an infinite step."""


class ResumableLog:
    """Lines in the order of their keys.

    A run that was killed may have written records of steps that it makes again when it is resumed;
    so may one that rolls back. The new record then takes the place of the old one and of all that
    came after it. A last line without an end, half-written when the run was killed, is dropped.

    Args:
        path: The file; lines that it holds are kept.
        key_of: The key of a line, without its end; raises ValueError where it has none.
        header: First line of the file.
    """

    def __init__(self, path: Path, key_of: Callable[[str], Key], header: str = "") -> None:
        self._path, self._key_of, self._header = path, key_of, header
        keys = [key_of(line) for line in self._read()]
        self._last = max(keys, default=(0.0, 0.0))
        self._rewrite((float("inf"), 0.0))

    def append(self, key: Key, line: str) -> None:
        """Add a record, and drop those that are not before it."""
        if key <= self._last:
            self._rewrite(key)
        self._last = key
        with self._path.open("a", encoding="utf-8", newline="") as stream:
            stream.write(f"{line}\n")

    def _read(self) -> list[str]:
        if not exists(self._path):
            return []
        whole = self._path.read_text(encoding="utf-8").split("\n")[:-1]
        return whole[bool(self._header) :]

    def _rewrite(self, end: Key) -> None:
        kept = [line for line in self._read() if self._key_of(line) < end]
        lines = [self._header, *kept] if self._header else kept
        with atomic_replace(self._path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="")
