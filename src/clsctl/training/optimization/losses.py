"""Compute what training minimises: cross-entropy to soft targets, and what refines it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle import Tensor


def classification_loss(
    logits: Tensor,
    targets: Tensor,
    focal_gamma: float = 0.0,
    class_weights: Tensor | None = None,
    adjustment: Tensor | None = None,
) -> Tensor:
    """Compute the mean cross-entropy of a batch.

    Args:
        logits: float32 [N, C].
        targets: float32 [N, C], rows summing to 1.
        focal_gamma: Terms are weighted by (1 - p) to this power, so that what is easy counts less
            (Lin et al. 2017, arXiv:1708.02002).
        class_weights: float32 [C]; every term of a class is multiplied by its weight.
        adjustment: float32 [C], added to the logits: where it is the logarithm of how frequent the
            classes are, the logits learn what is left without that (Menon et al. 2020,
            arXiv:2007.07314).

    Returns:
        A scalar.
    """
    from paddle.nn import functional as F

    log_p = F.log_softmax(logits if adjustment is None else logits + adjustment, axis=-1)
    terms = targets * log_p
    if focal_gamma:
        terms = terms * (1.0 - log_p.exp()) ** focal_gamma
    if class_weights is not None:
        terms = terms * class_weights
    return -terms.sum(axis=-1).mean()


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Compute how far the scores are from the teacher's (Hinton et al. 2015, arXiv:1503.02531).

    Args:
        logits: float32 [N, C].
        teacher: The teacher's logits, float32 [N, C].
        temperature: Divides both; the result is scaled back by its square.

    Returns:
        A scalar: the mean Kullback-Leibler divergence.
    """
    from paddle.nn import functional as F

    log_p = F.log_softmax(logits / temperature, axis=-1)
    log_q = F.log_softmax(teacher / temperature, axis=-1)
    divergence = (log_q.exp() * (log_q - log_p)).sum(axis=-1).mean()
    return divergence * temperature**2
