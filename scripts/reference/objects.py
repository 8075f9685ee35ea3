"""Describe functions and classes: signature, docstring, public methods and properties."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cached_property
from inspect import Parameter
from types import FunctionType
from typing import Any

from reference.markdown import docstring, fenced

_LITERALS = (str, int, float, bool, tuple, type(None))
_WIDE = 88


def describe_object(name: str, item: Any, level: int = 2) -> list[str]:
    """Write a section about a function or a class with its methods."""
    word = "class " if isinstance(item, type) else ""
    heading = f"{'#' * level} {word}{name}"
    lines = [heading, "", *_signature(name, item), *docstring(item.__doc__)]
    if isinstance(item, type):
        for member_name, member in _public_members(item):
            lines += _describe_member(f"{name}.{member_name}", member, level + 1)
    return lines


def _describe_member(name: str, member: Any, level: int) -> list[str]:
    if isinstance(member, FunctionType):
        return describe_object(name, member, level)
    getter = member.func if isinstance(member, cached_property) else member.fget
    declared = fenced([f"{getter.__name__}: {getter.__annotations__['return']}"], "python")
    return [f"{'#' * level} {name}", "", *declared, *docstring(member.__doc__)]


def _public_members(item: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(item).items():
        public = not name.startswith("_")
        if public and isinstance(member, FunctionType | property | cached_property):
            yield name, member


def _signature(name: str, item: Any) -> list[str]:
    """Write how a function or a class is called, one parameter a line where there are many."""
    if isinstance(item, type) and getattr(item, "_is_protocol", False):
        return []
    signature = inspect.signature(item)
    shown = [p for p in signature.parameters.values() if not p.name.startswith("_")]
    words = list(_words([p for p in shown if p.name != "self"]))
    is_function = isinstance(item, FunctionType)
    after = f" -> {signature.return_annotation}" if is_function else ""
    called = name.rpartition(".")[2]
    line = f"{called}({', '.join(words)}){after}"
    if len(line) <= _WIDE:
        return fenced([line], "python")
    return fenced([f"{called}(", *(f"    {word}," for word in words), f"){after}"], "python")


def _words(parameters: list[Parameter]) -> Iterator[str]:
    """Write each parameter as a `def` has it, and `*` before the first that needs its name."""
    starred = False
    for parameter in parameters:
        if parameter.kind is Parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        stars = "**" if parameter.kind is Parameter.VAR_KEYWORD else ""
        # A named tuple keeps its annotations as references that are not resolved.
        kind = getattr(parameter.annotation, "__forward_arg__", parameter.annotation)
        yield f"{stars}{parameter.name}: {kind}{_default(parameter)}"


def _default(parameter: Parameter) -> str:
    """Write a default that is a value; of a function there is nothing to show."""
    if parameter.default is Parameter.empty:
        return ""
    value = parameter.default
    if isinstance(value, type):
        return f" = {value.__name__}"
    return f" = {value!r}" if isinstance(value, _LITERALS) else " = ..."
