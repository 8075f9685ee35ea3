"""`clsctl.build(...)`: a network by name, fresh or with weights."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.networks.pdparams import load_weights, read_pdparams, weights_file
from clsctl.plugin.registry import default_registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn


def build(
    name: str,
    num_classes: int | None = 1000,
    pretrained: bool | str | Path = False,
    seed: int | None = None,
    **options: Any,
) -> nn.Layer:
    """Build a network of any plugin.

    Args:
        num_classes: Length of the logits. None: as many as the weights have.
        pretrained: True for the published weights, pulled where necessary; or the path of a
            .pdparams file or of a run. Weights trained for another number of classes load all but
            the classifier, and a note says which tensors were re-initialised.
        seed: Makes the initialisation reproducible; the caller's random state is left alone.
        options: What the architecture accepts, such as `drop_path_rate`.

    Raises:
        ModelError: The architecture is unknown, or the weights do not fit it.
        NetworkError: The weights could not be downloaded.
    """
    create = functools.partial(default_registry().get("architectures", name).build, **options)
    with seeded(seed):
        if not pretrained:
            network: nn.Layer = create(num_classes=num_classes or 1000)
            return network
        path = _published(name) if pretrained is True else weights_file(Path(pretrained))
        return _build_from(path, create, num_classes)


def build_lazy(create: Callable[[], nn.Layer]) -> nn.Layer:
    """Build a network without memory for its parameters, which takes an instant for the largest."""
    import paddle

    with paddle.LazyGuard():
        return create()


def _build_from(path: Path, create: Callable[..., nn.Layer], num_classes: int | None) -> nn.Layer:
    arrays = read_pdparams(path)
    if num_classes is None:
        num_classes = _classes_in(arrays, build_lazy(create))
    network = build_lazy(functools.partial(create, num_classes=num_classes))
    fresh = load_weights(network, arrays, f"'{path.name}'")
    if fresh:
        names = ", ".join(fresh)
        note(f"{path.name} has another number of classes; classifier re-initialised: {names}")
    state: dict[str, Any] = network.state_dict()
    for name in fresh:
        state[name].initialize()
    return network


def _classes_in(arrays: Mapping[str, NDArray[np.generic]], network: nn.Layer) -> int:
    """How many classes weights were trained for: the length of the classifier's bias."""
    bias = arrays.get(f"{getattr(network, 'head_name', '')}.bias")
    return 1000 if bias is None else bias.size


def _published(name: str) -> Path:
    from clsctl.models.catalog import get_entry
    from clsctl.models.pull import ensure_pulled
    from clsctl.models.store import open_store

    folder = ensure_pulled(open_store(), get_entry(name), "training")
    return next(folder.glob("*.pdparams"))


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Seed Paddle's random numbers for a while, and give the caller's back; None leaves them."""
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
