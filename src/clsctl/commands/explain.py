"""`clsctl explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clsctl import hookimpl
from clsctl.types import Command


@hookimpl
def clsctl_commands() -> list[Command]:
    return [Command("explain", "Draw which part of an image speaks for its class.", explain)]


def explain(
    image: Annotated[str, typer.Argument(help="An image file or URL.")],
    model: Annotated[str, typer.Option("-m", "--model", help="A model of the catalog.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png or .jpg file.")],
    class_id: Annotated[
        int | None,
        typer.Option("--class", min=0, help="The class to explain.", show_default="the best"),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A .pdparams of your own, not the published weights.")
    ] = None,
) -> None:
    """Draw a class-activation map (Grad-CAM) beside what the network saw of the image."""
    from clsctl.catalog import get_entry
    from clsctl.config import load_settings
    from clsctl.drawing import IMAGE_SUFFIXES
    from clsctl.embedding import load_network
    from clsctl.errors import UsageError
    from clsctl.explaining import explain as compute
    from clsctl.explaining import overlay, view_of
    from clsctl.inputs import expand, read
    from clsctl.labels import imagenet_labels
    from clsctl.preprocess import compile_transforms, describe

    if output.suffix.lower() not in IMAGE_SUFFIXES:
        raise UsageError(f"'{output}' has no suffix of an image", code="E_OUTPUT")
    entry = get_entry(model)
    sample = next(read(next(expand([image])), load_settings()))
    if sample.pixels is None:
        raise sample.error or UsageError(f"{image} holds no pixels")
    network = load_network(entry, weights)
    preprocess = compile_transforms(describe(entry.preprocessing))
    tensor = preprocess(sample.pixels)
    explanation = compute(network, tensor, class_id)
    labels = imagenet_labels() if weights is None else ()
    name = labels[explanation.class_id] if labels else f"class {explanation.class_id}"
    caption = f"{name} {explanation.score:.2f}"
    overlay(view_of(tensor, entry.preprocessing), explanation, caption).save(output)
    print(f"{caption}: {output}")
