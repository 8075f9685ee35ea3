"""Kept pixels are those that would be read, and are found again only while the file is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import encoded, lossless, photo, write

from clsctl.errors import DataError
from clsctl.images.read import read_pixels
from clsctl.loading.cache import (
    Read,
    Shrinking,
    cache_in_memory,
    cache_on_disk,
    open_reader,
    shrink,
)
from clsctl.settings import Settings

LINEAR = ("cv2", "bilinear")


def opened(cache: Any, side: int, folder: Path) -> Read:
    return open_reader(cache, Shrinking(side, *LINEAR), 10**6, folder / "cache", Settings())


class Counting:
    """A reader that counts what it had to decode."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, path: Path) -> np.ndarray:
        self.names.append(path.name)
        return read_pixels(path)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    files = {f"{n}.png": encoded(photo(seed=n), "PNG") for n in range(4)}
    return list(write(tmp_path / "images", files).values())


def test_every_format_is_read_as_in_prediction(tmp_path):
    for name, path in write(tmp_path, lossless()).items():
        assert np.array_equal(read_pixels(path), photo()), name


def test_only_larger_images_shrink(images):
    small = shrink(read_pixels, Shrinking(30, *LINEAR))(images[0])
    assert (small.shape, small.dtype) == ((30, 46, 3), np.uint8)
    halves = photo()[:, :90].reshape(30, 2, 45, 2, 3).mean((1, 3))
    assert np.abs(small[:, :45].astype(float) - halves).mean() < 8
    assert np.array_equal(shrink(read_pixels, Shrinking(60, *LINEAR))(images[0]), photo())


def test_memory_is_read_once_and_never_above_its_limit(images):
    read = Counting()
    cached = cache_in_memory(read, 2 * photo().nbytes)
    for _ in range(3):
        for number, path in enumerate(images):
            assert np.array_equal(cached(path), photo(seed=number))
    assert read.names == ["0.png", "1.png", "2.png", "3.png"] + ["2.png", "3.png"] * 2


def test_of_a_part_only_the_part_is_kept(images):
    cached = cache_in_memory(lambda path: read_pixels(path)[10:20], 10**6)
    cached(images[0])
    assert cached(images[0]).base is None
    assert np.array_equal(cached(images[0]), photo()[10:20])


def test_the_disk_is_read_again_by_another_run(images, tmp_path):
    first, second = Counting(), Counting()
    for read in (first, second):
        cached = cache_on_disk(read, tmp_path / "cache", ())
        for number, path in enumerate(images):
            assert np.array_equal(cached(path), photo(seed=number))
    assert (len(first.names), second.names) == (4, [])
    assert not list((tmp_path / "cache").rglob("*.tmp"))


@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_an_image_that_changed_is_read_anew(images, tmp_path, kind):
    cached = opened(kind, 500, tmp_path)
    assert np.array_equal(cached(images[0]), photo())
    facts = images[0].stat()
    images[0].write_bytes(images[1].read_bytes())
    os.utime(images[0], ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert np.array_equal(cached(images[0]), photo(seed=1))


@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_what_is_kept_is_what_is_seen_without_it(images, tmp_path, kind):
    cached = opened(kind, 20, tmp_path)
    for _ in range(2):
        for path in images:
            assert np.array_equal(cached(path), shrink(read_pixels, Shrinking(20, *LINEAR))(path))


@pytest.mark.parametrize("damage", ["cut", "scratched", "empty", "other"])
def test_a_damaged_file_is_made_again(images, tmp_path, damage):
    cached = cache_on_disk(read_pixels, tmp_path / "cache", ())
    cached(images[0])
    (file,) = (tmp_path / "cache").rglob("*.npz")
    content = file.read_bytes()
    middle = len(content) // 2
    scratched = content[:middle] + bytes(50) + content[middle + 50 :]
    damaged = {"cut": content[:middle], "scratched": scratched, "empty": b"", "other": b"text"}
    file.write_bytes(damaged[damage])
    assert np.array_equal(cached(images[0]), photo())
    assert file.read_bytes() == content


def test_sides_are_kept_apart(images, tmp_path):
    for side in (20, 30, 20):
        pixels = opened("disk", side, tmp_path)(images[0])
        assert min(pixels.shape[:2]) == side


def test_a_missing_image_is_an_error_and_nothing_is_kept(tmp_path):
    for kind in ("none", "ram", "disk"):
        with pytest.raises(DataError, match="there is no such file"):
            opened(kind, 20, tmp_path)(tmp_path / "missing.jpg")
    assert not (tmp_path / "cache").exists()


def test_a_full_disk_stops_keeping_but_not_reading(images, tmp_path):
    """A limit on file sizes stands for the full disk: writing fails in the same place."""
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from clsctl.loading.cache import Shrinking, open_reader\n"
        "from clsctl.settings import Settings\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "shrinking, folder = Shrinking(500, 'cv2', 'bilinear'), Path(sys.argv[1])\n"
        "read = open_reader('disk', shrinking, 0, folder, Settings())\n"
        "print(sum(int(read(Path(name)).sum()) for name in sys.argv[2:]))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "cache"), *map(str, images)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert int(done.stdout) == sum(int(photo(seed=n).sum()) for n in range(4))
    assert done.stderr == f"note: images are no longer kept in {tmp_path}/cache: File too large\n"
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
