"""A model directory -> ONNX, once, cached by the weights' SHA256, behind a parity gate.

The conversion runs in a process of its own (`python -m clsctl.conversion`): it needs Paddle, which
the process that predicts shall not carry, and a crash in native code must not take that one down.

paddle2onnx has known faults (padding values, clipped activations; see docs/explanation), so the
converted network has to give the reference's scores on several inputs or it is not kept. A model
that failed is remembered and left to Paddle.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from clsctl.config import folders
from clsctl.disk import locked, replacing
from clsctl.errors import ClsctlError, ModelError
from clsctl.model_dir import read_model_dir, weights_sha256
from clsctl.notes import note
from clsctl.parity import Parity, compare_forms
from clsctl.types import DeviceId, ModelSpec, Placement

OPSET = 17


def onnx_model(spec: ModelSpec) -> Path:
    """The model's ONNX form, converted now if that was not done before.

    Raises:
        ModelError: It cannot be converted, or differs from Paddle's result (`E_CONVERSION`); or
            the cache cannot be written (see `clsctl.disk.explained`).
    """
    target = _target(spec)
    if target.exists():
        return target
    with locked(folders().cache, f"onnx-{target.stem}"):
        if not target.exists():
            _raise_verdict(target)
            note(f"preparing {spec.name} for ONNX Runtime, once")
            _convert_in_child(spec, target)
    return target


def convert(spec: ModelSpec, target: Path) -> float:
    """Convert in this process; returns the largest difference of any log-probability.

    Raises:
        ModelError: There is no ONNX form, or it gives other scores (`E_CONVERSION`); what then
            lies at `target` must not be used.
    """
    _optimise(onnx_bytes(spec), target)
    parity = _compare(spec, target)
    if not parity.holds:
        raise _error(spec, f"the ONNX form differs from Paddle's result by {parity.difference:.2g}")
    return parity.difference


def _convert_in_child(spec: ModelSpec, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        child = subprocess.run(
            [sys.executable, "-m", __name__, spec.directory.absolute(), part, _verdict(target)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            # Python looks for modules in the current folder, where the user's own files are.
            cwd=target.parent,
        )
        if child.returncode != 0:
            _raise_verdict(target)
            raise _error(spec, _last_words(child))


def _raise_verdict(target: Path) -> None:
    """Do not try again what cannot work."""
    verdict = _verdict(target)
    if verdict.exists():
        raise _refusal(verdict.read_text(encoding="utf-8", errors="replace"))


def _last_words(child: subprocess.CompletedProcess[str]) -> str:
    if child.returncode < 0:
        return f"the converter was ended by signal {-child.returncode}"
    return (child.stderr.strip().splitlines() or ["the converter failed"])[-1]


def onnx_bytes(spec: ModelSpec) -> bytes:
    """The model as ONNX, as it comes out of paddle2onnx.

    Raises:
        ModelError: It cannot be converted (`E_CONVERSION`).
    """
    import paddle2onnx

    try:
        content: bytes = paddle2onnx.export(
            str(spec.graph),
            str(spec.params),
            opset_version=OPSET,
            auto_upgrade_opset=True,
            enable_onnx_checker=True,
            # Any other optimiser pip-installs packages behind the user's back.
            optimize_tool="None",
        )
    except (Exception, SystemExit):  # noqa: BLE001 - it prints what went wrong, then exits
        raise _error(spec, "paddle2onnx cannot convert it") from None
    return content


def _optimise(content: bytes, target: Path) -> None:
    """Let ONNX Runtime fuse the graph for this processor once, not at every start."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _compare(spec: ModelSpec, candidate: Path) -> Parity:
    from clsctl.backends.onnxruntime import open_file
    from clsctl.backends.paddle_inference import PaddleSession

    reference = PaddleSession(spec, Placement(DeviceId("cpu"), 1))
    return compare_forms(reference.run, open_file(candidate, 1).run, spec.transforms)


def _target(spec: ModelSpec) -> Path:
    """Optimised graphs hold layouts of one processor and one runtime, so both are in the name."""
    import onnxruntime

    key = f"{weights_sha256(spec)}-{_processor()}-ort{onnxruntime.__version__}"
    return folders().cache / "onnx" / f"{key}.onnx"


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="ignore") as stream:
            flags = next((line for line in stream if line.startswith("flags")), "")
    except OSError:
        flags = ""
    widest = next((name for name in ("avx512f", "avx2", "avx") if f" {name}" in flags), "base")
    return f"{platform.machine()}-{widest}"


def _verdict(target: Path) -> Path:
    """Says why this model has no ONNX form; another converter may find otherwise."""
    return target.with_suffix(f".p2o{metadata.version('paddle2onnx')}.txt")


def _error(spec: ModelSpec, reason: str) -> ModelError:
    return _refusal(f"{spec.name} cannot run in ONNX Runtime: {reason}")


def _refusal(message: str) -> ModelError:
    return ModelError(message, code="E_CONVERSION", hint="use --backend paddle")


def _main(directory: str, target: str, verdict: str) -> str | None:
    """Only what was found out about the model becomes a verdict, not a full disk."""
    try:
        convert(read_model_dir(Path(directory)), Path(target))
    except ClsctlError as error:
        if error.code == "E_CONVERSION":
            Path(verdict).write_text(error.message, encoding="utf-8")
        return error.message
    return None


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
