"""Calibrate the best model on the validation images, within its classifier's weights.

A temperature divides the logits (Guo et al. 2017, arXiv:1706.04599); dividing the classifier's
weight and bias by it is the same. So whatever runs the model gives calibrated probabilities, and
its classes keep their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clsctl.evaluation.calibration import Calibration
from clsctl.training.job import TrainJob
from clsctl.training.validation import Validation

if TYPE_CHECKING:
    from clsctl.networks.base import Network

FEWEST_IMAGES = 100
"""On fewer, a temperature is as likely to do harm as good."""


def calibration_of(job: TrainJob, found: Validation) -> Calibration | None:
    """Return how to calibrate; None where the validation images are too few, or it is off."""
    few = found.calibration.samples < FEWEST_IMAGES
    return None if few or not job.config.calibrate else found.calibration


@contextmanager
def calibrated(network: Network, calibration: Calibration | None) -> Iterator[None]:
    """Let a network give calibrated logits for a while; then it is what it was, to the bit."""
    if calibration is None:
        yield
        return
    state = network.state_dict()
    parts = [state[f"{network.head_name}.{name}"] for name in ("weight", "bias")]
    before = [part.clone() for part in parts]
    try:
        for part in parts:
            part.set_value(part / calibration.temperature)
        yield
    finally:
        for part, value in zip(parts, before, strict=True):
            part.set_value(value)


def describe(calibration: Calibration) -> str:
    """Say in one line what calibration did."""
    (nll, nll_after), (ece, ece_after) = calibration.nll, calibration.ece
    return (
        f"calibrated on {calibration.samples} validation images: temperature "
        f"{calibration.temperature:.2f}, NLL {nll:.3f} -> {nll_after:.3f}, "
        f"ECE {ece:.3f} -> {ece_after:.3f}"
    )
