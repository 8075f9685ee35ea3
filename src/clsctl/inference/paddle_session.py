"""Run models with Paddle Inference: the reference that compiled models are compared with."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from clsctl.errors import DeviceError, ModelError
from clsctl.inference.devices import get_device
from clsctl.models.integrity import require_complete
from clsctl.values import ModelSpec, Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PaddleSession:
    """Paddle predictors that share their weights, each in a thread of its own.

    oneDNN's engine is a thread's, and what Paddle prepares with it is kept for the predictor. When
    a thread ends, only what belongs to the predictor that it ran last is dropped: another one that
    it ran would go on with an engine that is gone, and fail in its next thread. So none changes
    threads. A CPU has as many predictors as runs at the same time; an accelerator is kept busy by
    one, and its memory may not hold more.
    """

    def __init__(self, spec: ModelSpec, placement: Placement) -> None:
        from paddle import inference

        require_complete(spec)
        try:
            self._original = inference.create_predictor(_config(spec, placement))
        except (RuntimeError, ValueError, OSError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(
                f"Paddle cannot load '{spec.directory}': {lines[-1].strip()}",
                code="E_MODEL_UNREADABLE",
                hint="`clsctl models verify` finds damaged files",
            ) from None
        self._unused = [self._original]
        self._of_thread = threading.local()
        one = get_device(placement.device).accelerator
        self._threads = ThreadPoolExecutor(1 if one else placement.streams, "paddle")

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute scores [N, classes] for a batch [N, 3, H, W]."""
        return self._threads.submit(self._run, batch).result()

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        predictor = self._predictor()
        predictor.get_input_handle(predictor.get_input_names()[0]).copy_from_cpu(batch)
        predictor.run()
        output = predictor.get_output_handle(predictor.get_output_names()[0])
        scores: NDArray[np.float32] = output.copy_to_cpu()
        return scores

    def _predictor(self) -> Any:
        """Return the predictor of this thread."""
        found = getattr(self._of_thread, "predictor", None)
        if found is None:
            try:
                found = self._unused.pop()
            except IndexError:
                found = self._original.clone()
            self._of_thread.predictor = found
        return found


def _config(spec: ModelSpec, placement: Placement) -> Any:
    from paddle import inference

    config = inference.Config(str(spec.graph), str(spec.params))
    config.disable_glog_info()
    config.enable_new_ir(spec.graph.suffix == ".json")
    config.enable_new_executor()
    configure = get_device(placement.device).configure_paddle
    if configure is None:
        raise DeviceError(
            f"backend 'paddle' does not run on {placement.device}", code="E_BACKEND_MISSING"
        )
    configure(config, placement)
    config.enable_memory_optim()
    return config
