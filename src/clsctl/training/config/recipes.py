"""The defaults of a run, which depend on the family and on where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from clsctl.errors import UsageError
from clsctl.schema.documents import load_document
from clsctl.schema.layers import ConfigSource
from clsctl.training.config.sources import ResolvedConfig, resolve_config, table_source

TITLES = {"finetune": "fine-tuning recipe", "family": "published recipe"}


def recipe(family: str, kind: str) -> list[ConfigSource]:
    """Take a recipe of `recipes.toml`: what all models share, and what the family adds to it.

    Args:
        family: As the catalog names it.
        kind: `finetune` or `family`.
    """
    table: Mapping[str, Any] = load_document(Path(__file__).with_name("recipes.toml"))[kind]
    families = table["families"]
    shared = {key: value for key, value in table.items() if key != "families"}
    title = TITLES[kind]
    return [
        table_source(title, shared),
        table_source(f"{title} of {family}", families.get(family, {})),
    ]


class Decision(NamedTuple):
    """A key whose value follows from the data, and why."""

    key: str
    value: Any
    why: str


def decide(resolved: ResolvedConfig, decision: Decision) -> ResolvedConfig:
    """Put a decision in the place of a default or of what the recipe says.

    What the user said holds.
    """
    origin = resolved.origins[decision.key]
    if origin == "default" or origin.startswith(tuple(TITLES.values())):
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
    kind = asked.recipe
    if kind == "auto":
        kind = "finetune" if asked.pretrained or asked.weights else "family"
    return resolve_config([*recipe(get_entry(asked.model).family, kind), *sources])
