"""Start fine-tuning from a classifier that is fitted to the features that are there already.

From a random classifier the first steps spoil the features before anything was learnt. A logistic
regression on the frozen features is a better start (Kumar et al. 2022, arXiv:2202.10054), and with
few images hard to beat.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from clsctl.console.progress import count_bar
from clsctl.errors import Interrupted
from clsctl.images.preprocess import transform_ops
from clsctl.loading.loader import open_loader
from clsctl.settings import load_settings

if TYPE_CHECKING:
    from paddle import Tensor

    from clsctl.loading.loader import Loader
    from clsctl.networks.base import Network
    from clsctl.training.job import TrainJob
    from clsctl.training.signals import Stop

MOST_IMAGES = 5000
"""Of a larger dataset so many images, evenly spread, give a start that is as good."""

ITERATIONS = 100

# Not less with more images, as in textbooks: fitted to the last bit, the classifier is so sure of
# itself that the first steps of training have to undo it.
PENALTY = 0.004


def fit_head(network: Network, job: TrainJob) -> None:
    """Fit a classifier that was never trained to the features of the training images.

    Raises:
        Interrupted: The run was stopped meanwhile.
    """
    import paddle
    from paddle.nn import functional as F

    head = dict(network.named_sublayers())[network.head_name]
    if head.bias.any():  # Fresh ones are 0.
        return
    with job.accelerate(network):
        features, labels = _features(network, _probed(job), job.stop)
    scale = features.std()
    head.weight.set_value(paddle.zeros_like(head.weight))
    solver = paddle.optimizer.LBFGS(
        max_iter=ITERATIONS,
        line_search_fn="strong_wolfe",
        parameters=[head.weight, head.bias],
    )

    def loss() -> Tensor:
        solver.clear_grad()
        penalty = PENALTY * head.weight.square().sum()
        value: Tensor = F.cross_entropy(head(features / scale), labels) + penalty
        value.backward()
        return value

    with warnings.catch_warnings():
        # Paddle's solver copies tensors in a way that Paddle advises against.
        warnings.simplefilter("ignore")
        solver.step(loss)
    solver.clear_grad()
    head.weight.set_value(head.weight / scale)


def _probed(job: TrainJob) -> Loader:
    """The training images as they are in prediction."""
    samples = job.train.samples
    chosen = samples[:: -(-len(samples) // MOST_IMAGES)]
    transforms = transform_ops(job.preprocessing)
    return open_loader(chosen, job.dataset.root, transforms, load_settings(), job.config.batch_size)


def _features(network: Network, loader: Loader, stop: Stop) -> tuple[Tensor, Tensor]:
    """Pooled embeddings float32 [N, features], and class ids int64 [N]."""
    import numpy as np
    import paddle

    network.eval()
    features, labels = [], []
    with paddle.no_grad(), count_bar("Fitting the classifier") as show:
        for batch in loader.batches(0):
            features.append(network.features(paddle.to_tensor(batch.images)))
            labels.append(batch.labels)
            show(len(labels) * loader.batch_size, len(loader.samples))
            if stop.is_set():
                raise Interrupted("stopped while the classifier was fitted; no step was made")
    return paddle.concat(features), paddle.to_tensor(np.concatenate(labels))
