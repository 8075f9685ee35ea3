"""The pages for those who come from elsewhere: what they say of clsctl is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from command_lines import COMMANDS, parse_line
from paths import DOCS, ROOT

from clsctl.schema.layers import config_keys
from clsctl.settings import Settings
from clsctl.training.config.train_config import TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGES = sorted(DOCS.rglob("coming-from-*.md"))
KEYS = {item.name for item in config_keys(TrainConfig)}
VARIABLES = {"HOME", *(item.name.upper() for item in config_keys(Settings))}


FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def codes(page: Path) -> list[str]:
    """What is set as code within the text."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return [code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", text)]


def lines(page: Path) -> list[str]:
    """The command lines of clsctl, of text and blocks."""
    blocks = "\n".join(FENCED.findall(page.read_text(encoding="utf-8")))
    return [*re.findall(r"^clsctl .*$", blocks, re.M), *filter(is_line, codes(page))]


def is_line(code: str) -> bool:
    return code.startswith("clsctl ") and code.removeprefix("clsctl ") not in COMMANDS


@pytest.mark.parametrize(
    ("page", "line"),
    [(page, line) for page in PAGES for line in lines(page)],
    ids=lambda value: str(value.relative_to(DOCS)) if isinstance(value, Path) else value,
)
def test_a_command_line_is_what_its_command_takes(page, line):
    assert parse_line(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_keys_and_variables_are_there(page):
    sections = {name.partition(".")[0] for name in KEYS if "." in name}
    for code in codes(page):
        if re.fullmatch(rf"({'|'.join(sections)})\.\w+", code):
            assert code in KEYS
        if found := re.fullmatch(r"CLSCTL_(\w+)(=\S+)?", code):
            assert found[1] in VARIABLES


@pytest.mark.parametrize("page", sorted(DOCS.rglob("coming-from-paddlex.md")))
def test_every_key_of_paddlex_is_named(page):
    path = ROOT / "src" / "clsctl" / "training" / "config" / "paddlex.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    keys = {name for table in tables.values() for name in table}
    assert {*keys, "Train.pretrain_weight_path", "Train.amp"} <= set(codes(page))
    rows = dict(re.findall(r"^\| `([\w.]+)` \| `([\w.]+)`", page.read_text(encoding="utf-8"), re.M))
    for name, ours in tables["keys"].items():
        assert rows.get(name, ours) == ours
