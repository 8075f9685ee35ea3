"""What may be evaluated, opened: training weights and exported models, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import UsageError
from clsctl.evaluation.trained_weights import TrainedModel, find_trained, input_side
from clsctl.inference.devices import use_in_paddle
from clsctl.models.directory import SETTINGS
from clsctl.plugin.descriptors import PredictJob
from clsctl.values import DeviceId, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn

    from clsctl.settings import Settings

Run = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A model that is ready to score images.

    Attributes:
        name: The architecture or model.
        source: The model directory or .pdparams file it was loaded from.
        runner: What runs it, such as `onnxruntime on cpu`.
        transforms: Preprocessing, as `PreProcess.transform_ops` of inference.yml.
        labels: Class names by id; empty where it names none.
        classes: How many it tells apart.
        run: Of training weights, probabilities [N, classes] for a batch [N, 3, S, S]; of an
            exported model, the job of an executor, save for the images.
    """

    name: str
    source: Path
    runner: str
    transforms: tuple[Mapping[str, Any], ...]
    labels: tuple[str, ...]
    classes: int
    run: Run | PredictJob


def open_scorer(
    name: str | None,
    weights: str | Path | None,
    model_dir: str | Path | None,
    settings: Settings,
) -> Scorer:
    """The model that these options stand for.

    Args:
        name: A model of the catalog; with `weights`, the architecture they are for.
        weights: A .pdparams file or a run's folder, scored by the training network.
        model_dir: An exported model, scored by a backend, as is a model of the catalog.

    Raises:
        UsageError: There is nothing to load, or too much (`E_MODEL_CHOICE`).
        ModelError: The model or its weights cannot be used.
    """
    if weights is not None and model_dir is not None:
        raise _choice("both weights and a model directory are given")
    if weights is not None:
        return open_trained(find_trained(Path(weights), name), settings)
    if name is None and model_dir is None:
        raise _choice("no model is given")
    from clsctl.models.locate import find_model

    return open_exported(find_model(name, model_dir, settings), settings)


def open_named(text: str, settings: Settings) -> Scorer:
    """The model that one word stands for: a model directory, weights, a run, or a catalog name."""
    path = Path(text)
    if (path / SETTINGS).is_file():
        return open_scorer(None, None, path, settings)
    if path.exists():
        return open_scorer(None, path, None, settings)
    return open_scorer(text, None, None, settings)


def open_trained(model: TrainedModel, settings: Settings) -> Scorer:
    """Training weights, run by the network itself.

    Raises:
        UsageError: A backend or precision is asked for, which exported models alone have
            (`E_MODEL_CHOICE`).
    """
    if settings.origins.get("backend") == "option" and settings.backend != "auto":
        raise _choice(f"training weights do not run on the backend '{settings.backend}'")
    if settings.origins.get("precision") == "option" and settings.precision != "fp32":
        raise _choice(f"training weights are not run in {settings.precision}")
    device = _device(settings)
    use_in_paddle(device)
    run = network_run(model.load())
    runner = f"the training network on {device}"
    classes = _count_classes(run, model.transforms)
    return Scorer(model.name, model.weights, runner, model.transforms, model.labels, classes, run)


def open_exported(spec: ModelSpec, settings: Settings) -> Scorer:
    """An exported model, run by a backend."""
    from clsctl.inference.backend_choice import select_placement
    from clsctl.plugin.registry import default_registry

    backend, placement = select_placement(spec, settings, default_registry())
    classes = len(spec.labels)
    if not classes:
        classes = _count_classes(backend.open(spec, placement).run, spec.transforms)
    runner = f"{backend.name} on {placement}"
    job = PredictJob(spec, (), backend.name, placement, settings, topk=classes, exact=True)
    return Scorer(spec.name, spec.directory, runner, spec.transforms, spec.labels, classes, job)


def network_run(network: nn.Layer) -> Run:
    """Probabilities by a network in evaluation mode."""
    import paddle
    from paddle.nn import functional as F

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            scores: NDArray[np.float32] = F.softmax(network(paddle.to_tensor(images))).numpy()
        return scores

    return run


def _count_classes(run: Run, transforms: Sequence[Mapping[str, Any]]) -> int:
    """How many classes a model tells apart, found by a run on nothing."""
    import numpy as np

    side = input_side(transforms)
    return len(run(np.zeros((1, 3, side, side), np.float32))[0])


def _device(settings: Settings) -> DeviceId:
    from clsctl.inference.devices import select_device
    from clsctl.plugin.registry import default_registry

    return select_device(settings.device, default_registry())


def _choice(reason: str) -> UsageError:
    return UsageError(
        f"cannot tell which model to use: {reason}",
        code="E_MODEL_CHOICE",
        hint="give one of -m NAME, --weights FILE and --model-dir DIR",
    )
