"""Create a model the way PaddleX creates its pipeline of image classification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import UsageError
from clsctl.prediction.classifier import Classifier, create_model
from clsctl.prediction.hpi import backend_of_engine
from clsctl.schema.documents import load_document
from clsctl.schema.errors import SchemaError

NAME, MODULE = "image_classification", "ImageClassification"
SETTINGS = ("model_name", "model_dir", "topk", "batch_size")


def create_pipeline(
    pipeline: str | Path | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    device: str | None = None,
    engine: str | None = None,
    engine_config: Mapping[str, Any] | None = None,
    pp_option: object = None,
    use_hpip: bool | None = None,
    hpi_config: Any = None,
) -> Classifier:
    """Load the model of a pipeline, under the names that PaddleX uses.

    >>> pipeline = clsctl.create_pipeline("image_classification")
    >>> for result in pipeline.predict("img.jpg", topk=3):
    ...     result.print()

    Args:
        pipeline: `image_classification`, or the YAML file of such a pipeline.
        config: The content of such a file; it counts before `pipeline`.
        device: As for `create_model`.
        engine: `paddle`, `onnxruntime`, or `hpi`, the same as `use_hpip=True`.
        engine_config: Has no effect, which a note says; nor has `pp_option`.
        use_hpip: As for `create_model`; None takes what the configuration says.
        hpi_config: As for `create_model`.

    Raises:
        UsageError: It is another pipeline (`E_PIPELINE`), or its configuration is not valid
            (`E_CONFIG`).
    """
    content = _content(pipeline) if config is None else config
    module = _module(content)
    for name, value in {"engine_config": engine_config, "pp_option": pp_option}.items():
        if value:
            note(f"{name} of create_pipeline has no effect")
    engine = engine or content.get("engine")
    hpip = content.get("use_hpip", False) if use_hpip is None else use_hpip
    return create_model(
        module.get("model_name"),
        module.get("model_dir"),
        device,
        module.get("topk"),
        use_hpip=hpip or engine == "hpi",
        hpi_config=hpi_config or content.get("hpi_config"),
        backend=backend_of_engine(engine),
        batch_size=module.get("batch_size"),
    )


def _content(pipeline: str | Path | None) -> Mapping[str, Any]:
    """Return the configuration that a name or a file stands for."""
    if pipeline == NAME:
        return {}
    if pipeline is None or Path(pipeline).suffix not in (".yaml", ".yml"):
        raise UsageError(
            f"clsctl has the pipeline '{NAME}' alone, not {pipeline!r}",
            code="E_PIPELINE",
            hint=f"create_pipeline('{NAME}'), or the YAML file of such a pipeline",
        )
    try:
        content = load_document(Path(pipeline))
    except SchemaError as error:
        raise UsageError(str(error), code="E_CONFIG") from None
    return content if isinstance(content, Mapping) else {"pipeline_name": None}


def _module(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a configuration says of its one model."""
    if content.get("pipeline_name", NAME) != NAME:
        raise UsageError(
            f"the configuration is of the pipeline {content['pipeline_name']!r}, not of '{NAME}'",
            code="E_PIPELINE",
        )
    modules = content.get("SubModules") or {MODULE: {}}
    module = modules.get(MODULE)
    if not isinstance(module, Mapping):
        raise UsageError(
            f"the configuration has no SubModules.{MODULE}",
            code="E_CONFIG",
            hint=f"its keys are {', '.join(SETTINGS)}",
        )
    for name in set(module) - {*SETTINGS, "module_name"}:
        note(f"SubModules.{MODULE}.{name} has no effect")
    return module
