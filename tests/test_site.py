"""The pages of docs/ hang together: every link leads somewhere, every page is in the navigation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from paths import DOCS, ROOT

PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md"])
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
FETCHED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//")


def prose(page: Path) -> str:
    """The page without its code, in which brackets are no links."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"`[^`\n]+`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(page: Path) -> set[str]:
    """The anchors that a forge and the site give the page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    words = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", word.lower()).replace(" ", "-") for word in words}


def listed(navigation: list) -> Iterator[str]:
    for item in navigation:
        below = next(iter(item.values())) if isinstance(item, dict) else item
        yield from listed(below) if isinstance(below, list) else [below]


def hidden_bars(page: Path) -> set[str]:
    """The side bars that a page of the site does without."""
    return set(re.findall(r'data-md-type="(\w+)" hidden>', page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_a_heading(page):
    for target in LINK.findall(prose(page)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(found), f"{page.name} links to {target}"


def test_every_page_is_in_the_navigation_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert sorted(listed(site["nav"])) == sorted(pages)


@pytest.mark.long
def test_the_site_is_built_strictly_and_fetches_nothing(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(list(DOCS.rglob("*.md")))
    for page in pages:
        assert not FETCHED.search(page.read_text(encoding="utf-8")), page
    chinese = (tmp_path / "zh" / "how-to" / "train-and-export.html").read_text(encoding="utf-8")
    assert '<html lang="zh"' in chinese
    assert 'href="../../how-to/train-and-export.html" hreflang="en"' in chinese
    assert hidden_bars(tmp_path / "index.html") == {"navigation", "toc"}
    assert hidden_bars(tmp_path / "reference" / "networks.html") == {"toc"}  # a wide table alone
    assert hidden_bars(tmp_path / "reference" / "commands.html") == set()
    first = (tmp_path / "zh" / "index.html").read_text(encoding="utf-8")
    assert "md-footer__link--next" in first
    assert "md-footer__link--prev" not in first  # which would be the last English page
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet
