"""Make one measurement in a process of its own: `python -m clsctl.bench.child TASK`.

A task is JSON: the settings to work with, what to do, and its arguments. The outcome is JSON too,
the last line of standard output.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.bench.records import Percentiles
from clsctl.errors import ClsctlError
from clsctl.inference.timing import time_sessions
from clsctl.models.directory import read_model_dir
from clsctl.plugin import Backend, PredictJob
from clsctl.plugin.registry import default_registry
from clsctl.prediction.job import prepare_job, run_job, session_factory
from clsctl.prediction.pipeline import OpenSession
from clsctl.settings import Settings, load_settings
from clsctl.system.cpu import available_cores
from clsctl.system.memory import reuse_memory
from clsctl.values import ModelSpec, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.datasets.samples import Layout

WARM_UP, RUNS, MAX_RUNS, SECONDS = 3, 10, 1000, 1.0


def speed(
    settings: Settings, model_dir: str, pictures: list[str], batch: int, images: int
) -> dict[str, Any]:
    """Measure throughput, memory and latency of a model; see `Measurement` for units.

    Args:
        pictures: Paths; they are taken in turn.
        images: How many to classify for the throughput.
    """
    reuse_memory()  # as `clsctl predict` does
    job = replace(prepare_job(read_model_dir(Path(model_dir)), settings), batch_size=batch)
    open_session = session_factory(job)
    cores = settings.threads or available_cores()
    _classify(job, open_session, pictures, cores * batch)
    start = time.perf_counter()
    result_bytes = _classify(job, open_session, pictures, max(images, cores * batch))
    seconds = time.perf_counter() - start
    memory = peak_memory()  # before more sessions are opened, as `clsctl predict` never does
    tensor = _tensor(job.model, pictures[0], batch)
    return {
        "images_per_second": max(images, cores * batch) / seconds,
        "result_bytes": result_bytes,
        "memory_mb": memory,
        "one_thread": latency(open_session(1, 1), tensor),
        "all_threads": latency(open_session(cores, 1), tensor),
    }


def prepare(
    settings: Settings, model_dir: str, dataset: str | None, layout: Layout | None, split: str
) -> dict[str, Any]:
    """Find what runs the model, in which versions; with a dataset, its top-1 in percent, too."""
    job = prepare_job(read_model_dir(Path(model_dir)), settings)
    backend: Backend = default_registry().get("backends", job.backend)
    found = {
        "backend": backend.name,
        "threads": settings.threads or available_cores(),
        "versions": _versions(("clsctl", *backend.packages)),
    }
    chosen = replace(settings, backend=backend.name)
    if dataset is None:
        return found
    return found | accuracy(chosen, model_dir, dataset, layout, split)


def accuracy(
    settings: Settings, model_dir: str, dataset: str, layout: Layout | None, split: str
) -> dict[str, Any]:
    """Compute top-1 and its 95 % interval, in percent, as `clsctl eval` does."""
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.evaluation.evaluate import evaluate_scorer
    from clsctl.evaluation.open_scorer import open_scorer
    from clsctl.evaluation.scorer import ScoringSetup

    scorer = open_scorer(None, None, model_dir, ScoringSetup(settings))
    found = read_valid_dataset(Path(dataset), layout=layout)
    evaluation = evaluate_scorer(scorer, found, split)
    top1, interval = evaluation.top_k(1)
    return {"top1": 100 * top1, "top1_interval": [100 * bound for bound in interval]}


def latency(session: Session, tensor: NDArray[np.float32]) -> dict[str, float]:
    """Measure the milliseconds of a run: percentiles over about a second of runs."""
    import numpy as np

    one = {"session": session}
    times = time_sessions(
        one, tensor, warm_up=WARM_UP, rounds=RUNS, max_rounds=MAX_RUNS, seconds=SECONDS
    )
    percentiles = np.percentile(times["session"], [50, 90, 99]).tolist()
    return dict(zip(Percentiles.__dataclass_fields__, percentiles, strict=True))


def peak_memory() -> float | None:
    """Read the largest resident memory of this process, in MiB; None where it is not known.

    `getrusage` would count the parent's memory at the fork as well.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else None


def _classify(
    job: PredictJob, open_session: OpenSession, pictures: list[str], images: int
) -> float:
    """Classify so many images; returns the mean length of a result as a JSON line, in bytes.

    Raises:
        ClsctlError: An image could not be classified.
    """
    inputs = itertools.islice(itertools.cycle(pictures), images)
    length = 0
    for result in run_job(replace(job, inputs=inputs), open_session):
        if result.error is not None:
            raise result.error
        length += len(json.dumps(result.as_dict(), ensure_ascii=False).encode()) + 1
    return length / images


def _tensor(model: ModelSpec, picture: str, batch: int) -> NDArray[np.float32]:
    import numpy as np

    from clsctl.images.preprocess import compile_transforms, image_settings
    from clsctl.images.read import read_pixels

    preprocess = compile_transforms(model.transforms)
    settings = image_settings(model.transforms, Settings())
    return np.stack([preprocess(read_pixels(Path(picture), settings))] * batch)


def _versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed."""
    installed = {dist.metadata["Name"].lower(): dist.version for dist in metadata.distributions()}
    return {name: installed[name] for name in packages if name in installed}


_WORK: Mapping[str, Callable[..., dict[str, Any]]] = {"prepare": prepare, "speed": speed}


def _main(argument: str) -> None:
    task = json.loads(argument)
    try:
        settings = load_settings(**task.pop("settings"))
        outcome = _WORK[task.pop("work")](settings, **task)
    except ClsctlError as error:
        outcome = {"error": error.as_dict()}
    print(f"\n{json.dumps(outcome)}", flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
