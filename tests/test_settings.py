from __future__ import annotations

from pathlib import Path

import pytest

from clsctl.errors import UsageError
from clsctl.settings import folders, load_settings


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text, encoding="utf-8")


def test_an_option_beats_the_environment_beats_the_file_beats_the_default(home, monkeypatch):
    assert load_settings().origins["device"] == "default"
    write(home, 'device = "gpu"\nmirrors = ["http://a", "/b"]\n')
    assert load_settings().device == "gpu"
    assert load_settings().mirrors == ("http://a", "/b")
    monkeypatch.setenv("CLSCTL_DEVICE", "npu:1")
    assert load_settings().origins["device"] == "CLSCTL_DEVICE"
    assert load_settings(device="cpu").device == "cpu"
    assert load_settings(device=None).device == "npu:1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("devise = 'cpu'", "unknown setting 'devise'. Did you mean device"),
        ("timeout = 'soon'", "timeout: expected a whole number from 0 to 86400, not 'soon'"),
        ("timeout = -1", "timeout: expected a whole number from 0 to 86400, not -1"),
        ("threads = true", "threads: expected a whole number from 0 to 1024, not True"),
        ("offline = 'maybe'", "offline: expected true or false, not 'maybe'"),
        ("precision = 'fp8'", "precision: expected fp32, bf16, fp16, int8 or auto, not 'fp8'"),
        ("mirrors = [1]", "mirrors: number 1: expected text, not 1"),
        ("device = ", "cannot be read: Invalid value"),
    ],
)
def test_a_wrong_file_is_explained(home, text, message):
    write(home, text)
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert caught.value.message.startswith(f"{home / 'config.toml'}: {message}")
    assert caught.value.code == "E_CONFIG"


def test_a_wrong_variable_is_named(call, monkeypatch):
    monkeypatch.setenv("CLSCTL_THREADS", "many")
    done = call("config", "show")
    assert done.returncode == 2
    expected = "CLSCTL_THREADS: threads: expected a whole number from 0 to 1024, not 'many'"
    assert expected in done.stderr


def test_the_command_shows_what_is_wrong_and_the_rest(call, home):
    write(home, 'devise = "cpu"\ntimeout = "soon"\nmodel = "ResNet50"\n')
    done = call("config", "show")
    rows = {line.split()[0]: line.split()[1:3] for line in done.stdout.splitlines() if line.strip()}
    assert rows["model"][0] == "ResNet50"
    assert rows["timeout"] == ["30", "default"]
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: {home / 'config.toml'}: unknown setting 'devise'. Did you mean device? [E_CONFIG]",
        f"error: {home / 'config.toml'}: timeout: expected a whole number from 0 to 86400, "
        "not 'soon' [E_CONFIG]",
    ]


def test_the_command_shows_the_settings_beside_a_file_that_is_no_toml(call, home):
    write(home, "device = ")
    done = call("config", "show")
    assert "\ndevice " in done.stdout
    assert (done.returncode, "[E_CONFIG]" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["threads", "timeout", "input_timeout"])
@pytest.mark.parametrize("value", ["100000000", "-1", "1e9", "9" * 5000])
def test_a_number_beyond_all_use_is_refused(call, monkeypatch, name, value):
    monkeypatch.setenv(f"CLSCTL_{name.upper()}", value)
    done = call("config", "show")
    assert done.returncode == 2
    assert f"{name}: expected a whole number from 0 to" in done.stderr
    assert len(done.stderr) < 500


@pytest.mark.parametrize(("text", "value"), [("1", True), ("no", False), ("TRUE", True)])
def test_a_switch_understands_words(monkeypatch, text, value):
    monkeypatch.setenv("CLSCTL_OFFLINE", text)
    assert load_settings().offline is value


def test_the_command_names_each_value_s_origin(clsctl, home):
    write(home, 'model = "ResNet50"\n')
    done = clsctl("config", "show", env={"CLSCTL_OFFLINE": "1", "COLUMNS": "200"})
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "ResNet50" in rows["model"]
    assert str(home / "config.toml") in rows["model"]
    assert "CLSCTL_OFFLINE" in rows["offline"]
    assert "default" in rows["device"]


def test_a_wrong_file_ends_a_command_in_one_line(clsctl, home):
    write(home, "devise = 1")
    done = clsctl("config", "show")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "[E_CONFIG]" in done.stderr


def test_without_a_home_the_platform_s_folders_are_used(monkeypatch, tmp_path):
    monkeypatch.delenv("CLSCTL_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert folders().data == tmp_path / "data" / "clsctl"
    assert folders().config_file == tmp_path / "config" / "clsctl" / "config.toml"
