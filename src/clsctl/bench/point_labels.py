"""Write names beside the points of a figure, where there is room for them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

PALE = "#8a8f98"

LABEL_PLACES = (
    ((0, 7), "center", "bottom"),
    ((0, -7), "center", "top"),
    ((8, 0), "left", "center"),
    ((-8, 0), "right", "center"),
    ((-4, 7), "left", "bottom"),
    ((4, 7), "right", "bottom"),
)
"""Where a label may stand: shift from its point in points, and its alignment."""


def label_points(
    axes: Axes,
    points: Mapping[str, tuple[float, float]],
    names: Sequence[str],
    important: int,
    line: Sequence[tuple[float, float]],
) -> None:
    """Write names beside their points where there is room, the first ones first.

    Args:
        important: How many of the names stand out; these may cross the line if they must.
        line: Corners of a line to keep clear of.
    """
    from matplotlib.transforms import Bbox

    marks = axes.transData.transform(list(points.values()))
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in marks]
    edges = [Bbox(ends).padded(1) for ends in itertools.pairwise(axes.transData.transform(line))]
    for name in names[:important]:
        box = _label(axes, name, points[name], [*taken, *edges], weight="bold")
        taken += box or _label(axes, name, points[name], taken, weight="bold")
    for name in names[important:]:
        taken += _label(axes, name, points[name], [*taken, *edges], color=PALE)


def _label(
    axes: Axes, name: str, point: tuple[float, float], taken: Sequence[Bbox], **looks: Any
) -> list[Bbox]:
    """Write a name at the first place where it meets nothing; returns the box it fills, if any."""
    for shift, across, up in LABEL_PLACES:
        text = axes.annotate(
            name,
            point,
            shift,
            textcoords="offset points",
            ha=across,
            va=up,
            fontsize=8,
            **looks,
        )
        box = text.get_window_extent()
        inside = all(axes.bbox.contains(*corner) for corner in (box.min, box.max))
        if inside and not any(box.overlaps(other) for other in taken):
            return [box]
        text.remove()
    return []
