"""`create_model(...)` -> Classifier -> `predict(...)`, as PaddleX names and means them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any

from clsctl.errors import UsageError
from clsctl.inference.backend_choice import select
from clsctl.models.locate import find_model
from clsctl.plugin.registry import Registry, default_registry
from clsctl.prediction.pipeline import classify, open_engine
from clsctl.result import Result, above
from clsctl.settings import Settings, load_settings
from clsctl.values import ModelSpec


class Classifier:
    """A model loaded for prediction.

    Attributes:
        model: The model directory it was loaded from.
        backend: Name of the backend that runs it.
        device: Where it runs.
        precision: Of the arithmetic, such as `fp32`.
        threshold: Classes that score less are left out.
    """

    def __init__(
        self,
        model: ModelSpec,
        device: str = "auto",
        backend: str = "auto",
        topk: int | None = None,
        settings: Settings | None = None,
        registry: Registry | None = None,
        calibrated: bool = False,
        threshold: float | None = None,
    ) -> None:
        from clsctl.inference.temperature import read_calibration

        settings = replace(settings or load_settings(), device=device, backend=backend)
        self.model = model
        chosen, placement = select(model, settings, registry or default_registry())
        self.backend, self.device = chosen.name, placement.device
        self.precision = placement.precision
        self.topk = _checked("topk", topk) or model.topk
        settings = replace(settings, precision=self.precision)
        temperature, least = read_calibration(model.directory) if calibrated else (1.0, 0.0)
        self.threshold = least if threshold is None else threshold
        self._engine = open_engine(model, self.device, chosen, settings, temperature)

    def predict(
        self,
        input: Any,  # noqa: A002 - the specification's name
        batch_size: int = 1,
        topk: int | None = None,
    ) -> Iterator[Result]:
        """Classify images; nothing happens until the iterator is consumed.

        Args:
            input: A path (str or Path) of an image, PDF, directory or glob; a URL; a uint8 ndarray
                [H, W, 3] in OpenCV's BGR order or [H, W] grey; or a list of those.
            batch_size: Images in one run of the network.
            topk: Classes to report; the model's own default where None.

        Yields:
            One Result for each image or page, in input order. An input that cannot be read yields
            a Result whose `error` says why.

        Raises:
            UsageError: batch_size or topk is below 1.
        """
        size, k = _checked("batch_size", batch_size), _checked("topk", topk)
        results = classify(self._engine, [input], size or 1, k or self.topk)
        return (above(result, self.threshold) for result in results) if self.threshold else results


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

    Raises:
        ModelError: The model is unknown, its weights are not available, or it was never calibrated
            (`E_NOT_CALIBRATED`).
        NetworkError: The weights could not be downloaded.
        DeviceError: The device or the backend is not there.
    """
    settings = load_settings(precision=precision or ("auto" if use_hpip else None))
    model = find_model(model_name, model_dir, settings)
    return Classifier(
        model,
        device or settings.device,
        backend or settings.backend,
        topk,
        settings,
        calibrated=calibrated,
        threshold=threshold,
    )


def _checked(name: str, value: int | None) -> int | None:
    if value is not None and (not isinstance(value, Integral) or value < 1):
        raise UsageError(f"{name} must be a whole number, 1 or more, not {value!r}", code="E_VALUE")
    return value
