"""Compare fp32 and int8: their scores on images, and how long one image takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from clsctl.console.messages import note
from clsctl.datasets.samples import Dataset
from clsctl.errors import DeviceError
from clsctl.evaluation.class_mapping import remap_labels
from clsctl.evaluation.metrics import Interval, label_ranks, wilson_interval
from clsctl.evaluation.scoring import input_size
from clsctl.inference.devices import get_device
from clsctl.inference.timing import time_sessions
from clsctl.plugin.descriptors import Backend, CompiledModel
from clsctl.plugin.registry import default_registry
from clsctl.system.cpu import available_cores
from clsctl.values import HOST, ModelSpec, Placement, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.values import ScoreFunction

    Scores = NDArray[np.float32]

ROUNDS, WARM_UP = 30, 5


class Share(NamedTuple):
    """A share of images, 0 to 1, and its 95 % confidence interval."""

    value: float
    interval: Interval

    def as_dict(self) -> dict[str, object]:
        """As plain values, for the report."""
        return {"value": self.value, "interval95": list(self.interval)}


# ---- accuracy ----------------------------------------------------------------------------------


def open_graph(graph: Path) -> ScoreFunction:
    """Open an ONNX file on every core, with the backend that starts soonest."""
    return _open(next(_compilers()), graph, available_cores()).run


def accuracy(scores: Scores, dataset: Dataset, labels: Sequence[str]) -> Share:
    """Compute how often the best class is the right one.

    Args:
        scores: Probabilities of the dataset's val split, float32 [N, C].
        labels: Class names of the model, by id.

    Raises:
        DataError: The model does not know the dataset's classes (`E_CLASSES_DIFFER`).
    """
    import numpy as np

    samples = remap_labels(dataset.splits["val"], dataset.class_names, labels, scores.shape[1])
    return _share(label_ranks(scores, np.array([sample.label for sample in samples])) == 0)


def agreement(first: Scores, second: Scores) -> Share:
    """Compute how often both choose the same class."""
    return _share(first.argmax(axis=1) == second.argmax(axis=1))


def _share(hits: NDArray[np.bool_]) -> Share:
    count = int(hits.sum())
    return Share(count / len(hits), wilson_interval(count, len(hits)))


# ---- speed -------------------------------------------------------------------------------------


def measure_speed(graphs: tuple[Path, Path], spec: ModelSpec) -> dict[str, tuple[float, float]]:
    """Measure the milliseconds of an image on one core, in fp32 and int8, by library.

    Args:
        graphs: The ONNX files in fp32 and in int8.
    """
    import numpy as np

    image = np.zeros((1, 3, *input_size(spec.transforms)), np.float32)
    found = {}
    for compiler in _compilers():
        try:
            fp32, int8 = (_open(compiler, graph, 1) for graph in graphs)
        except Exception:  # noqa: BLE001 - every library has exceptions of its own
            note(f"{compiler.library} cannot run {spec.name}")
            continue
        pair = {"fp32": fp32, "int8": int8}
        times = time_sessions(pair, image, warm_up=WARM_UP, rounds=ROUNDS, clock=time.process_time)
        found[compiler.library] = median(times["fp32"]), median(times["int8"])
    return found


def _compilers() -> Iterator[CompiledModel]:
    """How the backends that are installed and run int8 on the processor compile, by priority."""
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


def _open(compiler: CompiledModel, graph: Path, threads: int) -> Session:
    """Compile a graph, which leaves the compiled one beside it, and load that."""
    target = graph.with_name(f"{graph.stem}-{compiler.name}-{threads}{compiler.suffix}")
    placement = Placement(HOST, threads)
    compiler.write(str(graph), target, placement)
    return compiler.load(target, placement)
