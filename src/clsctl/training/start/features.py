"""Compute the features of training images, with one or another set of batch-norm statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from clsctl.console.progress import count_bar
from clsctl.datasets.samples import Sample
from clsctl.errors import Interrupted
from clsctl.images.preprocess import transform_ops
from clsctl.loading.loader import Loader, open_loader
from clsctl.settings import load_settings
from clsctl.training.images.kept import room
from clsctl.training.start.statistics import batch_norms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.networks.base import Network
    from clsctl.training.job import TrainJob
    from clsctl.training.signals import Stop

BATCH = 64
"""Statistics of fewer images than this are noise."""

REESTIMATED_ON = 16 * BATCH


class Features(NamedTuple):
    """What a classifier is fitted to.

    Attributes:
        values: Pooled embeddings, float32 [N, D].
        labels: Class ids, int64 [N].
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int64]

    def joined(self, more: Features) -> Features:
        """Return both, one after the other."""
        import numpy as np

        values = np.concatenate([self.values, more.values])
        return Features(values, np.concatenate([self.labels, more.labels]))


Load = Callable[[Sequence[Sample]], Loader]
"""Loads images as they are in prediction, in order; see `as_predicted`."""


def as_predicted(job: TrainJob) -> Load:
    """Return what loads images, and keeps them for the next time as far as memory allows."""
    root, transforms = job.dataset.root, transform_ops(job.preprocessing)
    loader = open_loader((), root, transforms, load_settings(), BATCH, keep=room(job.group.rank))
    return loader.with_samples


def compute_features(
    network: Network, loader: Loader, stop: Stop, mirrored: bool = False
) -> Features:
    """Compute the features of each image, in order, with the statistics that the network has.

    Args:
        network: In any mode; left in evaluation mode.
        loader: Gives the images.
        stop: Says when to stop.
        mirrored: Flip the images, left for right.

    Raises:
        Interrupted: The run was stopped meanwhile.
    """
    import numpy as np
    import paddle

    network.eval()
    values, labels = [], []
    with paddle.no_grad(), count_bar("Fitting the classifier") as show:
        for batch in loader.batches(0):
            images = batch.images[..., ::-1].copy() if mirrored else batch.images
            values.append(network.features(paddle.to_tensor(images)).numpy())
            labels.append(batch.labels)
            show(len(labels) * loader.batch_size, len(loader.samples))
            _require_going(stop)
    return Features(np.concatenate(values), np.concatenate(labels))


def reestimate_statistics(network: Network, loader: Loader, stop: Stop) -> None:
    """Replace the running statistics by the mean of those of batches of images.

    Args:
        loader: Whole batches of mixed classes; a smaller last one is not counted.

    Raises:
        Interrupted: The run was stopped meanwhile.
    """
    import paddle

    layers = batch_norms(network)
    momenta = [layer._momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.train()
    try:
        with paddle.no_grad():
            for number, batch in enumerate(loader.batches(0)):
                if number and len(batch.labels) < loader.batch_size:
                    break
                for layer in layers:
                    layer._momentum = number / (number + 1)
                network.features(paddle.to_tensor(batch.images))
                _require_going(stop)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer._momentum = momentum
        network.eval()


def _require_going(stop: Stop) -> None:
    if stop.is_set():
        raise Interrupted("stopped while the classifier was fitted; no step was made")
