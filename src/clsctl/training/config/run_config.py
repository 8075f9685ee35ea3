"""The configuration of one run: a new one, or a resumed one with what has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from clsctl.console.messages import note
from clsctl.errors import UsageError
from clsctl.paths import is_file
from clsctl.schema.layers import ConfigSource
from clsctl.training.config.recipes import configure
from clsctl.training.config.sources import ResolvedConfig, file_source, resolve_config

CONFIG = "config.yaml"
"""The file of a run's folder that holds its configuration."""

PATHS = ("data.path", "weights", "distill.weights")


def resolve_run(
    sources: Sequence[ConfigSource], resume: bool, say: Callable[[str], object] = note
) -> ResolvedConfig:
    """Resolve the configuration of a new run, or that of a resumed one with what has changed.

    Args:
        sources: What the user set.
        say: Is told what has changed.

    Raises:
        UsageError: A value is wrong (`E_CONFIG`), or there is no run to resume (`E_RUN_MISSING`).
    """
    if not resume:
        return _absolute(configure(sources))
    folder = Path(resolve_config(sources).config.output)
    path = folder / CONFIG
    if not is_file(path):
        raise UsageError(
            f"there is no run to resume in {folder}",
            code="E_RUN_MISSING",
            hint="name its folder: `clsctl train --resume DIR`",
        )
    saved = file_source(path)
    before = resolve_config([saved]).values()
    resolved = _absolute(resolve_config([saved, *sources]))
    for name, value in resolved.values().items():
        if value != before[name] and name != "output":
            say(f"{name} is now {value}, not {before[name]}: not the run that it would have been")
    return resolved


def _absolute(resolved: ResolvedConfig) -> ResolvedConfig:
    """The same with paths that hold wherever the run is resumed from."""
    values = resolved.values()
    paths = {name: str(Path(values[name]).absolute()) for name in PATHS if values[name]}
    return resolved.replaced(paths)
