"""Settings: the defaults below, overridden by `config.toml`, overridden by `CLSCTL_*`.

A command's own option overrides all of them. `clsctl config show` names each value's origin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

from clsctl.errors import UsageError, unknown_name
from clsctl.values import PRECISIONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)) or int(value) < 0:
        raise ValueError("must be a whole number, 0 or more")
    return int(value)


def _switch(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False, "": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError("must be true or false")
    return words[value.lower()]


def _list(value: object) -> tuple[str, ...]:
    """A list in config.toml; in the environment, items separated by commas or blanks."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError("must be a list of texts")
    return tuple(value)


def _precision(value: object) -> str:
    if value not in (*PRECISIONS, "auto"):
        raise ValueError(f"must be one of {', '.join(PRECISIONS)} or auto")
    return str(value)


def _setting(default: Any, parse: Callable[[object], Any], help_text: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, resolved; `origins` says where each value came from."""

    model: str = _setting("", _text, "Model for `predict` where -m is not given")
    device: str = _setting("auto", _text, "Device: auto, cpu, gpu[:N], npu[:N]")
    backend: str = _setting("auto", _text, "Inference backend, or auto")
    precision: str = _setting("fp32", _precision, "fp32, bf16, fp16, int8, or auto")
    mirrors: tuple[str, ...] = _setting((), _list, "URLs or folders tried before the catalog's own")
    offline: bool = _setting(False, _switch, "Never open a socket")
    max_pixels: int = _setting(178_956_970, _whole, "Largest image that is decoded, in pixels")
    draft: int = _setting(
        0, _whole, "Least short side of photos decoded at a reduced size; 0: full"
    )
    max_download: int = _setting(8 << 30, _whole, "Largest download or archive, in bytes")
    timeout: int = _setting(30, _whole, "Seconds without a byte after which a server is given up")
    threads: int = _setting(0, _whole, "CPU threads; 0 means every core")
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Folders:
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


def load_settings(**options: Any) -> Settings:
    """Resolve every setting from options, the environment, `config.toml` and the defaults.

    Args:
        options: Values given on the command line; None where they were not.

    Raises:
        UsageError: `config.toml` cannot be read, has an unknown key, or a value is of the wrong
            kind (`E_CONFIG`).
    """
    path = folders().config_file
    from_file = _read_config(path)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for item in setting_fields():
        variable = f"CLSCTL_{item.name.upper()}"
        if options.get(item.name) is not None:
            value, origin = _parse(item, options[item.name], "the option"), "option"
        elif variable in os.environ:
            value, origin = _parse(item, os.environ[variable], variable), variable
        elif item.name in from_file:
            value, origin = _parse(item, from_file[item.name], str(path)), str(path)
        else:
            value, origin = item.default, "default"
        values[item.name], origins[item.name] = value, origin
    return Settings(**values, origins=origins)


def setting_fields() -> list[Any]:
    """The dataclass fields that are settings, in the order they are documented."""
    return [item for item in fields(Settings) if "parse" in item.metadata]


def _parse(item: Any, raw: object, origin: str) -> Any:
    try:
        return item.metadata["parse"](raw)
    except ValueError as error:
        reason = str(error) if "must be" in str(error) else "must be a whole number, 0 or more"
        raise UsageError(
            f"'{item.name}' {reason}, but {origin} says {raw!r}", code="E_CONFIG"
        ) from None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}", code="E_CONFIG") from None
    names = [item.name for item in setting_fields()]
    for key in content:
        if key not in names:
            raise UsageError(
                f"{path}: {unknown_name('setting', key, names)}",
                code="E_CONFIG",
                hint="`clsctl config show` lists every setting",
            )
    return content
