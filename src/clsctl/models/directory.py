"""Read a model directory, and write its inference.yml.

The directory is what PaddleX 3 reads and writes: `inference.json` (or the legacy
`inference.pdmodel`), `inference.pdiparams` and `inference.yml`; beside them our own `clsctl.json`
with provenance and the SHA256 of each file. In place of Paddle's graph there may be an ONNX file
or an OpenVINO IR.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clsctl.errors import ModelError
from clsctl.values import MODEL_FORMATS, ModelSpec

GRAPHS = tuple(f"inference{suffix}" for suffix in MODEL_FORMATS)
PARAMS = "inference.pdiparams"
SETTINGS = "inference.yml"
PROVENANCE = "clsctl.json"
DEFAULT_TOPK = 5


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
    if params is not None and not params.is_file():
        raise _invalid(path, f"it holds no {params.name}")
    settings = _read_settings(graph)
    topk = _section(_section(settings, "PostProcess", directory), "Topk", directory)
    return ModelSpec(
        name=str(_section(settings, "Global", directory).get("model_name") or directory.name),
        directory=directory,
        graph=graph,
        params=params,
        transforms=_transforms(settings, directory),
        labels=_labels(topk, directory),
        topk=_topk(topk, directory),
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
    if path.is_file() and path.suffix in MODEL_FORMATS:
        return path
    if not path.is_dir():
        raise _invalid(path, "there is no such directory")
    graph = next((path / name for name in GRAPHS if (path / name).is_file()), None)
    if graph is None:
        raise _invalid(path, f"it holds none of {', '.join(GRAPHS)}")
    return graph


def _read_settings(graph: Path) -> Mapping[str, Any]:
    import yaml

    directory = graph.parent
    if not (directory / SETTINGS).is_file():
        return _read_metadata(graph)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = (directory / SETTINGS).read_text(encoding="utf-8")
        content = yaml.load(text, Loader=loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise _invalid(directory, f"its {SETTINGS} cannot be read: {reason}") from None
    if not isinstance(content, dict):
        raise _invalid(directory, f"its {SETTINGS} is not a mapping")
    return content


def _read_metadata(graph: Path) -> Mapping[str, Any]:
    """Read what an ONNX file says of itself, in the words of inference.yml."""
    if graph.suffix != ".onnx":
        raise _invalid(graph.parent, f"it holds no {SETTINGS}")
    from clsctl.models.onnx_metadata import read_metadata

    said = read_metadata(graph)
    try:
        transforms, labels = (json.loads(said[key]) for key in ("transform_ops", "labels"))
    except (KeyError, ValueError):
        raise ModelError(
            f"nothing says how images become the input of '{graph}'",
            code="E_MODEL_DIR_INVALID",
            hint=f"put an {SETTINGS} beside it, with its preprocessing and class names, or write "
            "it with `clsctl export --to onnx`, which puts them into the file",
        ) from None
    return {
        "Global": {"model_name": graph.stem},
        "PreProcess": {"transform_ops": transforms},
        "PostProcess": {"Topk": {"label_list": labels}},
    }


def _section(settings: Mapping[str, Any], name: str, directory: Path) -> Mapping[str, Any]:
    section = settings.get(name) or {}
    if not isinstance(section, dict):
        raise _invalid(directory, f"'{name}' in its {SETTINGS} is not a mapping")
    return section


def _transforms(settings: Mapping[str, Any], directory: Path) -> tuple[Mapping[str, Any], ...]:
    transforms = _section(settings, "PreProcess", directory).get("transform_ops")
    if not isinstance(transforms, list) or not transforms:
        raise _invalid(directory, f"its {SETTINGS} has no PreProcess.transform_ops")
    if not all(isinstance(item, dict) and len(item) == 1 for item in transforms):
        raise _invalid(directory, f"a transform in its {SETTINGS} is not a single-key mapping")
    return tuple(transforms)


def _labels(section: Mapping[str, Any], directory: Path) -> tuple[str, ...]:
    labels = section.get("label_list") or []
    if not isinstance(labels, list):
        raise _invalid(directory, f"Topk.label_list in its {SETTINGS} is not a list")
    return tuple(str(label) for label in labels)


def _topk(section: Mapping[str, Any], directory: Path) -> int:
    topk = section.get("topk", DEFAULT_TOPK)
    if not isinstance(topk, int) or topk < 1:
        raise _invalid(directory, f"Topk.topk in its {SETTINGS} is not a whole number above 0")
    return topk


def _invalid(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"'{path}' is not a usable model directory: {reason}",
        code="E_MODEL_DIR_INVALID",
        hint="a model directory holds inference.json (or inference.pdmodel), inference.pdiparams "
        "and inference.yml, as PaddleX and `clsctl export` write it; or inference.yml and an ONNX "
        "file or OpenVINO IR",
    )
