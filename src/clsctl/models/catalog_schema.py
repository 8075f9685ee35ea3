"""What a catalog file holds; the comments on top of model_catalog.toml say what each key means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from clsctl.schema.constraints import Pattern, Range
from clsctl.values import Preprocessing

Name = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits, '.', '_' and '-'")]
Text = Annotated[str, Pattern(r"\S(.*\S)?", "text without blanks around it")]
Url = Annotated[str, Pattern(r"[a-z][a-z0-9+.-]*:\S+", "a URL")]
Sha256 = Annotated[str, Pattern(r"[0-9a-f]{64}", "64 digits in lower-case hex")]
Size = Annotated[str, Pattern(r"\d+(\.\d+)? [MG]", "a size such as '10.5 M' or '1.04 G'")]
Percent = Annotated[float, Range(0, 100, "a percentage from 0 to 100")]
Milliseconds = Annotated[float, Range(0, noun="milliseconds")]
Latency = tuple[Milliseconds, Milliseconds]


@dataclass(frozen=True, slots=True)
class Head:
    """The table `catalog`: what the file is."""

    source: Text
    version: Text = ""
    conditions: Text = ""
    default_model: Text = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A table of the list `models`."""

    name: Name
    family: Text
    preprocessing: Text
    core: bool = False
    top1: Percent | None = None
    gpu_ms: Latency | None = None
    cpu_ms: Latency | None = None
    size: Size | None = None
    exported: Text = ""
    inference: Url = ""
    inference_sha256: Sha256 = ""
    training: Url = ""
    training_sha256: Sha256 = ""


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """The whole file; families are sentences, preparations settings, by name."""

    catalog: Head
    families: Mapping[str, Text]
    preprocessing: Mapping[str, Preprocessing]
    models: tuple[Model, ...]
