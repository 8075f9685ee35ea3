"""Small datasets on disk, in every layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

Lines = Iterable[tuple[str, int]]


def image_bytes(name: str) -> bytes:
    """Content that no other name has; nothing in these tests decodes it."""
    return b"\xff\xd8" + name.encode()


def put(root: Path, names: Iterable[str]) -> Path:
    """Make a file for each name, as an image would be."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(name))
    return root


def lists(root: Path, classes: Iterable[str], images: bool = True, **splits: Lines) -> Path:
    """A dataset of lists, with or without the image files."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{label} {name}\n" for label, name in enumerate(classes)]
    (root / "label.txt").write_text("".join(names), encoding="utf-8")
    for split, lines in splits.items():
        lines = list(lines)
        text = "".join(f"{path} {label}\n" for path, label in lines)
        (root / f"{split}.txt").write_text(text, encoding="utf-8")
        put(root, [path for path, _ in lines] if images else [])
    return root


def listed(count: int, label: int, start: int = 0) -> list[tuple[str, int]]:
    """Lines for numbered images of one class."""
    return [(f"images/{label}-{number:03}.jpg", label) for number in range(start, start + count)]


def read(root: Path, name: str) -> list[tuple[str, int]]:
    """The lines of a list."""
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    return [(path, int(label)) for path, _, label in (line.rpartition(" ") for line in lines)]


def contents(root: Path) -> Mapping[str, bytes]:
    """Every file below a folder, by relative path; links to folders are followed nowhere."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
