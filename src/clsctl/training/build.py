"""Build the networks of a run: the one that learns, and its teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from clsctl.errors import ModelError, UsageError
from clsctl.models.catalog import get_entry
from clsctl.networks.build import build
from clsctl.training.job import TrainJob
from clsctl.training.start.statistics import put

if TYPE_CHECKING:
    from paddle import Tensor

    from clsctl.networks.base import Network
    from clsctl.values import Preprocessing

Teacher: TypeAlias = "Callable[[Tensor], Tensor]"
"""From images, float32 [N, 3, H, W] normalised as for the learning network, to logits [N, C]."""


def build_network(job: TrainJob) -> Network:
    """Build the network with the weights that the run starts from.

    Raises:
        ModelError: The weights are missing or do not fit.
        Interrupted: The run was stopped meanwhile.
        UsageError: The architecture has no stochastic depth (`E_OPTION_UNSUPPORTED`).
    """
    config = job.config
    options: dict[str, Any] = {}
    if config.drop_path is not None:
        options["drop_path_rate"] = config.drop_path
    try:
        network: Any = build(
            config.model,
            num_classes=len(job.labels),
            pretrained=job.start is None and (config.weights or config.pretrained),
            seed=config.seed,
            **options,
        )
    except TypeError:
        if not options:
            raise
        raise UsageError(
            f"{config.model} has no stochastic depth, so drop_path must not be set",
            code="E_OPTION_UNSUPPORTED",
        ) from None
    if job.start is not None:
        put(job.start.weights, network)
    return network  # type: ignore[no-any-return]


def build_teacher(job: TrainJob) -> Teacher | None:
    """Build the network that is learnt from, in evaluation mode; None where there is none.

    It sees the images that the learning network sees, normalised as its own were.

    Raises:
        ModelError: Its weights know other classes (`E_TEACHER`).
    """
    options = job.config.distill
    if not options.teacher:
        return None
    if not options.weights and len(job.labels) != 1000:
        raise ModelError(
            f"the published weights of {options.teacher} know ImageNet's classes only",
            code="E_TEACHER",
            hint="train the teacher on this dataset and set distill.weights to its run",
        )
    network: Any = build(options.teacher, None, options.weights or True)
    network.eval()
    known = network.state_dict()[f"{network.head_name}.bias"].shape[0]
    if known != len(job.labels):
        raise ModelError(
            f"the teacher {options.weights} knows {known} classes, the dataset has "
            f"{len(job.labels)}",
            code="E_TEACHER",
            hint="train the teacher on this dataset first",
        )
    normalize = _renormalize(job.preprocessing, get_entry(options.teacher).preprocessing)

    def teach(images: Tensor) -> Tensor:
        import paddle

        with paddle.no_grad(), job.accelerate(network):
            logits: Tensor = network(normalize(images))
        return logits

    return teach


def _renormalize(own: Preprocessing, wanted: Preprocessing) -> Callable[[Tensor], Tensor]:
    """Return what makes images of one normalisation such of another, float32 [N, 3, H, W]."""
    if (own.mean, own.std) == (wanted.mean, wanted.std):
        return lambda images: images
    import paddle

    mean, std, wanted_mean, wanted_std = (
        paddle.to_tensor(values, "float32").reshape([1, 3, 1, 1])
        for values in (own.mean, own.std, wanted.mean, wanted.std)
    )
    factor, shift = std / wanted_std, (mean - wanted_mean) / wanted_std
    return lambda images: images * factor + shift
