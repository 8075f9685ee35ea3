"""Run models with OpenVINO, from graphs that it compiles once for this processor."""

from __future__ import annotations

import functools
import io
import itertools
import queue
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import ModelError
from clsctl.inference.graphs.hard_swish import after_product, rewrite_hard_swish
from clsctl.plugin.descriptors import CompiledModel
from clsctl.system.cpu import instruction_set
from clsctl.values import Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


DEVICE = "CPU"
PRECISION = "INFERENCE_PRECISION_HINT"
"""Where it is not said, OpenVINO takes bf16 by itself wherever the processor has it."""


TELEMETRY = "openvino_telemetry"
_IMPORTING = threading.Lock()

COPIES_BYTES = 256 << 20
"""A model is loaded once for every stream where together they take no more than this."""


class OpenvinoSession:
    """Compiled copies of a model, taken in turn; each thread has a request of its own to one."""

    def __init__(self, compiled: Sequence[Any]) -> None:
        self._compiled = itertools.cycle(compiled)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute scores [N, classes] for a batch [N, 3, H, W]."""
        request = self._take()
        try:
            scores: NDArray[np.float32] = request.infer({0: batch}, share_inputs=True)[0]
            return scores
        finally:
            self._idle.put(request)

    def _take(self) -> Any:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return next(self._compiled).create_infer_request()


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which reports every import over the network.

    Its package is hidden for the time of the import only, by one thread at a time; whoever imports
    it later finds it.
    """
    with _IMPORTING:
        hidden = sys.modules.get(TELEMETRY)
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]
        try:
            import openvino
        finally:
            sys.modules.pop(TELEMETRY)
            if hidden is not None:
                sys.modules[TELEMETRY] = hidden
    return openvino


@functools.cache
def openvino_core() -> Any:
    """Return the process's one `openvino.Core`.

    On processors with AVX-512 a core gives the thread that makes it a stack for signals, and takes
    back the one before when it goes. Of two that go in the order in which they came the second
    takes back what the first has freed, and the next signal, such as Ctrl-C, crashes the process.
    """
    return import_openvino().Core()


def open_file(path: Path) -> OpenvinoSession:
    """Load an IR as it is written, in float32; raises RuntimeError where OpenVINO cannot."""
    return OpenvinoSession([openvino_core().compile_model(path, DEVICE, {PRECISION: "f32"})])


def write_compiled(source: str | bytes, target: Path, placement: Placement) -> None:
    """Save the compiled graph, which loads in half the time."""
    core = openvino_core()
    graph = core.read_model(rewrite_hard_swish(source, after_product))
    compiled = core.compile_model(graph, DEVICE, _config(placement))
    content = io.BytesIO()
    compiled.export_model(content)
    target.write_bytes(content.getbuffer())


def load_compiled(path: Path, placement: Placement) -> OpenvinoSession:
    """Load what `write_compiled` wrote.

    Raises:
        ModelError: It cannot be loaded (`E_MODEL_UNREADABLE`).
    """
    import numpy as np

    openvino = import_openvino()
    config, copies = _config(placement), 1
    if placement.threads == 1 and path.stat().st_size * placement.streams <= COPIES_BYTES:
        # Without streams a run stays in the thread that asks, but a model has one at a time.
        config, copies = config | {"NUM_STREAMS": 0}, placement.streams
    try:
        content = openvino.Tensor(np.memmap(path, dtype=np.uint8, mode="r"))
        core = openvino_core()
        compiled = [core.import_model(content, DEVICE, config) for _ in range(copies)]
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"OpenVINO cannot load {path}: {str(error).strip().splitlines()[-1]}",
            code="E_MODEL_UNREADABLE",
            hint="delete the file, and it is made again",
        ) from None
    return OpenvinoSession(compiled)


def cache_key(placement: Placement) -> str:
    """Name the processor and the release that a compiled graph is for."""
    version = import_openvino().__version__.partition("-")[0]
    return f"{instruction_set()}-ov{version}"


COMPILED = CompiledModel("openvino", "OpenVINO", ".blob", cache_key, write_compiled, load_compiled)


def _config(placement: Placement) -> dict[str, object]:
    hint = "bf16" if placement.precision == "bf16" else "f32"
    config: dict[str, object] = {PRECISION: hint, "NUM_STREAMS": placement.streams}
    # A pinned thread waits for its core, whatever else runs there: other processes, decoding.
    config["ENABLE_CPU_PINNING"] = False
    if placement.threads:
        config["INFERENCE_NUM_THREADS"] = placement.threads * placement.streams
    return config
