"""What a plugin's executor adds to `clsctl predict`."""

from __future__ import annotations

import functools
from pathlib import Path

import far_plugin
import pictures
import pytest
from fixtures import Run

ODD = """
from __future__ import annotations
from clsctl.plugin import hookimpl
from clsctl.plugin import Executor

def options(x: Missing = 1): ...

@hookimpl
def clsctl_executors():
    return [Executor("odd", "Odd.", None, options=options)]
"""


@pytest.fixture
def predict(clsctl: Run, ready: Path, tmp_path: Path) -> Run:
    pictures.write(tmp_path, {"photo.png": pictures.encoded(pictures.photo(), "PNG")})
    env = far_plugin.install(tmp_path / "site")
    return functools.partial(clsctl, "predict", "photo.png", "--model-dir", ready, env=env)


def test_its_options_are_in_the_help_and_reach_it(predict):
    shown = predict("--help").stdout
    assert "--far-workers" in shown
    assert "Where the job runs: local, " in shown
    done = predict("--executor", "far", "--far-workers", "3", "--format", "jsonl", "-k", "1")
    options, record = done.stdout.splitlines()
    assert options == "FarOptions(far_workers=3, far_host=None)"
    assert record.startswith('{"input_path": "photo.png"')
    assert done.returncode == 0


def test_it_writes_a_folder_where_the_output_has_no_suffix_of_a_format(predict, tmp_path):
    done = predict("--executor", "far", "-o", "out", "--resume", "--far-host", "there")
    assert done.stdout == "out jsonl True FarOptions(far_workers=1, far_host='there')\n"
    assert done.returncode == 7
    assert "2 of 5 inputs failed" in done.stderr
    done = predict("--executor", "far", "-o", "out.csv")
    assert done.stdout == "FarOptions(far_workers=1, far_host=None)\n"
    assert (tmp_path / "out.csv").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--far-workers", "2"], "--far-workers is an option of --executor far"),
        (["--far-workers", "0", "--executor", "far"], "0 is not in the range x>=1"),
        (
            ["--executor", "far", "-o", "out", "--sort-into", "by"],
            "--executor far writes into out itself, and saves nothing else",
        ),
    ],
)
def test_what_does_not_go_together(predict, options, said):
    done = predict(*options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_two_executors_cannot_have_one_option(predict, tmp_path):
    source = Path(far_plugin.__file__).read_text("utf-8").replace('"far", "Far', '"near", "Near')
    far_plugin.install(tmp_path / "site", "near", source)
    done = predict()
    assert done.returncode == 2
    assert "the option --far-workers of executor 'near' is already one of far" in done.stderr
    assert "[E_PLUGIN_CONFLICT]" in done.stderr


def test_options_that_cannot_be_read_are_a_warning(predict, tmp_path):
    far_plugin.install(tmp_path / "site", "odd", ODD)
    done = predict("--format", "jsonl")
    assert done.returncode == 0
    assert done.stderr == (
        "warning: the options of executor 'odd' cannot be read: name 'Missing' is not defined\n"
    )
