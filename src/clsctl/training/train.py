"""`clsctl.train(...)`: one training run, from its options to its results."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.errors import UsageError
from clsctl.schema.layers import ConfigSource
from clsctl.training import run_dir as outputs
from clsctl.training.callbacks import CallbackList
from clsctl.training.config.recipes import with_fitted_head
from clsctl.training.config.run_config import resolve_run
from clsctl.training.config.sources import ResolvedConfig, file_source, table_source
from clsctl.training.display import append_line, open_display
from clsctl.training.distributed.process_group import Team, join
from clsctl.training.distributed.ranks import Rank, current_rank
from clsctl.training.job import TrainJob
from clsctl.training.loop import fit
from clsctl.training.lr_finder import find_rate
from clsctl.training.optim import global_batch, scaled_rate, scarcity
from clsctl.training.preflight import Forecast, preflight
from clsctl.training.setup import device_of, prepare
from clsctl.training.signals import stop_requests

if TYPE_CHECKING:
    from clsctl.training.checkpoint import Position
    from clsctl.training.config.train_config import TrainConfig


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run came to.

    Attributes:
        output: The run's folder.
        top1: Of the best epoch, on the validation images, 0 to 1.
        top5: Of the best epoch.
        best_epoch: Counted from 1; 0 is the classifier that the run started with.
        weights: The best weights, a .pdparams file.
        model_dir: The exported model, for `create_model(model_dir=...)`; None where it gave other
            scores than the network, and so was not kept.
        history: Epoch by epoch: `epoch`, `train_loss` (not of epoch 0), `top1`, `top5`.
    """

    output: Path
    top1: float
    top5: float
    best_epoch: int
    weights: Path
    model_dir: Path | None
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
    sources = [] if config is None else [file_source(Path(config))]
    return run_training([*sources, table_source("argument", given | settings)], resume)


def run_training(sources: Sequence[ConfigSource], resume: bool = False) -> TrainResult:
    """Train as the sources of the configuration say; see `train`."""
    rank = current_rank()
    launched = ConfigSource("launcher", {"processes": rank.size})
    resolved = resolve_run([launched, *sources], resume)
    folder = Path(resolved.config.output)
    if not resume:
        outputs.refuse_to_overwrite(folder)
    job = prepare(resolved.config, _meet(rank, resolved.config))
    if not resolved.config.batch_size:
        resolved = resolved.replaced({"batch_size": job.config.batch_size}, "found to fit")
    if job.starts_fitted:
        resolved = with_fitted_head(resolved)
        job = replace(job, config=resolved.config)
    position = _lead(job, resolved) if job.team.first else _follow(job, resolved)
    best = next(figures for figures in position.history if figures["epoch"] == position.best_epoch)
    exported = folder / "best_model" / "inference"
    return TrainResult(
        output=folder,
        top1=best["top1"],
        top5=best["top5"],
        best_epoch=position.best_epoch,
        weights=folder / "best_model" / "best_model.pdparams",
        model_dir=exported if exported.is_dir() else None,
        history=tuple(position.history),
    )


def _meet(rank: Rank, config: TrainConfig) -> Team:
    """Connect to the processes that train with this one.

    Raises:
        UsageError: They are not as many as the configuration says (`E_PROCESSES`).
    """
    if config.processes != rank.size:
        raise UsageError(
            f"{config.processes} processes shall train together, but {rank.size} was started",
            code="E_PROCESSES",
            hint="`clsctl train` starts them; so does any launcher, in which case leave "
            "--processes out",
        )
    return join(rank, device_of(config.device, rank.local))


def _lead(job: TrainJob, resolved: ResolvedConfig) -> Position:
    """Train, and write the run's folder."""
    with _alone(job.run), stop_requests() as stop:
        outputs.remove_leftovers(job.run)
        say = functools.partial(_say, job.run / outputs.LOG)
        for line in preflight(job):
            say(line)
        job, resolved = _with_rate(replace(job, stop=stop), resolved)
        peak = _peak_rate(job)
        watching = open_display(job.run / outputs.LOG, resolved.config.epochs)
        display = CallbackList([watching, Forecast(job, say)])
        with closing(display), outputs.started(job, resolved):
            position = fit(job, peak, display)
        outputs.write_end(job, position)
    return position


def _follow(job: TrainJob, resolved: ResolvedConfig) -> Position:
    """Train in step with the process that leads."""
    with stop_requests() as stop:
        job, resolved = _with_rate(replace(job, stop=stop), resolved)
        return fit(job, _peak_rate(job), CallbackList(()))


def _with_rate(job: TrainJob, resolved: ResolvedConfig) -> tuple[TrainJob, ResolvedConfig]:
    """The same with a learning rate by test, where that is wished."""
    if resolved.config.optimizer.learning_rate != 0:
        return job, resolved
    resolved = resolved.replaced({"optimizer.learning_rate": find_rate(job)}, "range test")
    return replace(job, config=resolved.config), resolved


def _say(log: Path, text: str) -> None:
    """Tell a person and train.log."""
    note(text)
    append_line(log, text)


def _peak_rate(job: TrainJob) -> float:
    """The learning rate after warm-up; says where it comes from."""
    config, options = job.config, job.config.optimizer
    if options.learning_rate is not None:
        return options.learning_rate
    together = config.batch_size * config.processes
    few = scarcity(len(job.dataset.splits["train"]), config.few_images)
    rate = few * scaled_rate(together, options)
    lowered = f", times {few:.2g} for few images" if few < 1 else ""
    note(
        f"learning rate {rate:.3g}: {options.base_learning_rate:g} for {options.base_batch_size} "
        f"images a step, scaled ({options.scaling}) to {global_batch(together, options)}{lowered}"
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
