"""The pages that are written from the code say what the code says."""

from __future__ import annotations

import pytest
from paths import DOCS
from reference import markdown
from write_reference import PAGES, render

DOCSTRING = """Classify images, or *fail*; `a_b*` is code.

    >>> classify("a.jpg")

    Args:
        inputs: Paths, or
            <URLs>.
        k: How many.

    Returns:
        What was
        found.

    Raises:
        DataError: None.
    """


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_the_code_says(page):
    written = (DOCS / "reference" / page).read_text(encoding="utf-8")
    assert render(page) == written, "`make reference` renews it"


def test_a_docstring_becomes_markdown():
    assert markdown.docstring(DOCSTRING) == [
        r"Classify images, or \*fail\*; `a_b*` is code.",
        "",
        "```python",
        'classify("a.jpg")',
        "```",
        "",
        "",
        "**Arguments**",
        "",
        "- `inputs`: Paths, or",
        r"  \<URLs>.",
        "- `k`: How many.",
        "",
        "**Returns:** What was found.",
        "",
        "**Raises**",
        "",
        "- `DataError`: None.",
        "",
    ]


def test_a_cell_of_a_table_keeps_its_bars():
    assert markdown.table(["a|b"], [["c|d"]])[2] == r"| c\|d |"
