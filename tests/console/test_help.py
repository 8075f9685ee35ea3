"""The help of a command, exactly as it is read."""

from __future__ import annotations

SHOW = """\
Usage: clsctl models show [OPTIONS] NAME

Show everything that is known about a model, and whether it is on this machine.

Arguments:
  NAME  A model, as `models list` shows it.

Options:
  --format NAME  table or json.  [default: table]
  -q, --quiet    Print results and errors alone.
  -v, --verbose  Print details, too.
  -h, --help     Show this message and exit.

Examples:
  clsctl models show PP-LCNet_x1_0
  clsctl models show ResNet50
"""


def test_the_help_of_a_command(clsctl):
    assert clsctl("models", "show", "--help").stdout == SHOW


def test_help_fits_the_terminal_and_cuts_no_word(clsctl):
    narrow = clsctl("predict", "--help", env={"COLUMNS": "60"}).stdout
    assert max(map(len, narrow.splitlines())) <= 60
    wide = clsctl("predict", "--help", env={"COLUMNS": "140"}).stdout
    assert len(wide.splitlines()) < len(narrow.splitlines())
    assert narrow.split() == wide.split()
