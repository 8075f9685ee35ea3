"""The page about what `import clsctl` gives."""

from __future__ import annotations

from typing import Any

import clsctl
from clsctl import errors
from clsctl.errors import ClsctlError
from clsctl.training.state import TrainingFailed
from reference.markdown import code, plain, table
from reference.objects import describe_object

_INTRODUCTION = """\
# Python

Everything below is imported from `clsctl`, whose import loads nothing heavy. [Predict from
Python](../how-to/predict-from-python.md) shows the usual way through it; `clsctl.__version__` is
the version. Arrays of images are in OpenCV's BGR order; accuracies and scores lie between 0 and
1.
"""


def python_page() -> str:
    """Write every public name with its signature and docstring, functions first."""
    public = {name: getattr(clsctl, name) for name in clsctl.__all__ if name != "__version__"}
    ordered = sorted(public, key=lambda name: (isinstance(public[name], type), name))
    rows = [(_link(name, public[name]), _first_line(public[name])) for name in ordered]
    lines = [_INTRODUCTION, *table(("name", "what it does or holds"), rows)]
    for name in ordered:
        lines += describe_object(name, public[name])
        if public[name] is ClsctlError:
            lines += _kinds_of_errors()
    return "\n".join(lines)


def _link(name: str, item: Any) -> str:
    anchor = f"class-{name}" if isinstance(item, type) else name
    return f"[`{name}`](#{anchor.lower()})"


def _kinds_of_errors() -> list[str]:
    """Write what the `Raises` of all names speak of."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    rows = [
        (code(f"{kind.__module__}.{kind.__name__}"), str(kind.exit_status), _first_line(kind))
        for kind in [*kinds, TrainingFailed]
        if issubclass(kind, ClsctlError) and kind is not ClsctlError
    ]
    intro = "Its subclasses tell what kind of failure it is; [every code](errors.md) is explained."
    return [intro, "", *table(("class", "exit status", "meaning"), rows)]


def _first_line(item: Any) -> str:
    return plain((item.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "))
