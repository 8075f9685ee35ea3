"""Define arguments that mean the same in every command of `clsctl models`."""

from __future__ import annotations

from typing import Annotated

import typer

from clsctl.builtin.commands._options import renamed_option

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model, as `models list` shows it.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Models, by name.")]
OldKind = Annotated[str | None, renamed_option("--weights", "--kind", {"train": "training"})]
