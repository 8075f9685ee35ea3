"""One HTML page about a search: the model that was chosen, what was tried, and what to do next."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from clsctl.evaluation.files import FOLDER
from clsctl.evaluation.metrics import wilson_interval
from clsctl.searching.advice import advise
from clsctl.searching.ranking import interval
from clsctl.searching.record import Record, Trial
from clsctl.system.files import open_output

if TYPE_CHECKING:
    from clsctl.evaluation.result import Evaluation
    from clsctl.searching.choice import Chosen

PAGE = "report.html"

BIAS = (
    " They chose the model, too, which flatters it a little: a test split, which is used where "
    "there is one, would not."
)

Counts = Mapping[int, int]


def write_page(folder: Path, record: Record, chosen: Chosen, train_images: Counts) -> Path:
    """Write the page, which needs no other file but for the gallery it links to.

    Args:
        folder: The search's; the evaluation of the model is there already.
        record: Everything that was tried.
        chosen: The model.
        train_images: Training images by class id.

    Raises:
        UsageError: It cannot be written (`E_OUTPUT`).
    """
    path = folder / PAGE
    with open_output(path) as stream:
        stream.write(_render(folder, record, chosen, train_images))
    return path


def _render(folder: Path, record: Record, chosen: Chosen, train_images: Counts) -> str:
    evaluation, candidate = chosen.evaluation, chosen.candidate
    top1, (low, high) = evaluation.top_k(1)
    advice = advise(evaluation, train_images, chosen.trial)
    template = Template((resources.files("clsctl.searching") / "page.html").read_text("utf-8"))
    return template.substitute(
        title=escape(f"{candidate.model} for {Path(record.dataset).name}"),
        top1=f"{top1:.1%}",
        interval=f"{low:.1%} to {high:.1%}",
        images=f"{len(evaluation.samples):,}",
        split={"val": "validation", "test": "test"}[evaluation.split],
        latency=f"{chosen.latency_ms:.1f} ms",
        size=f"{candidate.size_mb:.0f} MB",
        side=f"{candidate.image_size}",
        ece=f"{evaluation.ece:.3f}",
        next="\n".join(f"<li>{escape(line)}" for line in advice),
        tried="".join(_rows(record, chosen)),
        classes="".join(_class_rows(evaluation, train_images)),
        bias=BIAS if evaluation.split == "val" else "",
        confusion=_data_url(folder / FOLDER / "confusion_matrix.png"),
        gallery=f"{FOLDER}/mistakes.html",
        predict=escape(f"clsctl predict IMAGE --model-dir {chosen.model_dir}"),
    )


def _rows(record: Record, chosen: Chosen) -> Iterator[str]:
    """Yield a row for each candidate, the best first, with what became of it."""
    record = record.with_trial(chosen.trial)  # which may be unfinished
    for candidate in record.ranked():
        low, high = interval(candidate)
        taken = candidate is chosen.candidate
        milliseconds = chosen.latency_ms if taken else candidate.latency_ms
        cells = [
            escape(candidate.model),
            f"{candidate.image_size}",
            f"{candidate.top1:.1%}<small>{low:.1%} to {high:.1%}</small>",
            _trained(record.best_trial(candidate.name), chosen.images),
            "-" if milliseconds is None else f"{milliseconds:.1f} ms",
            f"{candidate.size_mb:.0f} MB",
        ]
        kind = ' class="chosen"' if taken else ""
        yield f"<tr{kind}>{''.join(f'<td>{cell}' for cell in cells)}\n"


def _trained(best: Trial | None, images: int) -> str:
    if best is None:
        return "not trained"
    low, high = wilson_interval((best.top1 or 0.0) * images, images)
    epoch = f"epoch {best.epoch} of {best.epochs}"
    return f"{best.top1:.1%}<small>{low:.1%} to {high:.1%}, {epoch}</small>"


def _class_rows(evaluation: Evaluation, train_images: Counts) -> Iterator[str]:
    recall, precision = evaluation.class_scores.recall, evaluation.class_scores.precision
    for label in sorted(evaluation.occurring, key=lambda one: recall[one]):
        total = int(evaluation.matrix[label].sum())
        low, high = wilson_interval(int(evaluation.matrix[label, label]), total)
        cells = [
            escape(evaluation.class_names[label]),
            f"{recall[label]:.1%}<small>{low:.1%} to {high:.1%}</small>",
            f"{precision[label]:.1%}",
            f"{total:,}",
            f"{train_images.get(label, 0):,}",
        ]
        yield f"<tr>{''.join(f'<td>{cell}' for cell in cells)}\n"


def _data_url(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
