"""Hold a command line against what its command takes, without running it."""

from __future__ import annotations

import shlex

from typer.main import get_command

from clsctl.main import build_app
from clsctl.plugin.registry import load_registry

REGISTRY = load_registry()
COMMANDS = {name: c for name, c in REGISTRY.items("commands").items() if c.run is not None}


def parse_line(line: str) -> str:
    """Parse the part from `clsctl` on, and return the command's name; raise as the parser does."""
    words = shlex.split(line)
    words = words[words.index("clsctl") + 1 :]
    name = next(name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS)
    command = get_command(build_app(REGISTRY, COMMANDS[name]))
    for word in name.split():
        command = command.get_command(None, word)
    command.make_context(name, words[len(name.split()) :])
    return name
