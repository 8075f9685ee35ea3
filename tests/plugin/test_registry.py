"""Third-party plugins, installed for real: a module and its metadata on the import path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import made_plugins
import pytest

from clsctl.errors import ModelError, UsageError
from clsctl.plugin.registry import KINDS, load_registry
from clsctl.values import __version__

WRITER = """
from clsctl.plugin import Writer, hookimpl

@hookimpl
def clsctl_writers():
    return [Writer("jsonl", "A writer of the tests.", open=None)]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a plugin made of one module, for this process too."""

    def install_(name: str, source: str) -> dict[str, str]:
        environment = made_plugins.install(tmp_path / "site", name, source)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        return environment

    return install_


def test_a_plugin_that_cannot_be_imported_is_one_line_and_no_traceback(clsctl, install):
    env = install("broken", "raise RuntimeError('no\\nluck')")
    done = clsctl("--version", env=env)
    assert done.returncode == 0
    assert done.stderr == (
        "warning: plugin 'broken' (broken 1.0) was not loaded: RuntimeError: no luck\n"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys\nsys.exit('no\\nlicence')", "SystemExit: no licence"),
        ("raise BaseException('rude')", "BaseException: rude"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_whatever_a_plugin_raises_at_import_is_one_warning(clsctl, install, source, reason):
    done = clsctl("--version", env=install("rude", source))
    assert (done.returncode, done.stdout) == (0, f"clsctl {__version__}\n")
    assert done.stderr == f"warning: plugin 'rude' (rude 1.0) was not loaded: {reason}\n"


@pytest.mark.parametrize(
    ("name", "statement", "reason"),
    [
        ("thrower", "1 / 0", "ZeroDivisionError: division by zero"),
        ("leaver", "raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_hook_that_raises_leaves_the_others_alone(install, capsys, name, statement, reason):
    hook = f"@hookimpl\ndef clsctl_writers():\n    {statement}\n"
    install(name, f"from clsctl.plugin import hookimpl\n{hook}")
    assert "jsonl" in load_registry().items("writers")
    assert capsys.readouterr().err == f"warning: plugin '{name}' failed: {reason}\n"


def test_two_plugins_with_one_name_are_an_error_naming_both(install):
    install("copycat", WRITER)
    with pytest.raises(UsageError, match=r"'writers\.jsonl' and 'copycat'") as caught:
        load_registry().items("writers")
    assert caught.value.code == "E_PLUGIN_CONFLICT"


def test_a_disabled_plugin_is_not_even_imported(clsctl, install):
    env = install("broken", "raise SystemExit('imported')")
    done = clsctl("--version", env={**env, "CLSCTL_DISABLED_PLUGINS": "broken"})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_descriptor_has_a_name_and_one_line_of_help(kind):
    for name, item in load_registry().items(kind).items():
        assert item.name == name
        assert item.help
        assert "\n" not in item.help


def test_a_wrong_name_gets_the_nearest_ones():
    with pytest.raises(UsageError, match=r"unknown writer 'jsn'\. Did you mean json") as caught:
        load_registry().get("writers", "jsn")
    assert caught.value.code == "E_WRITER_UNKNOWN"


def test_an_unknown_architecture_is_a_model_error():
    with pytest.raises(ModelError, match="unknown architecture 'ResNet5000'"):
        load_registry().get("architectures", "ResNet5000")


def test_a_built_in_command_is_in_the_module_that_is_called_like_it():
    for name, found in load_registry().contributions("commands").items():
        if found.item.run is not None and found.plugin.startswith("commands."):
            named = load_registry().find_command([*name.split(), "--help"])
            assert (named.name, named.help) == (found.item.name, found.item.help)


def test_a_command_is_found_after_all_were_loaded():
    registry = load_registry()
    registry.items("commands")
    assert registry.find_command(["models", "list", "--core"]).name == "models list"


def test_a_named_command_is_imported_without_the_others():
    code = (
        "import sys; from clsctl.main import run; run(['models', 'path', '--help']); "
        "print(*sorted(m for m in sys.modules if m.startswith('clsctl.builtin.commands.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()[-1].split()
    loaded = [name for name in names if not name.rpartition(".")[2].startswith("_")]
    assert loaded == ["clsctl.builtin.commands.models", "clsctl.builtin.commands.models.path"]
