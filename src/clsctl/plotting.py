"""Make figures and save them as PNG: the colours, fonts and axes that all of them share."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.images.caption import FONT
from clsctl.system.files import atomic_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties


BLUE, ORANGE, GREEN, GREY = "#1f5c99", "#d9822b", "#2e8540", "#8a8f98"
DPI = 110


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of this size in inches; pyplot would keep it in a global list."""
    from matplotlib.figure import Figure

    return Figure((width, height), dpi=DPI, layout="constrained")


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


def font_for_any_script() -> FontProperties:
    """Load the bundled font: Matplotlib's own has no Chinese, Japanese or Korean."""
    from matplotlib.font_manager import FontProperties

    with resources.as_file(resources.files("clsctl") / "fonts" / FONT) as file:
        return FontProperties(fname=file, size=8)
