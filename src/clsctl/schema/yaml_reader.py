"""Read YAML as plain values, event by event, so that it never grows beyond its bounds.

A short text of aliases can stand for more values than memory holds, and tags can ask for objects.
Here an alias counts with all that it stands for, and tags other than those of plain values are
refused. Dates stay text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, cast

from clsctl.schema.bounds import MAX_DEPTH, require_few
from clsctl.schema.errors import SchemaError, brief

_TAG = "tag:yaml.org,2002:"
_TEXTS = frozenset(["!", f"{_TAG}str"])


def parse_yaml(text: str, verbatim: Collection[str] = ()) -> Any:
    """Read the one document of a text.

    Args:
        verbatim: Keys below which every single value is the text as it is written, such as names
            of classes that look like numbers.

    Raises:
        SchemaError: It holds what is no plain value, or too much of it.
        yaml.YAMLError: It is no YAML.
    """
    import yaml

    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return _Reader(events, verbatim).document()


class _Reader:
    def __init__(self, events: Iterator[Any], verbatim: Collection[str]) -> None:
        from yaml.constructor import SafeConstructor
        from yaml.resolver import Resolver

        self._events, self._verbatim = events, verbatim
        construct, self._resolver = SafeConstructor(), cast("Any", Resolver())
        self._construct = {
            f"{_TAG}int": construct.construct_yaml_int,
            f"{_TAG}float": construct.construct_yaml_float,
            f"{_TAG}bool": construct.construct_yaml_bool,
            f"{_TAG}null": construct.construct_yaml_null,
        }
        self._count = 0
        # What an anchor names, and how many values that is.
        self._anchors: dict[str, tuple[Any, int]] = {}

    def document(self) -> Any:
        import yaml

        value = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                value = self._value(next(self._events), 0, as_text=False)
                next(self._events)  # its end
                break
        if isinstance(next(self._events, None), yaml.DocumentStartEvent):
            raise SchemaError("it holds more than one document")
        return value

    def _value(self, event: Any, depth: int, as_text: bool) -> Any:
        import yaml

        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor)
        before = self._count
        self._add(1)
        if depth > MAX_DEPTH:
            raise SchemaError(f"it is nested in more than {MAX_DEPTH} levels")
        if isinstance(event, yaml.ScalarEvent):
            value = event.value if as_text else self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(event, depth, as_text)
        else:
            value = self._mapping(event, depth, as_text)
        if event.anchor:
            self._anchors[event.anchor] = value, self._count - before
        return value

    def _sequence(self, start: Any, depth: int, as_text: bool) -> list[Any]:
        import yaml

        self._require_plain(start, f"{_TAG}seq")
        values = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event, depth + 1, as_text))
        return values

    def _mapping(self, start: Any, depth: int, as_text: bool) -> dict[str, Any]:
        import yaml

        self._require_plain(start, f"{_TAG}map")
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            if key in values:
                raise SchemaError(f"the key {brief(key)} is there twice")
            below = as_text or key in self._verbatim
            values[key] = self._value(next(self._events), depth + 1, below)
        return values

    def _key(self, event: Any) -> str:
        """A key as it is written: `on` is no number here, and neither is `1`."""
        import yaml

        self._add(1)
        if not isinstance(event, yaml.ScalarEvent):
            raise SchemaError("one of its keys is not text")
        if event.value == "<<" and event.implicit[0]:
            raise SchemaError("it merges tables by '<<', which is not supported")
        key: str = event.value
        return key

    def _alias(self, anchor: str | None) -> Any:
        """What an anchor above names; a value within itself has no name yet."""
        if anchor is None or anchor not in self._anchors:
            raise SchemaError(f"the alias {brief(anchor)} stands for nothing")
        value, count = self._anchors[anchor]
        self._add(count)
        return value

    def _scalar(self, event: Any) -> Any:
        import yaml

        text: str = event.value
        plain, quoted = event.implicit
        tag = self._resolver.resolve(yaml.ScalarNode, text, event.implicit) if plain else event.tag
        if quoted or tag in _TEXTS or (plain and tag not in self._construct):
            return text
        if tag not in self._construct:
            raise SchemaError(f"it holds a value of the kind {brief(tag)}")
        try:
            return self._construct[tag](yaml.ScalarNode(tag, text))
        except (ValueError, LookupError, ArithmeticError):
            raise SchemaError(f"it holds {brief(text)}, which is no number or word") from None

    def _require_plain(self, start: Any, tag: str) -> None:
        if start.tag not in (None, "!", tag):
            raise SchemaError(f"it holds a value of the kind {brief(start.tag)}")

    def _add(self, count: int) -> None:
        self._count += count
        require_few(self._count)
