"""The help of every command ends with examples that the command line takes."""

from __future__ import annotations

import re
import shlex

import pytest
from command_lines import COMMANDS, REGISTRY, parse_line

DESCRIBED = REGISTRY.items("commands")
EXAMPLES = [(name, example) for name, command in COMMANDS.items() for example in command.examples]
CHEAP = ["config show", "models list", "models show", "plan", "plugins check", "plugins list"]


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_command_and_group_has_two_examples(name):
    assert len(set(DESCRIBED[name].examples)) == 2


@pytest.mark.parametrize("name", ["", *DESCRIBED])
def test_a_help_ends_with_its_examples_and_asks_for_no_bare_text(call, name):
    shown = call(*name.split(), "--help").stdout
    options, examples = shown.split("\nExamples:\n")
    assert len(examples.splitlines()) == 2
    assert not re.findall(r"\b(TEXT|PATH)\b(?!:)", options.replace("DIR PATH", ""))
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_is_what_its_command_takes(name, example):
    assert parse_line(example.replace("$(", " ").replace(")", " ")) == name


@pytest.mark.parametrize(
    "example", [example for name, example in EXAMPLES if name in CHEAP and example[0] == "c"]
)
def test_a_cheap_example_runs(call, example):
    done = call(*shlex.split(example)[1:])
    assert done.returncode == 0, done.stderr
