"""Run models with Paddle Inference: the reference that compiled models are compared with."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

from clsctl.errors import DeviceError, ModelError
from clsctl.inference.devices import get_device
from clsctl.models.integrity import require_complete
from clsctl.values import ModelSpec, Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PaddleSession:
    """A Paddle predictor, which threads cannot share.

    On a CPU each thread that runs at the same time gets a clone, which shares the weights. An
    accelerator is kept busy by one, and its memory may not hold more.
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
        self._clonable = not get_device(placement.device).accelerator
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._idle.put(self._original)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute scores [N, classes] for a batch [N, 3, H, W]."""
        predictor = self._take()
        try:
            predictor.get_input_handle(predictor.get_input_names()[0]).copy_from_cpu(batch)
            predictor.run()
            output = predictor.get_output_handle(predictor.get_output_names()[0])
            scores: NDArray[np.float32] = output.copy_to_cpu()
            return scores
        finally:
            self._idle.put(predictor)

    def _take(self) -> Any:
        try:
            return self._idle.get(block=not self._clonable)
        except queue.Empty:
            return self._original.clone()


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
