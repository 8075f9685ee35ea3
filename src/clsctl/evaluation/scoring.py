"""Score batches of images, by a network or any other function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clsctl.console.progress import no_progress
from clsctl.errors import ModelError
from clsctl.loading.loader import Loader
from clsctl.values import Progress, ScoreFunction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn


def score_function(network: nn.Layer) -> ScoreFunction:
    """Return a function that runs a network, in evaluation mode, up to the softmax."""
    import paddle
    from paddle.nn import functional as F

    def score(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            scores: NDArray[np.float32] = F.softmax(network(paddle.to_tensor(images))).numpy()
        return scores

    return score


def score_batches(
    score: ScoreFunction, loader: Loader, progress: Progress = no_progress
) -> NDArray[np.float32]:
    """Score every sample of a loader.

    Returns:
        Probabilities float32 [N, C], in the loader's order.

    Raises:
        ModelError: A probability is not a number (`E_SCORES`).
        DataError: An image cannot be read.
    """
    import numpy as np

    scores, done = [], 0
    for batch in loader.batches(0):
        scores.append(score(batch.images))
        done += len(batch.labels)
        progress(done, len(loader.samples))
    joined = np.concatenate(scores)
    if not np.isfinite(joined).all():
        raise ModelError(
            "the network's scores are not numbers",
            code="E_SCORES",
            hint="its training diverged; go back to an earlier checkpoint",
        )
    return joined


def count_classes(score: ScoreFunction, transforms: Sequence[Mapping[str, Any]]) -> int:
    """Count the classes that a model tells apart, by running it on an image of zeros."""
    import numpy as np

    return len(score(np.zeros((1, 3, *input_size(transforms)), np.float32))[0])


def input_size(transforms: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return height and width of a network's input: what preprocessing makes of any image."""
    import numpy as np

    from clsctl.images.preprocess import compile_transforms

    _, height, width = compile_transforms(transforms)(np.zeros((512, 512, 3), np.uint8)).shape
    return height, width
