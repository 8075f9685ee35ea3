"""Where the values of a training configuration come from: files, `--set` and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

from clsctl.errors import UsageError
from clsctl.schema.documents import load_document, parse_document
from clsctl.schema.errors import SchemaError
from clsctl.schema.layers import ConfigSource, Resolved, config_keys, flatten, resolve
from clsctl.training.config.paddlex import (
    PaddlexKeys,
    is_paddlex_config,
    is_paddlex_key,
    paddlex_keys,
    paddlex_source,
)
from clsctl.training.config.train_config import AUTO, TrainConfig

HINT = "`clsctl train --explain-config` shows every key with its meaning"

ResolvedConfig: TypeAlias = Resolved[TrainConfig]


def resolve_config(sources: Sequence[ConfigSource]) -> ResolvedConfig:
    """Check the values of every source and let later sources win.

    Raises:
        UsageError: A key is unknown, or a value is not what it may be (`E_CONFIG`).
    """
    return resolve(TrainConfig, sources, hint=HINT)


def writable_values(resolved: ResolvedConfig) -> dict[str, Any]:
    """Return every value by dotted key as a file holds it: `auto` where that is the value."""
    kinds = {item.name: item.kind for item in config_keys(TrainConfig)}
    return {
        name: AUTO.word if value == AUTO.value and may_be_auto(kinds[name]) else value
        for name, value in resolved.values().items()
    }


def may_be_auto(kind: Any) -> bool:
    """Whether a value of that annotation may be `auto`."""
    return kind == AUTO or any(may_be_auto(part) for part in get_args(kind))


def table_source(origin: str, table: Mapping[str, Any]) -> ConfigSource:
    """Take the values of nested tables, as files and `clsctl.train(optimizer={...})` have them."""
    return ConfigSource(origin, flatten(table, TrainConfig))


def option_source(texts: Sequence[str]) -> ConfigSource:
    """Take the values of `--set key=value`; PaddleX's keys are left to `load_paddlex`.

    Raises:
        UsageError: There is no `=` (`E_CONFIG`).
    """
    return ConfigSource(
        "--set", {name: v for name, v in _assigned(texts).items() if not is_paddlex_key(name)}
    )


def load_paddlex(config: Path | None, texts: Sequence[str]) -> PaddlexKeys:
    """Return PaddleX's keys of a file, where it is one of PaddleX's, and of `--set key=value`.

    Raises:
        UsageError: There is a key that PaddleX does not have (`E_CONFIG`).
    """
    document = {} if config is None else _load(config)
    keys = dict(paddlex_keys(document, str(config)) if is_paddlex_config(document) else {})
    for name, value in _assigned(texts).items():
        if is_paddlex_key(name):
            keys |= paddlex_keys(_nested(name, parse_document(value, ".yaml")), "--set")
    return keys


def _nested(name: str, value: Any) -> dict[str, Any]:
    first, dot, rest = name.partition(".")
    return {first: _nested(rest, value) if dot else value}


def _assigned(texts: Sequence[str]) -> dict[str, str]:
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                f"--set {text} sets nothing",
                code="E_CONFIG",
                hint="write --set KEY=VALUE, as in --set optimizer.name=AdamW",
            )
        values[name.strip()] = value.strip()
    return values


def file_sources(path: Path | None, texts: Sequence[str] = ()) -> list[ConfigSource]:
    """Take the values of a TOML or YAML file, PaddleX's or our own, and of PaddleX's keys in texts.

    Args:
        path: None where there is no file.
        texts: As for `option_source`.

    Raises:
        UsageError: The file cannot be read, holds no table, or there is a key that PaddleX does
            not have (`E_CONFIG`).
    """
    document = {} if path is None else _load(path)
    keys = load_paddlex(path, texts)
    if is_paddlex_config(document):
        return [paddlex_source(keys, str(path))]
    own = [] if path is None else [table_source(str(path), document)]
    return [*own, *([paddlex_source(keys, "--set", whole=False)] if keys else [])]


def file_source(path: Path) -> ConfigSource:
    """Take the values of one file; see `file_sources`."""
    (source,) = file_sources(path)
    return source


def _load(path: Path) -> dict[str, Any]:
    try:
        document = load_document(path)
    except SchemaError as error:
        raise UsageError(str(error), code="E_CONFIG") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path}: it holds no table of keys and values", code="E_CONFIG")
    return document
