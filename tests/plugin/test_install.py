"""`clsctl plugins install` and `plugins remove`, in an environment made for the test."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from distributions import command_plugin, own_environment, plugin_wheel
from paths import ROOT

Call = Callable[..., "subprocess.CompletedProcess[str]"]

HELLO = command_plugin("hello", "hello from 1.0")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The packages of a virtual environment that sees those of the environment of the tests."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False)
    (site,) = (folder / "lib").glob("python*/site-packages")
    sources = [ROOT / "src", *ROOT.glob("plugins/*/src"), sysconfig.get_paths()["purelib"]]
    (site / "base.pth").write_text("\n".join(map(str, sources)) + f"\nimport site; {_follow()}\n")
    return site


def _follow() -> str:
    """Follow the .pth files of that environment, too: its packages may be those of another one."""
    return f"site.addsitedir({sysconfig.get_paths()['purelib']!r})"


@pytest.fixture
def clsctl(site: Path, tmp_path: Path) -> Call:
    python = site.parents[2] / "bin" / "python"

    def call(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), "-m", "clsctl", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=own_environment(**({"CLSCTL_OFFLINE": "1"} | env)),
            check=False,
        )

    return call


def laid(site: Path) -> set[str]:
    return {path.name for path in site.iterdir() if path.name != "__pycache__"}


def test_a_wheel_is_installed_and_removed(clsctl, site, tmp_path):
    wheel = plugin_wheel(tmp_path / "dist", "clsctl-hello", HELLO)
    before = laid(site)
    done = clsctl("plugins", "install", wheel)
    assert (done.returncode, done.stdout) == (
        0,
        "installed clsctl-hello\nclsctl-hello adds commands: hello\n",
    ), done.stderr
    assert clsctl("hello").stdout == "hello from 1.0\n"
    done = clsctl("plugins", "remove", "clsctl-hello")
    assert (done.returncode, done.stdout) == (0, "removed clsctl-hello\n"), done.stderr
    assert laid(site) == before
    assert clsctl("hello").returncode == 2


@pytest.mark.long
def test_a_project_folder_is_installed_by_its_path(clsctl, tmp_path):
    project = tmp_path / "labels"
    project.mkdir()
    (project / "clsctl_labels.py").write_text(command_plugin(name="labels", says="42"))
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "clsctl-labels"\nversion = "1.0"\ndependencies = ["clsctl"]\n'
        '[project.entry-points.clsctl]\nlabels = "clsctl_labels"\n'
        '[tool.hatch.build.targets.wheel]\nonly-include = ["clsctl_labels.py"]\n'
    )
    done = clsctl("plugins", "install", "./labels", CLSCTL_OFFLINE="0")
    assert done.returncode == 0, done.stderr
    assert clsctl("labels").stdout == "42\n"
    assert clsctl("plugins", "remove", "labels").stdout == "removed clsctl-labels\n"


def test_what_does_not_go_with_what_is_installed_is_refused(clsctl, site, tmp_path):
    wheel = plugin_wheel(tmp_path / "dist", "clsctl-hello", HELLO, numpy="<1")
    before = laid(site)
    done = clsctl("plugins", "install", wheel)
    assert done.returncode == 2
    assert "[E_PLUGIN_RESOLVE]" in done.stderr
    assert f"numpy=={metadata.version('numpy')}" in done.stderr
    assert "clsctl-hello 1.0 depends on numpy<1" in done.stderr
    assert laid(site) == before


def test_a_plugin_that_cannot_be_imported_is_reported_and_can_be_removed(clsctl, site, tmp_path):
    wheel = plugin_wheel(tmp_path / "dist", "clsctl-hello", "import nothing_of_that_name")
    before = laid(site)
    done = clsctl("plugins", "install", wheel)
    assert done.returncode == 2
    assert "No module named 'nothing_of_that_name' [E_PLUGIN_BROKEN]" in done.stderr
    assert "hint: clsctl plugins remove clsctl-hello\n" in done.stderr
    assert clsctl("--version").returncode == 0
    assert clsctl("plugins", "remove", "clsctl-hello").returncode == 0
    assert laid(site) == before


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os._exit(9)", "clsctl does not start: it ended with 9"),
        (command_plugin(name="predict", says=""), "the command 'predict' comes from two plugins"),
    ],
    ids=["ends-the-process", "takes-a-command"],
)
def test_where_clsctl_would_not_start_nothing_changes(clsctl, site, tmp_path, source, reason):
    old = plugin_wheel(tmp_path / "dist", "clsctl-hello", HELLO)
    assert clsctl("plugins", "install", old).returncode == 0
    before = laid(site)
    new = plugin_wheel(tmp_path / "dist", "clsctl-hello", source, "2.0")
    other = plugin_wheel(tmp_path / "dist", "clsctl-other", "")
    done = clsctl("plugins", "install", new, other)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "[E_PLUGIN_FATAL]" in done.stderr
    assert laid(site) == before
    assert clsctl("hello").stdout == "hello from 1.0\n"


@pytest.mark.long
def test_a_newer_version_replaces_an_older_one(clsctl, tmp_path):
    newer = command_plugin(name="hello", says="hello from 2.0")
    old = plugin_wheel(tmp_path / "dist", "clsctl-hello", HELLO)
    new = plugin_wheel(tmp_path / "dist", "clsctl-hello", newer, "2.0")
    for wheel in (old, new):
        done = clsctl("plugins", "install", wheel)
        assert done.stdout.startswith("installed clsctl-hello\n"), done.stderr
    assert clsctl("hello").stdout == "hello from 2.0\n"
    assert "all of it was installed already" in clsctl("plugins", "install", "clsctl-hello").stdout


@pytest.mark.long
def test_what_another_plugin_requires_stays(clsctl, tmp_path):
    base = plugin_wheel(tmp_path / "dist", "clsctl-base", "")
    top = plugin_wheel(tmp_path / "dist", "clsctl-top", "", **{"clsctl-base": ">=1"})
    done = clsctl("plugins", "install", base, top)
    assert done.stdout.startswith("installed clsctl-base, clsctl-top\n"), done.stderr
    done = clsctl("plugins", "remove", "clsctl-base")
    assert "error: clsctl-base is required by clsctl-top [E_PLUGIN_REQUIRED]\n" in done.stderr
    done = clsctl("plugins", "remove", "clsctl-base", "clsctl-top")
    assert done.stdout == "removed clsctl-base, clsctl-top\n", done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("install", "./nothing-here"), "nothing-here [E_PLUGIN_PATH]"),
        (("install", "gone.whl"), "gone.whl [E_PLUGIN_PATH]"),
        (("install", "--", "--index-url=x"), "'--index-url=x' is neither a name nor a path"),
        (("install", "clsctl-no-such-plugin"), "[E_PLUGIN_RESOLVE]"),
        (("remove", "sevre"), "unknown plugin 'sevre'. Did you mean serve"),
        (("remove", "numpy"), "unknown plugin 'numpy'"),
    ],
)
def test_what_is_not_there(clsctl, words, said):
    done = clsctl("plugins", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_tests_run_in_another_environment(site):
    """Or these tests would change the one that they run in."""
    assert Path(sys.prefix) not in site.parents


INTO_THE_USERS_FOLDER = """
import site, sys
from pathlib import Path
from clsctl.plugin import distributions
before = set(distributions.installed())
info = Path(site.getusersitepackages(), "late-1.0.dist-info")
info.mkdir(parents=True)
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: late\\nVersion: 1.0\\n")
print(set(distributions.installed()) - before)
"""


def test_what_comes_into_a_user_s_folder_that_was_not_there_is_seen(tmp_path):
    """As in the one-file build, where the first plugin makes that folder."""
    python = getattr(sys, "_base_executable", sys.executable)
    variables = {"PYTHONUSERBASE": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [python, "-c", INTO_THE_USERS_FOLDER],
        env=own_environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{'late'}\n", done.stderr
