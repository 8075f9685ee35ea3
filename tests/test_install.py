"""clsctl in environments that hold what its packages declare and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from distributions import (
    OURS,
    build_all,
    fatal_wheel,
    hello_wheel,
    new_environment,
    own_environment,
    pip_install,
    run,
)
from paths import EXAMPLES, ROOT
from tiny_training import MODEL, OPTIONS, write_dataset

from clsctl.schema.documents import parse_document
from clsctl.values import __version__

PYTHONS = ("3.10", "3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our packages alone, in a folder: nothing of the source tree is used beside them."""
    return build_all(tmp_path_factory.mktemp("dist"))


def install(programs: Path, wheels: Path, *names: str) -> None:
    """Install ours from the wheels and never from an index, then what they require from it."""
    ours = ("--no-index", "--find-links", str(wheels))
    pip_install(programs, "--no-deps", *ours, *(f"{name}=={__version__}" for name in names))
    pip_install(programs, "--find-links", str(wheels), *names)


@pytest.fixture(scope="module")
def installed(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment: no pip, no setuptools but what is required."""
    programs = new_environment(tmp_path_factory.mktemp("environment"))
    install(programs, wheels, "clsctl", "clsctl-efficientnet-lite")
    return programs


def test_what_is_declared_is_enough(installed: Path, tmp_path: Path):
    clsctl = installed / "clsctl"
    assert "espresso" in run(clsctl, "predict", EXAMPLES / "coffee.png", cwd=tmp_path)
    data = write_dataset(tmp_path / "data")
    run(clsctl, "train", "-m", MODEL, "-d", data, *OPTIONS, cwd=tmp_path)
    run(clsctl, "export", "--weights", "output", "-o", "exported", "--to", "onnx", cwd=tmp_path)
    assert (tmp_path / "exported" / "inference.onnx").is_file()
    assert "paddle" in run(clsctl, "doctor", cwd=tmp_path)


@pytest.mark.long
def test_an_extra_brings_its_plugin(wheels: Path, tmp_path: Path):
    """The extras name plugins by name and version, as they would come from an index."""
    programs = new_environment(tmp_path / "environment")
    pip_install(programs, "--find-links", str(wheels), "clsctl[imagenet,ray,serve]")
    listed = run(programs / "clsctl", "plugins", "list", cwd=tmp_path)
    assert [f"{name} {__version__}" in listed for name in OURS[1:]] == [True] * 3
    assert "espresso" in run(programs / "clsctl", "predict", EXAMPLES / "coffee.png", cwd=tmp_path)


@pytest.fixture
def pipx(tmp_path: Path) -> dict[str, str]:
    """The environment of a pipx that has installed nothing yet."""
    if not shutil.which("pipx"):
        pytest.skip("pipx is not on the PATH")
    home = str(tmp_path / "pipx")
    folders = {"PIPX_HOME": home, "PIPX_BIN_DIR": str(tmp_path / "bin")}
    return own_environment(**folders, UV_CACHE_DIR=str(tmp_path / "uv-cache"))


def call(*words: str | Path, cwd: Path, env: dict[str, str]) -> None:
    done = subprocess.run([*map(str, words)], cwd=cwd, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.long
def test_pipx_from_the_wheels(wheels: Path, pipx: dict[str, str], tmp_path: Path):
    find = f"--find-links {wheels}"
    call("pipx", "install", "clsctl[imagenet]", "--pip-args", find, cwd=tmp_path, env=pipx)
    clsctl = tmp_path / "bin" / "clsctl"
    assert "espresso" in run(clsctl, "predict", EXAMPLES / "coffee.png", cwd=tmp_path)


@pytest.mark.long
def test_pipx_from_the_source_tree(pipx: dict[str, str], tmp_path: Path):
    """The two commands of the README."""
    call("pipx", "install", ".", cwd=ROOT, env=pipx)
    call("pipx", "inject", "clsctl", "./plugins/clsctl-efficientnet-lite", cwd=ROOT, env=pipx)
    clsctl = tmp_path / "bin" / "clsctl"
    assert "espresso" in run(clsctl, "predict", EXAMPLES / "coffee.png", cwd=tmp_path)


def try_plugin(clsctl: Path, folder: Path) -> None:
    """Install a plugin, use it, remove it, where no pip is inside the environment."""
    wheel, fatal = hello_wheel(folder / "dist"), fatal_wheel(folder / "dist")
    run(clsctl, "plugins", "install", wheel, cwd=folder)
    assert run(clsctl, "hello", cwd=folder) == "hello\n"
    with pytest.raises(AssertionError, match="E_PLUGIN_FATAL"):
        run(clsctl, "plugins", "install", fatal, cwd=folder)
    assert run(clsctl, "hello", cwd=folder) == "hello\n"
    run(clsctl, "plugins", "remove", "clsctl-hello", cwd=folder)
    assert "hello" not in run(clsctl, "plugins", "list", cwd=folder)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["uv", "pip"])
def test_plugins_by_pipx(backend: str, wheels: Path, pipx: dict[str, str], tmp_path: Path):
    find, pipx = f"--find-links {wheels}", pipx | {"PIPX_DEFAULT_BACKEND": backend}
    call("pipx", "install", "clsctl", "--pip-args", find, cwd=tmp_path, env=pipx)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_DEFAULT_BACKEND"):
            patch.setenv(name, pipx[name])
        try_plugin(tmp_path / "bin" / "clsctl", tmp_path)


@pytest.mark.long
def test_plugins_by_uv(wheels: Path, tmp_path: Path):
    if not shutil.which("uv"):
        pytest.skip("uv is not on the PATH")
    # uv's own cache may hold a package of the same name, version and path, built another day.
    folders = {
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
    }
    install = ("uv", "tool", "install", "--python", sys.executable, "--find-links", wheels)
    call(*install, "clsctl", cwd=tmp_path, env=own_environment(**folders))
    try_plugin(tmp_path / "bin" / "clsctl", tmp_path)


def interpreter(version: str) -> str | None:
    """A Python of that version that starts; pyenv puts names on the PATH that do not."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    own = [str(path) for path in sorted(root.glob(f"versions/{version}.*/bin/python"))]
    for name in (*own, f"python{version}"):
        found = shutil.which(name)
        if found and not subprocess.run([found, "-c", ""], capture_output=True).returncode:
            return found
    return None


@pytest.mark.long
@pytest.mark.parametrize("version", PYTHONS)
def test_every_python(version: str, wheels: Path, tmp_path: Path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    programs = new_environment(tmp_path / "environment", python=python)
    install(programs, wheels, "clsctl", "clsctl-efficientnet-lite")
    assert "espresso" in run(programs / "clsctl", "predict", EXAMPLES / "coffee.png", cwd=tmp_path)
    data = write_dataset(tmp_path / "data")
    train = ("train", "-m", MODEL, "-d", data, *OPTIONS)
    run(programs / "clsctl", *train, cwd=tmp_path)


SUITE = (
    "tests/test_main.py",
    "tests/builtin/commands/test_train.py",
    "tests/loading/test_cache.py",
    "tests/quantization/test_int8.py",
)
"""Tests in which one or another library was too old for a lower bound that was declared."""


@pytest.mark.long
def test_the_oldest_libraries_that_are_declared_are_new_enough(wheels: Path, tmp_path: Path):
    """They are also what a user keeps who has installed something else that needs them."""
    table = parse_document((ROOT / "pyproject.toml").read_text(encoding="utf-8"), ".toml")
    oldest = [
        re.sub(r">=([^,;]+)[^;]*", r"==\1.*", one) for one in table["project"]["dependencies"]
    ]
    (tmp_path / "oldest.txt").write_text("\n".join(oldest))
    programs = new_environment(tmp_path / "environment")
    bounds = ("--constraint", str(tmp_path / "oldest.txt"), "--find-links", str(wheels))
    pip_install(
        programs, *bounds, f"clsctl=={__version__}", f"clsctl-efficientnet-lite=={__version__}"
    )
    assert "espresso" in run(programs / "clsctl", "predict", EXAMPLES / "coffee.png", cwd=tmp_path)
    pip_install(programs, *bounds, "pytest", "pytest-timeout", "hypothesis")
    run(programs / "python", "-m", "pytest", "-q", *SUITE, cwd=ROOT)
