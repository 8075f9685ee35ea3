"""The rules by which the reference outputs in tests/golden were made (see its README)."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from paddle import nn

from paths import GOLDEN as ROOT

NAMES = sorted(path.stem for path in (ROOT / "manifest").glob("*.json"))

FIXED_SPREAD = {"pos_embed": 0.5, "cls_token": 0.5, "relative_position_bias_table": 0.5}


def manifest(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((ROOT / "manifest" / f"{name}.json").read_bytes())
    return facts


def fill_array(name: str, shape: list[int], seed: int, gain: float) -> NDArray[np.float32]:
    """The reference value of the state_dict entry `name`."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(f"{seed}:{name}".encode())))
    noise = generator.standard_normal(tuple(shape), dtype=np.float32)
    last = name.rpartition(".")[2]
    if last == "weight" and len(shape) in (2, 4):
        fan_in = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
        return noise * np.float32(gain * (2.0 / fan_in) ** 0.5)
    if last in ("weight", "scale", "gamma"):
        return np.float32(1) + np.float32(0.1) * noise
    if last in ("bias", "_mean"):
        return np.float32(0.1) * noise
    if last == "_variance":
        return np.float32(1) + np.float32(0.1) * np.abs(noise)
    return np.float32(FIXED_SPREAD.get(last, 0.02)) * noise


def make_input(seed: int, shape: list[int]) -> NDArray[np.float32]:
    """The reference images [2, 3, S, S], as the network sees them."""
    batch, channels, height, width = shape
    generator = np.random.Generator(np.random.PCG64(seed))
    coarse = generator.standard_normal(
        (batch, channels, height // 32, width // 32), dtype=np.float32
    )
    fine = generator.standard_normal(tuple(shape), dtype=np.float32)
    images = coarse.repeat(32, axis=2).repeat(32, axis=3) + np.float32(0.5) * fine
    images[1] *= np.float32(2)
    return images


def state_of(network: nn.Layer) -> list[list[Any]]:
    """The network's state_dict as a manifest holds it: name, shape and dtype of each entry."""
    return [
        [name, list(value.shape), str(value.dtype).removeprefix("paddle.")]
        for name, value in network.state_dict().items()
    ]


def fill(network: nn.Layer, seed: int, gain: float) -> None:
    """Give every float entry its reference value."""
    for name, value in network.state_dict().items():
        if "float" in str(value.dtype):
            value.set_value(fill_array(name, list(value.shape), seed, gain))


def relative_error(network: nn.Layer, name: str) -> float:
    """max|logits - golden| / std(golden) of the network under the golden model's weights."""
    import paddle

    facts = manifest(name)
    golden = np.load(ROOT / "logits" / f"{name}.npy")
    fill(network, facts["weight_seed"], facts["gain"])
    network.eval()
    with paddle.no_grad():
        images = paddle.to_tensor(make_input(facts["input_seed"], facts["input_shape"]))
        logits = network(images).numpy()
    return float(np.abs(logits - golden).max() / golden.std())


def tolerance(name: str) -> float:
    return max(1e-5, 5 * float(manifest(name)["noise_f64_rel"]))
