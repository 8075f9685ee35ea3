"""Load every plugin in a process of its own, which a broken one may end, and say what came of it.

Run as a script, it prints what it found as JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from clsctl.console.text import print_line
from clsctl.errors import UsageError
from clsctl.plugin.registry import find_all, load_registry
from clsctl.settings import folders
from clsctl.system.processes import failure_of, run_module

_MARK = "clsctl found: "
"""Before what the process says; plugins may print what they like before it."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a new clsctl process finds.

    Attributes:
        added: What each third-party plugin adds: names by kind, by plugin.
        problems: A sentence for each plugin that fails or is suspicious.
    """

    added: dict[str, dict[str, list[str]]]
    problems: list[str]


def inspect_plugins() -> Inspection:
    """Load all that is installed now, in a new process.

    Raises:
        UsageError: clsctl cannot start with what is installed (`E_PLUGIN_FATAL`).
    """
    cache = folders().cache
    cache.mkdir(parents=True, exist_ok=True)
    child = run_module(__name__, folder=cache)
    said = child.stdout.rpartition(_MARK)[2]
    if child.returncode:
        reason = said.strip() or failure_of(child)
        raise UsageError(f"clsctl does not start: {reason}", code="E_PLUGIN_FATAL")
    return Inspection(**json.loads(said))


def main() -> None:
    """Print what an `Inspection` holds, or why two plugins exclude each other."""
    registry = load_registry()
    try:
        found = find_all(registry)
    except UsageError as error:
        print_line(f"{_MARK}{error.message}")
        raise
    added = {name: kinds for name, kinds in found.items() if registry.origins[name] != "built-in"}
    print_line(f"{_MARK}{json.dumps(asdict(Inspection(added, registry.problems)))}")


if __name__ == "__main__":
    main()
