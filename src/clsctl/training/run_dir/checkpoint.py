"""Checkpoints: everything of one in a folder that is whole or not there, whenever the power fails.

A folder NAME is written as `.NAME.part`, brought to the disk, and renamed `.NAME.new`: from then on
it counts. Then it takes the place of an older NAME. `settle` finishes what was cut off in between.
Inside are the files that PaddleClas writes: `NAME.pdparams`, `.pdopt`, `.pdstates` and `.pdema`.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import ModelError
from clsctl.networks.pdparams import read_pdparams
from clsctl.paths import exists, is_dir, is_file
from clsctl.schema import read as schema
from clsctl.schema.documents import parse_document
from clsctl.schema.errors import SchemaError
from clsctl.system.files import require_space, sync, sync_tree

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.generic]]

LATEST, BEST = "latest", "best_model"

PACKED = "position"
"""The entry of .pdstates that holds a run's progress as JSON."""


@dataclass
class TrainProgress:
    """How far a run has come; with the weights and the optimizer's state, all there is to know.

    Attributes:
        epoch: Epochs done.
        step: Steps done in the epoch under way.
        loss_sum: Sum over its images of their batch's loss.
        images: Images seen in it.
        ema_steps: Steps that went into the average of the weights.
        rate_factor: What the learning rate is multiplied by, after losses that were no number and
            after setbacks.
        seconds: What a run with a time limit has used of it.
        setbacks: Epochs that were surely worse than the start.
        start_right: A 1 for each validation image that the start classified correctly, else a 0.
        loss_scale: State of mixed precision; see `clsctl.training.optimization.amp`.
        best: The `accuracy` of the best epoch so far, 0 to 1; -1 before the first evaluation.
        best_epoch: Its epoch, from 1; 0 is the start.
        history: The figures of each epoch done, and of the start where that was evaluated.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    images: int = 0
    ema_steps: int = 0
    rate_factor: float = 1.0
    seconds: float = 0.0
    setbacks: int = 0
    start_right: str = ""
    loss_scale: dict[str, float] = field(default_factory=dict)
    best: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, int | float]] = field(default_factory=list)

    def note(self, figures: dict[str, int | float], best_by: str) -> None:
        """Keep an epoch's figures, and remember it where none before it is better.

        Args:
            figures: What was measured.
            best_by: Which of them decides: a loss, or `top1` and, of equals, the validation loss.
        """
        is_best = not self.history or _is_as_good(figures, self.best_figures, best_by)
        self.history.append(figures)
        if is_best:
            self.best, self.best_epoch = accuracy(figures), int(figures["epoch"])

    @property
    def best_figures(self) -> Mapping[str, int | float]:
        """The figures of the best epoch, of which there must be one."""
        return next(past for past in self.history if past["epoch"] == self.best_epoch)


def accuracy(figures: Mapping[str, int | float]) -> float:
    """Return an epoch's accuracy, 0 to 1: balanced where classes count alike, or else top-1."""
    return figures.get("balanced_accuracy", figures["top1"])


def _is_as_good(
    figures: Mapping[str, int | float], before: Mapping[str, int | float], best_by: str
) -> bool:
    # clsctl 0.1 noted top-1 alone.
    if best_by != "top1" and best_by in figures and best_by in before:
        return figures[best_by] <= before[best_by]
    first, second = ((one["top1"], -one.get("val_loss", math.inf)) for one in (figures, before))
    return first >= second


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds."""

    weights: Arrays
    optimizer: Arrays
    average: Arrays | None
    progress: TrainProgress


def write(
    run_dir: Path,
    name: str,
    tensors: Mapping[str, Mapping[str, Any]],
    progress: TrainProgress,
    extra: Callable[[Path], object] = lambda folder: None,
) -> None:
    """Write a checkpoint in the place of an older one of the same name.

    Args:
        run_dir: The run's folder.
        name: `latest`, `best_model` or `epoch_N`.
        tensors: Tensors by name, by suffix: `pdparams`, `pdopt` and perhaps `pdema`.
        extra: Adds further files to the folder.

    Raises:
        ModelError: The system refused (`E_CHECKPOINT_WRITE`; `E_DISK_FULL`); an older checkpoint
            of that name is still there.
    """
    part = run_dir / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        require_space(run_dir, bytes_of(tensors))
        part.mkdir()
        for suffix, values in tensors.items():
            if values:  # before its first step an optimizer has no state
                _save(values, part / f"{name}.{suffix}")
        _save(_packed(progress), part / f"{name}.pdstates")
        extra(part)
        sync_tree(part)
        part.rename(run_dir / f".{name}.new")
        settle(run_dir, name)
    except OSError as error:
        raise _not_written(run_dir, name, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def settle(run_dir: Path, name: str) -> None:
    """Put a checkpoint that was written whole in its place, and remove the one it replaces."""
    place, new, old = run_dir / name, run_dir / f".{name}.new", run_dir / f".{name}.old"
    if exists(new):
        shutil.rmtree(old, ignore_errors=True)
        if exists(place):
            place.rename(old)
        new.rename(place)
        sync(run_dir)
    shutil.rmtree(old, ignore_errors=True)


def read(run_dir: Path, name: str = LATEST) -> Checkpoint | None:
    """Read the checkpoint of that name; None where there is none.

    Raises:
        ModelError: A file of it is damaged (`E_CHECKPOINT`).
    """
    settle(run_dir, name)
    if not is_dir(run_dir / name):
        return None
    stem = run_dir / name / name
    optimizer, average = stem.with_suffix(".pdopt"), stem.with_suffix(".pdema")
    return Checkpoint(
        weights=read_pdparams(stem.with_suffix(".pdparams")),
        optimizer=read_pdparams(optimizer) if is_file(optimizer) else {},
        average=read_pdparams(average) if is_file(average) else None,
        progress=_read_states(stem.with_suffix(".pdstates")),
    )


def read_progress(run_dir: Path, name: str = LATEST) -> TrainProgress | None:
    """Read how far the checkpoint of that name is; None where there is none."""
    path = run_dir / name / f"{name}.pdstates"
    return _read_states(path) if is_file(path) else None


def rotate(run_dir: Path, keep: int) -> None:
    """Remove the oldest `epoch_N` folders but for `keep` of them."""
    numbers = [
        int(match[1])
        for path in run_dir.iterdir()
        if (match := re.fullmatch(r"epoch_(\d+)", path.name))
    ]
    for number in sorted(numbers)[:-keep]:
        shutil.rmtree(run_dir / f"epoch_{number}")


def _save(values: Mapping[str, Any], path: Path) -> None:
    import paddle

    paddle.save(dict(values), str(path))


def _packed(progress: TrainProgress) -> dict[str, NDArray[np.generic]]:
    """Pack what PaddleClas keeps (metric, epoch), and all of it as JSON bytes: text is refused."""
    import numpy as np

    text = json.dumps(asdict(progress)).encode()
    return {
        "metric": np.float64(max(progress.best, 0.0)).reshape(1),
        "epoch": np.int64(progress.epoch).reshape(1),
        PACKED: np.frombuffer(text, np.uint8),
    }


def _read_states(path: Path) -> TrainProgress:
    arrays = read_pdparams(path)
    text = arrays.get(PACKED)
    try:
        if text is None or text.dtype != "uint8":
            raise SchemaError(f"the entry '{PACKED}' is missing")
        return schema.read(TrainProgress, parse_document(text.tobytes().decode(), ".json"))
    except ValueError as error:
        raise ModelError(
            f"the checkpoint's '{path}' is damaged: {error}",
            code="E_CHECKPOINT",
            hint="start from an older checkpoint's weights, with --weights",
        ) from None


def bytes_of(tensors: Mapping[str, Mapping[str, Any]]) -> int:
    """Count the bytes that the tensors of a checkpoint take."""
    return sum(_bytes_of(tensor) for values in tensors.values() for tensor in values.values())


def _bytes_of(tensor: Any) -> int:
    """Of NumPy's or Paddle's; those of Paddle 3.2 have no `itemsize` yet."""
    if hasattr(tensor, "element_size"):
        return int(tensor.size) * int(tensor.element_size())
    return int(tensor.nbytes)


def _not_written(run_dir: Path, name: str, error: OSError) -> ModelError:
    import errno

    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return ModelError(
        f"the checkpoint {run_dir / name} could not be written: {error.strerror or error}; the one "
        "before it is untouched",
        code="E_DISK_FULL" if full else "E_CHECKPOINT_WRITE",
        hint=f"make room, then resume with `clsctl train --resume {run_dir}`",
    )
