"""Every block of commands and of Python in the documentation runs, or says why it does not.

A page is one session: its blocks run one after the other in a folder that has the files it speaks
of. The models of the catalog come from a mirror on the loopback interface, which serves a small one
under each name.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import evaluating
import models
import pictures
import pytest
from fixtures import TRAINING
from paths import DOCS, EXAMPLES, ROOT
from servers import serving, whole

CHINESE = DOCS / "zh"  # its blocks are those of the English pages; tests/test_chinese_pages.py
GENERATED = "<!-- Written by scripts/write_reference.py"
PAGES = [
    ROOT / "README.md",
    *sorted(set(DOCS.rglob("*.md")) - set(CHINESE.rglob("*.md"))),
    *sorted(ROOT.glob("plugins/*/README.md")),
]
FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>.+) -->\n)?^```(?P<language>.*)\n(?P<text>(?s:.*?))^```$", re.M
)
RUN = ("bash", "console", "python")
DATA = ("text", "json", "yaml", "toml", "ini", "nginx", "dockerfile")
SERVED = ("PP-LCNet_x1_0", "ResNet50")

FOLDERS = {
    "prepare-a-dataset.md": ("photos",),
    "train-and-export.md": ("photos", "flowers"),
}
"""What a page's folder has, where it is not everything, because the page itself makes the rest."""


class Block(NamedTuple):
    page: Path
    language: str
    text: str
    why: str | None

    @property
    def commands(self) -> str:
        """Of a console, what stands behind the prompts."""
        if self.language != "console":
            return self.text
        return "\n".join(re.findall(r"^\$ (.*)$", self.text, re.MULTILINE))


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    if text.startswith(GENERATED):
        return []
    return [Block(page, m["language"], m["text"], m["why"]) for m in FENCE.finditer(text)]


ALL = [block for page in PAGES for block in blocks(page)]
RUNNABLE = [page for page in PAGES if any(b.language in RUN and not b.why for b in blocks(page))]
LONG = ("train-and-export.md",)
"""Trains a network of the catalog twice, which takes a minute."""


def id_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def marked(page: Path) -> Any:
    marks = pytest.mark.long if page.name in LONG else ()
    return pytest.param(page, marks=marks, id=id_of(page))


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_a_block_says_what_it_is_and_a_mark_why_it_does_not_run(page):
    for block in blocks(page):
        assert block.language in (*RUN, *DATA), f"a block of {page.name} has no language"
        assert block.why is None or block.language in RUN, f"{page.name} marks what never runs"
        assert block.language in RUN or not re.search(
            r"^(\$ )?clsctl (?!serves)[a-z]", block.text, re.M
        )


def test_most_blocks_run():
    code = [block for block in ALL if block.language in RUN]
    assert sum(block.why is None for block in code) >= 20


@pytest.fixture(scope="module")
def mirror(tiny: Path) -> Iterator[str]:
    """The address of a server that has the small model under the names of the catalog."""
    answers = {f"/{name}_infer.tar": whole(tar_of(tiny, f"{name}_infer")) for name in SERVED}
    with serving(answers) as site:
        yield site.url


def tar_of(folder: Path, name: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(folder, name)
    return content.getvalue()


@pytest.fixture(scope="module")
def environment(mirror: str, tiny_cache: Path, tmp_path_factory) -> dict[str, str]:
    """Variables of a user whose `clsctl` is this one, with a home that the pages share."""
    tools, home = tmp_path_factory.mktemp("tools"), tmp_path_factory.mktemp("docs-home")
    (home / "cache").symlink_to(tiny_cache)
    program = tools / "clsctl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m clsctl "$@"\n')
    program.chmod(0o755)
    return TRAINING | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "CLSCTL_HOME": str(home),
        "CLSCTL_BACKEND": models.BACKEND,
        "CLSCTL_MIRRORS": mirror,
        "NO_PROXY": "127.0.0.1",
        "COLUMNS": "80",
    }


@pytest.fixture
def workspace(tmp_path: Path, request: pytest.FixtureRequest, tiny: Path) -> Path:
    """A folder with what pages speak of."""
    wanted = FOLDERS.get(request.param.name, ("photos", "flowers", "model"))
    (tmp_path / "examples").symlink_to(EXAMPLES)
    photo = pictures.encoded(pictures.photo(), "JPEG")
    pictures.write(tmp_path, {f"{name}.jpg": photo for name in ("img", "cat", "a", "b")})
    (tmp_path / "list.txt").write_text("a.jpg\nb.jpg\n")
    if "photos" in wanted:
        write_photos(tmp_path / "photos")
    if "flowers" in wanted:
        evaluating.make_dataset(tmp_path / "flowers", wrong=(), val=2, train=4)
    if "model" in wanted:
        shutil.copytree(tiny, tmp_path / "model")
    return tmp_path


def write_photos(folder: Path) -> None:
    """Photos of objects of two classes, split, in a folder for each class."""
    for number in range(12):
        split, label = ("train", "val")[number % 3 == 2], ("daisy", "rose")[number % 2]
        content = pictures.encoded(pictures.photo(260, 300, seed=number), "JPEG")
        pictures.write(folder, {f"{split}/{label}/object{number}.jpg": content})


@pytest.mark.parametrize("workspace", [marked(page) for page in RUNNABLE], indirect=True)
def test_a_page_does_what_it_says(workspace: Path, environment, request):
    page = request.node.callspec.params["workspace"]
    for block in blocks(page):
        if block.language in RUN and block.why is None:
            run(block, workspace, environment)


def run(block: Block, folder: Path, environment: dict[str, str]) -> None:
    if block.language == "python":
        script = folder / "snippet.py"
        script.write_text(block.text, encoding="utf-8")
        command = [sys.executable, script]
    else:
        command = ["bash", "-eu", "-c", block.commands]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
