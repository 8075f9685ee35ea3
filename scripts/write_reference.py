"""Write the pages of docs/reference that say what the code says, from the code.

`make reference` runs it; a test fails where a page is not what it would write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from reference.catalog import catalog_page
from reference.commands import commands_page
from reference.plugin_hooks import plugin_hooks_page
from reference.python_api import python_page
from reference.training_configuration import training_configuration_page

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
NOTE = "<!-- Written by scripts/write_reference.py from the code; `make reference` renews it. -->"
PAGES: Mapping[str, Callable[[], str]] = {
    "catalog.md": catalog_page,
    "commands.md": commands_page,
    "plugin-hooks.md": plugin_hooks_page,
    "python.md": python_page,
    "training-configuration.md": training_configuration_page,
}


def render(page: str) -> str:
    """Return what a page is to hold."""
    text = re.sub(r"\n{3,}", "\n\n", PAGES[page]())
    return f"{NOTE}\n\n{text.rstrip()}\n"


if __name__ == "__main__":
    for name in PAGES:
        (FOLDER / name).write_text(render(name), encoding="utf-8")
