"""Read a model directory, and write its inference.yml.

The directory is what PaddleX 3 reads and writes: `inference.json` (or the legacy
`inference.pdmodel`), `inference.pdiparams` and `inference.yml`; beside them our own `clsctl.json`
with provenance and the SHA256 of each file. In place of Paddle's graph there may be an ONNX file
or an OpenVINO IR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clsctl.errors import ModelError
from clsctl.models.inference_yml import (
    DEFAULT_TOPK,
    SETTINGS,
    InferenceYml,
    read_inference_yml,
    read_onnx_settings,
)
from clsctl.paths import is_dir, is_file
from clsctl.schema.errors import SchemaError
from clsctl.values import MODEL_FORMATS, ModelSpec

GRAPHS = tuple(f"inference{suffix}" for suffix in MODEL_FORMATS)
PARAMS = "inference.pdiparams"


def read_model_dir(path: Path) -> ModelSpec:
    """Read and validate a model directory.

    Args:
        path: The directory, or one of the graphs in it, such as `model.onnx`. An ONNX file without
            an inference.yml beside it describes its preprocessing and classes in its own metadata,
            as `clsctl export --to onnx` writes them.

    Raises:
        ModelError: A file is missing or inference.yml says something unusable
            (`E_MODEL_DIR_INVALID`).
    """
    graph = _find_graph(path)
    directory = graph.parent
    suffix = MODEL_FORMATS[graph.suffix].params_suffix
    params = graph.with_suffix(suffix) if suffix else None
    if params is not None and not is_file(params):
        raise _invalid(path, f"it holds no {params.name}")
    settings = _read_settings(graph)
    return ModelSpec(
        name=settings.name or directory.name,
        directory=directory,
        graph=graph,
        params=params,
        transforms=settings.PreProcess.transform_ops,
        labels=settings.topk.label_list or (),
        topk=settings.topk.topk,
    )


def write_settings(
    directory: Path,
    name: str,
    transforms: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    topk: int = DEFAULT_TOPK,
) -> None:
    """Write inference.yml: the model's name, preprocessing and class names."""
    import yaml

    content = {
        "Global": {"model_name": name},
        "PreProcess": {"transform_ops": [dict(transform) for transform in transforms]},
        "PostProcess": {"Topk": {"topk": topk, "label_list": list(labels)}},
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (directory / SETTINGS).write_text(text, encoding="utf-8")


def _find_graph(path: Path) -> Path:
    if is_file(path) and path.suffix in MODEL_FORMATS:
        return path
    if not is_dir(path):
        raise _invalid(path, "there is no such directory")
    graph = next((path / name for name in GRAPHS if is_file(path / name)), None)
    if graph is None:
        raise _invalid(path, f"it holds none of {', '.join(GRAPHS)}")
    return graph


def _read_settings(graph: Path) -> InferenceYml:
    path = graph.parent / SETTINGS
    if not is_file(path):
        if graph.suffix != ".onnx":
            raise _invalid(graph.parent, f"it holds no {SETTINGS}")
        return read_onnx_settings(graph)
    try:
        return read_inference_yml(path)
    except SchemaError as error:
        raise _invalid(graph.parent, f"its {SETTINGS} cannot be followed: {error}") from None


def _invalid(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"'{path}' is not a usable model directory: {reason}",
        code="E_MODEL_DIR_INVALID",
        hint="a model directory holds inference.json (or inference.pdmodel), inference.pdiparams "
        "and inference.yml, as PaddleX and `clsctl export` write it; or inference.yml and an ONNX "
        "file or OpenVINO IR",
    )
