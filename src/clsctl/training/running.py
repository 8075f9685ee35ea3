"""`clsctl.train(...)`: one training run, from its options to its results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import UsageError
from clsctl.notes import note
from clsctl.training import outputs
from clsctl.training.layers import Layer, Resolved, flatten, read_document, resolve
from clsctl.training.optim import global_batch, scaled_rate
from clsctl.training.recipes import configure

if TYPE_CHECKING:
    from clsctl.training.setup import Job

PATHS = ("data.path", "weights", "distill.weights")


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run came to.

    Attributes:
        output: The run's folder.
        top1: Of the best epoch, on the validation images, 0 to 1.
        top5: Of the best epoch.
        best_epoch: Counted from 1.
        weights: The best weights, a .pdparams file.
        model_dir: The exported model, for `create_model(model_dir=...)`.
        history: Epoch by epoch: `epoch`, `train_loss`, `top1`, `top5`.
    """

    output: Path
    top1: float
    top5: float
    best_epoch: int
    weights: Path
    model_dir: Path
    history: tuple[Mapping[str, float], ...]


def train(
    model: str,
    dataset: str | Path,
    output: str | Path = "output",
    *,
    resume: bool = False,
    config: str | Path | None = None,
    **settings: Any,
) -> TrainResult:
    """Train a model on a dataset.

    >>> result = clsctl.train("PP-LCNet_x1_0", "photos", epochs=3, optimizer={"name": "AdamW"})

    Args:
        model: A model of the catalog.
        dataset: A folder with label.txt, class folders, or a table.
        output: The run's folder.
        resume: Go on with the run that is there.
        config: A TOML or YAML file, a PaddleX one too, below the settings.
        settings: Keys of the configuration (`clsctl train --explain-config`), sections as dicts.

    Raises:
        UsageError: A setting is wrong, or the folder already holds a run (`E_RUN_EXISTS`).
        DataError: The dataset is not valid.
        ModelError: Weights are missing or do not fit; a checkpoint cannot be written.
        DeviceError: The device is not there.
        TrainingFailed: The loss is no longer a number (`E_LOSS_NAN`).
    """
    given = {"model": model, "data.path": str(dataset), "output": str(output)}
    layers = [*file_layers(config), Layer("argument", given | flatten(settings))]
    return run(layers, resume)


def run(layers: Sequence[Layer], resume: bool = False) -> TrainResult:
    """Train as the layers say; see `train`."""
    from clsctl.training.display import open_display
    from clsctl.training.loop import fit
    from clsctl.training.setup import prepare
    from clsctl.training.signals import stop_requests

    resolved = resolve_run(layers, resume)
    folder = Path(resolved.config.output)
    if not resume:
        outputs.refuse_to_overwrite(folder)
    job = prepare(resolved.config)
    with _alone(folder):
        outputs.remove_leftovers(folder)
        outputs.write_start(job, resolved)
        _announce(job)
        peak = _peak_rate(resolved)
        display = open_display(folder / outputs.LOG, resolved.config.epochs)
        with closing(display), stop_requests() as stop:
            position = fit(job, peak, display, stop)
        outputs.write_end(job, position)
    best = position.history[position.best_epoch - 1]
    return TrainResult(
        output=folder,
        top1=best["top1"],
        top5=best["top5"],
        best_epoch=position.best_epoch,
        weights=folder / "best_model" / "best_model.pdparams",
        model_dir=folder / "best_model" / "inference",
        history=tuple(position.history),
    )


def file_layers(path: str | Path | None) -> list[Layer]:
    """The layer of a configuration file, PaddleX's or our own; none where there is no file."""
    from clsctl.training.peer_config import is_peer_config, peer_layer

    if path is None:
        return []
    document = read_document(Path(path))
    if is_peer_config(document):
        return [peer_layer(document, str(path))]
    return [Layer(str(path), flatten(document))]


def resolve_run(layers: Sequence[Layer], resume: bool) -> Resolved:
    """The configuration of a run: a new one, or that of a run that goes on, with what is new."""
    if not resume:
        return _absolute(configure(layers))
    given = resolve(layers)
    folder = Path(given.config.output)
    path = folder / outputs.CONFIG
    if not path.is_file():
        raise UsageError(
            f"there is no run to go on with in {folder}",
            code="E_RUN_MISSING",
            hint="name its folder: `clsctl train --resume DIR`",
        )
    saved = Layer(str(path), flatten(read_document(path)))
    before = resolve([saved]).values()
    resolved = _absolute(resolve([saved, *layers]))
    for name, value in resolved.values().items():
        if value != before[name] and name != "output":
            note(f"{name} is now {value}, not {before[name]}: not the run that it would have been")
    return resolved


def _absolute(resolved: Resolved) -> Resolved:
    """The same with paths that hold wherever the run is resumed from."""
    values = resolved.values()
    paths = {name: str(Path(values[name]).absolute()) for name in PATHS if values[name]}
    config = resolve([Layer("", values | paths)]).config
    return replace(resolved, config=config)


def _announce(job: Job) -> None:
    """Say what is about to happen."""
    config, steps = job.config, job.steps_per_epoch
    note(
        f"{config.model} on {job.device}: {len(job.train.samples)} images of {len(job.labels)} "
        f"classes to train with, {len(job.val.samples)} to validate with; {steps} steps an epoch, "
        f"{steps * config.epochs} in all"
    )


def _peak_rate(resolved: Resolved) -> float:
    """The learning rate after warm-up; says where it comes from."""
    config, options = resolved.config, resolved.config.optimizer
    if options.learning_rate is not None:
        return options.learning_rate
    rate = scaled_rate(config.batch_size, options)
    images = global_batch(config.batch_size, options)
    note(
        f"learning rate {rate:.3g}: {options.base_learning_rate:g} for {options.base_batch_size} "
        f"images a step, scaled ({options.scaling}) to {images}"
    )
    return rate


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second process out of the run's folder.

    Raises:
        UsageError: Another process works in it (`E_RUN_BUSY`).
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", blocking=False):
            yield
    except Timeout:
        raise UsageError(
            f"another process is training in {folder}", code="E_RUN_BUSY", hint="choose another -o"
        ) from None
