"""Complete the values of options and arguments in the shell, from what is installed and here.

Each function returns values with a help text that zsh and fish show. Nothing heavy is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from clsctl.values import PRECISIONS

Values = list[tuple[str, str]]


def complete_models() -> Values:
    """List the models of the catalogs, and what else is in the store."""
    from clsctl.models.catalog import load_catalog
    from clsctl.models.store import open_store

    known = [(entry.name, _described(entry)) for entry in load_catalog().values()]
    here = set(open_store().pulled()) - {name for name, _ in known}
    return known + [(name, "in the store") for name in sorted(here)]


def complete_pulled() -> Values:
    """List the models that are in the store."""
    from clsctl.models.store import KINDS, open_store

    store = open_store()
    return [(name, "") for name in sorted({name for kind in KINDS for name in store.pulled(kind)})]


def complete_families() -> Values:
    """List the families of the catalogs."""
    from clsctl.models.catalog import load_catalog

    return list({entry.family: entry.summary for entry in load_catalog().values()}.items())


def complete_registered(kind: str, *others: tuple[str, str]) -> Callable[[], Values]:
    """Return a function that lists what plugins registered of a kind, such as `backends`.

    Args:
        others: Values that stand for none of them, such as `auto`.
    """

    def complete() -> Values:
        from clsctl.plugin.registry import default_registry

        items = default_registry().items(kind).values()
        return [*others, *((item.name, item.help) for item in items)]

    return complete


def complete_classes(ctx: typer.Context) -> Values:
    """List the class names of the model that the command line names so far."""
    from clsctl.models.directory import read_model_dir
    from clsctl.models.imagenet_labels import imagenet_labels
    from clsctl.models.locate import resolve_model

    model = ctx.params.get("model")
    found = resolve_model(model) if model else None
    labels = imagenet_labels()
    if found is not None and found.exported is not None:
        labels = read_model_dir(Path(found.exported)).labels
    # Bash takes values as they are, and would split a name at its blanks; zsh and fish quote it.
    blank = "\\ " if "COMP_WORDS" in os.environ else " "
    return [(name.replace(" ", blank), f"class {number}") for number, name in enumerate(labels)]


def complete_datasets() -> Values:
    """List the demo datasets that can be downloaded."""
    from clsctl.datasets.pull import published_datasets

    return [(dataset.name, dataset.summary) for dataset in published_datasets().values()]


def complete_splits() -> Values:
    """List the splits that a dataset may have."""
    return [("train", ""), ("val", ""), ("test", "")]


def complete_precisions() -> Values:
    """List the precisions, and `auto`."""
    return [(name, "") for name in (*PRECISIONS, "auto")]


def complete_problems() -> Values:
    """List the codes of problems that a dataset may have."""
    from clsctl.datasets.problems import CODES

    return [(name, code.title) for name, code in CODES.items()]


def complete_config_keys() -> Values:
    """List the keys of a training configuration, each with the `=` that follows."""
    from clsctl.schema.layers import config_keys
    from clsctl.training.config.train_config import TrainConfig

    return [(f"{item.name}=", item.meaning) for item in config_keys(TrainConfig)]


def _described(entry: Any) -> str:
    return entry.family if entry.top1 is None else f"{entry.family}, top-1 {entry.top1:g} %"
