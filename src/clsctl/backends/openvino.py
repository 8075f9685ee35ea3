"""OpenVINO: often the fastest on Intel and ARM processors, in bf16 and int8 too."""

from __future__ import annotations

import io
import itertools
import queue
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl import hookimpl
from clsctl.conversion import form_path
from clsctl.errors import DeviceError, ModelError, require_library
from clsctl.processor import multiplies_bf16, processor_name
from clsctl.types import Backend, Form, ModelSpec, Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEVICE = "CPU"

COPIES_BYTES = 256 << 20
"""A model is loaded once for every stream where together they take no more than this."""


@hookimpl
def clsctl_backends() -> list[Backend]:
    return [
        Backend(
            "openvino",
            "OpenVINO on CPU, from a form converted once; bf16 where the processor has it.",
            ("cpu",),
            _check,
            open_model,
            prepare=_prepare,
            priority=5,
            precisions={"cpu": ("fp32", "bf16", "int8")},
            formats=("paddle", "onnx", "openvino"),
            packages=("openvino",),
            form=FORM,
        )
    ]


class OpenvinoSession:
    """Compiled models, taken in turn; each thread that runs has a request of its own to one."""

    def __init__(self, compiled: Sequence[Any]) -> None:
        self._compiled = itertools.cycle(compiled)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores [N, classes] for a batch [N, 3, H, W]."""
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


def open_model(spec: ModelSpec, placement: Placement) -> OpenvinoSession:
    """Load the model's OpenVINO form, converting it first where that was not done before."""
    return load_form(form_path(FORM, spec, placement), placement)


def import_openvino() -> Any:
    """OpenVINO without its telemetry, which every import reports to over the network."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def write_form(source: str | bytes, target: Path, placement: Placement) -> None:
    """Keep what OpenVINO has after compiling a graph, which it loads in half the time."""
    openvino = import_openvino()
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(source), DEVICE, _config(placement))
    content = io.BytesIO()
    compiled.export_model(content)
    target.write_bytes(content.getbuffer())


def load_form(path: Path, placement: Placement) -> OpenvinoSession:
    """Load what `write_form` wrote.

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
        core = openvino.Core()
        compiled = [core.import_model(content, DEVICE, config) for _ in range(copies)]
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"OpenVINO cannot load {path}: {str(error).strip().splitlines()[-1]}",
            code="E_MODEL_UNREADABLE",
            hint="delete the file, and it is made again",
        ) from None
    return OpenvinoSession(compiled)


def belongs_to(placement: Placement) -> str:
    """A compiled graph is one processor's and one release's, so both are in the name."""
    version = import_openvino().__version__.partition("-")[0]
    return f"{processor_name()}-ov{version}"


FORM = Form("openvino", "OpenVINO", ".blob", belongs_to, write_form, load_form)


def _check() -> None:
    require_library("openvino", "openvino", "OpenVINO", "pip install openvino")


def _prepare(spec: ModelSpec, placement: Placement) -> None:
    if placement.precision == "bf16" and not multiplies_bf16():
        raise DeviceError(
            "this processor has no bf16 instructions, so bf16 would be slower than fp32 on it",
            code="E_PRECISION_PROCESSOR",
            hint="use --precision fp32",
        )
    form_path(FORM, spec, placement)


def _config(placement: Placement) -> dict[str, object]:
    """OpenVINO would take bf16 by itself wherever the processor has it."""
    hint = "bf16" if placement.precision == "bf16" else "f32"
    config: dict[str, object] = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": placement.streams}
    # A pinned thread waits for its core, whatever else runs there: other processes, decoding.
    config["ENABLE_CPU_PINNING"] = False
    if placement.threads:
        config["INFERENCE_NUM_THREADS"] = placement.threads * placement.streams
    return config
