"""`clsctl.build(...)`: a network by name, fresh or with weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.checkpoints import load_weights, read_pdparams
from clsctl.notes import note
from clsctl.plugins import default_registry

if TYPE_CHECKING:
    from paddle import nn


def build(
    name: str,
    num_classes: int = 1000,
    pretrained: bool | str | Path = False,
    seed: int | None = None,
    **options: Any,
) -> nn.Layer:
    """Build a network of any plugin.

    Args:
        num_classes: Length of the logits.
        pretrained: True for the published weights, pulled where necessary; or the path of a
            .pdparams file. Weights trained for another number of classes load all but the
            classifier, and a note says which tensors were left fresh.
        seed: Makes the initialisation reproducible; the caller's random state is left alone.
        options: What the architecture accepts, such as `drop_path_rate`.

    Raises:
        ModelError: The architecture is unknown, or the weights do not fit it.
        NetworkError: The weights could not be downloaded.
    """
    architecture = default_registry().get("architectures", name)
    with _seeded(seed):
        network: nn.Layer = architecture.build(num_classes=num_classes, **options)
    if pretrained:
        path = _published(name) if pretrained is True else Path(pretrained)
        fresh = load_weights(network, read_pdparams(path), f"'{path.name}'")
        if fresh:
            note(f"{path.name} has another number of classes; left fresh: {', '.join(fresh)}")
    return network


def classes_in(name: str, weights: Path) -> int:
    """How many classes the weights of an architecture were trained for: the bias's length.

    Raises:
        ModelError: The architecture is unknown, or the weights are not of it.
    """
    import paddle

    with paddle.LazyGuard():
        network = default_registry().get("architectures", name).build()
    biases = [n for n in network.state_dict() if n == f"{network.head_name}.bias"]
    arrays = read_pdparams(weights)
    return int(arrays[biases[0]].shape[0]) if biases and biases[0] in arrays else 1000


def _published(name: str) -> Path:
    from clsctl.catalog import get_entry
    from clsctl.store import open_store

    folder = open_store().ensure(get_entry(name), "training")
    return next(folder.glob("*.pdparams"))


@contextlib.contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    if seed is None:
        yield
        return
    import paddle

    state = paddle.get_rng_state()
    paddle.seed(seed)
    try:
        yield
    finally:
        paddle.set_rng_state(state)
