"""Mix the images of a batch with each other, and their labels likewise.

Mixup: H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018. CutMix: S. Yun et al.,
"CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from clsctl.loading.loader import Batch
from clsctl.loading.sampling import Stream, generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Mixed(NamedTuple):
    """A batch whose images may each show two samples.

    Attributes:
        images: float32 [N, 3, S, S].
        targets: float32 [N, num_classes]: how much of each class there is, rows summing to 1.
    """

    images: NDArray[np.float32]
    targets: NDArray[np.float32]


class Mixer(NamedTuple):
    """Mixes every image of a batch with another one of it, drawn at random.

    Attributes:
        num_classes: Columns of the targets.
        mixup: Alpha of the Beta distribution of mixup's shares; 0 is off.
        cutmix: Likewise for CutMix; where both are on, each batch is mixed by one of them.
        probability: Share of the batches that are mixed at all.
        seed: 0 or more.
    """

    num_classes: int
    mixup: float
    cutmix: float
    probability: float
    seed: int

    def __call__(self, batch: Batch, epoch: int, number: int) -> Mixed:
        """Mix in a way that depends on the seed, the epoch and the batch's number in it alone.

        Args:
            batch: Its images are changed in place.
            number: From 0.
        """
        import numpy as np

        rng = generator(self.seed, Stream.MIX, epoch, number)
        images, targets = batch.images, np.eye(self.num_classes, dtype=np.float32)[batch.labels]
        ways = [(_blend, self.mixup), (_paste, self.cutmix)]
        ways = [(way, alpha) for way, alpha in ways if alpha > 0]
        if ways and rng.random() < self.probability:
            way, alpha = ways[rng.integers(len(ways))]
            partners = rng.permutation(len(targets))
            share = way(images, partners, float(rng.beta(alpha, alpha)), rng)
            _blend(targets, partners, share, rng)
        return Mixed(images, targets)


def _blend(
    rows: NDArray[np.float32], partners: NDArray[np.int64], share: float, rng: np.random.Generator
) -> float:
    """Fade each row into its partner; returns the share that is left of it."""
    others = rows[partners] * (1 - share)
    rows *= share
    rows += others
    return share


def _paste(
    images: NDArray[np.float32], partners: NDArray[np.int64], share: float, rng: np.random.Generator
) -> float:
    """Paste a rectangle of its partner into each image; returns the share that is left of it.

    The rectangle's centre is uniform over the image and what lies outside is cut off, so that
    more can be left than was asked for.
    """
    height, width = images.shape[2:]
    side = math.sqrt(1 - share)
    rows, columns = _span(height, side, rng), _span(width, side, rng)
    images[:, :, rows, columns] = images[partners, :, rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return float(1 - pasted / (height * width))


def _span(size: int, fraction: float, rng: np.random.Generator) -> slice:
    centre, half = int(rng.integers(size)), int(size * fraction) // 2
    return slice(max(centre - half, 0), min(centre + half, size))
