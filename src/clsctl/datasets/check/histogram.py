"""Draw how many samples each class has."""

from __future__ import annotations

import io
from collections.abc import Sequence

from clsctl.datasets.check.statistics import ClassCount
from clsctl.plotting import figure_text, font_for_any_script, new_figure

COLOURS = {"train": "#144e8c", "val": "#f28e2b", "test": "#59a14f"}
INCHES_A_CLASS, MOST_INCHES = 0.2, 60.0
MOST_NAMES = 300
"""Beyond this many classes their names would cover each other."""


def draw_histogram(classes: Sequence[ClassCount]) -> bytes:
    """Draw a PNG of samples by class and split, the class with the most training samples first.

    Args:
        classes: At least one.
    """
    ordered = sorted(classes, key=lambda one: -one.samples.get("train", 0))
    splits = list(ordered[0].samples)
    width = min(MOST_INCHES, max(8.0, len(ordered) * INCHES_A_CLASS * len(splits)))
    figure = new_figure(width, 5, dpi=150)
    axes = figure.subplots()
    for number, split in enumerate(splits):
        places = [place + 0.8 * number / len(splits) for place in range(len(ordered))]
        heights = [one.samples[split] for one in ordered]
        axes.bar(
            places, heights, 0.8 / len(splits), align="edge", color=COLOURS[split], label=split
        )
    names = [figure_text(one.name) for one in ordered] if len(ordered) <= MOST_NAMES else []
    places = [place + 0.4 for place in range(len(names))]
    axes.set_xticks(places, names, rotation=90, fontproperties=font_for_any_script(size=9))
    axes.set_ylabel("samples")
    axes.margins(x=0.01)
    axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
