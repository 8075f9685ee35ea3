"""Render the help of commands: one look for all of them, without what Typer loads for its own.

Typer's help imports a Markdown parser and a syntax highlighter, which takes longer than to start.
"""

from __future__ import annotations

import logging
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from typer.core import TyperCommand, TyperGroup, TyperOption

from clsctl.console.messages import set_level
from clsctl.console.tables import Text, open_console

GROUPS = ("Input", "Model", "Output", "Speed", "Advanced")
"""Headings that group options, in the order in which they are shown."""

METAVARS = {
    "str": "TEXT",
    "int": "N",
    "integer": "N",
    "float": "X",
    "path": "PATH",
    "text": "TEXT",
}
"""What stands for a value, by its type; Typer's own words take the room of the help."""

_PLAINER = {
    r"default: \((.*?)\)(?=[;\]])": r"default: \1",
    r"(\d)\.0(?=[;\]<])": r"\1",
    r"; x>=(0|0\.001|1)(?=\])": "",
    r" *\[x>=(0|0\.001|1)\]": "",
    r"([\d.]+)<=x<=([\d.]+)": r"\1 to \2",
    r"x>=([\d.]+)": r"from \1",
    r"(; required| *\[required\]|required; )": "",
}
"""Patterns in what Typer says of an option, and what is said instead."""

UNGROUPED = 3
"""Options that every command has: -q, -v and -h."""

WIDEST_LEFT = 28
"""Columns for an option's spelling; what is longer gets a line of its own."""


class HelpCommand(TyperCommand):
    """A command whose help this module renders, with the switches `-q` and `-v`."""

    def __init__(self, name: str | None, **options: Any) -> None:
        super().__init__(name, **options)
        taken = {spelling for param in self.params for spelling in param.opts}
        self.params += [switch for switch in _verbosity() if taken.isdisjoint(switch.opts)]

    def get_help(self, ctx: Any) -> str:
        """The whole help, with colours where the output is a terminal."""
        return render_help(self, ctx)


class HelpGroup(TyperGroup):
    """A group of commands whose help this module renders."""

    def get_help(self, ctx: Any) -> str:
        """The whole help, with colours where the output is a terminal."""
        return render_help(self, ctx)


def _verbosity() -> list[TyperOption]:
    """Make the switches that choose how much is said."""
    quiet = _level_switch("-q", "--quiet", logging.WARNING, "Print results and errors alone.")
    return [quiet, _level_switch("-v", "--verbose", logging.DEBUG, "Print details, too.")]


def _level_switch(short: str, long: str, level: int, described: str) -> TyperOption:
    def choose(_context: Any, _param: Any, given: bool) -> None:
        if given:
            set_level(level)

    return TyperOption(
        param_decls=[short, long],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=choose,
        help=described,
    )


def render_help(command: TyperCommand | TyperGroup, ctx: Any) -> str:
    """Usage, description, arguments, options by group, commands and examples."""
    console = open_console()
    with console.capture() as captured:
        _print_help(console, command, ctx)
    return captured.get().rstrip("\n")


def _print_help(console: Console, command: TyperCommand | TyperGroup, ctx: Any) -> None:
    console.print(Text.assemble(("Usage: ", "bold"), usage_line(command, ctx)))
    if command.help:
        console.line()
        for paragraph in command.help.splitlines():
            console.print(paragraph)
    for title, rows in help_sections(command, ctx).items():
        _print_section(console, title, rows)
    if command.epilog:
        console.line()
        console.print("Examples:", style="bold")
        for line in command.epilog.splitlines():
            console.print(Text(f"  {line}"), soft_wrap=True)


def usage_line(command: TyperCommand | TyperGroup, ctx: Any) -> str:
    """Return how the command is called: `clsctl predict [OPTIONS] INPUT...`."""
    arguments = [p for p in command.get_params(ctx) if p.param_type_name == "argument"]
    words = [
        _metavar(p, ctx) if p.required else f"[{_metavar(p, ctx).strip('[]')}]" for p in arguments
    ]
    after = ["COMMAND ..."] if isinstance(command, TyperGroup) else words
    return " ".join([ctx.command_path, "[OPTIONS]", *after])


def help_sections(command: TyperCommand | TyperGroup, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Rows of spelling and help by title, in the order in which the titles first occur."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            is_argument = param.param_type_name == "argument"
            left = _metavar(param, ctx) if is_argument else _spelling(param, ctx)
            default = "Arguments" if is_argument else "Options"
            title = getattr(param, "rich_help_panel", None) or default
            sections.setdefault(title, []).append((left, _plain(record[1])))
    if isinstance(command, TyperGroup):
        sections["Commands"] = list(_commands(command, ctx))
    return dict(sorted(sections.items(), key=lambda section: _place(*section)))


def _place(title: str, rows: Sequence[tuple[str, str]]) -> int:
    """Where a group stands: in the usual order, then those of the command alone.

    What has no group comes first; -q, -v and -h alone come last.
    """
    usual = ("Arguments", "Options", *GROUPS)
    if title == "Commands" or (title == "Options" and len(rows) <= UNGROUPED):
        return len(usual) + 1
    return usual.index(title) if title in usual else len(usual)


def _commands(group: TyperGroup, ctx: Any) -> Iterator[tuple[str, str]]:
    for name in sorted(group.list_commands(ctx)):
        command = group.get_command(ctx, name)
        if command is not None and not command.hidden:
            yield name, command.short_help or command.help or ""


def _spelling(param: Any, ctx: Any) -> str:
    """`-k, --topk N`; a switch has no value."""
    names = ", ".join(sorted(param.opts, key=len))
    if param.secondary_opts:
        names = f"{names} / {', '.join(param.secondary_opts)}"
    return names if param.is_flag or param.count else f"{names} {_metavar(param, ctx)}"


def _plain(help_text: str) -> str:
    """The help without what the usage line says and brackets in brackets; bounds in words."""
    for pattern, words in _PLAINER.items():
        help_text = re.sub(pattern, words, help_text)
    return help_text


def _metavar(param: Any, ctx: Any) -> str:
    text: str = param.make_metavar(ctx=ctx)
    kind = text.strip("<>[]").lower().removesuffix(" range")
    return METAVARS.get(kind, text)


def _print_section(console: Console, title: str, rows: Sequence[tuple[str, str]]) -> None:
    console.line()
    console.print(f"{title}:", style="bold")
    column = min(max(len(left) for left, _ in rows), WIDEST_LEFT) + 4
    for left, right in rows:
        lines = textwrap.wrap(right, max(console.width - column, 20)) or [""]
        beside = len(left) + 4 <= column
        gap = " " * (column - 2 - len(left))
        first = gap + lines.pop(0) if beside else ""
        console.print(Text.assemble("  ", (left, "cyan"), first.rstrip()))
        for line in lines:
            console.print(" " * column + line)
