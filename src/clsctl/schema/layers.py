"""Resolve a configuration from several sources, and know the origin of every value.

A configuration is a tree of dataclasses, whose keys each have a default and a meaning. A source
maps dotted keys (`optimizer.name`) to values, and later sources win. A text stands for what it
says, so that `--set epochs=3`, environment variables and YAML's `3e-3`, which is a text there,
work.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from clsctl.errors import UsageError, unknown_name
from clsctl.schema.errors import SchemaError, label, unexpected
from clsctl.schema.read import cached, read, type_hints

T = TypeVar("T")


def key(default: Any, meaning: str) -> Any:
    """Declare a key of a configuration: a dataclass field with a default and what it means."""
    return field(default=default, metadata={"meaning": meaning})


class ConfigKey(NamedTuple):
    """A key of a configuration.

    Attributes:
        name: Dotted, from the top of the tree.
        kind: Its annotation.
    """

    name: str
    kind: Any
    default: Any
    meaning: str


class ConfigSource(NamedTuple):
    """Values of one origin, by dotted key."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T]):
    """A configuration and where each value comes from, by dotted key."""

    config: T
    origins: Mapping[str, str]

    def values(self) -> dict[str, Any]:
        """Every value by dotted key, in the order in which keys are declared."""
        names = [item.name for item in config_keys(type(self.config))]
        return {name: functools.reduce(getattr, name.split("."), self.config) for name in names}

    def replaced(self, values: Mapping[str, Any], origin: str = "") -> Resolved[T]:
        """The same with other values; where an origin is given, they are said to come from it."""
        config = _tree(type(self.config), self.values() | dict(values))
        origins = dict.fromkeys(values, origin) if origin else {}
        return Resolved(config, {**self.origins, **origins})


@cached
def config_keys(tree: type[Any]) -> tuple[ConfigKey, ...]:
    """Every key of a tree, depth first."""
    return tuple(_keys(tree, ""))


def resolve(
    tree: type[T],
    sources: Sequence[ConfigSource],
    *,
    noun: str = "key",
    hint: str = "",
    report: Callable[[UsageError], object] | None = None,
) -> Resolved[T]:
    """Check every value and let later sources win.

    Args:
        noun: What an error calls a key.
        hint: Of an error.
        report: Receives what would be raised; the value it is about is then left out.

    Raises:
        UsageError: A key is unknown, or a value is not what it may be (`E_CONFIG`).
    """
    known = {item.name: item for item in config_keys(tree)}
    values = {name: item.default for name, item in known.items()}
    origins = dict.fromkeys(known, "default")
    for source in sources:
        for name, value in source.values.items():
            try:
                values[name] = _checked(name, value, known, noun)
            except SchemaError as error:
                problem = UsageError(f"{source.origin}: {error}", code="E_CONFIG", hint=hint)
                if report is None:
                    raise problem from None
                report(problem)
            else:
                origins[name] = source.origin
    return Resolved(_tree(tree, values), origins)


def flatten(nested: Mapping[str, Any], tree: type[Any], prefix: str = "") -> dict[str, Any]:
    """Turn tables within tables into dotted keys, as far as the tree has such tables."""
    hints = type_hints(tree)
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        section = hints.get(name)
        if is_dataclass(section) and isinstance(value, Mapping):
            flat |= flatten(value, section, f"{prefix}{name}.")  # type: ignore[arg-type]
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted keys into tables within tables, and tuples into lists, as files have them."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, last = name.split(".")
        table = nested
        for section in sections:
            table = table.setdefault(section, {})
        table[last] = list(value) if isinstance(value, tuple) else value
    return nested


def _keys(tree: type[Any], prefix: str) -> Iterator[ConfigKey]:
    hints = type_hints(tree)
    for item in fields(tree):
        name, kind = f"{prefix}{item.name}", hints[item.name]
        if is_dataclass(kind):
            yield from _keys(kind, f"{name}.")  # type: ignore[arg-type]
        elif "meaning" in item.metadata:
            yield ConfigKey(name, kind, item.default, item.metadata["meaning"])


def _checked(name: str, value: object, known: Mapping[str, ConfigKey], noun: str) -> Any:
    if any(key.startswith(f"{name}.") for key in known):
        raise unexpected("a table", value).below(name)
    if name not in known:
        raise SchemaError(unknown_name(noun, label(name), _suggested(name, known)))
    try:
        return read(known[name].kind, value, from_text=True)
    except SchemaError as error:
        raise error.below(name) from None


def _suggested(name: str, known: Mapping[str, ConfigKey]) -> list[str]:
    """The keys to look for near a wrong one: of its own section, or that end like it."""
    section, _, last = name.rpartition(".")
    alike = [key for key in known if key.rpartition(".")[2] == last]
    return alike or [key for key in known if key.rpartition(".")[0] == section] or list(known)


def _tree(tree: type[T], values: Mapping[str, Any], prefix: str = "") -> T:
    hints = type_hints(tree)
    arguments = {}
    for item in fields(tree):  # type: ignore[arg-type]
        name = f"{prefix}{item.name}"
        if is_dataclass(hints[item.name]):
            arguments[item.name] = _tree(hints[item.name], values, f"{name}.")
        elif name in values:
            arguments[item.name] = values[name]
    return tree(**arguments)
