"""Check that exported files give the network's own scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import ModelError
from clsctl.inference.parity import Parity, compare_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn

    from clsctl.values import ScoreFunction


def check_parity(
    network: nn.Layer,
    exported: Iterable[tuple[str, ScoreFunction]],
    transforms: Sequence[Mapping[str, Any]],
    photos: Sequence[NDArray[np.uint8]] = (),
) -> dict[str, Parity]:
    """Compare exported files with the network they were made of.

    Args:
        exported: Each file's name, and what runs it.
        transforms: Preprocessing, as `PreProcess.transform_ops` of inference.yml.
        photos: Real images to compare with besides synthetic ones, uint8 [H, W, 3] RGB.

    Returns:
        How alike the scores are, by file.

    Raises:
        ModelError: A file gives other scores (`E_PARITY`).
    """
    from clsctl.evaluation.scoring import score_function

    reference = score_function(network)
    found = {name: compare_scores(reference, run, transforms, photos) for name, run in exported}
    for name, parity in found.items():
        if not parity.holds:
            raise differs(
                f"{name} gives other scores than the network: the largest difference of a "
                f"log-probability on {parity.real + parity.synthetic} images is "
                f"{parity.difference:.2g}, the limit {parity.limit:g}"
            )
    return found


def check_graph(network: nn.Layer, folder: Path, transforms: Sequence[Mapping[str, Any]]) -> None:
    """Compare what `export_network` wrote into a folder with the network, while training.

    A Paddle predictor would change the number of Paddle's threads for good.

    Raises:
        ModelError: The graph gives other scores (`E_PARITY`).
    """
    import paddle

    graph = paddle.jit.load(str(folder / "inference"))

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = graph(paddle.to_tensor(images)).numpy()
        return scores

    check_parity(network, [("inference.json", run)], transforms)


def differs(reason: str) -> ModelError:
    """Return the error that says why nothing was exported (`E_PARITY`)."""
    return ModelError(
        f"nothing was exported: {reason}",
        code="E_PARITY",
        hint="try another format with --to; --no-check exports it all the same",
    )
