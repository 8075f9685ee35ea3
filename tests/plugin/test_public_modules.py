"""The modules that plugins may rely on are those that the plugins in this repository use."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator

from paths import DOCS, ROOT

PAGE = DOCS / "how-to" / "write-a-plugin.md"


def documented() -> set[str]:
    section = PAGE.read_text("utf-8").split("## Other modules that plugins may rely on")[1]
    rows = re.findall(r"^\| (`clsctl.*?) \|", section, re.MULTILINE)
    return {"clsctl.plugin", *re.findall(r"`(clsctl[\w.]*)`", " ".join(rows))}


def imported() -> Iterator[str]:
    for path in ROOT.glob("plugins/*/src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from (name for name in names if name.split(".")[0] == "clsctl")


def test_plugins_rely_on_what_is_documented_and_no_more_is():
    assert documented() == set(imported())


def test_what_is_documented_is_there():
    for name in documented():
        assert importlib.import_module(name).__doc__
