"""Prepare a prediction job from the settings, and run it in this process."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral

from clsctl.errors import UsageError
from clsctl.images.preprocess import image_settings
from clsctl.inference.backend_choice import select_placement
from clsctl.inference.temperature import CalibratedSession, read_calibration
from clsctl.plugin.descriptors import Backend, PredictJob
from clsctl.plugin.registry import default_registry
from clsctl.prediction.pipeline import OpenSession, classify
from clsctl.result import Result, apply_threshold
from clsctl.settings import Settings
from clsctl.values import ModelSpec, Session


def prepare_job(
    model: ModelSpec,
    settings: Settings,
    *,
    topk: int | None = None,
    calibrated: bool = False,
    threshold: float | None = None,
    single: bool = False,
) -> PredictJob:
    """Choose the device, the precision and the backend for a model.

    Args:
        topk: Classes to report for each image; the model's own default where None.
        calibrated: Apply the temperature and the threshold that `clsctl calibrate` stored.
        threshold: Leave out classes that score less, 0 to 1; the calibrated one where None.
        single: Only one image will be classified: nothing is measured for it.

    Returns:
        A job without inputs.

    Raises:
        ModelError: The model cannot be run, or was never calibrated (`E_NOT_CALIBRATED`).
        DeviceError: The device or the backend is not there.
    """
    temperature, least = read_calibration(model.directory) if calibrated else (1.0, 0.0)
    backend, placement = select_placement(model, settings, default_registry(), single=single)
    return PredictJob(
        model,
        (),
        backend.name,
        placement,
        image_settings(model.transforms, settings),
        topk=topk or model.topk,
        temperature=temperature,
        threshold=least if threshold is None else threshold,
    )


def session_factory(job: PredictJob) -> OpenSession:
    """Return a function that opens the job's model, once for each pair of arguments."""
    backend: Backend = default_registry().get("backends", job.backend)

    @functools.cache
    def open_session(threads: int, streams: int) -> Session:
        placement = replace(job.placement, threads=threads, streams=streams)
        session = backend.open(job.model, placement)
        return session if job.temperature == 1 else CalibratedSession(session, job.temperature)

    return open_session


def run_job(job: PredictJob, open_session: OpenSession | None = None) -> Iterator[Result]:
    """Run a job in this process.

    Args:
        open_session: Of `session_factory`, for several jobs to share the sessions of one model.

    Yields:
        One result for each image or page, in input order; an input that fails yields an error
        record in its own place.
    """
    results = classify(job, open_session or session_factory(job))
    return (
        (apply_threshold(result, job.threshold) for result in results) if job.threshold else results
    )


def require_positive(name: str, value: int | None) -> None:
    """Refuse what is given and is no whole number above 0.

    Raises:
        UsageError: It is not (`E_VALUE`).
    """
    if value is not None and (not isinstance(value, Integral) or value < 1):
        raise UsageError(f"{name} must be a whole number, 1 or more, not {value!r}", code="E_VALUE")
