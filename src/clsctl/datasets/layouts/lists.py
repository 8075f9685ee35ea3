"""Read the ClsDataset layout: label.txt with `id name`, and train.txt and so on with `path id`.

PaddleClas calls them `train_list.txt` and so on, and needs no label.txt.
The last field of a sample's line is the class id, so that paths may hold blanks; fields are
separated by blanks or tabs. A byte order mark, CRLF, blank lines and a missing last newline are
all fine.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from clsctl.datasets.problems import Problem, problem
from clsctl.datasets.samples import SPLITS, Dataset, Sample
from clsctl.paths import exists, is_dir, is_file, read_bytes

LABEL_FILE = "label.txt"
_LIST_NAMES = ("{}.txt", "{}_list.txt")
_WHOLE = re.compile(r"[+-]?0*[0-9]{1,18}")
_FIRST_FIELD = re.compile(r"([^ \t]+)[ \t]+(.+)")
_LAST_FIELD = re.compile(r"(.*[^ \t])[ \t]+([^ \t]+)")


def list_file(split: str) -> str:
    """Return the name of a split's list."""
    return f"{split}.txt"


def find_lists(root: Path) -> dict[str, Path]:
    """Find the list of each split: `train.txt` and so on, or else PaddleClas's `train_list.txt`."""
    for name in _LIST_NAMES:
        paths = {split: root / name.format(split) for split in SPLITS}
        found = {split: path for split, path in paths.items() if exists(path) and not is_dir(path)}
        if found:
            return found
    return {}


def read_lists(root: Path) -> Dataset:
    """Read label.txt and the lists of a folder; what is wrong becomes a problem."""
    problems: list[Problem] = []
    found = find_lists(root)
    named = is_file(root / LABEL_FILE) or not _of_paddleclas(found)
    class_names, class_lines = read_class_names(root, problems) if named else ({}, {})
    splits: dict[str, tuple[Sample, ...]] = {}
    for split in SPLITS:
        if split in found:
            path = found[split]
            splits[split] = tuple(_samples(path, class_names, problems))
            if not splits[split]:
                problems.append(problem("D_LIST_EMPTY", f"{path.name} lists no samples", path.name))
        elif split != "test":
            name = _LIST_NAMES[_of_paddleclas(found)].format(split)
            problems.append(problem("D_LIST_MISSING", f"there is no {name}", name))
    if not named:
        class_names = _name_classes(splits, problems)
    return Dataset(root, "lists", class_names, splits, tuple(problems), class_lines)


def read_class_names(root: Path, problems: list[Problem]) -> tuple[dict[int, str], dict[int, int]]:
    """Read names and lines by class id from label.txt; the first line of an id counts."""
    path = root / LABEL_FILE
    if not is_file(path):
        problems.append(problem("D_LABEL_FILE_MISSING", f"there is no {LABEL_FILE}", LABEL_FILE))
        return {}, {}
    names: dict[int, str] = {}
    lines: dict[int, int] = {}
    for number, line in _lines(path, problems):
        found = _class_line(number, line, lines, problems)
        if found:
            names[found[0]] = found[1]
            lines[found[0]] = number
    if not lines:
        problems.append(problem("D_LIST_EMPTY", f"{LABEL_FILE} names no classes", LABEL_FILE))
    problems += gaps(lines, LABEL_FILE)
    problems += _repeated_names(names, lines)
    return names, lines


def gaps(lines: Mapping[int, int], file: str) -> Iterator[Problem]:
    """Report each run of class ids that is left out, at the line of the id after it."""
    expected = 0
    for class_id in sorted(lines):
        if class_id > expected:
            skipped = f"{expected}" if class_id == expected + 1 else f"{expected} to {class_id - 1}"
            message = f"no class has id {skipped}: ids must run from 0 without a gap"
            yield problem("D_CLASS_ID_GAP", message, file, lines[class_id])
        expected = class_id + 1


def check_label(
    label: int, class_names: Mapping[int, str], file: str, line: int
) -> Iterator[Problem]:
    """Report what is wrong with a sample's class id; nothing where no class is known."""
    if label < 0:
        yield problem("D_LABEL_NEGATIVE", f"the class id is {label}", file, line)
    elif class_names and label not in class_names:
        ids = f"{min(class_names)} to {max(class_names)}"
        message = f"class id {label} is not among the classes, which are {ids}"
        yield problem("D_LABEL_OUT_OF_RANGE", message, file, line)


def whole_number(text: str) -> int | None:
    """Read a whole number; None where the text is something else."""
    return int(text) if _WHOLE.fullmatch(text) else None


def _of_paddleclas(found: Mapping[str, Path]) -> bool:
    return any(path.name == _LIST_NAMES[1].format(split) for split, path in found.items())


def _name_classes(
    splits: Mapping[str, Sequence[Sample]], problems: list[Problem]
) -> dict[int, str]:
    """Name each class after the one folder that its images are in, or all of them by number."""
    samples = [sample for group in splits.values() for sample in group if sample.label >= 0]
    folders: dict[int, set[str]] = {}
    for sample in samples:
        folders.setdefault(sample.label, set()).add(PurePosixPath(sample.path).parent.name)
    names = {label: "/".join(folders[label]) for label in sorted(folders)}
    single = all(len(found) == 1 and "" not in found for found in folders.values())
    by_folder = single and len(set(names.values())) == len(names)
    if samples:
        how = "after the folders of their images" if by_folder else "by their numbers"
        message = f"there is no {LABEL_FILE}: classes are named {how}"
        problems.append(problem("D_CLASS_NAMES", message, LABEL_FILE))
        first = {sample.label: sample.line for sample in reversed(samples)}
        problems += gaps(first, samples[0].file)
    return names if by_folder else {label: str(label) for label in names}


def _samples(
    path: Path, class_names: Mapping[int, str], problems: list[Problem]
) -> Iterator[Sample]:
    for number, line in _lines(path, problems):
        fields = _LAST_FIELD.fullmatch(line)
        if fields is None:
            message = f"'{line}' is only one field: the path or the class id is missing"
            problems.append(problem("D_LINE_FORMAT", message, path.name, number))
            continue
        label = whole_number(fields[2])
        if label is None:
            message = f"'{fields[2]}' stands where a whole number, the class id, belongs"
            problems.append(problem("D_LABEL_INVALID", message, path.name, number))
            continue
        problems += check_label(label, class_names, path.name, number)
        yield Sample(fields[1], label, path.name, number)


def _class_line(
    number: int, line: str, seen: Mapping[int, int], problems: list[Problem]
) -> tuple[int, str] | None:
    fields = _FIRST_FIELD.fullmatch(line)
    class_id = whole_number(fields[1] if fields else line)
    if class_id is None:
        field = fields[1] if fields else line
        message = f"'{field}' stands where a whole number, the class id, belongs"
        code = "D_CLASS_ID_INVALID"
    elif fields is None:
        code, message = "D_CLASS_LINE", f"class {class_id} has no name"
    elif class_id < 0:
        code, message = "D_CLASS_ID_NEGATIVE", f"the class id is {class_id}"
    elif class_id in seen:
        code = "D_CLASS_ID_DUPLICATE"
        message = f"class id {class_id} was given in line {seen[class_id]} already"
    else:
        return class_id, fields[2]
    problems.append(problem(code, message, LABEL_FILE, number))
    return None


def _repeated_names(names: Mapping[int, str], lines: Mapping[int, int]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for class_id, name in names.items():
        other = first.setdefault(name, class_id)
        if other != class_id:
            message = f"classes {other} and {class_id} are both called '{name}'"
            yield problem("D_CLASS_NAME_DUPLICATE", message, LABEL_FILE, lines[class_id])


def _lines(path: Path, problems: list[Problem]) -> Iterator[tuple[int, str]]:
    """Read numbered lines that hold something, without surrounding blanks."""
    content = read_bytes(path)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        problems.append(problem("D_ENCODING", f"{path.name} is UTF-16", path.name, 1))
        return
    content = content.removeprefix(codecs.BOM_UTF8)
    unified = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for number, raw in enumerate(unified.split(b"\n"), 1):
        try:
            line = raw.decode("utf-8").strip(" \t")
        except UnicodeDecodeError:
            shown = raw.decode("utf-8", errors="replace").strip()
            message = f"'{shown}' holds bytes that are not UTF-8"
            problems.append(problem("D_ENCODING", message, path.name, number))
            continue
        if line:
            yield number, line
