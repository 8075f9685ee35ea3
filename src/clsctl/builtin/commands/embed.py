"""`clsctl embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clsctl.builtin.commands._options import OUTPUT, SPEED, AnyModel, Device, OwnWeights
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "embed",
            "Write the embeddings of images to a file.",
            embed,
            examples=(
                "clsctl embed photos/ -m PP-LCNet_x1_0 -o embeddings.npz",
                "clsctl embed photos/ -m run -o embeddings.parquet",
            ),
        )
    ]


def embed(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Files, folders, globs, URLs, as for predict."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="A .npz or .parquet file.",
        ),
    ],
    model: AnyModel = None,
    weights: OwnWeights = None,
    batch: Annotated[
        int,
        typer.Option(
            "-b", "--batch", min=1, rich_help_panel=SPEED, help="Images in one run of the network."
        ),
    ] = 16,
    device: Device = None,
) -> None:
    """Compute each image's embedding: what the network hands to its classifier.

    An input that cannot be read is reported and left out; the exit status is then 7.
    """
    from clsctl.console.messages import note
    from clsctl.console.progress import image_counter
    from clsctl.errors import SomeInputsFailed
    from clsctl.images.sources import count_sources
    from clsctl.inference.devices import select_device
    from clsctl.interpretation.embed import check_output, compute_embeddings, save_embeddings
    from clsctl.interpretation.network import load_network
    from clsctl.networks.trained_weights import find
    from clsctl.plugin.registry import default_registry
    from clsctl.settings import load_settings

    check_output(output)
    settings = load_settings(device=device)
    placed = select_device(settings.device, default_registry())
    found = find(model, weights, settings)
    network = load_network(found)
    with image_counter(lambda: count_sources(inputs)) as progress:
        embeddings = compute_embeddings(
            network, found.transforms, inputs, settings, batch, placed, progress
        )
    save_embeddings(embeddings, output)
    for sample in embeddings.errors:
        assert sample.error is not None
        note(f"left out {sample.error.message}")
    count, length = embeddings.vectors.shape
    noun = "embedding" if count == 1 else "embeddings"
    print_line(f"{count} {noun} of length {length} in {output}")
    if embeddings.errors:
        raise SomeInputsFailed(
            f"{len(embeddings.errors)} of {count + len(embeddings.errors)} inputs failed"
        )
