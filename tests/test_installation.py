"""A hint names the command that installs a package into the environment clsctl runs in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import clsctl
from clsctl.errors import ClsctlError, UsageError
from clsctl.installation import command_line, find_installation

SHOW = "from clsctl.installation import install_hint; print(install_hint('pyarrow'))"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with nothing in it, and without pip."""
    venv.create(tmp_path / "tools")
    return tmp_path / "tools"


def hint(environment: Path) -> str:
    """What is said in an environment that sees clsctl's sources."""
    sources = str(Path(clsctl.__file__).parents[1])
    return subprocess.run(
        [environment / "bin" / "python", "-c", SHOW],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": sources},
    ).stdout.strip()


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("pipx_metadata.json", "pipx inject tools pyarrow"),
        ("uv-receipt.toml", "uv pip install --python {} pyarrow"),
        ("lib/empty", "pip --python {} install pyarrow"),
        ("PIP", "{}/bin/python -m pip install pyarrow"),
    ],
)
def test_the_command_fits_how_clsctl_was_installed(environment, file, command):
    if file == "PIP":
        site = next((environment / "lib").glob("python*/site-packages"))
        (site / "pip.py").touch()
    else:
        (environment / file).touch()
    assert hint(environment) == command.format(environment)


def test_an_error_s_text_has_its_code_and_its_hint():
    error = UsageError("that is no size", code="E_VALUE", hint="write 20MB")
    assert str(error) == "that is no size [E_VALUE]\nhint: write 20MB"
    assert str(ClsctlError("a bug")) == "a bug [E_INTERNAL]"
    with pytest.raises(ClsctlError, match=r"(?s)\[E_MODEL_UNKNOWN\].*hint: "):
        clsctl.create_model("ResNet_0")


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """The folder of an environment, empty."""
    folder = tmp_path / "clsctl"
    folder.mkdir()
    return folder


def test_pipx(tool):
    (tool / "pipx_metadata.json").write_text("{}")
    found = find_installation(tool)
    assert command_line(found.install("pillow-heif>=0.20")) == (
        "pipx inject clsctl 'pillow-heif>=0.20'"
    )
    assert command_line(*found.uninstall("a", "b")) == "pipx runpip clsctl uninstall --yes a b"
    assert command_line(found.resolve("a")) == "pipx runpip clsctl install --dry-run a"


def test_pipx_keeps_account_of_what_it_injected(tool):
    facts = {"main_package": {}, "injected_packages": {"a": {}}}
    (tool / "pipx_metadata.json").write_text(json.dumps(facts))
    assert command_line(*find_installation(tool).uninstall("a", "b")) == (
        "pipx uninject clsctl --leave-deps a && pipx runpip clsctl uninstall --yes b"
    )


def test_pipx_with_a_suffix(tool):
    """`pipx install --suffix=-dev` calls the environment so."""
    other = tool.with_name("clsctl-dev")
    other.mkdir()
    (other / "pipx_metadata.json").write_text("{}")
    assert find_installation(other).install("a") == ["pipx", "inject", "clsctl-dev", "a"]


@pytest.mark.parametrize(
    ("file", "content"),
    [("uv-receipt.toml", "[tool]"), ("pyvenv.cfg", "home = /usr/bin\nuv = 0.13.9\n")],
)
def test_uv(tool, file, content):
    (tool / file).write_text(content)
    found = find_installation(tool, has_pip=False)
    assert found.install("a", index="https://example.org/simple") == [
        *("uv", "pip", "install", "--python", str(tool), "a"),
        *("--index-url", "https://example.org/simple"),
    ]
    assert found.uninstall("a") == [["uv", "pip", "uninstall", "--python", str(tool), "a"]]


def test_pip(tool, monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    found = find_installation(tool, has_pip=True)
    assert found.install("a") == [sys.executable, "-m", "pip", "install", "a"]
    assert found.uninstall("a") == [[sys.executable, "-m", "pip", "uninstall", "--yes", "a"]]


def test_pip_of_the_environment_that_is_active(tool, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", str(tool))
    assert find_installation(tool, has_pip=True).install("a") == ["pip", "install", "a"]


def test_what_it_says_of_an_environment_without_pip_can_be_run(tool, tmp_path):
    """A plain virtual environment without pip, which the pip of another one changes."""
    venv.create(tool, with_pip=False)
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
    found = find_installation(tool, has_pip=False)
    wheel = str(tmp_path / "tiny-1-py2.py3-none-any.whl")
    import_it = [str(tool / "bin" / "python"), "-c", "import tiny"]
    subprocess.run([*found.install(wheel), "--no-index"], check=True, capture_output=True)
    assert subprocess.run(import_it, capture_output=True, check=True).stdout == b"here\n"
    (uninstall,) = found.uninstall("tiny")
    subprocess.run(uninstall, check=True, capture_output=True)
    assert subprocess.run(import_it, capture_output=True, check=False).returncode == 1
