"""Write a network as the files that Paddle Inference loads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
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
    graph_writer(network, input_size)(directory)
    write_settings(directory, name, transforms, labels)


def graph_writer(network: nn.Layer, input_size: tuple[int, int]) -> Callable[[Path], None]:
    """Return what writes a network's graph into a folder, with the weights that it then has.

    Its first call traces the network, which takes ten times what writing does; a training run
    writes after many epochs. A copy of the network is kept for it.
    """
    import paddle
    from paddle import nn
    from paddle.static import InputSpec

    traced = copy.deepcopy(_inference_form(network))
    classifier = nn.Sequential(traced, nn.Softmax(axis=-1))
    classifier.eval()
    image = InputSpec([None, 3, *input_size], "float32", name="x")
    static = paddle.jit.to_static(classifier, input_spec=[image], full_graph=True)

    def write(directory: Path) -> None:
        traced.set_state_dict(_inference_form(network).state_dict())
        with late_interrupts(), derived_sources_apart(), methods_rewritten_once():
            paddle.jit.save(static, str(directory / "inference"))

    return write


def _inference_form(network: nn.Layer) -> nn.Layer:
    if not hasattr(network, "reparameterise"):
        return network
    network = copy.deepcopy(network)
    network.reparameterise()
    return network
