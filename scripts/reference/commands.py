"""The page about the command line: every command as its help shows it."""

from __future__ import annotations

import re
from typing import Any

from typer.main import get_command

from clsctl.console.help import help_sections, usage_line
from clsctl.main import build_app
from clsctl.plugin.descriptors import Command
from clsctl.plugin.registry import Registry, load_registry
from reference.markdown import code, fenced, plain, table

_INTRODUCTION = """\
# Commands

`clsctl COMMAND --help` shows the same on a terminal. Every command also takes `-q` (`--quiet`),
which prints results and errors alone, `-v` (`--verbose`), which prints details too, and `-h`
(`--help`). `clsctl --version` shows the version; `clsctl --install-completion` lets the Tab key
complete commands, options and values. Commands of plugins are marked.
"""
_EVERYWHERE = ("--quiet", "--verbose", "--help")


def commands_page() -> str:
    """Write an overview and a section for each command and group of commands."""
    registry = load_registry()
    commands: dict[str, Command] = dict(sorted(registry.items("commands").items()))
    rows = [(_link(name), plain(command.help)) for name, command in commands.items()]
    lines = [_INTRODUCTION, *table(("command", "what it does"), rows)]
    for command in commands.values():
        lines += _describe(command, registry)
    return "\n".join(lines)


def _link(name: str) -> str:
    return f"[`clsctl {name}`](#clsctl-{name.replace(' ', '-')})"


def _describe(command: Command, registry: Registry) -> list[str]:
    lines = [f"## clsctl {command.name}", ""]
    origin = registry.origins[registry.contributions("commands")[command.name].plugin]
    if origin != "built-in":
        lines += [f"Of the plugin `{origin.split()[0]}`.", ""]
    if command.run is None:
        lines += [plain(command.help), ""]
    else:
        lines += _parameters(command, registry)
    return [*lines, "Examples:", "", *fenced(command.examples, "bash")]


def _parameters(command: Command, registry: Registry) -> list[str]:
    """Write usage, description and a table for each group of options."""
    parsed, context = _parse(command, registry)
    lines = [*fenced([usage_line(parsed, context)], "text"), plain(parsed.help), ""]
    for title, rows in help_sections(parsed, context).items():
        shown = [(code(left), _meaning(right)) for left, right in rows if not _is_common(left)]
        if shown:
            lines += table((title, ""), shown)
    return lines


def _parse(command: Command, registry: Registry) -> tuple[Any, Any]:
    """Build what the command line's parser knows of a command, and the context of its help."""
    parsed: Any = get_command(build_app(registry, command))
    context = parsed.make_context("clsctl", [], resilient_parsing=True)
    for word in command.name.split():
        parsed = parsed.get_command(context, word)
        context = parsed.make_context(word, [], parent=context, resilient_parsing=True)
    return parsed, context


def _is_common(spelling: str) -> bool:
    return spelling.endswith(_EVERYWHERE)


def _meaning(text: str) -> str:
    """Write an option's help, with its default on the right as code."""
    body, _, default = text.partition("  [default: ")
    return plain(body) + (f" Default: {plain(_bare(default))}." if default else "")


def _bare(default: str) -> str:
    return re.sub(r"\]$", "", default)
