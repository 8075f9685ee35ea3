from __future__ import annotations

import json

import records

from clsctl.builtin.writers.jsonl import JsonLinesWriter


def test_each_line_is_in_the_file_as_soon_as_it_is_written(tmp_path):
    path = tmp_path / "out.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        writer = JsonLinesWriter(stream)
        expected = []
        for result in records.several():
            writer.write(result)
            expected.append(result.as_dict())
            lines = path.read_text("utf-8").splitlines()
            assert [json.loads(line) for line in lines] == expected


def test_a_line_holds_what_the_documentation_says(tmp_path):
    path = tmp_path / "out.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        writer = JsonLinesWriter(stream)
        writer.write(records.classified("a.pdf", 3, (2, 0.5)))
        writer.write(records.broken("b.jpg", hint="mend it"))
    assert path.read_text("utf-8") == (
        '{"input_path": "a.pdf", "page_index": 3, "class_ids": [2], "scores": [0.5], '
        '"label_names": ["猫"]}\n'
        '{"input_path": "b.jpg", "page_index": null, '
        '"error": {"code": "E_X", "message": "b.jpg: it is [red]broken[/]"}}\n'
    )
