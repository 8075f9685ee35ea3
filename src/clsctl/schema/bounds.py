"""What a document may be, whoever wrote it, so that it can be walked, printed and written again."""

from __future__ import annotations

from clsctl.schema.errors import SchemaError

MAX_BYTES = 16 << 20
MAX_DEPTH = 32
MAX_VALUES = 1_000_000
"""Values in a document, keys included; what an alias stands for counts each time."""

_MAX_INTEGER = 2**64


def require_bounded(document: object) -> None:
    """Raise SchemaError unless a document is flat enough and text throughout.

    It is nested in `MAX_DEPTH` levels at most, its keys are text, whole numbers fit into 64 bits,
    and its text can be encoded as UTF-8.

    Args:
        document: Tables, lists and single values, which may be there several times.
    """
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return
        require_few(len(level))
    raise SchemaError(f"it is nested in more than {MAX_DEPTH} levels")


def require_few(count: int) -> None:
    """Raise SchemaError where a document has too many values."""
    if count > MAX_VALUES:
        raise SchemaError(f"it holds more than {MAX_VALUES:,} values")


def _parts(value: object) -> list[object]:
    """What a table or list consists of; a single value is checked and has no parts."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise SchemaError("one of its keys is not text")
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise SchemaError("it holds a number of more than 64 bits")
    return []


def _require_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SchemaError("it holds text that is no Unicode") from None
