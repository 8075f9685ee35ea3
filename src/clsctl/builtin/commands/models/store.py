"""`clsctl models pull`, `import`, `bundle`, `verify`, `remove` and `path`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from clsctl.builtin.commands._options import Mirrors, Offline
from clsctl.errors import Interrupted, ModelError
from clsctl.plugin import Command, hookimpl
from clsctl.values import ModelEntry, WeightKind

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model, as `models list` shows it.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Models, by name.")]


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command("models pull", "Download models, resuming where a download broke off.", pull),
        Command("models import", "Bring in a model that came by hand.", import_),
        Command("models bundle", "Write models into one file to carry elsewhere.", bundle),
        Command("models verify", "Compare models with their recorded checksums.", verify),
        Command("models remove", "Delete models from the store.", remove),
        Command("models path", "Print where a model is.", path),
    ]


def pull(
    names: Names,
    weights: Annotated[
        Literal["inference", "train", "all"],
        typer.Option(help="inference to predict with, train to fine-tune from."),
    ] = "inference",
    mirror: Mirrors = None,
    force: Annotated[
        bool, typer.Option("--force", help="Pull again, to repair damaged files.")
    ] = False,
    offline: Offline = None,
) -> None:
    """Download models into the store, check them, and print where they are.

    The SHA256 of every file is recorded by the first pull. A later pull that brings other content
    is refused; remove the model first if the change is expected.
    """
    from clsctl.console.progress import transfer_bar
    from clsctl.models.catalog import get_entry
    from clsctl.models.store import open_store
    from clsctl.settings import load_settings

    store = open_store(load_settings(offline=offline))
    for entry in [get_entry(name) for name in names]:
        for kind in _kinds(entry, weights):
            present = store.find(entry.name, kind) is not None and not force
            try:
                with transfer_bar(f"{entry.name} {kind}") as progress:
                    folder = store.ensure(
                        entry, kind, mirrors=mirror or (), force=force, progress=progress
                    )
            except KeyboardInterrupt:
                raise Interrupted(
                    f"interrupted while pulling {entry.name}",
                    hint="the same command goes on where this one stopped",
                ) from None
            print(f"{entry.name} {kind} {'already in' if present else 'pulled to'} {folder}")


def import_(
    source: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="A model directory, its tar, a .pdparams or a bundle."),
    ],
    name: Annotated[
        str, typer.Option(help="What to call it.", show_default="the name it has in its files")
    ] = "",
) -> None:
    """Bring a model that came by hand into the store, for machines without a network."""
    from clsctl.models.bundle import import_path
    from clsctl.models.store import open_store

    for imported, kind in import_path(open_store(), source, name):
        print(f"{imported} {kind} imported")


def bundle(
    names: Names,
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
) -> None:
    """Write models that are in the store into one file, for `clsctl models import` elsewhere.

    Every file is checked on the way out and again on the way in. The SHA256 that is printed lets
    you check the bundle itself.
    """
    from clsctl.models.bundle import write_bundle
    from clsctl.models.store import open_store
    from clsctl.system.files import file_sha256

    write_bundle(open_store(), names, output)
    print(f"{output} {file_sha256(output)}")


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Models; all if none is named.")
    ] = None,
    format_: Annotated[
        Literal["table", "json"], typer.Option("--format", help="table or json.")
    ] = "table",
) -> None:
    """Read every file and compare it with the checksum recorded when the model came in."""
    from clsctl.models.store import KINDS, open_store

    store = open_store()
    chosen = names or sorted({name for kind in KINDS for name in store.pulled(kind)})
    rows = [(name, file, state) for name in chosen for file, state in store.verify(name).items()]
    _print_states(rows, format_)
    wrong = sum(state != "ok" for _, _, state in rows)
    if wrong:
        raise ModelError(
            f"{wrong} of {len(rows)} files are not as recorded",
            code="E_CHECKSUM",
            hint="`clsctl models pull NAME --weights all --force` repairs a pulled model",
        )


def remove(names: Names) -> None:
    """Delete models, and what broken-off pulls of them left."""
    from clsctl.models.store import open_store

    store = open_store()
    for name in names:
        store.remove(name)
        print(f"{name} removed")


def path(
    name: Name,
    weights: Annotated[
        Literal["inference", "train"],
        typer.Option(help="The model directory, or the .pdparams file to train from."),
    ] = "inference",
) -> None:
    """Print where a model is, for use in scripts."""
    from clsctl.models.store import not_pulled, open_store, pdparams_path

    folder = open_store().find(name, "training" if weights == "train" else "inference")
    if folder is None:
        raise not_pulled(name)
    print(pdparams_path(folder, name) if weights == "train" else folder)


def _kinds(entry: ModelEntry, weights: str) -> list[WeightKind]:
    from clsctl.models.store import KINDS

    if weights == "all":
        return [kind for kind in KINDS if entry.artifact(kind)]
    return ["training" if weights == "train" else "inference"]


def _print_states(rows: list[tuple[str, str, str]], format_: str) -> None:
    if format_ == "json":
        import json

        fields = ("model", "file", "state")
        print(json.dumps([dict(zip(fields, row, strict=True)) for row in rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("Model", "File", "State", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
