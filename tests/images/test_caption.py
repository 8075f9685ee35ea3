"""The caption: readable, inside the image, in any language, on images of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsctl.images.caption import draw_label


def blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 200, np.uint8)


def drawn(height: int, width: int, caption: str) -> np.ndarray:
    return np.asarray(draw_label(blank(height, width), caption))


def caption_box(image: np.ndarray) -> tuple[int, int]:
    """Rows and columns from the top left corner that the caption takes."""
    touched = (image != 200).any(axis=2)
    return int(touched.any(axis=1).sum()), int(touched.any(axis=0).sum())


@settings(max_examples=150)
@given(st.text(max_size=60), st.integers(1, 300), st.integers(1, 900))
def test_any_caption_fits_any_image(caption, height, width):
    assert drawn(height, width, caption).shape == (height, width, 3)


def test_the_pixels_it_is_given_stay_as_they_are():
    pixels = blank(100, 300)
    draw_label(pixels, "cat")
    assert (pixels == 200).all()


def test_the_caption_grows_with_the_image():
    small, large = (
        caption_box(drawn(300, 300, "cat 0.95")),
        caption_box(drawn(3000, 3000, "cat 0.95")),
    )
    assert small[0] < 40
    assert 80 < large[0] < 300
    assert large[1] / small[1] == pytest.approx(10, rel=0.3)


def test_a_long_caption_is_made_smaller_and_then_cut():
    short, long = (caption_box(drawn(500, 1000, "wide " * count)) for count in (3, 14))
    assert long[0] < short[0]
    endless = drawn(500, 1000, "wide " * 1000)
    assert caption_box(endless)[0] <= long[0]
    assert 900 < caption_box(endless)[1] <= 1000
    np.testing.assert_array_equal(endless, drawn(500, 1000, "wide " * 2000))


def test_line_breaks_become_blanks():
    np.testing.assert_array_equal(drawn(99, 400, "tabby,\ncat"), drawn(99, 400, "tabby, cat"))


@pytest.mark.parametrize("letters", ["ab", "éß", "жя", "猫狗", "ねこ", "고양"])
def test_letters_of_many_languages_have_shapes_of_their_own(letters):
    """A font shows the same box for every letter that it lacks."""
    missing = drawn(200, 400, "\U0010ffff")
    first, second = (drawn(200, 400, letter) for letter in letters)
    assert (first != second).any()
    assert (first != missing).any()
