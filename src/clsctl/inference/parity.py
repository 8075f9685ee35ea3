"""Compare what two implementations of a model answer, on several inputs.

Probabilities hide differences in unlikely classes, their logarithms do not; below `LEAST` they are
rounding noise and count as equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.result import are_probabilities, softmax

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.values import ScoreFunction

# With the weights of tests/golden the right conversions of all 80 networks differ by 3e-4 at most,
# a wrong padding or clip of a single layer makes 4e-2 or more.
LIMIT = 1e-3
LEAST = 1e-6
TOSS_UP = 0.01


class Parity(NamedTuple):
    """How alike two implementations are.

    Attributes:
        real: Photographs that were compared.
        synthetic: Synthetic images that were compared.
        difference: Largest difference of any log-probability on any of them.
        limit: What it may be.
    """

    real: int
    synthetic: int
    difference: float
    limit: float = LIMIT

    @property
    def holds(self) -> bool:
        """False also where a score is not a number."""
        return self.difference <= self.limit


def compare_scores(
    first: ScoreFunction,
    second: ScoreFunction,
    transforms: Sequence[Mapping[str, Any]],
    photos: Sequence[NDArray[np.uint8]] = (),
) -> Parity:
    """Run two implementations of a model on the same inputs and compare their scores.

    Args:
        first: Gives probabilities or logits, as `second` does.
        transforms: Preprocessing, as `PreProcess.transform_ops` of inference.yml.
        photos: Real images, uint8 [H, W, 3] RGB.
    """
    import numpy as np

    from clsctl.images.preprocess import compile_transforms

    preprocess = compile_transforms(transforms)
    synthetic = list(_synthetic())
    batches = [*synthetic, *([photo] for photo in photos)]
    differences = []
    for batch in batches:
        images = np.stack([preprocess(image) for image in batch])
        one, other = (_logs(run(images)) for run in (first, second))
        differences.append(np.abs(one - other).max())
    # NumPy's maximum, unlike Python's, keeps what is not a number.
    return Parity(len(photos), sum(map(len, synthetic)), float(np.max(differences)))


def _logs(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-probabilities; scores outside 0 to 1 are taken for logits."""
    import numpy as np

    exact = scores.astype(np.float64)
    return np.log(np.maximum(exact if are_probabilities(exact) else softmax(exact), LEAST))


def tolerant_agreement(
    exact: ScoreFunction, other: ScoreFunction, images: Sequence[NDArray[np.float32]]
) -> float:
    """Share of the inputs, each [1, 3, H, W], that both implementations put into the same class.

    Classes whose exact scores differ by no more than TOSS_UP count as the same.
    """
    same = 0
    for image in images:
        scores = exact(image)[0]
        same += scores.max() - scores[other(image).argmax()] <= TOSS_UP
    return float(same / len(images))


def sample_inputs(transforms: Sequence[Mapping[str, Any]]) -> list[NDArray[np.float32]]:
    """Make inputs [1, 3, H, W] to time a network with, and to compare its answers on.

    64 synthetic images: areas of random colours, from a few large to many small ones.
    """
    import numpy as np

    from clsctl.images.preprocess import compile_transforms

    preprocess = compile_transforms(transforms)
    rng = np.random.default_rng(0)
    sizes = 8 * (2, 3, 4, 6, 8, 16, 32, 64)
    images = (rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for size in sizes)
    return [preprocess(image)[None] for image in images]


def _synthetic() -> Iterator[list[NDArray[np.uint8]]]:
    """Batches of one to three images: noise from coarse to fine, flat ones and a gradient.

    A wrong padding value shows at the edges of flat images, a wrong clip in loud ones.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    for size, count in ((2, 1), (8, 2), (64, 1), (512, 2)):
        yield list(rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8))
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (256, 256, 3))
    yield [np.full((256, 256, 3), value, np.uint8) for value in (0, 255)] + [ramp.copy()]
