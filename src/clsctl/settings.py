"""Settings: the defaults below, overridden by `config.toml`, overridden by `CLSCTL_*`.

A command's own option overrides all of them. `clsctl config show` names each value's origin.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import platformdirs

from clsctl.errors import UsageError
from clsctl.schema.constraints import NonNegativeInt, OneOf, Range
from clsctl.schema.documents import load_document
from clsctl.schema.errors import SchemaError
from clsctl.schema.layers import ConfigSource, config_keys, key, resolve
from clsctl.values import PRECISIONS, ValueRange

HINT = "docs/reference/settings.md describes every setting"

Seconds = Annotated[int, Range(0, 86_400)]
Threads = Annotated[int, Range(0, 1024)]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, resolved.

    Attributes:
        origins: Where each value came from.
        value_range: Not the user's but the model's: see `clsctl.images.preprocess.image_settings`.
    """

    model: str = key("", "Model for `predict` where -m is not given")
    device: str = key("auto", "Device: auto, or such as cpu, gpu or gpu:1")
    backend: str = key("auto", "Inference backend, or auto")
    precision: Annotated[str, OneOf(*PRECISIONS, "auto")] = key(
        "fp32", "fp32, bf16, fp16, int8, or auto"
    )
    mirrors: tuple[str, ...] = key((), "URLs or folders tried before the catalog's own")
    offline: bool = key(False, "Never open a socket")
    max_pixels: NonNegativeInt = key(178_956_970, "Largest image that is decoded, in pixels")
    max_pages: NonNegativeInt = key(10_000, "Pages of a document that are read")
    input_timeout: Seconds = key(
        120, "Seconds that an image may take to come, and again to be decoded; 0: any number"
    )
    private_hosts: bool = key(True, "Fetch images from private addresses, too")
    draft: NonNegativeInt = key(0, "Least short side of photos decoded at a reduced size; 0: full")
    max_download: NonNegativeInt = key(8 << 30, "Largest download or archive, in bytes")
    timeout: Seconds = key(30, "Seconds without a byte after which a server is given up")
    threads: Threads = key(0, "CPU threads; 0 means every core that may be used")
    origins: Mapping[str, str] = field(default_factory=dict)
    value_range: ValueRange | None = None


class Folders(NamedTuple):
    """Where clsctl keeps things: models, derived forms that can be made again, the config file."""

    data: Path
    cache: Path
    config_file: Path


def folders() -> Folders:
    """The platform's folders, or everything below `CLSCTL_HOME` where that is set."""
    home = os.environ.get("CLSCTL_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Folders(root, root / "cache", root / "config.toml")
    return Folders(
        platformdirs.user_data_path("clsctl", appauthor=False),
        platformdirs.user_cache_path("clsctl", appauthor=False),
        platformdirs.user_config_path("clsctl", appauthor=False) / "config.toml",
    )


def load_settings(report: Callable[[UsageError], object] | None = None, **options: Any) -> Settings:
    """Resolve every setting from options, the environment, `config.toml` and the defaults.

    Args:
        report: Receives what would be raised; the value it is about is then left out.
        options: Values given on the command line; None where they were not.

    Raises:
        UsageError: `config.toml` cannot be read, has an unknown key, or a value is of the wrong
            kind (`E_CONFIG`).
    """
    path = folders().config_file
    given = {name: value for name, value in options.items() if value is not None}
    sources = [
        ConfigSource(str(path), _read_config(path, report)),
        *_environment(),
        ConfigSource("option", given),
    ]
    resolved = resolve(Settings, sources, noun="setting", hint=HINT, report=report)
    return replace(resolved.config, origins=resolved.origins)


def _environment() -> list[ConfigSource]:
    """One source for each variable, by whose name its value's origin is known."""
    variables = {f"CLSCTL_{item.name.upper()}": item.name for item in config_keys(Settings)}
    return [
        ConfigSource(variable, {name: os.environ[variable]})
        for variable, name in variables.items()
        if variable in os.environ
    ]


def _read_config(
    path: Path, report: Callable[[UsageError], object] | None = None
) -> dict[str, Any]:
    try:
        content: dict[str, Any] = load_document(path, optional=True)
    except SchemaError as error:
        problem = UsageError(str(error), code="E_CONFIG", hint=HINT)
        if report is None:
            raise problem from None
        report(problem)
        return {}
    return content
