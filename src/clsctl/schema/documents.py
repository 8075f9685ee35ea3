"""Read TOML, YAML and JSON files, whoever wrote them, within `clsctl.schema.bounds`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from clsctl.paths import read_text
from clsctl.schema.bounds import MAX_BYTES, require_bounded
from clsctl.schema.errors import SchemaError, brief, one_line
from clsctl.schema.read import read
from clsctl.schema.yaml_reader import parse_yaml

T = TypeVar("T")
Parse = Callable[[str, str, Collection[str]], Any]
"""Reads a text, given the suffix of its format and what `parse_document` calls `verbatim`."""


def read_document(
    kind: type[T], path: Path, *, extra_keys: bool = False, parse: Parse | None = None
) -> T:
    """Read a file as an annotation declares its content; see `clsctl.schema.read.read`.

    Args:
        kind: The annotation.
        path: As for `load_document`.
        extra_keys: As for `read`.
        parse: As for `load_document`.

    Raises:
        SchemaError: It cannot be read, or holds something else; the message names the file.
    """
    content = load_document(path, parse=parse)
    try:
        return read(kind, content, extra_keys=extra_keys)
    except SchemaError as error:
        raise error.below(str(path)) from None


def load_document(
    path: Path,
    *,
    optional: bool = False,
    verbatim: Collection[str] = (),
    parse: Parse | None = None,
) -> Any:
    """Read the plain value that a file holds.

    Args:
        path: A file in UTF-8, whose suffix names its format: .toml, .json, or else YAML.
        optional: A file that is not there holds an empty table.
        verbatim: As for `parse_document`.
        parse: What reads the text, in place of `parse_document`.

    Raises:
        SchemaError: It cannot be read; the message names the file.
    """
    parse = parse or parse_document
    try:
        return parse(read_text(path, "utf-8-sig", MAX_BYTES), path.suffix, verbatim)
    except FileNotFoundError as error:
        if optional:
            return {}
        reason = str(error.strerror)
    except OSError as error:
        reason = error.strerror or str(error)
    except SchemaError as error:
        reason = error.reason
    except ValueError as error:  # not UTF-8, or a path that cannot be one
        reason = str(error)
    raise SchemaError(f"cannot be read: {reason}", (str(path),))


def parse_document(text: str, suffix: str, verbatim: Collection[str] = ()) -> Any:
    """Read the plain value that a text holds in TOML (`.toml`), JSON (`.json`) or YAML.

    Args:
        verbatim: Keys of YAML below which every single value is text as it is written.

    Raises:
        SchemaError: The text is not in that format, or beyond the bounds of a document.
    """
    try:
        if len(text) > MAX_BYTES:
            raise SchemaError(f"it has more than {MAX_BYTES:,} characters")
        parse = _PARSERS.get(suffix)
        document = parse(text) if parse else parse_yaml(text, verbatim)
        require_bounded(document)
        return document
    except SchemaError:
        raise
    except Exception as error:  # noqa: BLE001 - a hostile text brings parsers to any exception
        raise SchemaError(one_line(str(error)) or type(error).__name__) from None


def _parse_toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    return tomllib.loads(text)


def _parse_json(text: str) -> Any:
    import json

    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(number: str) -> float:
    """JSON has no other numbers, whatever Python reads."""
    if not math.isfinite(value := float(number)):
        raise SchemaError(f"{brief(number)} is no number")
    return value


_PARSERS: dict[str, Callable[[str], Any]] = {".toml": _parse_toml, ".json": _parse_json}
