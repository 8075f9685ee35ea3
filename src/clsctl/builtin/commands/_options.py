"""Options that mean the same in every command that has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from clsctl.errors import UsageError

INPUT, MODEL, OUTPUT, SPEED, ADVANCED = "Input", "Model", "Output", "Speed", "Advanced"
"""Headings that group the options in the help of commands."""

RequiredModel = Annotated[
    str,
    typer.Option(
        "-m", "--model", metavar="MODEL", rich_help_panel=MODEL, help="A model of the catalog."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m", "--model", metavar="MODEL", rich_help_panel=MODEL, help="A model of the catalog."
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
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=SPEED,
        help="auto, or a backend's name.",
        show_default="auto",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=SPEED,
        help="fp32, bf16, fp16, int8, or auto: the fastest that keeps the model's answers.",
        show_default="fp32",
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        "-b", "--batch", min=1, rich_help_panel=SPEED, help="Images in one run of the network."
    ),
]
InputTimeout = Annotated[
    int | None,
    typer.Option(
        metavar="SECONDS",
        min=0,
        rich_help_panel=INPUT,
        help="Give up an image or page that takes longer to fetch or decode; 0: never.",
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
        metavar="URL-or-DIR",
        help="Tried first; holds the published files directly below it. May be repeated.",
    ),
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
