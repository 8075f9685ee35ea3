"""Options that mean the same in every command that has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from clsctl.builtin.commands._completion import (
    complete_models,
    complete_precisions,
    complete_registered,
    complete_splits,
)
from clsctl.console.help import GROUPS
from clsctl.errors import UsageError

INPUT, MODEL, OUTPUT, SPEED, ADVANCED = GROUPS
"""Headings that group the options in the help of commands."""


def dataset_option(text: str) -> Any:
    """Make the option `-d`, with what the command does with the dataset as its help."""
    return typer.Option("-d", "--dataset", metavar="DIR", rich_help_panel=INPUT, help=text)


Dataset = Annotated[Path, dataset_option("A dataset: a folder or a table.")]
Layout = Annotated[
    Literal["folders", "lists", "table"] | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=INPUT,
        help="Read this layout of the dataset alone: folders, lists or table.",
        show_default="what is there",
    ),
]
Split = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        rich_help_panel=INPUT,
        help="Of the dataset: train, val or test.",
        autocompletion=complete_splits,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME",
        rich_help_panel=MODEL,
        help="A model of the catalog.",
        autocompletion=complete_models,
    ),
]
AnyModel = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        rich_help_panel=MODEL,
        help="A catalog name, model directory, run folder, weights or ONNX file.",
        autocompletion=complete_models,
    ),
]
ModelDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", rich_help_panel=MODEL, help="A model directory of your own, instead of -m."
    ),
]
RunWeights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=MODEL,
        help="A .pdparams file of the network that -m names, or a run folder.",
    ),
]
OwnWeights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", rich_help_panel=MODEL, help="A .pdparams of the network that -m names."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=SPEED,
        help="auto, or such as cpu, gpu or gpu:1.",
        show_default="auto",
        autocompletion=complete_registered("devices", ("auto", "")),
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=SPEED,
        help="auto, or a backend's name.",
        show_default="auto",
        autocompletion=complete_registered("backends", ("auto", "")),
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=SPEED,
        help="fp32, bf16, fp16, int8, or auto: the fastest that keeps the model's answers.",
        show_default="fp32",
        autocompletion=complete_precisions,
    ),
]
Batch = Annotated[
    str,
    typer.Option(
        "-b",
        "--batch",
        metavar="N",
        rich_help_panel=SPEED,
        help="Images in one run of the network; auto: what is fastest here.",
    ),
]
InputTimeout = Annotated[
    int | None,
    typer.Option(
        metavar="S",
        min=0,
        rich_help_panel=INPUT,
        help="Give up an image or page that takes more seconds to fetch or decode; 0: never.",
        show_default="120",
    ),
]
NoPrivateHosts = Annotated[
    bool,
    typer.Option(
        "--no-private-hosts",
        rich_help_panel=INPUT,
        help="Fetch no image from a private, loopback or link-local address.",
        show_default=False,
    ),
]
Offline = Annotated[
    bool | None,
    typer.Option(
        "--offline", rich_help_panel=ADVANCED, help="Never open a socket.", show_default=False
    ),
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL|DIR",
        help="Tried first; holds the published files directly below it; repeatable.",
    ),
]
Format = Annotated[
    Literal["table", "json"],
    typer.Option("--format", metavar="NAME", rich_help_panel=OUTPUT, help="table or json."),
]
PlainFormat = Annotated[
    Literal["table", "json"], typer.Option("--format", metavar="NAME", help="table or json.")
]


def renamed_option(old: str, new: str, values: Mapping[str, str] | None = None) -> Any:
    """Refuse an option's old spelling, and say the new one.

    For a parameter whose value is not used:
    `old_kind: Annotated[str | None, renamed_option("--weights", "--kind")] = None`.

    Args:
        old: The spelling that is refused.
        new: The one to use.
        values: New values by old ones, where these changed too.
    """

    def refuse(value: str | None) -> None:
        if value is not None:
            raise UsageError(
                f"{old} is now called {new}",
                code="E_OPTION_RENAMED",
                hint=f"write {new} {(values or {}).get(value, value)}",
            )

    # Eager: a required option that is missing too is reported after the new name is known.
    return typer.Option(old, hidden=True, is_eager=True, callback=refuse)
