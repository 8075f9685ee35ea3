"""Which part of an image speaks for a class: Grad-CAM (Selvaraju et al. 2016, arXiv:1610.02391).

The map weighs each channel of the last feature map by the mean gradient of the class's logit, and
keeps what is positive. Transformers are explained by the same rule: their last tokens are seen as
a feature map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsctl.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clsctl.networks.base import Network
    from clsctl.values import Preprocessing

# Of the picture, in pixels: the side of each view, and the bar above that holds the caption.
SIDE, BAR = 448, 64
# How much of the heat map's colours shows, against the image below.
STRENGTH = 0.65


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a network saw.

    Attributes:
        class_id: The class that is explained.
        score: Its probability.
        heat: float32 [h, w] in 0..1, over the network's input.
    """

    class_id: int
    score: float
    heat: NDArray[np.float32]


def explain(
    network: Network, tensor: NDArray[np.float32], class_id: int | None = None
) -> Explanation:
    """The class-activation map of one image.

    Args:
        network: In evaluation mode.
        tensor: float32 [3, S, S], preprocessed.
        class_id: The class to explain; the best one where None.

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
    chosen = int(logits[0].argmax()) if class_id is None else _existing(class_id, logits.shape[1])
    (gradient,) = paddle.grad(logits[0, chosen], features)
    activations, gradients = network.feature_map(features)[0], network.feature_map(gradient)[0]
    weights = gradients.mean([1, 2], keepdim=True)
    heat = F.relu((weights * activations).sum(0)).detach().numpy()
    score = float(F.softmax(logits, axis=-1)[0, chosen])
    return Explanation(chosen, score, (heat / max(float(heat.max()), 1e-12)).astype(np.float32))


def seen_part(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """What the network sees of an image, at a size that a person likes to look at.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        preprocessing: The network's.

    Returns:
        uint8 [SIDE, SIDE, 3], RGB.
    """
    import cv2
    import numpy as np

    height, width, _ = pixels.shape
    short = min(height, width)
    share = preprocessing.crop_fraction or preprocessing.crop / (
        preprocessing.resize_short or short
    )
    side = min(round(share * short), short)
    top, left = (height - side) // 2, (width - side) // 2
    part = pixels[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return cv2.resize(part, (SIDE, SIDE), interpolation=how).astype(np.uint8)


def overlay(view: NDArray[np.uint8], explanation: Explanation, caption: str) -> Image:
    """The view beside itself under the heat map, dark to bright, and a caption above both.

    Args:
        view: uint8 [SIDE, SIDE, 3], RGB, of `seen_part`.
        explanation: Gives the heat.
        caption: Any text.
    """
    import cv2
    import numpy as np

    from clsctl.images.caption import PAPER, draw_label

    heat = cv2.resize(explanation.heat, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    grey = view.mean(axis=2, keepdims=True)
    mixed = (grey * (1 - STRENGTH) + colours * STRENGTH).astype(np.uint8)
    bar = np.full((BAR, 2 * SIDE, 3), PAPER, np.uint8)
    return draw_label(np.concatenate([bar, np.concatenate([view, mixed], axis=1)]), caption)


def _existing(class_id: int, classes: int) -> int:
    if not 0 <= class_id < classes:
        raise UsageError(
            f"there is no class {class_id}; the network has {classes}, from 0 to {classes - 1}",
            code="E_CLASS_UNKNOWN",
        )
    return class_id
