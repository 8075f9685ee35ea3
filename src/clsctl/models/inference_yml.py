"""Read what a model says of itself: its inference.yml, or the metadata of its ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from clsctl.errors import ModelError
from clsctl.models.onnx_metadata import read_metadata
from clsctl.models.parsed_cache import parse_once
from clsctl.schema.constraints import Length, Range
from clsctl.schema.documents import load_document, parse_document
from clsctl.schema.errors import SchemaError
from clsctl.schema.read import read

SETTINGS = "inference.yml"
DEFAULT_TOPK = 5

Name = Annotated[str, Length(0, 200)]
Label = Annotated[str, Length(0, 1000)]
Transform = Annotated[Mapping[str, Any], Length(1, 1)]
Count = Annotated[int, Range(1, 1_000_000, "a whole number above 0")]


@dataclass(frozen=True, slots=True)
class Global:
    model_name: Name = ""


@dataclass(frozen=True, slots=True)
class PreProcess:
    """How images become the input: operations in order, each a name and its arguments."""

    transform_ops: Annotated[tuple[Transform, ...], Length(1, 100)]


@dataclass(frozen=True, slots=True)
class Topk:
    topk: Count = DEFAULT_TOPK
    label_list: tuple[Label, ...] | None = None


@dataclass(frozen=True, slots=True)
class PostProcess:
    Topk: Topk | None = None


@dataclass(frozen=True, slots=True)
class InferenceYml:
    """The sections that clsctl needs; PaddleX writes more."""

    PreProcess: PreProcess
    Global: Global | None = None
    PostProcess: PostProcess | None = None

    @property
    def name(self) -> str:
        """The model's name; empty where none is given."""
        return self.Global.model_name if self.Global else ""

    @property
    def topk(self) -> Topk:
        """How many classes to report, and the names of all."""
        return (self.PostProcess and self.PostProcess.Topk) or Topk()


def read_inference_yml(path: Path) -> InferenceYml:
    """Read an inference.yml; names of classes are text as they are written.

    Raises:
        SchemaError: It cannot be read, or says something else.
    """
    content = load_document(path, verbatim=("model_name", "label_list"), parse=parse_once)
    return read(InferenceYml, content, extra_keys=True)


def read_onnx_settings(graph: Path) -> InferenceYml:
    """Read the same from an ONNX file, as `clsctl export --to onnx` writes it.

    Raises:
        ModelError: The file cannot be read (`E_MODEL_UNREADABLE`), or does not say it
            (`E_MODEL_DIR_INVALID`).
    """
    said = read_metadata(graph)
    try:
        labels, transforms = (
            parse_document(said.get(key, ""), ".json") for key in ("labels", "transform_ops")
        )
        return InferenceYml(
            read(PreProcess, {"transform_ops": transforms}),
            Global(said.get("model_name") or graph.stem),
            PostProcess(read(Topk, {"label_list": labels})),
        )
    except SchemaError:
        raise ModelError(
            f"nothing says how images become the input of '{graph}'",
            code="E_MODEL_DIR_INVALID",
            hint=f"put an {SETTINGS} beside it, with its preprocessing and class names, or write "
            "it with `clsctl export --to onnx`, which puts them into the file",
        ) from None
