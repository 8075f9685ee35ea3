"""Documents that anyone may have written: a plain value within bounds, or one error."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import limits
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clsctl.schema.bounds import MAX_BYTES, MAX_DEPTH
from clsctl.schema.documents import load_document, parse_document
from clsctl.schema.errors import SchemaError


def refusal(text: str, suffix: str = ".yml") -> str:
    with pytest.raises(SchemaError) as caught:
        parse_document(text, suffix)
    assert caught.value.reason.isprintable()
    return caught.value.reason


def laughs(levels: int, width: int = 10) -> str:
    """Lists of lists, each ten times the one before it: 10 ** levels values."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


# PyYAML writes some line breaks of Unicode as a blank.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))
numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=50)
@given(plain)
def test_what_was_written_is_read(value):
    assert parse_document(json.dumps(value), ".json") == value
    if isinstance(value, (dict, list)):
        assert parse_document(yaml.safe_dump(value, allow_unicode=True), ".yml") == value


def test_aliases_of_a_size_that_paddlex_writes_are_followed():
    text = "Hpi: {a: &id001 {x: [[1, 3, 224, 224]]}, b: *id001}\n"
    assert parse_document(text, ".yml") == {
        "Hpi": {"a": {"x": [[1, 3, 224, 224]]}, "b": {"x": [[1, 3, 224, 224]]}}
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (laughs(9), "it holds more than 1,000,000 values"),
        ("a: &a [*a]", "the alias 'a' stands for nothing"),
        ("\n".join(["a0: &a0 x", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 40))]), "levels"),
        ("[" * 40 + "]" * 40, "it is nested in more than 32 levels"),
        ("{a: " * 40 + "}" * 40, "it is nested in more than 32 levels"),
        ("a: 1\na: 2", "the key 'a' is there twice"),
        ("a: &a {b: 1}\nc: {<<: *a}", "it merges tables by '<<', which is not supported"),
        ("[a]: 1", "one of its keys is not text"),
        ("!!int ''", "it holds '', which is no number or word"),
        ("!!float x", "it holds 'x', which is no number or word"),
        ("!!bool maybe", "it holds 'maybe', which is no number or word"),
        ("!!binary aGk=", "it holds a value of the kind 'tag:yaml.org,2002:binary'"),
        ("!!set {a}", "it holds a value of the kind 'tag:yaml.org,2002:set'"),
        ("!!python/tuple [a]", "it holds a value of the kind 'tag:yaml.org,2002:python/tuple'"),
        ("a: " + "9" * 5000, "which is no number or word"),
        ("a: " + "9" * 30, "it holds a number of more than 64 bits"),
        ("a: 1" + ":59" * 30, "it holds a number of more than 64 bits"),
        ("--- a\n--- b", "it holds more than one document"),
    ],
)
def test_yaml_beyond_the_bounds(text, reason):
    assert reason in refusal(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 1_000_000, "recursion"),
        ("[" * 40 + "]" * 40, "it is nested in more than 32 levels"),
        (r'"\ud800"', "it holds text that is no Unicode"),
        (r'{"\udfff": 1}', "it holds text that is no Unicode"),
        ("9" * 5000, "Exceeds the limit"),
        ("9" * 30, "it holds a number of more than 64 bits"),
        ("[NaN]", "'NaN' is no number"),
        ("[-Infinity]", "'-Infinity' is no number"),
        ("[1e999]", "'1e999' is no number"),
        ("[" + "0," * 1_100_000 + "0]", "it holds more than 1,000,000 values"),
        ("", "Expecting value"),
    ],
)
def test_json_beyond_the_bounds(text, reason):
    assert reason in refusal(text, ".json")


@pytest.mark.parametrize("key", ["on", "1", "2001-01-01", "~", "null", "1.5"])
def test_keys_are_what_is_written(key):
    assert parse_document(f"{key}: x", ".yml") == {key: "x"}


def test_values_below_some_keys_are_what_is_written():
    text = "names: [1, 0010, 1e3, on, ~, 2001-01-01, 'a', {b: 007}]\nother: [1, on]\n"
    assert parse_document(text, ".yml", verbatim=("names",)) == {
        "names": ["1", "0010", "1e3", "on", "~", "2001-01-01", "a", {"b": "007"}],
        "other": [1, True],
    }
    assert parse_document("d: 2001-99-99", ".yml") == {"d": "2001-99-99"}


def test_a_file_of_another_kind_or_too_large(tmp_path):
    (tmp_path / "large.json").write_bytes(b" " * (MAX_BYTES + 1))
    (tmp_path / "latin.json").write_bytes(b'"\xe9"')
    for path, reason in (
        (tmp_path / "large.json", "it has more than 16,777,216 bytes"),
        (tmp_path / "latin.json", "codec can't decode byte"),
        (Path("/dev/zero"), "it is a device, not a file"),
    ):
        with pytest.raises(SchemaError, match=reason):
            load_document(path)


@pytest.mark.parametrize("text", ["[[],[],", "{a: {},", "- - - - ", "&a a\n- *a\n", "? ", "'a',"])
def test_a_megabyte_of_anything_takes_bounded_memory_and_time(tmp_path, text):
    path = tmp_path / "large.yml"
    path.write_text("[" + text * (1_000_000 // len(text)))
    read = (
        "import sys\nfrom pathlib import Path\nfrom clsctl.schema.errors import SchemaError\n"
        "from clsctl.schema.documents import load_document\n"
        "try:\n load_document(Path(sys.argv[1]))\nexcept SchemaError:\n print('refused')"
    )
    done = limits.run_python(read, path, memory_mb=600, cpu_s=30)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


SYNTAX = """a : [ ] { } , ' " ! | ? 1 .nan << --- ... # 0x ~ - & * !!int %YAML &a *a \\ud800"""
pieces = st.sampled_from([*SYNTAX.split(), "\n", "\t", "  ", ": ", "- ", "&a ", "<<: ", "? "])


@settings(max_examples=300)
@given(st.lists(pieces, max_size=40).map("".join), st.sampled_from([".yml", ".json", ".toml"]))
def test_whatever_is_written_is_a_plain_value_or_one_error(text, suffix):
    try:
        value = parse_document(text, suffix)
    except SchemaError as error:
        assert error.reason.isprintable()  # noqa: PT017 - either outcome is right
    else:
        json.dumps(value, default=str, ensure_ascii=False).encode()


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from([".yml", ".json", ".toml"]))
def test_whatever_bytes_a_file_holds(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        path.write_bytes(content)
        try:
            load_document(path)
        except SchemaError as error:
            assert error.reason.isprintable()  # noqa: PT017 - either outcome is right


def test_the_deepest_document_can_be_written_again():
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(parse_document(text, ".json")) == text
    assert parse_document(text, ".yml") == parse_document(text, ".json")
