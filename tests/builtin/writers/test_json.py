from __future__ import annotations

import io
import json

import records

from clsctl.builtin.writers.json import JsonWriter


def written(*results) -> str:
    stream = io.StringIO()
    writer = JsonWriter(stream)
    for result in results:
        writer.write(result)
    writer.close()
    return stream.getvalue()


def test_one_array_with_an_object_a_line():
    text = written(*records.several())
    assert json.loads(text) == [result.as_dict() for result in records.several()]
    assert text.splitlines()[1] == (
        '{"input_path": "a b/猫.jpg", "page_index": null, "class_ids": [0, 1, 2], '
        '"scores": [0.75, 0.2, 1e-05], '
        '"label_names": ["tabby, tabby cat", "a \\"quoted\\" one", "猫"]},'
    )
    assert len(text.splitlines()) == len(records.several()) + 2


def test_no_result_is_an_empty_array():
    assert json.loads(written()) == []
