from __future__ import annotations

import threading

import pytest

from clsctl.models.parsed_cache import parse_once
from clsctl.schema.errors import SchemaError

TEXT = "labels: [1, cat, 2.5, none]\nnames: {on: true}\n"
SAID = {"labels": [1, "cat", 2.5, "none"], "names": {"on": True}}


@pytest.fixture
def documents(home):
    return home / "cache" / "documents"


def test_what_a_text_says_is_kept(documents):
    assert parse_once(TEXT, ".yml") == SAID
    (kept,) = documents.iterdir()
    kept.write_text('{"kept": 1}')
    assert parse_once(TEXT, ".yml") == {"kept": 1}


def test_another_text_format_or_reading_is_kept_apart(documents):
    parse_once("a: 1", ".yml")
    assert parse_once("a: 2", ".yml") == {"a": 2}
    assert parse_once("a: 1", ".yml", ("a",)) == {"a": "1"}
    with pytest.raises(SchemaError):
        parse_once("a: 1", ".toml")
    assert len(list(documents.iterdir())) == 3


def test_what_is_damaged_is_parsed_again(documents):
    parse_once(TEXT, ".yml")
    (kept,) = documents.iterdir()
    kept.write_text('{"labels": [')
    assert parse_once(TEXT, ".yml") == SAID
    assert parse_once(TEXT, ".yml") == SAID


def test_a_cache_that_cannot_be_written_does_no_harm(home):
    (home / "cache").mkdir(parents=True, exist_ok=True)
    (home / "cache" / "documents").write_text("in the way")
    assert parse_once(TEXT, ".yml") == SAID


def test_several_may_write_together(documents):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(parse_once(TEXT, ".yml"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SAID] * 8
    assert len(list(documents.iterdir())) == 1
