"""Estimate how many labels of a dataset are wrong, from how a model scores its samples.

Each label is taken to come from one of two sources: with probability 1 - eta from the model, at a
temperature T; else it is wrong, any class alike. Both numbers are those of the highest likelihood.
They are fitted on four fifths of the samples and judged on the fifth that was left out, in turn. A
model that is too weak predicts the labels left out no better with eta than without: its own
mistakes are explained by a temperature alone, and nothing is known about the labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.inference.temperature import apply_temperature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5
MOST_SAMPLES = 5000
"""Two numbers need no more samples to be fitted on."""

COLDEST, HOTTEST, TEMPERATURES = 0.2, 8.0, 40
LEAST, MOST, SHARES = 0.002, 0.4, 24
SURE = 3.0
"""In nats: the labels left out have to be 20 times as likely with wrong ones among them."""

TINY = 1e-12


class LabelNoise(NamedTuple):
    """What is known about the labels.

    Attributes:
        gain: By how many nats the labels left out are more likely if some labels are wrong.
        wrong: float [N], the probability that each label is wrong.
    """

    gain: float
    wrong: NDArray[Any]

    @property
    def is_told(self) -> bool:
        """Whether the model can tell wrong labels from its own mistakes."""
        return self.gain > SURE


def estimate_noise(scores: NDArray[Any], labels: NDArray[np.int64]) -> LabelNoise:
    """Estimate which labels are wrong, by cross-validation.

    Args:
        scores: Probabilities, float [N, C], of a model that was not trained on these samples.
        labels: Class ids, int64 [N].
    """
    import numpy as np

    folds = np.arange(len(labels)) % FOLDS
    chosen = np.arange(len(labels))[:: -(-len(labels) // MOST_SAMPLES)]
    temperatures = np.geomspace(COLDEST, HOTTEST, TEMPERATURES)
    shares = np.array([0, *np.geomspace(LEAST, MOST, SHARES)])
    classes = scores.shape[1]
    likelihoods = np.stack(
        [
            _log_likelihood(_own(scores[chosen], labels[chosen], heat), shares[:, None], classes)
            for heat in temperatures
        ]
    )
    gain, wrong = 0.0, np.zeros(len(labels))
    for fold in range(FOLDS):
        left_out = folds[chosen] == fold
        fitted = likelihoods[:, :, ~left_out].sum(axis=2)
        heat, share = np.unravel_index(fitted.argmax(), fitted.shape)
        judged = likelihoods[:, :, left_out].sum(axis=2)
        gain += float(judged[heat, share] - judged[fitted[:, 0].argmax(), 0])
        mine = folds == fold
        own = _own(scores[mine], labels[mine], float(temperatures[heat]))
        random = shares[share] / classes
        wrong[mine] = random / ((1 - shares[share]) * own + random + TINY)
    return LabelNoise(gain, wrong)


def _own(
    scores: NDArray[Any], labels: NDArray[np.int64], temperature: float
) -> NDArray[np.float32]:
    """The probability of each sample's own label at a temperature, float32 [N]."""
    import numpy as np

    return apply_temperature(scores, temperature)[np.arange(len(labels)), labels]


def _log_likelihood(own: NDArray[Any], share: NDArray[Any], classes: int) -> NDArray[Any]:
    """Of each label, where that share of them is wrong, by share and sample."""
    import numpy as np

    return np.asarray(np.log((1 - share) * own + share / classes + TINY))
