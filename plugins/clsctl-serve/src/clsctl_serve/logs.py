"""Log one line for each event on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def start_logging(log_format: str) -> None:
    """Send the server's log, and warnings of uvicorn, to standard error.

    Args:
        log_format: `text` or `json`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    for name, level in (("clsctl_serve", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what the event brought with it, and nothing that a library adds to every record."""
    own = vars(record).items()
    return {key: value for key, value in own if key not in _OWN and not key.startswith("_")}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = "".join(f" {key}={_shown(value)}" for key, value in _fields(record).items())
        line = f"{clock} {record.levelname.lower()} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _shown(value: object) -> str:
    """Quote a value by which a client could otherwise write a line of its own into the log."""
    text = str(value)
    plain = text.isprintable() and " " not in text and text
    return text if plain else json.dumps(text, ensure_ascii=True)
