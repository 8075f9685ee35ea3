"""Where the values of a training configuration come from: files, `--set` and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from clsctl.errors import UsageError
from clsctl.schema.documents import load_document
from clsctl.schema.errors import SchemaError
from clsctl.schema.layers import ConfigSource, Resolved, flatten, resolve
from clsctl.training.config.paddlex import is_paddlex_config, paddlex_source
from clsctl.training.config.train_config import TrainConfig

HINT = "`clsctl train --explain-config` shows every key with its meaning"

ResolvedConfig: TypeAlias = Resolved[TrainConfig]


def resolve_config(sources: Sequence[ConfigSource]) -> ResolvedConfig:
    """Check the values of every source and let later sources win.

    Raises:
        UsageError: A key is unknown, or a value is not what it may be (`E_CONFIG`).
    """
    return resolve(TrainConfig, sources, hint=HINT)


def table_source(origin: str, table: Mapping[str, Any]) -> ConfigSource:
    """Take the values of nested tables, as files and `clsctl.train(optimizer={...})` have them."""
    return ConfigSource(origin, flatten(table, TrainConfig))


def option_source(texts: Sequence[str]) -> ConfigSource:
    """Take the values of `--set key=value`.

    Raises:
        UsageError: There is no `=` (`E_CONFIG`).
    """
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
    return ConfigSource("--set", values)


def file_source(path: Path) -> ConfigSource:
    """Take the values of a TOML or YAML file, PaddleX's or our own.

    Raises:
        UsageError: It cannot be read, holds no table, or is a PaddleX file with a key that PaddleX
            does not have (`E_CONFIG`).
    """
    try:
        document = load_document(path)
    except SchemaError as error:
        raise UsageError(str(error), code="E_CONFIG") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path}: it holds no table of keys and values", code="E_CONFIG")
    if is_paddlex_config(document):
        return paddlex_source(document, str(path))
    return table_source(str(path), document)
