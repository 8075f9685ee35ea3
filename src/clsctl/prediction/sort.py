"""Sort images into a folder for each class: `clsctl predict --sort-into`."""

from __future__ import annotations

import filecmp
import functools
import io
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path

from clsctl.paths import exists, is_file
from clsctl.result import LONGEST_STEM, Result, stem_of
from clsctl.system.files import atomic_replace
from clsctl.system.os_errors import translate_os_errors

_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]")


def sort_into(result: Result, folder: Path) -> None:
    """Put the image into `folder/CLASS`, where CLASS is its best class.

    A file keeps its name, and is a hard link where that is possible and a copy elsewhere. A page,
    and what came from a URL or standard input, becomes a PNG. A failed input is left out, and so is
    one without any class. Nothing is overwritten: another file of the same name is numbered, and
    what is already there is not put there again.

    Raises:
        ClsctlError: The image could not be read again.
        UsageError: The file cannot be written (`E_OUTPUT`).
    """
    if result.error is not None or len(result.class_ids) == 0:
        return
    target, source = folder / _folder_name(result), result.file
    if source and result.page_index is None and is_file(source):
        put = functools.partial(_link_or_copy, source.resolve())
        _place(target / source.name, put, functools.partial(filecmp.cmp, source, shallow=False))
        return
    image = _png(result)
    page = "" if result.page_index is None else f"_{result.page_index}"
    _place(
        target / f"{stem_of(result.input_path)}{page}.png",
        lambda path: _write(path, image),
        lambda path: path.read_bytes() == image,
    )


def _folder_name(result: Result) -> str:
    """Return the class's name, with its id where the name had to be changed to be a folder's."""
    number = int(result.class_ids[0])
    label = result.label_names[0] if result.label_names else f"class {number}"
    fit = _UNFIT.sub("_", label).strip(" .").encode()[:LONGEST_STEM].decode(errors="ignore")
    return fit if fit and fit == label else f"{fit} {number}".strip()


def _place(path: Path, put: Callable[[Path], None], same: Callable[[Path], bool]) -> None:
    """Put it at `path`, or at the first numbered path that is free, unless it is there already."""
    numbered = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in itertools.count(2))
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for free in itertools.chain([path], numbered):
            try:
                put(free)
            except FileExistsError:
                if not same(free):
                    continue
            return


def _link_or_copy(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError:  # another disk, or one without links
        _write(path, source.read_bytes())


def _write(path: Path, content: bytes) -> None:
    if exists(path):
        raise FileExistsError
    with atomic_replace(path) as part:
        part.write_bytes(content)


def _png(result: Result) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(result.pixels()).save(stream, "PNG")
    return stream.getvalue()
