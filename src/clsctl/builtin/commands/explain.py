"""`clsctl explain`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.builtin.commands._completion import complete_classes
from clsctl.builtin.commands._options import MODEL, OUTPUT, AnyModel, OwnWeights
from clsctl.console.text import print_line
from clsctl.errors import UsageError
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.settings import Settings


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "explain",
            "Draw which part of an image speaks for its class.",
            explain,
            examples=(
                "clsctl explain cat.jpg -m PP-LCNet_x1_0 -o cat.png",
                "clsctl explain rose.jpg -m run --class tulip -o tulip.png",
            ),
        )
    ]


def explain(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A file or URL.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", rich_help_panel=OUTPUT, help="A .png or .jpg file."
        ),
    ],
    model: AnyModel = None,
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME",
            rich_help_panel=MODEL,
            help="The class to explain, by name or id.",
            autocompletion=complete_classes,
            show_default="the best",
        ),
    ] = None,
    weights: OwnWeights = None,
) -> None:
    """Draw a class-activation map (Grad-CAM) beside what the network saw of the image.

    The brighter a spot, the more it speaks for the class.
    """
    from clsctl.images.caption import IMAGE_FORMATS
    from clsctl.images.preprocess import compile_transforms, image_settings
    from clsctl.images.read import naming
    from clsctl.interpretation.gradcam import (
        activation_map,
        class_named,
        draw_heatmap,
        network_view,
    )
    from clsctl.interpretation.network import load_network
    from clsctl.networks.trained_weights import find
    from clsctl.settings import load_settings
    from clsctl.system.files import atomic_output

    if output.suffix.lower() not in IMAGE_FORMATS:
        raise UsageError(
            f"'{output}' is no name of an image file",
            code="E_OUTPUT",
            hint=f"end it in {', '.join(IMAGE_FORMATS)}",
        )
    settings = load_settings()
    known = find(model, weights, settings)
    class_id = None if class_name is None else class_named(class_name, known.labels)
    pixels = _pixels(image, image_settings(known.transforms, settings))
    with naming(image):
        tensor = compile_transforms(known.transforms)(pixels)
    found = activation_map(load_network(known), tensor, class_id)
    labels = dict(enumerate(known.labels))
    caption = f"{labels.get(found.class_id, f'class {found.class_id}')} {found.score:.2f}"
    picture = draw_heatmap(network_view(pixels, known.transforms), found.heatmap, caption)
    with atomic_output(output) as part:
        picture.save(part, IMAGE_FORMATS[output.suffix.lower()])
    print_line(f"{caption}: {output}")


def _pixels(image: str, settings: Settings) -> NDArray[np.uint8]:
    """Read the one image of that name; of a document, the first page."""
    from clsctl.images.read import read
    from clsctl.images.sources import iter_sources

    source, *others = itertools.islice(iter_sources([image]), 2)
    if others:
        raise UsageError(f"'{image}' stands for several images; name one", code="E_USAGE")
    first = next(read(source, settings))
    if first.error is not None:
        raise first.error
    assert first.pixels is not None
    return first.pixels
