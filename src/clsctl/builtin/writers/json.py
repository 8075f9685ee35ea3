"""Write one JSON array of all results: `--format json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from clsctl.console.text import to_json
from clsctl.plugin import Writer, hookimpl

if TYPE_CHECKING:
    from clsctl.result import Result


@hookimpl
def clsctl_writers() -> list[Writer]:
    return [Writer("json", "One JSON array of all results.", JsonWriter)]


class JsonWriter:
    """Writes the array element by element, so that memory stays flat."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._separator = "\n"
        stream.write("[")

    def write(self, result: Result) -> None:
        self._stream.write(self._separator + to_json(result.as_dict()))
        self._separator = ",\n"

    def close(self) -> None:
        """End the array, which is right even where Ctrl-C came in the middle of `write`."""
        self._stream.write("\n]\n")
