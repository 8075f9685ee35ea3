"""Text as users and programs read it."""

from __future__ import annotations

import pytest

from clsctl.console.text import iter_json, to_json

SECRET = "http://user:5ec2e7@host/a.png?token=5ec2e7"
CONTENTS = [
    {"猫": [1, 2.5, None, True], "empty": [], "nested": {"a": {"b": "c"}}},
    {"url": SECRET, "list": [f'see "{SECRET}" and {SECRET}'], "escape": "\x1b[2J\x9b\u202e"},
    "a\nb",
    [],
]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("indent", [None, 2])
def test_json_in_pieces_is_json_as_a_whole(content, indent):
    whole = to_json(content, indent)
    assert "".join(iter_json(content, indent)) == whole
    assert "5ec2e7" not in whole
