"""Load a model and classify with it, under the names that PaddleX uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from clsctl.models.locate import find_model
from clsctl.plugin.descriptors import PredictJob
from clsctl.prediction.hpi import backend_of_hpi
from clsctl.prediction.job import prepare_job, require_positive, run_job, session_factory
from clsctl.result import Result
from clsctl.settings import load_settings
from clsctl.values import DeviceId, ModelSpec


class Classifier:
    """A model loaded for prediction; it can be pickled, for `multiprocessing` and Ray.

    Args:
        job: How to run it, of `clsctl.prediction.job.prepare_job`; its inputs do not matter.

    Attributes:
        job: The same, as `clsctl.BatchPrediction.run` takes it.
    """

    def __init__(self, job: PredictJob) -> None:
        self.job = job
        self._open_session = session_factory(job)

    def __reduce__(self) -> tuple[type[Classifier], tuple[PredictJob]]:
        """Pickle the job, by absolute paths: another process opens the model for itself."""
        return Classifier, (replace(self.job, inputs=(), model=_absolute(self.model)),)

    @property
    def model(self) -> ModelSpec:
        """The model directory it was loaded from."""
        return self.job.model

    @property
    def backend(self) -> str:
        """Name of the backend that runs it."""
        return self.job.backend

    @property
    def device(self) -> DeviceId:
        """Where it runs."""
        return self.job.placement.device

    @property
    def precision(self) -> str:
        """Of the arithmetic, such as `fp32`."""
        return self.job.placement.precision

    @property
    def topk(self) -> int:
        """Classes to report for each image."""
        return self.job.topk

    @property
    def threshold(self) -> float:
        """Classes that score less are left out."""
        return self.job.threshold

    def predict(
        self,
        input: Any,  # noqa: A002 - the specification's name
        batch_size: int | None = None,
        topk: int | None = None,
    ) -> Iterator[Result]:
        """Classify images; nothing happens until the iterator is consumed.

        Args:
            input: A path (str or Path) of an image, PDF, directory or glob; a URL; a uint8 ndarray
                [H, W, 3] in OpenCV's BGR order or [H, W] grey; or a list of those.
            batch_size: Images in one run of the network; that of `create_model` where None.
            topk: Classes to report; that of `create_model` where None.

        Yields:
            One Result for each image or page, in input order. An input that cannot be read yields
            a Result whose `error` says why.

        Raises:
            UsageError: batch_size or topk is below 1.
        """
        require_positive("batch_size", batch_size)
        require_positive("topk", topk)
        job = replace(
            self.job,
            inputs=[input],
            batch_size=batch_size or self.job.batch_size,
            topk=topk or self.topk,
        )
        return run_job(job, self._open_session)

    __call__ = predict


def _absolute(model: ModelSpec) -> ModelSpec:
    return replace(
        model,
        directory=model.directory.absolute(),
        graph=model.graph.absolute(),
        params=model.params and model.params.absolute(),
    )


def create_model(
    model_name: str | None = None,
    model_dir: str | Path | None = None,
    device: str | None = None,
    topk: int | None = None,
    use_hpip: bool = False,
    *,
    backend: str | None = None,
    precision: str | None = None,
    calibrated: bool = False,
    threshold: float | None = None,
    batch_size: int | None = None,
    hpi_config: Any = None,
) -> Classifier:
    """Load a model for prediction, downloading it first where that was not done before.

    Args:
        model_name: A model of a catalog. Where neither name nor directory is given, the configured
            default, else a model that is already here, else the catalog's default.
        model_dir: A model directory of your own, as `clsctl export` or PaddleX writes it, or one
            file in it, such as an ONNX file that `clsctl export` wrote.
        device: `auto`, `cpu`, `gpu:0`, `npu:0` ...
        topk: Classes to report; the model's own default where None.
        use_hpip: PaddleX's high-performance switch. The fastest exact backend is the default here;
            this also allows a lower precision, as `precision="auto"` does.
        backend: `auto`, or the name of a backend.
        precision: `fp32`, `bf16`, `fp16`, `int8`, or `auto`: the fastest one that keeps this
            model's answers on this machine.
        calibrated: Apply the temperature and the threshold that `clsctl calibrate` stored.
        threshold: Leave out classes that score less, 0 to 1; the calibrated one where None.
        batch_size: Images in one run of the network, where `predict` is not told; None is what is
            fastest, found out in the first job that is long enough.
        hpi_config: PaddleX's, as a dict or an object; with `use_hpip` its `backend` is taken.

    Raises:
        ModelError: The model is unknown, its weights are not available, or it was never calibrated
            (`E_NOT_CALIBRATED`).
        NetworkError: The weights could not be downloaded.
        DeviceError: The device or the backend is not there.
    """
    require_positive("topk", topk)
    require_positive("batch_size", batch_size)
    hinted = backend_of_hpi(hpi_config) if use_hpip else None
    precision = precision or ("auto" if use_hpip else None)
    settings = load_settings(device=device, backend=backend or hinted, precision=precision)
    model = find_model(model_name, model_dir, settings)
    job = prepare_job(model, settings, topk=topk, calibrated=calibrated, threshold=threshold)
    return Classifier(replace(job, batch_size=batch_size))
