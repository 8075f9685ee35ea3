"""The defaults of a run, which depend on the family and on where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.errors import UsageError
from clsctl.schema.documents import load_document
from clsctl.schema.layers import ConfigSource
from clsctl.training.config.sources import ResolvedConfig, resolve_config, table_source

if TYPE_CHECKING:
    from clsctl.training.config.train_config import TrainConfig

TITLES = {"finetune": "fine-tuning recipe", "family": "published recipe"}
FAMILIES = "families"
"""The table of a recipe that is no key of the configuration."""


def recipe(family: str, kind: str) -> list[ConfigSource]:
    """Take a recipe of `recipes.toml`: what all models share, and what the family adds to it.

    Args:
        family: As the catalog names it.
        kind: `finetune` or `family`.
    """
    table = _table(kind)
    shared = {key: value for key, value in table.items() if key != FAMILIES}
    title = TITLES[kind]
    return [
        table_source(title, shared),
        table_source(f"{title} of {family}", table[FAMILIES].get(family, {})),
    ]


def _table(kind: str) -> Mapping[str, Any]:
    table: Mapping[str, Any] = load_document(Path(__file__).with_name("recipes.toml"))[kind]
    return table


class Decision(NamedTuple):
    """A key whose value follows from the data, and why."""

    key: str
    value: Any
    why: str


def decide(resolved: ResolvedConfig, decision: Decision) -> ResolvedConfig:
    """Put a decision in the place of a default or of what the recipe says for all families.

    What the user or the family's own recipe says holds.
    """
    if resolved.origins[decision.key] in ("default", *TITLES.values()):
        return resolved.replaced({decision.key: decision.value}, decision.why)
    return resolved


def configure(sources: Sequence[ConfigSource]) -> ResolvedConfig:
    """Put what the user set upon the recipe that goes with it.

    Raises:
        UsageError: A value is wrong (`E_CONFIG`), or no model is named (`E_MODEL_MISSING`).
        ModelError: No catalog has the model.
    """
    from clsctl.models.catalog import get_entry

    asked = resolve_config(sources).config
    if not asked.model:
        raise UsageError(
            "no model to train is named",
            code="E_MODEL_MISSING",
            hint="name one with -m (`clsctl models list` shows every model), or give the time in "
            "which the best one is to be found: --time 10m",
        )
    return resolve_config([*recipe(get_entry(asked.model).family, _kind(asked)), *sources])


def _kind(config: TrainConfig) -> str:
    if config.recipe != "auto":
        return config.recipe
    return "finetune" if config.pretrained or config.weights else "family"
