"""Convert Paddle's files with other libraries: what exporters share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from clsctl.errors import ModelError
from clsctl.inference.paddle2onnx import CONVERTER, write_onnx
from clsctl.models.directory import read_model_dir


def write_plain_onnx(folder: Path, target: Path) -> None:
    """Convert the model directory in `folder` to ONNX, without anything but the graph.

    Raises:
        ModelError: It cannot be converted, or the converter is not installed (`E_CONVERSION`).
    """
    require_package(CONVERTER, "which has no build for Python 3.13")
    write_onnx(read_model_dir(folder), target)


def require_package(package: str, remark: str, hint: str = "use --to paddle") -> None:
    """Raise ModelError where a package that a format needs is missing (`E_CONVERSION`)."""
    if find_spec(package) is None:
        raise ModelError(f"this format needs {package}, {remark}", code="E_CONVERSION", hint=hint)


@contextmanager
def translate_failure(failure: str) -> Iterator[None]:
    """Raise ModelError where a library fails inside the block (`E_CONVERSION`)."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"nothing was exported: {failure}: {reason}",
            code="E_CONVERSION",
            hint="use --to onnx or --to paddle",
        ) from None
