"""Layers of values -> one checked TrainConfig, with the origin of every value.

A layer maps dotted keys (`optimizer.name`) to values. Later layers win. A text stands for what
TOML would read in it, so that `--set epochs=3` and YAML's `3e-3`, which is a text there, work.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from clsctl.errors import UsageError, unknown_name
from clsctl.models.catalog_schema import at, unexpected
from clsctl.training.config.schema import TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HINT = "`clsctl train --explain-config` shows every key with its meaning"


@dataclass(frozen=True, slots=True)
class Layer:
    """Values of one origin, by dotted key."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One key of the tree.

    Attributes:
        kind: Its type, as annotated.
        facts: `help`, and where the key has them `low`, `high` and `auto`: whether the word `auto`
            is a way to say 0, which is found out when the run starts.
    """

    name: str
    kind: Any
    default: Any
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A configuration and where each value comes from, by dotted key."""

    config: TrainConfig
    origins: Mapping[str, str]

    def values(self) -> dict[str, Any]:
        """Every value by dotted key, in the order in which keys are documented."""
        return {leaf.name: _value_of(self.config, leaf.name) for leaf in leaves()}

    def replaced(self, values: Mapping[str, Any], origin: str = "") -> Resolved:
        """The same with other values; where an origin is given, they are said to come from it."""
        config = resolve([Layer(origin, self.values() | dict(values))]).config
        origins = dict.fromkeys(values, origin) if origin else {}
        return Resolved(config, {**self.origins, **origins})


def leaves(tree: type[Any] = TrainConfig, prefix: str = "") -> Iterator[Leaf]:
    """Every key of the tree, depth first."""
    hints = get_type_hints(tree)
    for item in fields(tree):
        kind = hints[item.name]
        if is_dataclass(kind):
            yield from leaves(kind, f"{prefix}{item.name}.")  # type: ignore[arg-type]
        else:
            yield Leaf(f"{prefix}{item.name}", kind, item.default, item.metadata)


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Check every value and let later layers win.

    Raises:
        UsageError: A key is unknown, or a value is of the wrong kind or out of bounds (`E_CONFIG`).
    """
    known = {leaf.name: leaf for leaf in leaves()}
    values = {name: leaf.default for name, leaf in known.items()}
    origins = dict.fromkeys(known, "default")
    for layer in layers:
        for name, value in layer.values.items():
            if name not in known:
                raise _refused(layer.origin, unknown_name("key", name, _suggested(name, known)))
            try:
                values[name] = _checked(known[name], value)
            except ValueError as error:
                raise _refused(layer.origin, str(error)) from None
            origins[name] = layer.origin
    return Resolved(_tree(TrainConfig, values), origins)


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables within tables -> dotted keys."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys -> tables within tables; tuples become lists, as files have them."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, last = name.split(".")
        table = nested
        for section in sections:
            table = table.setdefault(section, {})
        table[last] = list(value) if isinstance(value, tuple) else value
    return nested


def assignments(texts: Sequence[str]) -> Layer:
    """The layer of `--set key=value`.

    Raises:
        UsageError: There is no `=` (`E_CONFIG`).
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                f"--set {text} sets nothing",
                code="E_CONFIG",
                hint="write --set KEY=VALUE, as in --set optimizer.name=AdamW",
            )
        values[name.strip()] = value.strip()
    return Layer("--set", values)


def read_document(path: Path) -> dict[str, Any]:
    """The tables of a TOML or YAML file.

    Raises:
        UsageError: It cannot be read, or is no table (`E_CONFIG`).
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(
            f"cannot read {path}: {' '.join(str(error).split())}", code="E_CONFIG"
        ) from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no table of keys and values", code="E_CONFIG")
    return content


# ---- checks ------------------------------------------------------------------------------------


def _checked(leaf: Leaf, value: object) -> Any:
    with at(leaf.name):
        if value == "auto" and leaf.facts.get("auto"):
            return 0
        result = _convert(leaf.kind, value)
        low, high = leaf.facts.get("low"), leaf.facts.get("high")
        if isinstance(result, (int, float)) and not isinstance(result, bool):
            if low is not None and not result >= low:
                raise unexpected(f"{low:g} or more", value)
            if high is not None and not result <= high:
                raise unexpected(f"{high:g} or less", value)
        return result


def _convert(kind: Any, value: object) -> Any:
    """The value as a `kind`: a simple type, a Literal, a tuple or a union of these."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value)
    if origin is Literal:
        if value not in arguments:
            raise unexpected(" or ".join(map(str, arguments)), value)
        return value
    if kind is str:
        if not isinstance(value, str):
            raise unexpected("text", value)
        return value
    value = _read_text(value) if isinstance(value, str) else value
    if origin is tuple:
        return _several(arguments, value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise unexpected(_NOUNS[kind], value)
    return value


def _one_of(kinds: Sequence[Any], value: object) -> Any:
    for kind in kinds:
        try:
            return _convert(kind, value)
        except ValueError:
            continue
    raise unexpected(" or ".join(_noun(kind) for kind in kinds), value)


def _several(kinds: Sequence[Any], value: object) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise unexpected("a list", value)
    if kinds[-1] is ...:
        return tuple(_convert(kinds[0], item) for item in value)
    if len(value) != len(kinds):
        raise unexpected(f"a list of {len(kinds)}", value)
    return tuple(_convert(kind, item) for kind, item in zip(kinds, value, strict=True))


def _read_text(text: str) -> object:
    if text.lower() in ("none", "null", ""):
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


_NOUNS = {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}


def _noun(kind: Any) -> str:
    return _NOUNS.get(kind) or " or ".join(map(str, get_args(kind))) or str(kind)


def _suggested(name: str, known: Mapping[str, Leaf]) -> list[str]:
    """The keys to look for near a wrong one: of its own section, or that end like it."""
    section, _, last = name.rpartition(".")
    alike = [key for key in known if key.rpartition(".")[2] == last]
    return alike or [key for key in known if key.rpartition(".")[0] == section] or list(known)


def _refused(origin: str, reason: str) -> UsageError:
    return UsageError(f"{origin}: {reason}", code="E_CONFIG", hint=HINT)


def _tree(tree: type[Any], values: Mapping[str, Any], prefix: str = "") -> Any:
    hints = get_type_hints(tree)
    arguments = {
        item.name: _tree(hints[item.name], values, f"{prefix}{item.name}.")
        if is_dataclass(hints[item.name])
        else values[f"{prefix}{item.name}"]
        for item in fields(tree)
    }
    return tree(**arguments)


def _value_of(config: TrainConfig, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value
