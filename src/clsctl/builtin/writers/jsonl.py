"""Write one flat JSON object a line: `--format jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, TextIO

from clsctl.console.text import to_json
from clsctl.plugin import StoredResult, Writer, hookimpl

if TYPE_CHECKING:
    from clsctl.result import Result


@hookimpl
def clsctl_writers() -> list[Writer]:
    summary = "One JSON object a line, written as results come."
    return [Writer("jsonl", summary, JsonLinesWriter, read=read, priority=1)]


class JsonLinesWriter:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, result: Result) -> None:
        self._stream.write(to_json(result.as_dict()) + "\n")
        self._stream.flush()

    def close(self) -> None:
        pass


def read(stream: IO[bytes]) -> Iterator[StoredResult]:
    """Read back the lines that are whole."""
    end = 0
    for line in stream:
        if not line.endswith(b"\n"):
            return
        end += len(line)
        fields = json.loads(line)
        yield StoredResult(end, fields["input_path"], fields["page_index"], "error" in fields)
