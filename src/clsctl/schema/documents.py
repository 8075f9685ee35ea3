"""Read TOML, YAML and JSON files, whoever wrote them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from clsctl.schema.errors import SchemaError, one_line
from clsctl.schema.read import read

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")


def read_document(kind: type[T], path: Path, *, extra_keys: bool = False) -> T:
    """Read a file as an annotation declares its content; see `clsctl.schema.read.read`.

    Raises:
        SchemaError: It cannot be read, or holds something else; the message names the file.
    """
    content = load_document(path)
    try:
        return read(kind, content, extra_keys=extra_keys)
    except SchemaError as error:
        raise error.below(str(path)) from None


def load_document(path: Path, *, optional: bool = False) -> Any:
    """Read the plain value that a file holds.

    Args:
        path: A file in UTF-8, whose suffix names its format: .toml, .json, or else YAML.
        optional: A file that is not there holds an empty table.

    Raises:
        SchemaError: It cannot be read; the message names the file.
    """
    try:
        return parse_document(path.read_text(encoding="utf-8-sig"), path.suffix)
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


def parse_document(text: str, suffix: str) -> Any:
    """Read the plain value that a text holds in TOML (`.toml`), JSON (`.json`) or YAML.

    Raises:
        SchemaError: The text is not in that format.
    """
    parse = _PARSERS.get(suffix, _parse_yaml)
    try:
        return parse(text)
    except Exception as error:  # noqa: BLE001 - a hostile text brings parsers to any exception
        raise SchemaError(one_line(str(error)) or type(error).__name__) from None


def _parse_yaml(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)


def _parse_json(text: str) -> Any:
    import json

    return json.loads(text)


_PARSERS: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": _parse_json}
