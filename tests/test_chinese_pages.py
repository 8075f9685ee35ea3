"""The Chinese pages show the commands and outputs of the English ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from paths import DOCS, ROOT

CHINESE = DOCS / "zh"
PAIRS = [
    (ROOT / "README.md", ROOT / "README.zh-CN.md"),
    *((DOCS / page.relative_to(CHINESE), page) for page in sorted(CHINESE.rglob("*.md"))),
]
COMMENT = re.compile(r" *# .*$", re.MULTILINE)
ENGLISH_ONLY = "src/clsctl/\n"
"""What marks the block that only the English README has: the tree of the sources."""


def blocks(page: Path) -> list[str]:
    """The page's blocks of code, without comments."""
    found = re.findall(r"^```.*?\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    return [COMMENT.sub("", block) for block in found if ENGLISH_ONLY not in block]


def headings(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.findall(r"^#+(?= )", text, re.M)


@pytest.mark.parametrize(
    ("english", "chinese"), PAIRS, ids=[str(page.relative_to(ROOT)) for _, page in PAIRS]
)
def test_blocks_and_headings_are_those_of_the_english_page(english, chinese):
    assert blocks(chinese) == blocks(english), "a block was changed on one of the two pages alone"
    if english.name != "README.md":
        assert headings(chinese) == headings(english), "a section was added to one page alone"


def test_the_pages_from_nothing_to_a_trained_model_are_there():
    pages = {page.relative_to(CHINESE).as_posix() for page in CHINESE.rglob("*.md")}
    assert pages >= {
        "index.md",
        "tutorial/first-prediction.md",
        "how-to/predict-from-python.md",
        "how-to/predict-many-images.md",
        "how-to/prepare-a-dataset.md",
        "how-to/train-and-export.md",
        "how-to/serve-a-model.md",
        "how-to/coming-from-paddlex.md",
    }


def test_no_page_mixes_half_width_punctuation_into_chinese():
    for _, page in PAIRS:
        text = re.sub(
            r"^```.*?^```|`[^`\n]*`", "`", page.read_text(encoding="utf-8"), flags=re.M | re.S
        )
        assert not re.findall(r"[一-鿿][,;!?]", text), page.name
