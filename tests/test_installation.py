"""A hint names the command that installs a package into the environment clsctl runs in."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

import clsctl
from clsctl.errors import ClsctlError, UsageError

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
        ("PIP", "pip install pyarrow"),
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
