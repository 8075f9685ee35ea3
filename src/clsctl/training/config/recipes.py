"""The defaults of a run, which depend on the family and on where its weights come from."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clsctl.errors import UsageError
from clsctl.training.config.sources import Layer, Resolved, flatten, resolve

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TITLES = {"finetune": "fine-tuning recipe", "family": "published recipe"}


def recipe(family: str, kind: str) -> list[Layer]:
    """The layers of `recipes.toml`: what all models share, and what the family adds to it.

    Args:
        family: As the catalog names it.
        kind: `finetune` or `family`.
    """
    text = Path(__file__).with_name("recipes.toml").read_text(encoding="utf-8")
    table: Mapping[str, Any] = tomllib.loads(text)[kind]
    families = table["families"]
    shared = {key: value for key, value in table.items() if key != "families"}
    title = TITLES[kind]
    return [
        Layer(title, flatten(shared)),
        Layer(f"{title} of {family}", flatten(families.get(family, {}))),
    ]


def with_fitted_head(resolved: Resolved) -> Resolved:
    """The recipe for a classifier that is fitted already: it need not learn faster than the rest.

    What a person said about that holds.
    """
    name = "optimizer.head_rate"
    if resolved.origins[name].startswith(TITLES["finetune"]):
        return resolved.replaced({name: 1.0}, "the classifier is fitted first")
    return resolved


def configure(layers: Sequence[Layer]) -> Resolved:
    """What a person set, upon the recipe that goes with it.

    Raises:
        UsageError: A value is wrong (`E_CONFIG`), or no model is named (`E_MODEL_MISSING`).
        ModelError: No catalog has the model.
    """
    from clsctl.models.catalog import get_entry

    asked = resolve(layers).config
    if not asked.model:
        raise UsageError(
            "which model shall be trained?",
            code="E_MODEL_MISSING",
            hint="name one with -m; `clsctl models list` shows every model",
        )
    kind = asked.recipe
    if kind == "auto":
        kind = "finetune" if asked.pretrained or asked.weights else "family"
    return resolve([*recipe(get_entry(asked.model).family, kind), *layers])
