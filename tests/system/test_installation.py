"""The commands that change an installation are those of the program that made it."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from clsctl.system.installation import command_line, find_installation


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "clsctl"
    folder.mkdir()
    return folder


def test_pipx(environment):
    (environment / "pipx_metadata.json").write_text("{}")
    found = find_installation(environment)
    assert command_line(found.install("pillow-heif>=0.20")) == (
        "pipx inject clsctl 'pillow-heif>=0.20'"
    )
    assert command_line(found.uninstall("a", "b")) == "pipx runpip clsctl uninstall --yes a b"


def test_pipx_with_a_suffix(environment):
    """`pipx install --suffix=-dev` calls the environment so."""
    other = environment.with_name("clsctl-dev")
    other.mkdir()
    (other / "pipx_metadata.json").write_text("{}")
    assert find_installation(other).install("a") == ["pipx", "inject", "clsctl-dev", "a"]


@pytest.mark.parametrize(
    ("file", "content"),
    [("uv-receipt.toml", "[tool]"), ("pyvenv.cfg", "home = /usr/bin\nuv = 0.13.9\n")],
)
def test_uv(environment, file, content):
    (environment / file).write_text(content)
    found = find_installation(environment, has_pip=False)
    assert found.install("a", index="https://example.org/simple") == [
        *("uv", "pip", "install", "--python", str(environment), "a"),
        *("--index-url", "https://example.org/simple"),
    ]
    assert found.uninstall("a") == ["uv", "pip", "uninstall", "--python", str(environment), "a"]


def test_pip(environment, monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    found = find_installation(environment, has_pip=True)
    assert found.install("a") == [sys.executable, "-m", "pip", "install", "a"]
    assert found.uninstall("a") == [sys.executable, "-m", "pip", "uninstall", "--yes", "a"]


def test_pip_of_the_environment_that_is_active(environment, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))
    assert find_installation(environment, has_pip=True).install("a") == ["pip", "install", "a"]


def test_what_it_says_of_an_environment_without_pip_can_be_run(environment, tmp_path):
    """A plain virtual environment without pip, which the pip of another one changes."""
    venv.create(environment, with_pip=False)
    project = tmp_path / "tiny"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "tiny"\nversion = "1"\n'
        '[tool.hatch.build.targets.wheel]\nonly-include = ["tiny.py"]\n'
    )
    (project / "tiny.py").write_text("print('here')")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(project)], check=True, capture_output=True)
    found = find_installation(environment, has_pip=False)
    wheel = str(tmp_path / "tiny-1-py2.py3-none-any.whl")
    import_it = [str(environment / "bin" / "python"), "-c", "import tiny"]
    subprocess.run([*found.install(wheel), "--no-index"], check=True, capture_output=True)
    assert subprocess.run(import_it, capture_output=True, check=True).stdout == b"here\n"
    subprocess.run(found.uninstall("tiny"), check=True, capture_output=True)
    assert subprocess.run(import_it, capture_output=True, check=False).returncode == 1
