"""One HTML page to look at: the most confident mistakes and the labels worth checking.

The page holds its images, so that it can be sent to whoever knows the data.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clsctl.evaluation.result import Evaluation

SHOWN = 60
"""The most images in each section."""
THUMBNAIL = 240
"""Longer side in pixels."""
QUALITY = 80

TOO_WEAK = "None: this model cannot tell wrong labels from its own mistakes."


def render_gallery(evaluation: Evaluation) -> str:
    """The page as text."""
    top1, (low, high) = evaluation.top_k(1)
    title = f"{evaluation.model} on {evaluation.root.name}, {evaluation.split}"
    summary = (
        f"{len(evaluation.mistakes):,} of {len(evaluation.samples):,} images are classified "
        f"wrongly: top-1 {top1:.2%}, 95 % interval {low:.2%} to {high:.2%}."
    )
    sections = _mistakes(evaluation) + _suspects(evaluation)
    template = Template(
        (resources.files("clsctl.evaluation") / "gallery.html").read_text(encoding="utf-8")
    )
    return template.substitute(title=escape(title), summary=escape(summary), sections=sections)


def _mistakes(evaluation: Evaluation) -> str:
    places = evaluation.mistakes
    chosen = [(place, evaluation.predicted[place]) for place in places[:SHOWN].tolist()]
    text = "The wrong class that the model is surest of comes first."
    return _section("Most confident mistakes", text, len(places), _cards(evaluation, chosen))


def _suspects(evaluation: Evaluation) -> str:
    indices, suggested, wrong, withheld = evaluation.suspects
    if withheld:
        return _section("Labels worth checking", "", 0, (), TOO_WEAK)
    pairs = zip(indices[:SHOWN].tolist(), suggested[:SHOWN].tolist(), strict=True)
    text = (
        "Another class scores at least as high here as it does on average where it is the label "
        f"(confident learning, arXiv:1911.00068). About {wrong:.0f} of these labels are wrong, by "
        "how well the model predicts labels that it was not fitted to; with the others the model "
        "is wrong: look before you change any."
    )
    cards = _cards(evaluation, pairs)
    return _section("Labels worth checking", text, len(indices), cards)


def _section(
    title: str, text: str, total: int, cards: Iterable[str], nothing: str = "None."
) -> str:
    if total == 0:
        return f"<h2>{title}</h2>\n<p>{nothing}</p>\n"
    count = f"{SHOWN} of {total:,}" if total > SHOWN else f"{total}"
    body = "\n".join(cards)
    return f'<h2>{title} ({count})</h2>\n<p>{text}</p>\n<div class="cards">\n{body}\n</div>\n'


def _cards(evaluation: Evaluation, chosen: Iterable[tuple[int, int]]) -> Iterable[str]:
    for place, other in chosen:
        sample, scores = evaluation.samples[place], evaluation.scores[place]
        label = int(evaluation.labels[place])
        line = f", line {sample.line} of {sample.file}" if sample.line else ""
        yield (
            f'<figure><img src="{_thumbnail(evaluation.root / sample.path)}" alt="">'
            "<figcaption>"
            f"{_row('model', evaluation.class_names[other], float(scores[other]))}"
            f"{_row('label', evaluation.class_names[label], float(scores[label]))}"
            f"<small>{escape(sample.path + line)}</small></figcaption></figure>"
        )


def _row(kind: str, name: str, score: float) -> str:
    named = f'<i>{kind}</i><b class="{kind}">{escape(name)}</b>'
    return f'<div class="row">{named}<span>{score:.1%}</span></div>'


def _thumbnail(path: Path) -> str:
    """The image as a data: URL."""
    import cv2

    from clsctl.images.read import read_pixels

    pixels = read_pixels(path)
    height, width = pixels.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
