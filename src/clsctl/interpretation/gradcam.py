"""Show which part of an image speaks for a class: Grad-CAM (Selvaraju 2016, arXiv:1610.02391).

The map weighs each channel of the last feature map by the mean gradient of the class's logit, and
keeps what is positive. The same is done with transformers: their last tokens are taken as a
feature map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clsctl.errors import UsageError, unknown_name
from clsctl.images.preprocess import compile_spatial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clsctl.networks.base import Network

# In pixels: the width of each of the two views, and the bar above them that holds the caption.
SIDE, BAR = 448, 64
# The share of the heat map's colours in the mix with the image below.
STRENGTH = 0.65


@dataclass(frozen=True, eq=False)
class ActivationMap:
    """Where a network sees a class.

    Attributes:
        class_id: The class.
        score: Its probability.
        heatmap: float32 [h, w] in 0..1, over the network's input.
    """

    class_id: int
    score: float
    heatmap: NDArray[np.float32]


def activation_map(
    network: Network, tensor: NDArray[np.float32], class_id: int | None = None
) -> ActivationMap:
    """Compute the class-activation map of one image.

    Args:
        network: In evaluation mode.
        tensor: float32 [3, H, W], preprocessed.
        class_id: The class to look for; the best one where None.

    Raises:
        UsageError: The network has no such class (`E_CLASS_UNKNOWN`).
    """
    import numpy as np
    import paddle
    from paddle.nn import functional as F

    with paddle.no_grad():
        features = network.forward_features(paddle.to_tensor(tensor[None]))
    features.stop_gradient = False
    logits = network.forward_head(features)
    if class_id is None:
        class_id = int(logits[0].argmax())
    _require_class(class_id, logits.shape[1])
    (gradient,) = paddle.grad(logits[0, class_id], features)
    activations, gradients = network.feature_map(features)[0], network.feature_map(gradient)[0]
    weights = gradients.mean([1, 2], keepdim=True)
    heatmap = F.relu((weights * activations).sum(0)).detach().numpy()
    score = float(F.softmax(logits, axis=-1)[0, class_id])
    scaled = heatmap / max(float(heatmap.max()), 1e-12)
    return ActivationMap(class_id, score, scaled.astype(np.float32))


def network_view(
    pixels: NDArray[np.uint8], transforms: Sequence[Mapping[str, Any]]
) -> NDArray[np.uint8]:
    """Resize and crop an image as its preprocessing does, and enlarge the result for display.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        transforms: The network's preprocessing, as in an inference.yml.

    Returns:
        uint8 [height, SIDE, 3], RGB.
    """
    import cv2
    import numpy as np

    seen = compile_spatial(transforms)(pixels)
    size = (SIDE, round(SIDE * seen.shape[0] / seen.shape[1]))
    return cv2.resize(seen, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def draw_heatmap(view: NDArray[np.uint8], heatmap: NDArray[np.float32], caption: str) -> Image:
    """Draw the view beside itself under the heat map, and a caption above both.

    Args:
        view: uint8 [height, SIDE, 3], RGB, of `network_view`.
        heatmap: float32 [h, w] in 0..1, of an `ActivationMap`.
        caption: Any text.
    """
    import numpy as np

    from clsctl.images.caption import PAPER, draw_label

    bar = np.full((BAR, 2 * SIDE, 3), PAPER, np.uint8)
    views = np.concatenate([view, mix_heatmap(view, heatmap)], axis=1)
    return draw_label(np.concatenate([bar, views]), caption)


def mix_heatmap(view: NDArray[np.uint8], heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay the heat map, dark to bright, over the view in grey.

    Args:
        view: uint8 [height, SIDE, 3], RGB, of `network_view`.
        heatmap: float32 [h, w] in 0..1, of an `ActivationMap`.

    Returns:
        uint8 [height, SIDE, 3], RGB.
    """
    import cv2
    import numpy as np

    heat = cv2.resize(heatmap, view.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    grey = view.mean(axis=2, keepdims=True)
    mixed: NDArray[np.uint8] = (grey * (1 - STRENGTH) + colours * STRENGTH).astype(np.uint8)
    return mixed


def class_named(text: str, labels: Sequence[str]) -> int:
    """Find the class of a name, or of an id where no class has that name.

    Args:
        text: A name in any case, or an id.
        labels: Class names by id; may be empty.

    Raises:
        UsageError: No class is called so (`E_CLASS_UNKNOWN`), or several are
            (`E_CLASS_AMBIGUOUS`).
    """
    ids = [number for number, label in enumerate(labels) if label.lower() == text.lower()]
    if len(ids) > 1:
        raise UsageError(
            f"several classes are called '{text}'",
            code="E_CLASS_AMBIGUOUS",
            hint=f"give one by its id: {' or '.join(map(str, ids))}",
        )
    if ids:
        return ids[0]
    if text.isdecimal():
        return int(text)
    raise UsageError(unknown_name("class", text, labels), code="E_CLASS_UNKNOWN")


def _require_class(class_id: int, classes: int) -> None:
    if not 0 <= class_id < classes:
        raise UsageError(
            f"there is no class {class_id}; the network has {classes}, from 0 to {classes - 1}",
            code="E_CLASS_UNKNOWN",
        )
