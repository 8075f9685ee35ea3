"""A part of what Pillow resizes to is that part to the bit, whatever the sizes and the filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clsctl.images.resize.pillow_resize import SUPPORT, resized_part

FILTERS = [resample for resample in Image.Resampling if resample.name in SUPPORT]
SIDES = st.integers(1, 300)


@st.composite
def parts(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """A size, and a box inside it."""
    width, height = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    return (width, height), (left, top, right, bottom)


@pytest.mark.parametrize("resample", FILTERS, ids=lambda resample: resample.name)
@given(height=SIDES, width=SIDES, part=parts())
def test_it_is_cut_from_what_pillow_gives(resample, height, width, part):
    size, box = part
    pixels = np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)
    whole = Image.fromarray(pixels).resize(size, resample)
    found = resized_part(pixels, size, box, resample)
    assert np.array_equal(found, np.asarray(whole.crop(box)))


def test_every_filter_of_a_model_is_known():
    assert len(FILTERS) == len(SUPPORT) == 5
