"""The page about the hooks of plugins and the descriptors that they return."""

from __future__ import annotations

import re
from typing import Any

import clsctl.plugin
from clsctl.plugin import hookspecs
from clsctl.plugin.registry import KINDS
from reference.markdown import code, table
from reference.objects import describe_object

_INTRODUCTION = """\
# Plugin hooks

A plugin implements any of these hooks with `clsctl.plugin.hookimpl`, and returns descriptors,
which `clsctl.plugin` holds too. [Write a plugin](../how-to/write-a-plugin.md) shows how, with an
example of each kind.
"""


def plugin_hooks_page() -> str:
    """Write every hook, the descriptors, and the values that they speak of."""
    returned = [_returned(kind) for kind in KINDS]
    public = {name: getattr(clsctl.plugin, name) for name in clsctl.plugin.__all__}
    classes = {name: item for name, item in public.items() if isinstance(item, type)}
    lines = [_INTRODUCTION, "## Hooks", "", *table(("hook", "returns", "what"), map(_row, KINDS))]
    lines += ["## Descriptors", ""]
    for name in returned:
        lines += describe_object(name, classes.pop(name), level=3)
    lines += ["## Values", "", "What descriptors receive, return and speak of.", ""]
    for name, item in sorted(classes.items()):
        lines += describe_object(name, item, level=3)
    return "\n".join(lines)


def _row(kind: str) -> tuple[str, str, str]:
    hook = f"clsctl_{kind}"
    name = _returned(kind)
    link = f"a list of [`{name}`](#class-{name.lower()})"
    return code(hook), link, (_specification(kind).__doc__ or "").strip()


def _returned(kind: str) -> str:
    """Name the descriptor that a hook returns: `Iterable[Command]` is of `Command`."""
    (name,) = re.findall(r"\[(\w+)\]", _specification(kind).__annotations__["return"])
    return str(name)


def _specification(kind: str) -> Any:
    return getattr(hookspecs, f"clsctl_{kind}")
