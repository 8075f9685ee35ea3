"""Write what a check found into a folder, for the user and for programs.

check_dataset_result.json        the result, written last: it is there when all else is
check_dataset/report.html        one page that needs no other file
check_dataset/histogram.png      samples by class
check_dataset/demo_img/          some images with their label drawn on them
check_dataset/label.txt          class names, where the dataset has no such file
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.text import iter_json
from clsctl.datasets.check.check import CheckReport
from clsctl.datasets.check.histogram import draw_histogram
from clsctl.datasets.check.html import render_report
from clsctl.datasets.check.json import failed_fields, passed_fields, verdict
from clsctl.datasets.layouts.lists import LABEL_FILE
from clsctl.datasets.samples import Dataset, Sample
from clsctl.errors import ClsctlError
from clsctl.images.caption import draw_label
from clsctl.images.read import read_pixels
from clsctl.settings import load_settings
from clsctl.system.files import atomic_replace, require_output_folder
from clsctl.system.os_errors import translate_os_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESULT = "check_dataset_result.json"
FOLDER = "check_dataset"
DEMO_FOLDER, HISTOGRAM, PAGE = "demo_img", "histogram.png", "report.html"
DEMOS = 10
"""Images drawn of each split, and the seed they are chosen by: both as in PaddleX."""

_DEMO_SEED = 123


def prepare_output(output: Path) -> None:
    """Find out whether a check can be written there, and take away the result of an earlier one.

    Raises:
        UsageError: The folder cannot be written (`E_OUTPUT`).
    """
    require_output_folder(output)
    with _translate_errors(output):
        (output / RESULT).unlink(missing_ok=True)


def write_check(report: CheckReport, output: Path) -> dict[str, Any]:
    """Write everything that is known about a checked dataset.

    Args:
        report: What was found.
        output: A folder, made where it is not there; files of an earlier check are replaced.

    Returns:
        The content of `check_dataset_result.json`.

    Raises:
        UsageError: The folder cannot be written (`E_OUTPUT`).
    """
    folder = output / FOLDER
    with _translate_errors(output):
        (folder / DEMO_FOLDER).mkdir(parents=True, exist_ok=True)
        histogram = _write_histogram(report, folder)
        demos = {
            split: _write_demos(report.dataset, samples, folder)
            for split, samples in report.dataset.splits.items()
        }
        _write_text(folder / PAGE, render_report(report, histogram, load_pixels))
        fields = _fields(report, folder, demos)
        _write_result(fields, output)
    return fields


def write_failure(error: ClsctlError, output: Path) -> None:
    """Write the result for something that could not be checked at all; raises as `write_check`."""
    with _translate_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        _write_result(failed_fields(error), output)


def load_pixels(path: Path) -> NDArray[np.uint8] | None:
    """Read an image or its first page as uint8 [H, W, 3], RGB; None where it cannot be read."""
    try:
        return read_pixels(path, load_settings())
    except ClsctlError:
        return None


def _fields(
    report: CheckReport, folder: Path, demos: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    error = verdict(report)
    if error is not None:
        return failed_fields(error, report)
    label_file = _label_file(report.dataset, folder)
    return passed_fields(report, label_file, f"{FOLDER}/{HISTOGRAM}", demos)


def _label_file(dataset: Dataset, folder: Path) -> str:
    """Find label.txt, or write one, and return its path relative to our folder, as in PaddleX."""
    path = dataset.root / LABEL_FILE
    if not dataset.class_lines:
        path = folder / LABEL_FILE
        names = sorted(dataset.class_names.items())
        _write_text(path, "".join(f"{class_id} {name}\n" for class_id, name in names))
    return os.path.relpath(path, folder)


def _write_histogram(report: CheckReport, folder: Path) -> bytes:
    """Write the drawing and return it; nothing where there are no classes to draw."""
    classes = report.statistics.classes
    if not classes or not report.dataset.splits:
        return b""
    drawing = draw_histogram(classes)
    with atomic_replace(folder / HISTOGRAM) as path:
        path.write_bytes(drawing)
    return drawing


def _write_demos(dataset: Dataset, samples: Sequence[Sample], folder: Path) -> list[str]:
    """Draw some samples' class names on them; returns the paths that the result lists.

    They keep their base names, as in PaddleX, so that of two equal names the later one stays; the
    page shows both.
    """
    written = []
    for sample in _demo_samples(samples):
        pixels = load_pixels(dataset.image_path(sample))
        if pixels is None:
            continue
        name = _demo_name(Path(sample.path).name)
        caption = dataset.class_names.get(sample.label, str(sample.label))
        draw_label(pixels, caption).save(folder / DEMO_FOLDER / name)
        written.append(f"{FOLDER}/{DEMO_FOLDER}/{name}")
    return written


def _demo_samples(samples: Sequence[Sample]) -> list[Sample]:
    """Choose the samples that PaddleX's check draws."""
    order = list(range(len(samples)))
    random.Random(_DEMO_SEED).shuffle(order)
    return [samples[position] for position in order[:DEMOS]]


def _demo_name(name: str) -> str:
    """Return the image's own name, as in PaddleX, or with .png where its format is only read."""
    from PIL import Image

    suffix = Path(name).suffix.lower()
    writable = Image.registered_extensions().get(suffix) in Image.SAVE
    return name if writable else f"{name}.png"


def _write_result(fields: Mapping[str, Any], output: Path) -> None:
    with (
        atomic_replace(output / RESULT) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace") as stream,
    ):
        stream.writelines(iter_json(fields, indent=2))
        stream.write("\n")


def _write_text(path: Path, text: str) -> None:
    with atomic_replace(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")


def _translate_errors(output: Path) -> AbstractContextManager[None]:
    return translate_os_errors(output, hint="choose another folder with -o")
