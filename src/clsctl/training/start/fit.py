"""Start fine-tuning from a classifier that is fitted to the features that are there already.

From a random classifier the first steps spoil the features before anything was learnt. A logistic
regression on the frozen features is a better start (Kumar et al. 2022, arXiv:2202.10054), and with
few images hard to beat. Its scores on images that it was not fitted to say how sure it may be; it
is calibrated by them, so that the first gradients are about what is not known yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from clsctl.datasets.samples import Sample
from clsctl.evaluation.metrics import Comparison, compare_paired, wilson_interval
from clsctl.training.start import logistic
from clsctl.training.start.features import (
    BATCH,
    REESTIMATED_ON,
    Features,
    Load,
    as_predicted,
    compute_features,
    reestimate_statistics,
)
from clsctl.training.start.start import Start
from clsctl.training.start.statistics import put, statistics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.loading.loader import Loader
    from clsctl.networks.base import Network
    from clsctl.training.job import TrainJob
    from clsctl.training.start.logistic import Classifier, CrossValidated

MOST_IMAGES = 5000
"""Of a larger dataset so many images, drawn at random, give a start that is as good."""

COMPARED_IMAGES = 1000
"""So many tell which statistics are better."""

PUBLISHED, REESTIMATED = "published", "reestimated"


class _Candidate(NamedTuple):
    """Statistics, and how well a classifier can be fitted to what they give."""

    name: str
    statistics: Mapping[str, NDArray[np.float32]]
    features: Features
    found: CrossValidated


def fit_start(network: Network, job: TrainJob) -> Start | None:
    """Fit a classifier to the features of the training images, and calibrate it.

    Of penalties and of batch normalisation's statistics, those are taken whose left-out scores
    have the least negative log-likelihood.

    Args:
        network: With published weights and a fresh classifier; its statistics may change.
        job: Gives the images and says when to stop.

    Returns:
        None where the network has a classifier that was trained before.

    Raises:
        Interrupted: The run was stopped meanwhile.
    """
    names = [f"{network.head_name}.{part}" for part in ("weight", "bias")]
    if network.state_dict()[names[1]].any():  # Fresh ones are 0.
        return None
    samples = _drawn(job)
    load = as_predicted(job)
    with job.accelerate(network):
        tried = list(_candidates(network, job, load, samples))
        best = min(tried, key=lambda one: one.found.nll)
        put(best.statistics, network)
        flips = _compare_flipped(network, job, load, best, samples)
        best = _on_all(best, network, job, load, samples)
    classifier = _fit(job, best)
    if job.logit_adjustment is not None:  # what the fitted one knows of how frequent classes are
        classifier = classifier._replace(bias=classifier.bias - job.logit_adjustment)
    put(dict(zip(names, (value.astype("float32") for value in classifier), strict=True)), network)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return Start(weights, best.name, _report(tried, best), flips)


def measure_start(network: Network, job: TrainJob) -> tuple[str, CrossValidated]:
    """Measure what a classifier that is fitted to features is worth, without fitting the whole.

    `fit_start` finds the same statistics the better ones.

    Args:
        network: With published weights; its statistics may change.
        job: Gives the images, of which COMPARED_IMAGES are looked at, and says when to stop.

    Returns:
        The name of the better statistics, and what a classifier is worth with them.

    Raises:
        Interrupted: The run was stopped meanwhile.
    """
    samples = _drawn(job)[:COMPARED_IMAGES]
    with job.accelerate(network):
        tried = list(_candidates(network, job, as_predicted(job), samples))
    best = min(tried, key=lambda one: one.found.nll)
    return best.name, best.found


def _drawn(job: TrainJob) -> list[Sample]:
    """The images to fit to, in random order, so that batches of them mix the classes."""
    import numpy as np

    samples = job.dataset.splits["train"]
    order = np.random.default_rng(job.config.seed).permutation(len(samples))
    return [samples[place] for place in order[:MOST_IMAGES]]


def _candidates(
    network: Network, job: TrainJob, load: Load, samples: Sequence[Sample]
) -> Iterator[_Candidate]:
    requested, compared = job.config.start.statistics, samples[:COMPARED_IMAGES]
    # Statistics of few images are noise, and some networks have none.
    possible = bool(statistics(network)) and len(samples) >= BATCH
    if requested != REESTIMATED or not possible:
        yield _candidate(PUBLISHED, network, job, load(compared))
    if requested != PUBLISHED and possible:
        reestimate_statistics(network, load(samples[:REESTIMATED_ON]), job.stop)
        yield _candidate(REESTIMATED, network, job, load(compared))


def _candidate(name: str, network: Network, job: TrainJob, loader: Loader) -> _Candidate:
    features = compute_features(network, loader, job.stop)
    return _Candidate(name, statistics(network), features, _cross_validate(job, features))


def _on_all(
    best: _Candidate, network: Network, job: TrainJob, load: Load, samples: Sequence[Sample]
) -> _Candidate:
    """The same for all samples, of which the first were seen before."""
    rest = samples[len(best.features.labels) :]
    if not rest:
        return best
    more = compute_features(network, load(rest), job.stop)
    features = best.features.joined(more)
    return best._replace(features=features, found=_cross_validate(job, features))


def _compare_flipped(
    network: Network, job: TrainJob, load: Load, best: _Candidate, samples: Sequence[Sample]
) -> Comparison:
    """Compare images with their mirror images, by a classifier that was fitted to others."""
    values, labels = best.features
    half = (len(labels) + 1) // 2
    axes = logistic.principal_axes(values[:half])
    fitted = logistic.fit(axes, labels[:half], len(job.labels), best.found.penalty)
    loader = load(samples[half : len(labels)])
    flipped = compute_features(network, loader, job.stop, mirrored=True)
    first, second = (
        fitted.logits(of).argmax(axis=1) == labels[half:] for of in (values[half:], flipped.values)
    )
    return compare_paired(first, second)


def _cross_validate(job: TrainJob, features: Features) -> CrossValidated:
    axes = logistic.principal_axes(features.values)
    penalties = (job.config.start.penalty,) if job.config.start.penalty else logistic.PENALTIES
    return logistic.cross_validate(
        axes, features.labels, len(job.labels), penalties, job.config.seed
    )


def _fit(job: TrainJob, best: _Candidate) -> Classifier:
    axes = logistic.principal_axes(best.features.values)
    fitted = logistic.fit(axes, best.features.labels, len(job.labels), best.found.penalty)
    return fitted.divided(best.found.temperature)


def _report(tried: Sequence[_Candidate], best: _Candidate) -> str:
    found = best.found
    low, high = wilson_interval(int(found.correct.sum()), len(found.correct))
    compared = ", ".join(f"{one.name} {one.found.nll:.3f}" for one in tried)
    return (
        f"start: a classifier fitted to {len(found.correct)} images, left-out top-1 "
        f"{found.correct.mean():.2%} (95 % {low:.2%} to {high:.2%}); penalty {found.penalty:.2g}, "
        f"temperature {found.temperature:.2f}, {best.name} statistics (left-out NLL: {compared})"
    )
