"""Find the 8-bit version of a model in the cache, and recognise a quantised graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import ModelError
from clsctl.models.integrity import weights_sha256
from clsctl.paths import exists
from clsctl.schema.constraints import Fraction
from clsctl.schema.documents import read_document
from clsctl.schema.errors import SchemaError
from clsctl.settings import folders
from clsctl.values import ModelSpec


def int8_path(spec: ModelSpec) -> Path:
    """Return the file of the model in 8-bit integers, a QDQ graph as ONNX.

    Raises:
        ModelError: It was not quantised (`E_PRECISION_MISSING`).
    """
    path = int8_target(spec)
    if not exists(path):
        in_store = spec.directory.absolute().is_relative_to(folders().data)
        which = f"-m {spec.name}" if in_store else f"--model-dir {spec.directory}"
        raise ModelError(
            f"{spec.name} was not quantised to int8 on this machine",
            code="E_PRECISION_MISSING",
            hint=f"`clsctl quantize {which} -d DATASET`",
        )
    return path


def int8_target(spec: ModelSpec) -> Path:
    """Return where `clsctl quantize` puts that file."""
    return folders().cache / "int8" / f"{weights_sha256(spec)}.onnx"


def report_path(int8: Path) -> Path:
    """Return the file beside it that says how good it is."""
    return int8.with_suffix(".json")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Share of images that both precisions put into the same class."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Speed:
    """What an image takes on one core, by library."""

    milliseconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Int8Report:
    """What `clsctl quantize` found out, as far as it decides on a precision."""

    agreement: Agreement
    fp32: Speed = Speed()
    int8: Speed = Speed()


def read_report(spec: ModelSpec) -> Int8Report:
    """Return what `clsctl quantize` found out about the model in 8-bit integers.

    Raises:
        ModelError: It was not quantised, or the report is damaged (`E_PRECISION_MISSING`).
    """
    try:
        return read_document(Int8Report, report_path(int8_path(spec)), extra_keys=True)
    except SchemaError as error:
        raise ModelError(
            f"the report on {spec.name} in int8 is damaged: {error}",
            code="E_PRECISION_MISSING",
            hint="run `clsctl quantize` again",
        ) from None


def note_if_slower(spec: ModelSpec, library: str) -> None:
    """Tell the user where a library took longer in int8 than in fp32, by the report."""
    report = read_report(spec)
    before, after = (each.milliseconds.get(library, 0) for each in (report.fp32, report.int8))
    if after > before:
        note(
            f"{library} takes {after:.2f} ms for an image of {spec.name} in int8, and {before:.2f} "
            "in fp32"
        )


def is_in_integers(graph: Any) -> bool:
    """Say whether an ONNX graph is quantised."""
    return any(node.op_type == "QuantizeLinear" for node in graph.node)
