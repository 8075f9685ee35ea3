"""What the documentation says and what the code does are the same thing."""

from __future__ import annotations

import re

import pytest
from paths import ROOT

from clsctl.plugin.registry import KINDS, load_registry
from clsctl.schema.layers import config_keys
from clsctl.settings import Settings

PAGES = ("README.md", "CONTRIBUTING.md", "RELEASING.md", "benchmarks/README.md")
DOCS = sorted([*ROOT.glob("docs/**/*.md"), *(ROOT / page for page in PAGES)])


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


@pytest.mark.parametrize("page", [*DOCS, ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_the_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"(?:src/clsctl|plugins|benchmarks|examples|tests)/[\w./-]*\w", text):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


def test_the_modules_that_pages_and_docstrings_name_are_there():
    named = {
        (path.name, name)
        for path in [*DOCS, *ROOT.glob("src/**/*.py")]
        for name in re.findall(r"\bclsctl(?:\.[a-z_0-9]+)+\b", path.read_text(encoding="utf-8"))
    }
    assert {(path, name) for path, name in named if not is_known(name.split(".")[1:])} == set()


def is_known(parts: list[str]) -> bool:
    """Whether there is such a module or, in the last one that there is, such a name."""
    place = ROOT / "src" / "clsctl"
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    module = place / f"{parts[0]}.py" if parts else place
    if module.is_file():
        place = module
        parts.pop(0)
    text = (place if place.is_file() else place / "__init__.py").read_text(encoding="utf-8")
    return not parts or parts == ["json"] or re.search(rf"\b{parts[0]}\b", text) is not None


def test_every_benchmark_is_described():
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for script in (ROOT / "benchmarks").glob("*.py"):
        assert f"`{script.name}`" in text
