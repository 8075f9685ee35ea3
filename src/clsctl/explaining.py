"""Which part of an image speaks for a class: Grad-CAM (Selvaraju et al. 2016, arXiv:1610.02391).

The map weighs each channel of the last feature map by the mean gradient of the class's logit, and
keeps what is positive. Transformers are explained by the same rule: their last tokens are seen as
a feature map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn
    from PIL.Image import Image

    from clsctl.types import Preprocessing

STRENGTH = 0.55


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
    network: nn.Layer, tensor: NDArray[np.float32], class_id: int | None = None
) -> Explanation:
    """The class-activation map of one image.

    Args:
        network: In evaluation mode.
        tensor: float32 [3, S, S], preprocessed.
        class_id: The class to explain; the best one where None.
    """
    import numpy as np
    import paddle
    from paddle.nn import functional as F

    features = network.forward_features(paddle.to_tensor(tensor[None])).detach()
    features.stop_gradient = False
    logits = network.forward_head(features)
    chosen = int(logits[0].argmax()) if class_id is None else class_id
    (gradient,) = paddle.grad(logits[0, chosen], features)
    activations, gradients = network.feature_map(features)[0], network.feature_map(gradient)[0]
    weights = gradients.mean([1, 2], keepdim=True)
    heat = F.relu((weights * activations).sum(0)).detach().numpy()
    score = float(F.softmax(logits, axis=-1)[0, chosen])
    return Explanation(chosen, score, (heat / max(float(heat.max()), 1e-12)).astype(np.float32))


def overlay(view: NDArray[np.uint8], explanation: Explanation, caption: str) -> Image:
    """The network's view of the image beside the same view under the heat map.

    Args:
        view: uint8 [S, S, 3], RGB: the part of the image that the network saw.
    """
    import cv2
    import numpy as np

    from clsctl.drawing import draw_label

    size = view.shape[1], view.shape[0]
    heat = cv2.resize(explanation.heat, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[:, :, ::-1]
    blend = STRENGTH * heat[:, :, None]
    mixed = (view * (1 - blend) + colours * blend).astype(np.uint8)
    return draw_label(np.concatenate([view, mixed], axis=1), caption)


def view_of(tensor: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """The pixels that a preprocessed tensor [3, S, S] stands for: uint8 [S, S, 3], RGB."""
    import numpy as np

    scaled = tensor.transpose(1, 2, 0) * np.array(preprocessing.std) + np.array(preprocessing.mean)
    pixels: NDArray[np.uint8] = (scaled * 255).round().clip(0, 255).astype(np.uint8)
    return pixels
