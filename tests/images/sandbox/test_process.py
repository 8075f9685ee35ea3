"""Whatever a small file asks for, memory and time have limits, and the others are read."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import hostile
import measured
import numpy as np
import pictures
import pytest

from clsctl.errors import DataError
from clsctl.images.decode import iter_pages
from clsctl.images.read import read
from clsctl.images.sources import iter_sources
from clsctl.settings import Settings

SETTINGS = Settings()
MOST_MB = 700


def test_no_small_file_takes_much_memory(ready: Path, tmp_path: Path) -> None:
    """All of them in one command, with a photo before and after; and none ends it."""
    files = {f"{name}.png": make() for name, make in hostile.FILES.items()}
    assert max(map(len, files.values())) < 1 << 20
    photo = pictures.encoded(pictures.photo(), "PNG")
    pictures.write(tmp_path / "files", files | {"a.png": photo, "zz.png": photo})
    command = ["predict", "files", "--model-dir", str(ready), "--format", "jsonl"]
    done = subprocess.run(
        [sys.executable, measured.__file__, "peak", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "CLSCTL_INPUT_TIMEOUT": "60"},
        check=False,
    )
    assert done.returncode == 7, done.stderr
    first, *results, last = map(json.loads, done.stdout.splitlines())
    assert first["class_ids"] == last["class_ids"]
    codes = {
        Path(result["input_path"]).stem: result.get("error", {}).get("code") for result in results
    }
    assert codes.keys() == hostile.FILES.keys()
    assert set(codes.values()) <= {
        None,
        "E_IMAGE_TOO_LARGE",
        "E_IMAGE_CORRUPT",
        "E_IMAGE_TRUNCATED",
    }
    assert int((tmp_path / "peak").read_text()) < MOST_MB


@pytest.mark.parametrize("make", [hostile.nested_pdf, lambda: pictures.many_scans(4000)])
def test_what_never_ends_is_ended(make) -> None:
    with pytest.raises(DataError) as caught:
        list(decoded(make(), Settings(input_timeout=1)))
    assert caught.value.code in ("E_INPUT_TIMEOUT", "E_IMAGE_CORRUPT")


def decoded(data: bytes, settings: Settings = SETTINGS):
    return ((page.number, page.decode()) for page in iter_pages(data, settings))


def test_pages_come_one_by_one_and_end_at_the_limit() -> None:
    found = decoded(hostile.tiff_of_many_pages(100_000), Settings(max_pages=3))
    assert [next(found)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError) as caught:
        next(found)
    assert caught.value.code == "E_IMAGE_PAGES"


def test_a_document_that_has_as_many_pages_as_are_allowed_has_no_error() -> None:
    assert len(list(decoded(hostile.tiff_of_many_pages(3), Settings(max_pages=3)))) == 3


def test_a_large_drawing_in_a_small_file_is_decoded_under_limits() -> None:
    """As another process decodes it, whose pixels are the same."""
    drawing = np.full((3000, 4000, 3), 255, np.uint8)
    cv2.circle(drawing, (1000, 2000), 900, (10, 20, 30), 7)
    data = pictures.encoded(drawing, "PNG")
    end_children()
    [(_, pixels)] = decoded(data)
    np.testing.assert_array_equal(pixels, drawing)
    assert children()


def children() -> set[int]:
    """The processes that decode; other tests may have started a server that others share."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    commands = {int(each): Path(f"/proc/{each}/cmdline").read_bytes() for each in found}
    return {each for each, command in commands.items() if b"clsctl.images.sandbox" in command}


def end_children() -> None:
    for process in children():
        os.kill(process, signal.SIGKILL)
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


def test_processes_are_kept_for_the_next_document_and_replaced_when_they_die() -> None:
    data = pictures.lossless()["rgb.tiff"]
    list(decoded(data))
    kept = children()
    assert kept
    list(decoded(data))
    assert children() == kept
    end_children()
    [(_, pixels)] = decoded(data)
    np.testing.assert_array_equal(pixels, pictures.photo())


def test_documents_are_decoded_in_many_threads(tmp_path: Path) -> None:
    files = {
        f"{number}.tif": data for number, data in enumerate([pictures.lossless()["rgb.tiff"]] * 20)
    }
    pictures.write(tmp_path, files)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda source: list(read(source, SETTINGS)), iter_sources(tmp_path)))
    for [image] in found:
        np.testing.assert_array_equal(image.pixels, pictures.photo())


def test_a_document_that_is_left_early_takes_its_process_back() -> None:
    before = children()
    found = decoded(hostile.tiff_of_many_pages(5))
    next(found)
    found.close()
    list(decoded(pictures.lossless()["rgb.tiff"]))
    assert len(children() - before) <= 1


def test_no_module_of_the_current_folder_is_imported(tmp_path: Path) -> None:
    for name in ("json", "struct", "PIL", "numpy"):
        (tmp_path / f"{name}.py").write_text("import pathlib; pathlib.Path('hit').touch()")
    (tmp_path / "a.tif").write_bytes(pictures.lossless()["rgb.tiff"])
    script = (
        "import sys; sys.path.pop(0)\n"
        "from clsctl.images.read import read_pixels\n"
        "from pathlib import Path\n"
        "print(read_pixels(Path('a.tif')).shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == f"{pictures.photo().shape}\n", done.stderr
    assert not (tmp_path / "hit").exists()


def test_a_forked_process_has_decoders_of_its_own() -> None:
    list(decoded(pictures.lossless()["rgb.tiff"]))
    child = os.fork()
    if child == 0:
        [(_, pixels)] = decoded(pictures.lossless()["rgb.tiff"])
        os._exit(int(not np.array_equal(pixels, pictures.photo())))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    [(_, pixels)] = decoded(pictures.lossless()["rgb.tiff"])
    np.testing.assert_array_equal(pixels, pictures.photo())


def test_a_process_that_the_garbage_collector_gives_back_harms_no_other_image() -> None:
    """With the generator it finalises the pipes, in whatever order."""
    photo = pictures.photo()
    content = pictures.encoded(photo, "TIFF")
    for _ in range(5):
        dropped = [iter_pages(content, SETTINGS)]
        next(dropped[0])
        dropped.append(dropped)
        del dropped
        gc.collect()
        [pixels] = [page.decode() for page in iter_pages(content, SETTINGS)]
        np.testing.assert_array_equal(pixels, photo)
