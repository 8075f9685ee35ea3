"""A Paddle predictor as a session: the reference that converted models are held against."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

from clsctl.errors import DeviceError, ModelError
from clsctl.values import ModelSpec, Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


GPU_MEMORY_POOL_MB = 100


class PaddleSession:
    """A Paddle predictor, which threads cannot share.

    On a CPU each thread that runs at the same time gets a clone, which shares the weights. An
    accelerator is kept busy by one, and its memory may not hold more.
    """

    def __init__(self, spec: ModelSpec, placement: Placement) -> None:
        from paddle import inference

        try:
            self._original = inference.create_predictor(_config(spec, placement))
        except (RuntimeError, ValueError, OSError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(
                f"Paddle cannot load '{spec.directory}': {lines[-1].strip()}",
                code="E_MODEL_UNREADABLE",
                hint="`clsctl models verify` finds damaged files",
            ) from None
        self._clonable = placement.device.kind == "cpu"
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._idle.put(self._original)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores [N, classes] for a batch [N, 3, H, W]."""
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

    device, threads = placement.device, placement.threads
    config = inference.Config(str(spec.graph), str(spec.params))
    config.disable_glog_info()
    config.enable_new_ir(spec.graph.suffix == ".json")
    config.enable_new_executor()
    if device.kind == "cpu":
        config.disable_gpu()
        config.enable_mkldnn()
        if threads:
            config.set_cpu_math_library_num_threads(threads)
    elif device.kind == "gpu":
        _use_gpu(config, placement)
    else:
        config.enable_custom_device(device.kind, device.index)
    config.enable_memory_optim()
    return config


def _use_gpu(config: Any, placement: Placement) -> None:
    from paddle.inference import PrecisionType

    device, half = placement.device, placement.precision == "fp16"
    precision = PrecisionType.Half if half else PrecisionType.Float32
    config.enable_use_gpu(GPU_MEMORY_POOL_MB, device.index, precision)
    # A CPU build logs an error and goes on on the CPU.
    if not config.use_gpu():
        raise DeviceError(
            f"the installed PaddlePaddle is a CPU build and cannot run on {device}",
            code="E_DEVICE_MISSING",
            hint="install the paddlepaddle-gpu build for your CUDA version, or use --device cpu",
        )
