"""fp32 and int8 side by side: their scores on images, and how long one image takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from clsctl.console.messages import note
from clsctl.datasets.samples import SPLITS, Dataset
from clsctl.datasets.split.stratify import assign
from clsctl.errors import DataError, DeviceError
from clsctl.evaluation.class_mapping import matched
from clsctl.evaluation.metrics import Interval, label_ranks, wilson_interval
from clsctl.evaluation.trained_weights import input_side
from clsctl.inference.devices import get_device
from clsctl.inference.timing import time_sessions
from clsctl.plugin.descriptors import Backend, CompiledModel
from clsctl.plugin.registry import default_registry
from clsctl.system.cpu import available_cores
from clsctl.values import HOST, ModelSpec, Placement, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.evaluation.scorer import Run

    Scores = NDArray[np.float32]

ROUNDS, WARM_UP = 30, 5


class Share(NamedTuple):
    """A share of images, 0 to 1, and its 95 % confidence interval."""

    value: float
    interval: Interval

    def as_dict(self) -> dict[str, object]:
        return {"value": self.value, "interval95": list(self.interval)}


def draw(dataset: Dataset, images: int, seed: int) -> Dataset:
    """Images to calibrate with as its train split, the classes in proportion; others as val.

    The others are all of the dataset's val split. Where it has one split only, no more than half
    of that is calibrated with.

    Raises:
        DataError: There are not enough (`E_QUANTIZE_IMAGES`).
    """
    pool, *rest = [dataset.splits[name] for name in SPLITS if dataset.splits.get(name)] or [()]
    count = min(images, len(pool) if rest else len(pool) // 2)
    shares = {"drawn": count, "left": len(pool) - count}
    sides = assign({s.path: s.label for s in pool}, shares, seed=seed) if count else {}
    drawn = [sample for sample in pool if sides.get(sample.path) == "drawn"]
    others = [s for s in (rest[0] if rest else pool) if sides.get(s.path) != "drawn"]
    if not drawn or not others:
        raise DataError(
            f"{dataset.root} has too few images: some to calibrate with and others to judge with "
            "are needed",
            code="E_QUANTIZE_IMAGES",
            hint="a few hundred of each are enough",
        )
    return replace(dataset, splits={"train": tuple(drawn), "val": tuple(others)})


# ---- accuracy ----------------------------------------------------------------------------------


def open_graph(graph: Path) -> Run:
    """An ONNX file on every core, run by the backend that starts soonest."""
    form = next(_forms())
    return _open(form, graph, available_cores()).run


def accuracy(scores: Scores, drawn: Dataset, labels: Sequence[str]) -> Share:
    """How often the best class is the right one.

    Args:
        scores: Probabilities of the val split, float32 [N, C].
        labels: Class names of the model, by id.

    Raises:
        DataError: The model does not know the dataset's classes (`E_CLASSES_DIFFER`).
    """
    import numpy as np

    samples = matched(drawn.splits["val"], drawn.class_names, labels, scores.shape[1])
    return _share(label_ranks(scores, np.array([sample.label for sample in samples])) == 0)


def agreement(first: Scores, second: Scores) -> Share:
    """How often two forms of a model choose the same class."""
    return _share(first.argmax(axis=1) == second.argmax(axis=1))


def _share(hits: NDArray[np.bool_]) -> Share:
    count = int(hits.sum())
    return Share(count / len(hits), wilson_interval(count, len(hits)))


# ---- speed -------------------------------------------------------------------------------------


def milliseconds(graphs: tuple[Path, Path], spec: ModelSpec) -> dict[str, tuple[float, float]]:
    """What an image takes on one core, by library: medians of turns that both graphs take."""
    import numpy as np

    side = input_side(spec.transforms)
    image = np.zeros((1, 3, side, side), np.float32)
    found = {}
    for form in _forms():
        try:
            first, second = (_open(form, graph, 1) for graph in graphs)
        except Exception:  # noqa: BLE001 - every library has exceptions of its own
            note(f"{form.library} cannot run {spec.name}")
            continue
        pair = {"fp32": first, "int8": second}
        times = time_sessions(pair, image, warm_up=WARM_UP, rounds=ROUNDS, clock=time.process_time)
        found[form.library] = median(times["fp32"]), median(times["int8"])
    return found


def _forms() -> Iterator[CompiledModel]:
    """Of the backends that are installed and run int8 on a CPU, soonest started first."""
    backends: Iterable[Backend] = default_registry().items("backends").values()
    processor = get_device(HOST)
    for backend in sorted(backends, key=lambda backend: -backend.priority):
        if backend.compiled and "int8" in backend.precisions_on(processor) and _installed(backend):
            yield backend.compiled


def _installed(backend: Backend) -> bool:
    try:
        backend.check()
    except DeviceError:
        return False
    return True


def _open(form: CompiledModel, graph: Path, threads: int) -> Session:
    """A backend's form is left beside the graph."""
    target = graph.with_name(f"{graph.stem}-{form.name}-{threads}{form.suffix}")
    placement = Placement(HOST, threads)
    form.write(str(graph), target, placement)
    return form.load(target, placement)
