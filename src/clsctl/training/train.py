"""`clsctl.train(...)`: one training run, from its options to its results."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.errors import UsageError
from clsctl.paths import is_dir
from clsctl.plugin.train_callbacks import Callback
from clsctl.schema.layers import ConfigSource
from clsctl.system.files import require_output_folder
from clsctl.system.os_errors import translate_full_disk
from clsctl.training.build import build_network
from clsctl.training.config.recipes import Decision, decide
from clsctl.training.config.run_config import resolve_run
from clsctl.training.config.sources import ResolvedConfig, file_source, table_source
from clsctl.training.distributed.devices import device_of
from clsctl.training.distributed.process_group import ProcessGroup, init_process_group
from clsctl.training.distributed.ranks import Rank, current_rank
from clsctl.training.job import TrainJob
from clsctl.training.long_tail import balancing, judging
from clsctl.training.loop import fit
from clsctl.training.lr_finder import find_learning_rate
from clsctl.training.optimization.schedule import global_batch, scaled_rate
from clsctl.training.paddle_state import paddle_for
from clsctl.training.preflight import preflight
from clsctl.training.reporting.callbacks import CallbackList
from clsctl.training.reporting.display import append_line, open_display
from clsctl.training.reporting.eta import EtaReporter
from clsctl.training.run_dir import checkpoint, files
from clsctl.training.setup import prepare, with_augmentation, with_loss
from clsctl.training.signals import stop_requests
from clsctl.training.start.fit import fit_start
from clsctl.training.time_limit import with_deadline, with_epochs

if TYPE_CHECKING:
    from clsctl.training.config.train_config import TrainConfig
    from clsctl.training.run_dir.checkpoint import TrainProgress

Say = Callable[[str], object]

FITTED_HEAD = Decision("optimizer.head_rate", 1.0, "the classifier is fitted first")


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The result of a run.

    Attributes:
        output: The run's folder.
        top1: Of the best epoch, on the validation images, 0 to 1.
        top5: Of the best epoch; None where there are no more than five classes.
        balanced_accuracy: Of the best epoch, the mean recall of the classes; None where these do
            not count alike.
        best_epoch: Counted from 1; 0 is the classifier that the run started with.
        weights: The best weights, a .pdparams file.
        model_dir: The exported model, for `create_model(model_dir=...)`; None where it gave other
            scores than the network, and so was not kept.
        history: Epoch by epoch: `epoch`, `train_loss` (not of epoch 0), `val_loss`,
            `calibrated_loss`, `top1` and, with more than five classes, `top5`;
            `balanced_accuracy` and `balanced_loss` where classes count alike.
    """

    output: Path
    top1: float
    top5: float | None
    balanced_accuracy: float | None
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
    """Train a model on a dataset, and export its best epoch.

    Paddle's device, random numbers and threads are the caller's again afterwards. In the main
    thread, Ctrl-C and SIGTERM are caught meanwhile: the run is saved first.

    >>> result = clsctl.train("PP-LCNet_x1_0", "photos", epochs=3, optimizer={"name": "AdamW"})

    Args:
        model: A model of the catalog.
        dataset: A folder with label.txt, class folders, or a table.
        output: The run's folder.
        resume: Resume the run that is there.
        config: A TOML or YAML file, a PaddleX one too, below the settings.
        settings: Keys of the configuration (`clsctl train --explain-config`), sections as dicts.

    Raises:
        UsageError: A setting is wrong, the folder already holds a run (`E_RUN_EXISTS`), or cannot
            be written (`E_OUTPUT`).
        DataError: The dataset is not valid.
        ModelError: Weights are missing or do not fit; a checkpoint cannot be written.
        DeviceError: The device is not there.
        TrainingFailed: The loss is no longer a number (`E_LOSS_NAN`).
        Interrupted: Ctrl-C or SIGTERM; the run can be resumed.
    """
    given = {"model": model, "data.path": str(dataset), "output": str(output)}
    sources = [] if config is None else [file_source(Path(config))]
    return run_training([*sources, table_source("argument", given | settings)], resume)


def run_training(sources: Sequence[ConfigSource], resume: bool = False) -> TrainResult:
    """Train as the sources of the configuration say; see `train`."""
    began = time.monotonic()
    rank = current_rank()
    launched = ConfigSource("launcher", {"processes": rank.size})
    say: Say = (lambda text: None) if rank.number else note
    resolved = resolve_run([launched, *sources], resume, say=say)
    folder = Path(resolved.config.output)
    require_output_folder(folder)
    if not resume:
        files.refuse_to_overwrite(folder)
    job = prepare(resolved.config, _connect(rank, resolved.config))
    if resume:
        files.require_same_classes(job)
    if not resolved.config.batch_size:
        resolved = resolved.replaced({"batch_size": job.config.batch_size}, "found to fit")
    if resolved.config.data.cache == "auto":
        resolved = resolved.replaced({"data.cache": job.config.data.cache}, "by the images' size")
    if job.starts_fitted:
        resolved = decide(resolved, FITTED_HEAD)
        job = replace(job, config=resolved.config)
    again = f"make room, then resume with `clsctl train --resume {folder}`"
    with stop_requests() as stop, translate_full_disk(folder, again):
        job = with_deadline(replace(job, stop=stop), began)
        progress = _lead(job, resolved) if job.group.is_rank_zero else _follow(job, resolved)
    best = progress.best_figures
    exported = folder / "best_model" / "inference"
    return TrainResult(
        output=folder,
        top1=best["top1"],
        top5=best.get("top5"),
        balanced_accuracy=best.get("balanced_accuracy"),
        best_epoch=progress.best_epoch,
        weights=folder / "best_model" / "best_model.pdparams",
        model_dir=exported if is_dir(exported) else None,
        history=tuple(progress.history),
    )


def _connect(rank: Rank, config: TrainConfig) -> ProcessGroup:
    """Connect to the processes that train with this one.

    Raises:
        UsageError: They are not as many as the configuration says (`E_PROCESSES`).
    """
    if config.processes != rank.size:
        raise UsageError(
            f"{config.processes} processes are to train together, but {rank.size} was started",
            code="E_PROCESSES",
            hint="`clsctl train` starts them; so does any launcher, in which case leave "
            "--processes out",
        )
    return init_process_group(rank, device_of(config.device, rank.local))


def _lead(job: TrainJob, resolved: ResolvedConfig) -> TrainProgress:
    """Train, and write the run's folder."""
    with files.exclusive(job.run_dir):
        files.remove_leftovers(job.run_dir)
        log = job.run_dir / files.LOG
        say = functools.partial(_say, log)
        job, resolved = _with_balance(job, resolved, say)
        for line in preflight(job):
            say(line)
        with paddle_for(job):
            job, resolved = _with_start(job, resolved, say)
            job, resolved = _with_rate(job, resolved)
            job, resolved = with_epochs(job, resolved, say)
            peak = _peak_rate(job, say)
            epochs = job.config.epochs
            eta = EtaReporter(epochs, len(job.val.samples), say)
            callbacks = CallbackList([open_display(log, epochs), eta])
            with closing(callbacks):
                files.write_start(job, resolved)
                progress = fit(job, peak, callbacks)
        for line in files.best_summary(job.run_dir, progress, job.config.best_by):
            say(line)
        files.write_end(job, progress)
    return progress


def _follow(job: TrainJob, resolved: ResolvedConfig) -> TrainProgress:
    """Train in step with rank 0."""
    job, resolved = _with_balance(job, resolved)
    with paddle_for(job):
        job, resolved = _with_start(job, resolved)
        job, resolved = _with_rate(job, resolved)
        job, resolved = with_epochs(job, resolved)
        return fit(job, _peak_rate(job), Callback())


def _with_balance(
    job: TrainJob, resolved: ResolvedConfig, say: Say = lambda text: None
) -> tuple[TrainJob, ResolvedConfig]:
    """The same with what makes up for a long tail, where that follows from the images."""
    for decision_of in (balancing, judging):
        decision = decision_of(job)
        if decision is not None and (decided := decide(resolved, decision)) is not resolved:
            say(f"{decision.key}: {decision.value} ({decision.why})")
            job, resolved = with_loss(job, decided.config), decided
    return job, resolved


def _with_start(
    job: TrainJob, resolved: ResolvedConfig, say: Say = lambda text: None
) -> tuple[TrainJob, ResolvedConfig]:
    """The same with a fitted classifier to begin with, unless there is a checkpoint to resume."""
    latest = job.run_dir / checkpoint.LATEST
    if not job.starts_fitted or any(job.group.all_reduce([is_dir(latest)])):
        return job, resolved
    start = job.group.broadcast(lambda: fit_start(build_network(job), job))
    if start is None:
        return job, resolved
    say(start.report)
    if start.flips_confuse:
        why = f"flipped images lose {-100 * start.flips.difference:.0f} points"
        resolved = decide(resolved, Decision("augment.flip", 0.0, why))
        say(f"augment.flip: {resolved.config.augment.flip:g} ({resolved.origins['augment.flip']})")
    return replace(with_augmentation(job, resolved.config), start=start), resolved


def _with_rate(job: TrainJob, resolved: ResolvedConfig) -> tuple[TrainJob, ResolvedConfig]:
    """The same with a learning rate by test, where that is requested."""
    if resolved.config.optimizer.learning_rate != 0:
        return job, resolved
    resolved = resolved.replaced({"optimizer.learning_rate": find_learning_rate(job)}, "range test")
    return replace(job, config=resolved.config), resolved


def _say(log: Path, text: str) -> None:
    """Tell the user and train.log."""
    note(text)
    append_line(log, text)


def _peak_rate(job: TrainJob, say: Say = lambda text: None) -> float:
    """Return the learning rate after warm-up, and say where it comes from."""
    config, options = job.config, job.config.optimizer
    if options.learning_rate is not None:
        return options.learning_rate
    together = config.batch_size * config.processes
    rate = scaled_rate(together, options)
    say(
        f"learning rate {rate:.3g}: {options.base_learning_rate:g} for {options.base_batch_size} "
        f"images a step, scaled ({options.scaling}) to {global_batch(together, options)}"
    )
    return rate
