"""Results as the pipeline makes them, for the tests of what shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clsctl.errors import ClsctlError, DataError
from clsctl.images.read import InputImage
from clsctl.result import OutputNames, Result, error_of, result_of

LABELS = ("tabby, tabby cat", 'a "quoted" one', "猫", "two\nlines", "[bold]x[/nope]")


def classified(
    source: str, page: int | None, *classes: tuple[int, float], file: Path | None = None
) -> Result:
    """The result with these class ids and scores."""
    ids = np.array([class_id for class_id, _ in classes], np.int32)
    scores = np.array([score for _, score in classes], np.float32)
    pixels = np.zeros((9, 9, 3), np.uint8)
    image = InputImage(source, page, file=file)
    return result_of(image, ids, scores, LABELS, lambda: pixels, OutputNames())


def unlabelled(result: Result) -> Result:
    return Result(result.input_path, result.page_index, result.class_ids, result.scores, [])


def broken(source: str, hint: str = "") -> Result:
    error: ClsctlError = DataError(f"{source}: it is [red]broken[/]", code="E_X", hint=hint)
    return error_of(InputImage(source, error=error))


def several() -> list[Result]:
    """One of each kind."""
    return [
        classified("a b/猫.jpg", None, (0, 0.75), (1, 0.2), (2, 0.00001)),
        classified("doc.pdf", 0, (3, 1), (4, 0)),
        broken("x.jpg", hint="mend it"),
        classified("none.png", None),
        unlabelled(classified("plain.png", 12, (2, 0.5))),
    ]
