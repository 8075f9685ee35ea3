from __future__ import annotations

import json
import subprocess
import sys

import pytest

import clsctl as package

HEAVY = ("paddle", "cv2", "onnxruntime", "numpy", "PIL", "httpx", "yaml")


def test_version(clsctl):
    assert clsctl("--version").stdout == f"clsctl {package.__version__}\n"


def test_help_names_every_command(clsctl):
    done = clsctl("--help")
    for name in ("predict", "models", "plugins", "config", "doctor"):
        assert f"│ {name} " in done.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("models", "list")])
def test_light_commands_import_nothing_heavy(arguments):
    code = (
        "import sys; from clsctl.main import run; assert run(sys.argv[1:]) == 0; "
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


def test_a_wrong_command_is_a_usage_error(clsctl):
    done = clsctl("predcit")
    assert done.returncode == 2
    assert "No such command 'predcit'" in done.stderr


def test_with_format_json_errors_are_json_too(clsctl):
    done = clsctl("predict", "x.jpg", "-m", "PP-LCNet_x1_O", "--format", "json")
    assert (done.returncode, done.stdout) == (4, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "E_MODEL_UNKNOWN"
    assert "PP-LCNet_x1_0" in error["message"]


def test_brackets_in_a_message_are_not_markup(clsctl):
    done = clsctl("predict", "x.jpg", "-m", "[bold]x[/nope]")
    assert "[bold]x[/nope]" in done.stderr
    assert done.returncode == 2


def test_piped_output_holds_no_colour_and_is_utf_8(clsctl):
    done = clsctl("models", "show", "PP-LCNet_x1_0", env={"LC_ALL": "C", "LANG": "C"})
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
