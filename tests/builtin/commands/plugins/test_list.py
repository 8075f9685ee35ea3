from __future__ import annotations

import made_plugins

WRITER = """
from clsctl.plugin import Writer, hookimpl

@hookimpl
def clsctl_writers():
    return [Writer("shiny-format", "A writer of the tests.", open=None)]
"""


def test_a_plugin_is_listed_with_its_origin_and_what_it_adds(clsctl, tmp_path):
    env = made_plugins.install(tmp_path / "site", "shiny", WRITER)
    done = clsctl("plugins", "list", env=env)
    assert done.returncode == 0
    row = next(line for line in done.stdout.splitlines() if line.startswith("shiny "))
    assert "shiny 1.0" in row
    assert "writers: shiny-format" in row


def test_everything_in_the_box_comes_through_the_hooks(clsctl):
    done = clsctl("plugins", "list")
    for line in ("backends.onnxruntime", "devices.gpu", "commands.predict", "writers.jsonl"):
        assert line in done.stdout
