"""`clsctl models show`."""

from __future__ import annotations

from clsctl.builtin.commands._options import PlainFormat
from clsctl.builtin.commands.models._arguments import Name
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "models show",
            "Show everything that is known about a model.",
            show_model,
            examples=("clsctl models show PP-LCNet_x1_0", "clsctl models show ResNet50"),
        )
    ]


def show_model(
    name: Name,
    format_: PlainFormat = "table",
) -> None:
    """Show everything that is known about a model, and whether it is on this machine."""
    from clsctl.models.catalog import get_entry
    from clsctl.models.store import KINDS, open_store
    from clsctl.networks.flops import costs

    entry = get_entry(name)
    counted = costs(entry)
    store = open_store()
    paths = {kind: store.find(name, kind) for kind in KINDS}
    if format_ == "json":
        from dataclasses import asdict

        from clsctl.console.text import print_json

        places = {kind: path and str(path) for kind, path in paths.items()}
        network = counted and asdict(counted)
        print_json(asdict(entry) | {"network": network, "pulled": places})
    else:
        from clsctl.builtin.commands.models._card import print_model_card

        print_model_card(entry, counted, paths)
