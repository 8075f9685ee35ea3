"""What the documentation says and what the code does are the same thing."""

from __future__ import annotations

import re

import pytest
from paths import ROOT

from clsctl.plugin.registry import KINDS, load_registry
from clsctl.schema.layers import config_keys
from clsctl.settings import Settings

DOCS = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "benchmarks/README.md"])


def documentation() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCS)


def codes_in_sources() -> set[str]:
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    return set(re.findall(r'"(E_[A-Z0-9_]+)"', text))


def test_every_error_code_is_documented_and_no_other():
    table = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(E_[A-Z0-9_]+)` \|", table, re.MULTILINE))
    assert documented - {"E_<KIND>_UNKNOWN"} == codes_in_sources()


def test_every_setting_is_documented():
    table = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    for setting in config_keys(Settings):
        assert f"| `{setting.name}` | `CLSCTL_{setting.name.upper()}` |" in table


@pytest.mark.parametrize("kind", KINDS)
def test_every_hook_is_documented(kind):
    assert f"`clsctl_{kind}`" in documentation()


def test_every_command_is_mentioned():
    text = documentation()
    for name, command in load_registry().items("commands").items():
        if command.run is not None:
            assert f"clsctl {name}" in text, f"no page mentions `clsctl {name}`"


@pytest.mark.parametrize("page", DOCS, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_benchmark_is_described():
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for script in (ROOT / "benchmarks").glob("*.py"):
        assert f"`{script.name}`" in text
