"""`clsctl models verify`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from clsctl.builtin.commands._completion import complete_pulled
from clsctl.builtin.commands._options import PlainFormat
from clsctl.errors import ModelError
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "models verify",
            "Compare models with their recorded checksums.",
            verify,
            examples=("clsctl models verify", "clsctl models verify ResNet50"),
        )
    ]


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Models; all if none is named.",
            autocompletion=complete_pulled,
        ),
    ] = None,
    format_: PlainFormat = "table",
) -> None:
    """Read every file and compare it with the checksum recorded when the model came in."""
    from clsctl.models.checks import repair_hint
    from clsctl.models.install import verify_model
    from clsctl.models.store import KINDS, open_store

    store = open_store()
    chosen = names or sorted({name for kind in KINDS for name in store.pulled(kind)})
    rows = [
        (name, file, state) for name in chosen for file, state in verify_model(store, name).items()
    ]
    _print_states(rows, format_)
    wrong = sum(state != "ok" for _, _, state in rows)
    if wrong:
        raise ModelError(
            f"{wrong} of {len(rows)} files are not as recorded",
            code="E_CHECKSUM",
            hint=repair_hint("NAME"),
        )


def _print_states(rows: list[tuple[str, str, str]], format_: Literal["table", "json"]) -> None:
    if format_ == "json":
        from clsctl.console.text import print_json

        print_json([dict(zip(("model", "file", "state"), row, strict=True)) for row in rows])
        return
    from clsctl.console.tables import new_table, open_console

    table = new_table("Model", "File", "State")
    for row in rows:
        table.add_row(*row)
    open_console().print(table)
