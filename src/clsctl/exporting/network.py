"""Write a network as the files that Paddle Inference loads."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.models.directory import write_settings
from clsctl.networks.tracing import derived_sources_apart, methods_rewritten_once
from clsctl.system.interrupts import late_interrupts

if TYPE_CHECKING:
    from paddle import nn


def export_network(
    network: nn.Layer,
    directory: Path,
    name: str,
    transforms: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    input_size: tuple[int, int],
) -> None:
    """Write inference.json, inference.pdiparams and inference.yml.

    The exported graph maps images [N, 3, H, W] to probabilities [N, classes]: softmax is part of
    it, the batch is dynamic. The network itself is left as it was.

    Args:
        directory: An existing folder; files of the same names are overwritten.
        name: `Global.model_name` of inference.yml.
        transforms: Preprocessing, as `PreProcess.transform_ops` of inference.yml.
        labels: Class names by id.
        input_size: Height and width of the network's input, in pixels.
    """
    import paddle
    from paddle import nn
    from paddle.static import InputSpec

    network = copy.deepcopy(network)
    if hasattr(network, "reparameterise"):
        network.reparameterise()
    classifier = nn.Sequential(network, nn.Softmax(axis=-1))
    classifier.eval()
    image = InputSpec([None, 3, *input_size], "float32", name="x")
    with late_interrupts(), derived_sources_apart(), methods_rewritten_once():
        static = paddle.jit.to_static(classifier, input_spec=[image], full_graph=True)
        paddle.jit.save(static, str(directory / "inference"))
    write_settings(directory, name, transforms, labels)
