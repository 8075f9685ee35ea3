"""One flat JSON object a line: `--format jsonl`."""

from __future__ import annotations

import json
from typing import TextIO

from clsctl.plugin import Writer, hookimpl
from clsctl.result import Result


@hookimpl
def clsctl_writers() -> list[Writer]:
    return [Writer("jsonl", "One JSON object a line, written as results come.", JsonLinesWriter)]


class JsonLinesWriter:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encode = json.JSONEncoder(ensure_ascii=False).encode

    def write(self, result: Result) -> None:
        self._stream.write(self._encode(result.as_dict()) + "\n")
        self._stream.flush()

    def close(self) -> None:
        pass
