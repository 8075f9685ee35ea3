"""Hold what was found in one image; print it, save it, draw it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from clsctl.errors import ClsctlError, UsageError
from clsctl.images.read import InputImage
from clsctl.system.files import atomic_output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SCORE_DECIMALS = 5
ROUNDING = 1e-3
"""By how much a probability may leave 0 to 1."""

LONGEST_STEM = 200
"""In bytes; file systems allow names of 255, and more is added to it."""

Owner: TypeAlias = "tuple[Path | str, int | None]"
"""An input, as a file's path or else by its name, and its page."""


@dataclass
class OutputNames:
    """Which file each result was saved to, so that one never overwrites another's."""

    owners: dict[Path, Owner] = field(default_factory=dict)

    def claim(self, folder: Path, stem: str, suffix: str, owner: Owner) -> Path:
        """Return `folder/stem_res.suffix`, numbered where another input already took that name."""
        number = 1
        path = folder / f"{stem}_res{suffix}"
        while self.owners.setdefault(path, owner) != owner:
            number += 1
            path = folder / f"{stem}-{number}_res{suffix}"
        return path


@dataclass(frozen=True, eq=False)
class Result:
    """The classes found in one image, best first, or the reason why there are none.

    Attributes:
        input_path: The path or URL as it was passed, or `array[3]` for the fourth ndarray; in a
            form that can be printed, so that it may differ from the file's path.
        page_index: Page of a PDF or multi-page TIFF, from 0; None for a single image.
        class_ids: int32 [k].
        scores: float32 [k], probabilities rounded to five decimals, unless the job is exact.
        label_names: k class names; empty where the model names none.
        error: Why the image could not be classified; None where it could.
        warnings: What is wrong with the image although it was classified.
        file: Where the image's file is; None for what came from elsewhere.
    """

    input_path: str
    page_index: int | None
    class_ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    label_names: list[str]
    error: ClsctlError | None = None
    warnings: tuple[str, ...] = ()
    file: Path | None = None
    _load: Callable[[], NDArray[np.uint8]] | None = field(default=None, repr=False)
    _names: OutputNames = field(default_factory=OutputNames, repr=False)

    def __getitem__(self, key: str) -> Any:
        """Return a field, so that `result["scores"]` works as in PaddleX."""
        fields = self._fields()
        if key not in fields:
            raise KeyError(f"a result has {', '.join(fields)}; not '{key}'")
        return fields[key]

    def __repr__(self) -> str:
        """The fields as plain values: the scores as they are rounded, not as float32 holds them."""
        fields = ", ".join(f"{name}={value!r}" for name, value in self.as_dict().items())
        return f"{type(self).__name__}({fields})"

    def keys(self) -> Collection[str]:
        """The names of the fields, so that `dict(result)` holds them: a row of a table."""
        return self._fields().keys()

    def as_dict(self) -> dict[str, Any]:
        """Return one flat object of plain values, as a line of `--format jsonl` holds it."""
        plain = {
            key: value.tolist() if hasattr(value, "tolist") else value
            for key, value in self._fields().items()
        }
        if "scores" in plain:
            plain["scores"] = [round(score, SCORE_DECIMALS) for score in plain["scores"]]
        return plain

    @property
    def json(self) -> dict[str, dict[str, Any]]:
        """The result as plain values: `{"res": {...}}`."""
        return {"res": self.as_dict()}

    @property
    def img(self) -> dict[str, Image]:
        """The image with the best class drawn on it: `{"res": PIL.Image}`.

        Raises:
            ClsctlError: The image could not be read.
        """
        from clsctl.images.caption import draw_label

        return {"res": draw_label(self.pixels(), self._caption())}

    def pixels(self) -> NDArray[np.uint8]:
        """Read the image again: uint8 [height, width, 3], RGB.

        Raises:
            ClsctlError: The image could not be read.
        """
        if self.error is not None or self._load is None:
            raise self.error or UsageError("this result does not hold its image")
        return self._load()

    def print(
        self,
        format_json: bool = True,
        indent: int = 4,
        ensure_ascii: bool = False,
        *,
        json_format: bool | None = None,
    ) -> None:
        """Print the result as indented JSON, or as a Python dict.

        Args:
            json_format: PaddleX's other name for `format_json`.
        """
        if format_json if json_format is None else json_format:
            print(json.dumps(self.json, indent=indent, ensure_ascii=ensure_ascii))
        else:
            print({"res": self._fields()})

    def save_to_json(
        self, save_path: str | Path, indent: int = 4, ensure_ascii: bool = False
    ) -> None:
        """Write the result to a `.json` file, or to `{stem}_res.json` in a folder.

        Raises:
            UsageError: The file cannot be written (`E_OUTPUT`).
        """
        text = json.dumps(self.as_dict(), indent=indent, ensure_ascii=ensure_ascii)
        with atomic_output(self._target(save_path, (".json",), ".json")) as part:
            part.write_text(f"{text}\n", encoding="utf-8")

    def save_to_img(self, save_path: str | Path) -> None:
        """Write `img` to `save_path`, an image file, or to `{stem}_res{suffix}` in that folder.

        The folder's file keeps the input's suffix where that is JPEG, PNG, BMP or WebP, and is a
        PNG otherwise.

        Raises:
            ClsctlError: The image could not be read.
            UsageError: The file cannot be written (`E_OUTPUT`).
        """
        from clsctl.images.caption import IMAGE_FORMATS

        image = self.img["res"]
        suffix = Path(_url_path(self.input_path)).suffix
        default = suffix if suffix.lower() in IMAGE_FORMATS else ".png"
        path = self._target(save_path, IMAGE_FORMATS, default)
        with atomic_output(path) as part:
            image.save(part, IMAGE_FORMATS[path.suffix.lower()])

    def _fields(self) -> dict[str, Any]:
        where = {"input_path": self.input_path, "page_index": self.page_index}
        if self.error is not None:
            return where | {"error": {"code": self.error.code, "message": self.error.message}}
        found = {
            "class_ids": self.class_ids,
            "scores": self.scores,
            "label_names": self.label_names,
        }
        return where | found | ({"warnings": list(self.warnings)} if self.warnings else {})

    def _caption(self) -> str:
        if len(self.class_ids) == 0:
            return "no class above the threshold"
        label = self.label_names[0] if self.label_names else f"class {self.class_ids[0]}"
        return f"{label} {self.scores[0]:.2f}"

    def _target(self, save_path: str | Path, suffixes: Collection[str], default: str) -> Path:
        """Return `save_path` itself, or a file in that folder that no other input was saved to."""
        path = Path(save_path)
        if path.suffix.lower() in suffixes:
            return path
        stem = stem_of(self.input_path)
        if self.page_index is not None:
            stem = f"{stem}_{self.page_index}"
        owner = (self.file or self.input_path, self.page_index)
        return self._names.claim(path, stem, default, owner)


def are_probabilities(scores: NDArray[Any]) -> bool:
    """Return whether all of them lie in 0 to 1, and are numbers."""
    return bool(scores.min() >= -ROUNDING and scores.max() <= 1 + ROUNDING)


def top_k(
    scores: NDArray[np.float32], k: int, exact: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the k best classes of one image, best first.

    Args:
        scores: float32 [classes].
        k: How many; all of them where there are fewer.
        exact: Whether the scores are not rounded.

    Returns:
        class_ids int32 [min(k, classes)] and scores float32, rounded to five decimals.
    """
    ids = scores.argsort()[::-1][:k]
    best = scores[ids]
    return ids.astype("int32"), best if exact else best.round(SCORE_DECIMALS)


def result_of(
    image: InputImage,
    class_ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    labels: Sequence[str],
    load: Callable[[], NDArray[np.uint8]],
    saved: OutputNames,
) -> Result:
    """Return the result for an image that was classified; `load` reads its pixels again."""
    names = [labels[i] for i in class_ids] if labels else []
    return Result(
        image.input_path,
        image.page_index,
        class_ids,
        scores,
        names,
        warnings=image.warnings,
        file=image.file,
        _load=load,
        _names=saved,
    )


def error_of(image: InputImage, saved: OutputNames | None = None) -> Result:
    """Return the error record for an image that could not be used."""
    import numpy as np

    nothing = np.empty(0, np.int32), np.empty(0, np.float32)
    return Result(
        image.input_path,
        image.page_index,
        *nothing,
        [],
        image.error,
        file=image.file,
        _names=OutputNames() if saved is None else saved,
    )


def apply_threshold(result: Result, threshold: float) -> Result:
    """Return the result without the classes that score below the threshold."""
    keep = result.scores >= threshold
    names = [name for name, kept in zip(result.label_names, keep, strict=False) if kept]
    return replace(
        result, class_ids=result.class_ids[keep], scores=result.scores[keep], label_names=names
    )


def stem_of(source: str) -> str:
    """Return an input's name without folder and suffix, fit to begin the name of a file."""
    stem = Path(_url_path(source)).stem.replace("\0", "_") or "image"
    return stem.encode()[:LONGEST_STEM].decode(errors="ignore")


def _url_path(source: str) -> str:
    if "://" not in source:
        return source
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(source).path)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute probabilities along the last axis, of the same shape as the logits."""
    import numpy as np

    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return result
