"""Define arguments that mean the same in every command of `clsctl models`."""

from __future__ import annotations

from typing import Annotated

import typer

from clsctl.builtin.commands._completion import complete_models, complete_pulled
from clsctl.builtin.commands._options import renamed_option

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A model, as `models list` shows it.",
        autocompletion=complete_models,
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="Models, by name.", autocompletion=complete_models),
]
PulledNames = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", help="Models in the store, by name.", autocompletion=complete_pulled
    ),
]
OldKind = Annotated[str | None, renamed_option("--weights", "--kind", {"train": "training"})]
