"""Make figures and save them as PNG: the colours, fonts and axes that all of them share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.text import printable_text
from clsctl.images.caption import FONT
from clsctl.system.files import atomic_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties


BLUE, ORANGE, GREEN, GREY = "#1f5c99", "#d9822b", "#2e8540", "#8a8f98"
DPI = 110


def new_figure(width: float, height: float, dpi: int = DPI) -> Figure:
    """Make a figure of this size in inches; pyplot would keep it in a global list."""
    with _quiet_font_manager():
        from matplotlib.figure import Figure

    return Figure((width, height), dpi=dpi, layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; equal figures give equal files."""
    with atomic_output(path) as part:
        # The library's version would make equal pictures unequal files.
        figure.savefig(part, format="png", bbox_inches="tight", metadata={"Software": None})


def style_axes(axes: Axes, title: str, below: str) -> None:
    """Write a title above and a label below; draw a faint grid and no frame."""
    axes.set_title(title, fontsize="medium")
    axes.set_xlabel(below)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def figure_text(name: str) -> str:
    """Return a name as Matplotlib draws it letter by letter: it takes dollars for mathematics."""
    return printable_text(name).replace("$", r"\$")


def font_for_any_script(size: float = 8) -> FontProperties:
    """Load the bundled font: Matplotlib's own has no Chinese, Japanese or Korean."""
    from matplotlib.font_manager import FontProperties

    with resources.as_file(resources.files("clsctl") / "fonts" / FONT) as file:
        return FontProperties(fname=file, size=size)


@contextmanager
def _quiet_font_manager() -> Iterator[None]:
    """At its first import Matplotlib lists the fonts, and logs that it did."""
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
