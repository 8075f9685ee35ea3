from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.schema.constraints import (
    Fraction,
    Length,
    OneOf,
    Pattern,
    PositiveFloat,
    PositiveInt,
    Range,
    Word,
)
from clsctl.schema.documents import load_document, parse_document, read_document
from clsctl.schema.errors import SchemaError
from clsctl.schema.read import read


@dataclass(frozen=True)
class Part:
    name: Annotated[str, Pattern("[a-z]+", "a word")]
    size: Annotated[int, Range(0, 10)] = 0


@dataclass(frozen=True)
class Machine:
    parts: tuple[Part, ...]
    weights: Annotated[list[float], Length(1, 3)] = field(default_factory=lambda: [1.0])
    by_name: Mapping[str, Fraction] = field(default_factory=dict)
    cover: Part | None = None
    range: tuple[float, float] = (0.0, 1.0)
    mode: Literal["fast", "slow"] = "fast"
    colour: Annotated[str, OneOf("red", "blue")] = "red"
    batch: Annotated[PositiveInt, Word("auto", 0)] = 1
    rate: PositiveFloat | None = None
    on: bool = False
    notes: Any = None

    def __post_init__(self) -> None:
        if self.range[0] > self.range[1]:
            raise ValueError("range: the smaller number comes first")


FULL = {
    "parts": [{"name": "wheel", "size": 3}, {"name": "axle"}],
    "weights": [1, 2.5],
    "by_name": {"any key": 0.5},
    "cover": {"name": "lid"},
    "range": [0, 2],
    "mode": "slow",
    "colour": "blue",
    "batch": "auto",
    "rate": 1,
    "on": True,
    "notes": {"anything": [None]},
}


def test_a_table_becomes_what_was_declared():
    machine = read(Machine, FULL)
    assert machine == Machine(
        parts=(Part("wheel", 3), Part("axle")),
        weights=[1.0, 2.5],
        by_name={"any key": 0.5},
        cover=Part("lid"),
        range=(0.0, 2.0),
        mode="slow",
        colour="blue",
        batch=0,
        rate=1.0,
        on=True,
        notes={"anything": [None]},
    )
    assert type(machine.rate) is float
    assert read(Machine, {"parts": []}) == Machine(())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("parts", {"name": "wheel"}, "parts: expected a list of tables, not {'name': 'wheel'}"),
        ("parts", [3], "parts: number 1: expected a table, not 3"),
        ("parts", [{"size": 1}], "parts: number 1: the key 'name' is missing"),
        ("parts", [{"name": "A1"}], "parts: A1: name: expected a word, not 'A1'"),
        ("parts", [{"name": "a\n"}], "parts: a\\n: name: expected a word, not 'a\\n'"),
        (
            "parts",
            [{"name": "rim", "size": 11}],
            "parts: rim: size: expected a whole number from 0 to 10, not 11",
        ),
        (
            "parts",
            [{"name": "rim", "size": True}],
            "parts: rim: size: expected a whole number from 0 to 10, not True",
        ),
        (
            "parts",
            [{"name": "rim", "size": 3.0}],
            "parts: rim: size: expected a whole number from 0 to 10, not 3.0",
        ),
        ("parts", [{"name": "rim", "siz": 1}], "parts: rim: unknown key 'siz'. Did you mean size?"),
        ("weights", [], "weights: expected a list of length from 1 to 3, not []"),
        ("weights", [1, "2"], "weights: number 2: expected a number, not '2'"),
        ("weights", [math.nan], "weights: number 1: expected a number, not nan"),
        ("weights", [10**400], "weights: number 1: expected a number, not a number of many digits"),
        ("by_name", {"a": 2}, "by_name: a: expected a number from 0 to 1, not 2"),
        ("by_name", {1: 0}, "by_name: keys must be text, not 1"),
        ("cover", {"name": 1}, "cover: name: expected a word, not 1"),
        ("cover", 1, "cover: expected a table, not 1"),
        ("range", [1], "range: expected a list of 2, not [1]"),
        ("range", [2, 1], "range: the smaller number comes first"),
        ("mode", "quick", "mode: expected fast or slow, not 'quick'"),
        ("mode", ["fast"], "mode: expected fast or slow, not ['fast']"),
        ("colour", "green", "colour: expected red or blue, not 'green'"),
        ("batch", 0, "batch: expected a whole number, 1 or more, or auto, not 0"),
        ("rate", 0, "rate: expected a number above 0, not 0"),
        ("on", 1, "on: expected true or false, not 1"),
        ("on", "yes", "on: expected true or false, not 'yes'"),
        ("x" * 1000, 1, f"unknown key '{'x' * 37}...{'x' * 38}'. Valid: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(key: str, value: object, message: str):
    with pytest.raises(SchemaError) as caught:
        read(Machine, FULL | {key: value})
    assert str(caught.value).startswith(message)


def test_a_missing_key_and_one_too_many():
    with pytest.raises(SchemaError, match=r"^the key 'parts' is missing$"):
        read(Machine, {})
    assert read(Part, {"name": "rim", "later": 1}, extra_keys=True) == Part("rim")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, " 12 ", 12),
        (float, "3e-3", 0.003),
        (bool, "Yes", True),
        (bool, "", False),
        (float | None, "none", None),
        (float | None, "2", 2.0),
        (str, "none", "none"),
        (tuple[float, float], "[0.5, 1]", (0.5, 1.0)),
        (tuple[float, float], "0.5 1", (0.5, 1.0)),
        (tuple[str, ...], "a, b,c", ("a", "b", "c")),
        (tuple[str, ...], "http://[::1]:80/", ("http://[::1]:80/",)),
        (tuple[str, ...], "", ()),
        (list[int], ["1", 2], [1, 2]),
    ],
)
def test_a_text_stands_for_what_it_says_where_that_is_asked_for(kind: Any, text: Any, value: Any):
    assert read(kind, text, from_text=True) == value
    if kind is not str and isinstance(text, str):
        with pytest.raises(SchemaError):
            read(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"), [(int, "1.0"), (int, "9" * 5000), (float, "inf"), (float, "1e999")]
)
def test_a_text_that_says_something_else_is_shown(kind: Any, text: str):
    with pytest.raises(SchemaError, match=f"not '{text[:10]}") as caught:
        read(kind, text, from_text=True)
    assert len(str(caught.value)) < 200


KINDS = (Machine, tuple[Part, ...], Mapping[str, float], float | None, int | str, Literal["a"])
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.integers().map(lambda number: number << 20_000),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)
known = st.sampled_from([*FULL.values()])
tables = st.dictionaries(st.sampled_from([*FULL, "else"]), plain | known)


def refusal(call: Callable[[], object]) -> str:
    """What an error says, or nothing where there is none."""
    try:
        call()
    except SchemaError as error:
        return str(error)
    return ""


@given(value=plain | tables, kind=st.sampled_from(KINDS), loose=st.booleans())
def test_nothing_but_its_own_error_is_raised(value: object, kind: Any, loose: bool):
    said = refusal(lambda: read(kind, value, from_text=loose, extra_keys=loose))
    assert said.isprintable()
    assert len(said) < 1000


def test_a_value_that_holds_itself_is_shown_in_short():
    endless: list[object] = [date(2000, 1, 1)]
    endless += [endless] * 50
    with pytest.raises(SchemaError) as caught:
        read(float, endless)
    assert len(str(caught.value)) < 200


# ---- documents ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("part.toml", 'name = "rim"\nsize = 2\n'),
        ("part.json", '{"name": "rim", "size": 2}'),
        ("part.yaml", "name: rim\nsize: 2\n"),
        ("part.yml", "\ufeffname: rim\nsize: 2\n"),
    ],
)
def test_a_file_is_read_by_its_suffix(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_document(Part, tmp_path / name) == Part("rim", 2)
    (tmp_path / name).write_text(text.replace("2", "-2"), encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        read_document(Part, tmp_path / name)
    assert str(caught.value) == (
        f"{tmp_path / name}: size: expected a whole number from 0 to 10, not -2"
    )


def test_a_file_that_is_not_there(tmp_path):
    assert load_document(tmp_path / "none.toml", optional=True) == {}
    with pytest.raises(SchemaError, match=r"none\.toml: cannot be read: No such file"):
        load_document(tmp_path / "none.toml")
    with pytest.raises(SchemaError, match=r"cannot be read: Is a directory"):
        load_document(tmp_path, optional=True)


@given(st.text(), st.sampled_from([".toml", ".json", ".yaml"]))
def test_a_text_in_no_format_is_one_error(text, suffix):
    said = refusal(lambda: parse_document(text, suffix))
    assert said.isprintable()
    assert len(said) < 500


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("[" * 100_000, ".json"),
        ("a = " + "[" * 100_000, ".toml"),
        ("[" * 100_000, ".yaml"),
        ("!!int ''", ".yaml"),
        ("!!timestamp x", ".yaml"),
        ("!!python/object/apply:os.system [exit 1]", ".yaml"),
        ("1" * 5000, ".json"),
    ],
)
def test_a_hostile_text_is_one_error(text, suffix):
    with pytest.raises(SchemaError):
        parse_document(text, suffix)
