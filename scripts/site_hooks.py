"""What the site needs beyond mkdocs.yml: links into the source tree, anchors, languages."""

from __future__ import annotations

import logging
import re
from pathlib import Path, PurePosixPath
from typing import Any

import jieba
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

LANGUAGES = {"en": ("English", ""), "zh": ("简体中文", "zh/")}
"""Name and folder of each language; pages have the same path in all of them."""

_SHORT_CODE = re.compile(r"<code>([^<\n]{1,28})</code>")
_LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#]*)[^)]*\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make anchors of headings as forges do, of Chinese ones too; find Chinese words quietly."""
    jieba.setLogLevel(logging.WARNING)
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep the text alone of a link that leaves docs/: the site has no source tree."""
    depth = len(PurePosixPath(page.file.src_uri).parent.parts)

    def kept(link: re.Match[str]) -> str:
        return link[1] if link[2].count("../") > depth else link[0]

    return _LINK.sub(kept, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mark names and options, which are not to be broken at their hyphens.

    A page gives the space of side bars that would say nothing to its text and tables.
    """
    if not any(heading.children for heading in page.toc):
        page.meta["hide"] = ["toc", "navigation"] if page.file.name == "index" else ["toc"]
    return _SHORT_CODE.sub(r'<code class="short">\1</code>', html)


def on_page_context(
    context: dict[str, Any], page: Page, config: MkDocsConfig, nav: object
) -> dict[str, Any]:
    """Give a page its language, its neighbours, and a switch to the same page in the others."""
    own = _language(page)
    stem = page.file.dest_uri.removeprefix(LANGUAGES[own][1])
    for neighbour in ("previous_page", "next_page"):
        if (other := getattr(page, neighbour)) and _language(other) != own:
            setattr(page, neighbour, None)
    config.theme["language"] = own
    config.extra["alternate"] = [
        {"name": name, "lang": language, "link": _counterpart(folder, stem, config)}
        for language, (name, folder) in LANGUAGES.items()
    ]
    return context


def _language(page: Page) -> str:
    return "zh" if page.file.dest_uri.startswith("zh/") else "en"


def _counterpart(folder: str, stem: str, config: MkDocsConfig) -> str:
    """Find the page of that language, or its first page where it lacks this one."""
    source = Path(config.docs_dir, folder, stem).with_suffix(".md")
    return folder + (stem if source.is_file() else "index.html")
