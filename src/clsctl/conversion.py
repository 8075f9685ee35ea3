"""A model directory -> ONNX, once, cached by the weights' SHA256, behind a parity gate.

The conversion runs in a process of its own (`python -m clsctl.conversion`): it needs Paddle, which
the process that predicts shall not carry, and a crash in native code must not take that one down.

paddle2onnx has known faults (padding values, clipped activations; see docs/explanation), so the
converted network has to give the reference's scores on several inputs or it is not kept. A model
that failed is remembered and left to Paddle.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.config import folders
from clsctl.errors import ModelError
from clsctl.model_dir import read_model_dir, weights_sha256
from clsctl.notes import note
from clsctl.types import DeviceId, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPSET = 17
PARITY_LIMIT = 1e-4
TIMEOUT_S = 1800


def onnx_model(spec: ModelSpec) -> Path:
    """The model's ONNX form, converted now if that was not done before.

    Raises:
        ModelError: It cannot be converted, or differs from Paddle's result (`E_CONVERSION`).
    """
    target = _target(spec)
    if target.exists():
        return target
    if _failure(target).exists():
        raise _error(spec, str(json.loads(_failure(target).read_text(encoding="utf-8"))["reason"]))
    if find_spec("paddle2onnx") is None:
        raise _error(spec, "paddle2onnx is not installed; it has no build for Python 3.13")
    from filelock import FileLock

    note(f"preparing {spec.name} for ONNX Runtime, once")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if not target.exists():
                _convert_in_child(spec, target)
    except OSError as error:
        raise _error(spec, f"the cache {target.parent} cannot be written: {error}") from None
    return target


def convert(spec: ModelSpec, target: Path) -> float:
    """Convert in this process; returns the largest difference of any log-probability.

    Raises:
        ModelError: The difference exceeds `PARITY_LIMIT`; nothing is left at `target`.
    """
    import paddle2onnx

    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        raw, optimised = Path(folder, "raw.onnx"), Path(folder, "optimised.onnx")
        paddle2onnx.export(
            str(spec.graph),
            str(spec.params),
            str(raw),
            opset_version=OPSET,
            auto_upgrade_opset=True,
            enable_onnx_checker=True,
            # Any other optimiser pip-installs packages behind the user's back.
            optimize_tool="None",
        )
        _optimise(raw, optimised)
        difference = _difference(spec, optimised)
        if not difference <= PARITY_LIMIT:
            raise _error(spec, f"the ONNX form differs from Paddle's result by {difference:.2g}")
        optimised.replace(target)
    return difference


def _convert_in_child(spec: ModelSpec, target: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "clsctl.conversion", str(spec.directory), str(target)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if child.returncode == 0:
        return
    lines = (child.stdout + child.stderr).strip().splitlines()
    reason = lines[-1] if lines else f"the converter ended with status {child.returncode}"
    _failure(target).write_text(json.dumps({"reason": reason}), encoding="utf-8")
    raise _error(spec, reason)


def _optimise(source: Path, target: Path) -> None:
    """Let ONNX Runtime fuse the graph for this processor once, not at every start."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _difference(spec: ModelSpec, candidate: Path) -> float:
    import numpy as np

    from clsctl.backends.onnxruntime import open_file
    from clsctl.backends.paddle_inference import PaddleSession

    cpu = DeviceId("cpu")
    reference, converted = PaddleSession(spec, cpu, 1), open_file(candidate, cpu, 1)
    differences = []
    for batch in _probes(spec):
        # Probabilities hide differences in unlikely classes; their logarithms do not.
        mine, theirs = (
            np.log(np.maximum(session.run(batch), 1e-6)) for session in (converted, reference)
        )
        differences.append(float(np.abs(mine - theirs).max()))
    return max(differences)


def _probes(spec: ModelSpec) -> Iterator[NDArray[np.float32]]:
    """Preprocessed noise, smooth and fine, at two batch sizes: what a real image may hold."""
    import numpy as np

    from clsctl.preprocess import compile_transforms

    preprocess = compile_transforms(spec.transforms)
    rng = np.random.default_rng(0)
    for size, count in ((2, 1), (8, 2), (64, 1), (512, 2)):
        images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        yield np.stack([preprocess(image) for image in images])


def _target(spec: ModelSpec) -> Path:
    """Optimised graphs hold layouts of one processor and one runtime, so both are in the name."""
    key = f"{weights_sha256(spec)}-{_processor()}-ort{metadata.version('onnxruntime')}"
    return folders().cache / "onnx" / f"{key}.onnx"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return platform.machine()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    widest = next((name for name in ("avx512f", "avx2", "avx") if f" {name}" in flags), "base")
    return f"{platform.machine()}-{widest}"


def _failure(target: Path) -> Path:
    return target.with_suffix(".failed.json")


def _error(spec: ModelSpec, reason: str) -> ModelError:
    return ModelError(
        f"{spec.name} cannot run in ONNX Runtime: {reason}",
        code="E_CONVERSION",
        hint="use --backend paddle",
    )


def _main(arguments: list[str]) -> Any:
    directory, target = map(Path, arguments)
    try:
        convert(read_model_dir(directory), target)
    except ModelError as error:
        return error.message
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
