"""`clsctl models bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clsctl.builtin.commands.models._arguments import PulledNames
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "models bundle",
            "Write models into one file to carry elsewhere.",
            bundle,
            examples=(
                "clsctl models bundle ResNet50 -o models.tar",
                "clsctl models bundle PP-LCNet_x1_0 ResNet50 -o models.tar",
            ),
        )
    ]


def bundle(
    names: PulledNames,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")
    ],
) -> None:
    """Write models that are in the store into one file, for `clsctl models import` elsewhere.

    Every file is checked on the way out and again on the way in. The SHA256 that is printed lets
    you check the bundle itself.
    """
    from clsctl.models.bundle import write_bundle
    from clsctl.models.store import open_store
    from clsctl.system.files import file_sha256

    write_bundle(open_store(), names, output)
    print_line(f"{output} {file_sha256(output)}")
