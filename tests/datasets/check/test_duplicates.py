from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_datasets import picture, save

from clsctl.datasets.check.duplicates import (
    GRID,
    MAX_BITS,
    MAX_COLOUR,
    Fingerprints,
    equal_files,
    fingerprint,
    near_pairs,
)
from clsctl.datasets.check.scan import scan_images
from clsctl.settings import Settings

SEED_BITS = (1 << 64) - 1


def prints(hashes, colours=None, textured=None):
    count = len(hashes)
    return Fingerprints(
        np.array(hashes, np.uint64),
        np.zeros((count, 48), np.uint8) if colours is None else np.array(colours, np.uint8),
        np.ones(count, bool) if textured is None else np.array(textured, bool),
    )


def compared_one_by_one(hashes):
    return [
        [one, other, bits]
        for one in range(len(hashes))
        for other in range(one + 1, len(hashes))
        if (bits := (hashes[one] ^ hashes[other]).bit_count()) <= MAX_BITS
    ]


@st.composite
def clusters(draw):
    """Different hashes, most of them a few bits away from one of three."""
    centres = draw(st.lists(st.integers(0, SEED_BITS), min_size=1, max_size=3))
    flips = st.lists(st.integers(0, 63), max_size=6)
    made = draw(st.lists(st.tuples(st.sampled_from(centres), flips), min_size=1, max_size=10))
    return list({centre ^ sum({1 << bit for bit in bits}) for centre, bits in made})


@given(clusters())
def test_the_same_pairs_as_by_comparing_each_with_each(hashes):
    assert near_pairs(prints(hashes)).tolist() == compared_one_by_one(hashes)


def test_pairs_among_very_many():
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, SEED_BITS, 20_000, np.uint64, endpoint=True)
    hashes[1::1000] = hashes[::1000] ^ np.uint64(0b10010000001)
    pairs = near_pairs(prints(hashes)).tolist()
    assert pairs == [[start, start + 1, 3] for start in range(0, 20_000, 1000)]


def test_equal_fingerprints_are_paired_with_the_first():
    assert near_pairs(prints([9, 7, 9, 9])).tolist() == [
        [0, 1, 3],
        [0, 2, 0],
        [0, 3, 0],
    ]


def test_other_colours_are_another_image():
    colours = [[0] * 48, [MAX_COLOUR] * 48, [2 * MAX_COLOUR + 1] * 48]
    assert near_pairs(prints([1, 1, 1], colours)).tolist() == [[0, 1, 0]]


def test_blank_images_resemble_none():
    assert near_pairs(prints([0, 0, 0], textured=[False, True, False])).tolist() == []


def test_no_images():
    assert near_pairs(prints([])).tolist() == []


VARIANTS = {
    "quality.jpg": lambda pixels: (pixels, cv2.IMWRITE_JPEG_QUALITY, 30),
    "other-format.png": lambda pixels: (pixels,),
    "half.jpg": lambda pixels: (cv2.resize(pixels, None, fx=0.5, fy=0.5),),
    "wide.webp": lambda pixels: (cv2.resize(pixels, None, fx=1.7, fy=1.3),),
    "bright.jpg": lambda pixels: (cv2.convertScaleAbs(pixels, beta=20),),
    "contrast.jpg": lambda pixels: (cv2.convertScaleAbs(pixels, alpha=1.15),),
    "text.jpg": lambda pixels: (cv2.putText(pixels, "(c) me", (9, 20), 0, 0.5, (0, 0, 0)),),
    "cropped.jpg": lambda pixels: (pixels[2:-2, 2:-2],),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_an_image_are_found(tmp_path, name):
    """Of twenty images each with its variant, and with no other image."""
    names = []
    for seed in range(20):
        for path, arguments in (
            (f"{seed}-original.jpg", (picture(seed),)),
            (f"{seed}-{name}", VARIANTS[name](picture(seed))),
        ):
            save(tmp_path / path, *arguments)
            names.append(path)
    scan = scan_images(tmp_path, names, workers=1, settings=Settings())
    pairs = near_pairs(scan.fingerprints)[:, :2].tolist()
    expected = [[number, number + 1] for number in range(0, 40, 2)]
    assert [pair for pair in pairs if pair not in expected] == []
    assert len(pairs) >= 18


def test_fingerprints_do_not_depend_on_their_neighbours():
    grids = np.stack([cv2.resize(picture(seed), (GRID, GRID)) for seed in range(3)])
    together = fingerprint(grids)
    for position in range(3):
        alone = fingerprint(grids[position : position + 1])
        assert alone.hashes[0] == together.hashes[position]
        assert alone.colours[0].tolist() == together.colours[position].tolist()


def test_only_files_of_equal_content_are_equal(tmp_path):
    for name, content in (("a", b"one"), ("b", b"two"), ("c", b"one"), ("d", b"two"), ("e", b"x")):
        (tmp_path / name).write_bytes(content)
    signatures = np.array([5, 5, 5, 5, 5, 0, 0], np.uint64)
    assert equal_files(tmp_path, list("abcdexy"), signatures) == [(0, 2), (1, 3)]
