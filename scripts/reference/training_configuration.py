"""The page about the keys of a training configuration and the recipes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from clsctl.models.catalog import load_catalog
from clsctl.schema.layers import ConfigKey, ConfigSource, config_keys
from clsctl.schema.read import describe
from clsctl.training.config.explain import format_value
from clsctl.training.config.recipes import recipe
from clsctl.training.config.train_config import TrainConfig
from reference.markdown import code, plain, table

_INTRODUCTION = """\
# Training configuration

`clsctl train --explain-config` shows the value of each key in a run, and where it comes from. A
key is set, the later the stronger, by the recipe, by `--config FILE` (TOML, YAML or a PaddleX
configuration), by `--set KEY=VALUE`, and by the options of `clsctl train`; from Python by
`clsctl.train(...)`:

| where | how |
| --- | --- |
| command line | `--set optimizer.name=AdamW --set augment.crop_scale=0.8,1` |
| TOML | `[optimizer]`, and below it `name = "AdamW"` |
| YAML | `optimizer:`, and below it `name: AdamW` |
| Python | `optimizer={"name": "AdamW"}` |

A dash means that there is no value.
"""
_RECIPES = """\
## Recipes

Fine-tuning starts from the first column, training from scratch (`--scratch`) from the second,
which is what most families were published with. What a family adds follows. Learning rates are
for `optimizer.base_batch_size` images in a step, and are scaled to the real number.
"""


def training_configuration_page() -> str:
    """Write every key by section, then the recipes of all families."""
    keys = config_keys(TrainConfig)
    lines = [_INTRODUCTION]
    for section, items in groupby(keys, lambda item: item.name.rpartition(".")[0]):
        lines += [f"## {section or 'The run'}", ""]
        lines += table(("key", "default", "values", "meaning"), map(_row, items))
    return "\n".join([*lines, *_recipes({item.name: item for item in keys})])


def _row(item: ConfigKey) -> tuple[str, str, str, str]:
    shown = format_value(item.default, item.kind)
    return (
        code(item.name),
        shown if shown == "-" else code(shown),
        plain(describe(item.kind)),
        plain(item.meaning),
    )


def _recipes(keys: dict[str, ConfigKey]) -> list[str]:
    (finetune, _), (published, _) = recipe("", "finetune"), recipe("", "family")
    names = [name for name in keys if name in finetune.values or name in published.values]
    rows = [
        (code(name), *(_value(source, keys[name]) for source in (finetune, published)))
        for name in names
    ]
    lines = [_RECIPES, *table(("key", "fine-tuning", "from scratch"), rows)]
    families = sorted({entry.family for entry in load_catalog().values()})
    return [*lines, *table(("family", "fine-tuning", "from scratch"), _additions(families, keys))]


def _additions(families: Iterable[str], keys: dict[str, ConfigKey]) -> Iterable[tuple[str, ...]]:
    for family in families:
        added = [_added(recipe(family, kind)[1], keys) for kind in ("finetune", "family")]
        if any(added):
            yield family, *added


def _added(source: ConfigSource, keys: dict[str, ConfigKey]) -> str:
    return "<br>".join(code(f"{name}={_value(source, keys[name])}") for name in source.values)


def _value(source: ConfigSource, item: ConfigKey) -> str:
    value: Any = source.values.get(item.name, item.default)
    return format_value(tuple(value) if isinstance(value, list) else value, item.kind)
