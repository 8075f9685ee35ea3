"""List what can be wrong with a dataset: a stable code, how much it matters, and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing found, and where.

    Attributes:
        code: A key of `CODES`, such as `D_FILE_MISSING`.
        message: One sentence.
        file: The list or table, relative to the dataset; in a folder tree, the image or folder.
        line: Line of the list or row of the table, from 1; None where there is none.
        hint: What to do about it.
    """

    code: str
    severity: Severity
    message: str
    file: str
    line: int | None = None
    hint: str = ""

    @property
    def where(self) -> str:
        """`train.txt:12`, or the file alone."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


class Code(NamedTuple):
    severity: Severity
    title: str
    hint: str


# In the order in which problems are listed within one severity.
CODES: dict[str, Code] = {
    "D_LABEL_FILE_MISSING": Code(
        "error",
        "label.txt is missing",
        "write label.txt with one line a class: its id, a blank and its name",
    ),
    "D_LIST_MISSING": Code(
        "error", "a list is missing", "`clsctl dataset split` makes train.txt and val.txt"
    ),
    "D_LIST_EMPTY": Code("error", "a list without samples", "add samples, or remove the file"),
    "D_NOT_SPLIT": Code(
        "warning",
        "no validation samples",
        "`clsctl dataset split` sets a part of the samples aside for validation",
    ),
    "D_ENCODING": Code(
        "error",
        "text that is not UTF-8",
        "save the file as UTF-8, for example: iconv -f GB18030 -t UTF-8 OLD > NEW",
    ),
    "D_LINE_FORMAT": Code(
        "error", "a line that cannot be read", "write the path, a blank and the class id"
    ),
    "D_CLASS_LINE": Code(
        "error", "a class that cannot be read", "write the class id, a blank and the name"
    ),
    "D_CLASS_ID_INVALID": Code(
        "error", "a class id that is no whole number", "number the classes 0, 1, 2 ..."
    ),
    "D_CLASS_ID_NEGATIVE": Code("error", "a negative class id", "number the classes 0, 1, 2 ..."),
    "D_CLASS_ID_DUPLICATE": Code(
        "error", "a class id given twice", "give every class an id of its own"
    ),
    "D_CLASS_ID_GAP": Code(
        "error",
        "class ids with a gap",
        "number the classes 0, 1, 2 ... and change the lists to match",
    ),
    "D_CLASS_NAME_DUPLICATE": Code(
        "warning", "two classes of the same name", "give every class a name of its own"
    ),
    "D_LABEL_INVALID": Code(
        "error", "a sample whose class id is no whole number", "write the id of a class"
    ),
    "D_LABEL_NEGATIVE": Code(
        "error", "a sample with a negative class id", "write the id of a class"
    ),
    "D_LABEL_OUT_OF_RANGE": Code(
        "error",
        "label id not in label.txt",
        "correct the id, or add the class to label.txt",
    ),
    "D_SPLIT_UNKNOWN": Code("error", "an unknown split", "write train, val or test"),
    "D_SPLIT_FOLDERS": Code(
        "error", "two folders of one split", "put their class folders into one, or rename the other"
    ),
    "D_ONE_CLASS": Code(
        "warning",
        "a single class",
        "nothing can be told apart: add a folder or a line of label.txt for each class",
    ),
    "D_CLASS_NO_TRAIN": Code(
        "error", "a class without training samples", "add samples, or remove the class"
    ),
    "D_CLASS_NO_VAL": Code(
        "warning",
        "a class without validation samples",
        "`clsctl dataset split --stratify` gives every class its share",
    ),
    "D_FILE_MISSING": Code(
        "error", "a file that does not exist", "correct the path, or remove the line"
    ),
    "D_IMAGE_EMPTY": Code("error", "an empty image file", "copy it again, or remove it"),
    "D_IMAGE_TRUNCATED": Code("error", "a truncated image", "copy it again, or remove it"),
    "D_IMAGE_UNREADABLE": Code(
        "error", "an image that cannot be decoded", "replace it, or remove it"
    ),
    "D_IMAGE_TOO_LARGE": Code(
        "error",
        "an image above the pixel limit",
        "shrink it, or raise CLSCTL_MAX_PIXELS",
    ),
    "D_IMAGE_DAMAGED": Code(
        "warning",
        "a damaged image that can be decoded",
        "look at it; copy it again, or remove it where it does not show its class",
    ),
    "D_SAMPLE_TWO_LABELS": Code(
        "error", "a sample listed with two classes", "keep the line with the right class"
    ),
    "D_SAMPLE_REPEATED": Code("warning", "a sample listed twice", "keep one of the lines"),
    "D_SPLIT_OVERLAP": Code(
        "error", "a sample in two splits", "keep it in one split; scores are too good otherwise"
    ),
    "D_LEAK": Code(
        "error",
        "the same image in two splits",
        "keep it in one split; scores are too good otherwise",
    ),
    "D_DUPLICATE_TWO_LABELS": Code(
        "error", "the same image with two classes", "keep the copy with the right class"
    ),
    "D_DUPLICATE": Code("warning", "the same image twice in a split", "keep one of the copies"),
    "D_NEAR_LEAK": Code(
        "warning",
        "nearly the same image in two splits",
        "look at the pairs; `clsctl dataset split --dedupe-groups` keeps them together",
    ),
    "D_IMAGE_SMALL": Code(
        "warning", "an image smaller than the crop", "it is enlarged: use larger photos if you can"
    ),
    "D_ASPECT_RATIO": Code(
        "warning",
        "an extreme aspect ratio",
        "the centre crop sees only a part of it: cut it to what matters",
    ),
    "D_IMBALANCE": Code(
        "warning",
        "classes of very different size",
        "add samples to the small classes, or train with `--set loss.logit_adjustment=1`",
    ),
    "D_WRAPPED": Code("note", "a folder around the classes", "nothing: clsctl looks into it"),
    "D_LEFTOVER": Code(
        "note", "files of a system or a program", "nothing: clsctl does not look at them"
    ),
    "D_UNLABELLED": Code(
        "note",
        "images without a class",
        "nothing, or move them into the folder of their class",
    ),
    "D_FOLDER_UNUSED": Code(
        "note",
        "a folder that is not used",
        "nothing, or call it train, val or test where it belongs to the dataset",
    ),
    "D_SKIPPED": Code("note", "files that are no images", "nothing: clsctl leaves them out"),
    "D_HEIC": Code("note", "images that need an extra", "install it, or convert them"),
    "D_DEEP_CLASSES": Code(
        "note",
        "class folders that hold no images themselves",
        "nothing; or where the folders in them are the classes, move these up, or list the images "
        "in a table with the columns path and label",
    ),
    "D_LABEL_FILE_UNUSED": Code(
        "note",
        "a label.txt that is not used",
        "nothing, or write train.txt and val.txt beside it; `--layout lists` reads them alone",
    ),
    "D_SPLIT_CLASS": Code(
        "note",
        "a class named like a split",
        "nothing, or put the classes to train with into a folder called train",
    ),
    "D_TABLE_UNUSED": Code(
        "note",
        "a table that is not used",
        "nothing, or name its columns path and label; `--layout table` reads it alone",
    ),
    "D_CLASS_NAMES": Code(
        "note", "classes without names of their own", "write label.txt with one line a class"
    ),
    "D_EXIF_ROTATED": Code(
        "note", "images turned by their EXIF data", "nothing: clsctl turns them"
    ),
    "D_NOT_RGB": Code("note", "images that are not RGB", "nothing: clsctl converts them"),
}

SPOILS_TRAINING = ("D_ONE_CLASS",)
"""Warnings about a dataset that training refuses as it refuses errors."""

UNSPLIT = ("D_LIST_MISSING", "D_LIST_EMPTY", "D_NOT_SPLIT")
"""Errors that are no obstacle to writing new lists; any other could lose a sample."""


def problem(code: str, message: str, file: str, line: int | None = None, hint: str = "") -> Problem:
    """Make a problem with its code's severity, and its code's hint where none is given."""
    known = CODES[code]
    return Problem(code, known.severity, message, file, line, hint or known.hint)


def warning(code: str, message: str, hint: str) -> Problem:
    """Make a warning about a dataset as a whole, such as one that was just written."""
    return Problem(code, "warning", message, file="", hint=hint)
