from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.system.spreadsheets import original_cell, safe_row


@pytest.mark.parametrize(
    "cell", ["=1+1", "+a", "-cmd|' /C calc'!A0", "@SUM(1)", "\tx", "\rx", "\uff1d1"]
)
def test_a_formula_becomes_text(cell):
    assert safe_row([cell]) == [f"'{cell}"]


@pytest.mark.parametrize(
    "cell", ["", "a=b", "a.jpg", "'quoted'", "-0.5", "+1e-5", -3.5, None, "猫"]
)
def test_anything_else_is_left_alone(cell):
    assert safe_row([cell]) == [cell]


@given(st.text(st.sampled_from("'=+-@\t\ra1.")))
def test_the_original_is_read_back(cell):
    (written,) = safe_row([cell])
    assert original_cell(written) == cell
    assert written.lstrip("'") == cell.lstrip("'")


@given(st.text(st.sampled_from("'=+-@\t\ra1.")), st.text(st.sampled_from("'=+-@\t\ra1.")))
def test_different_cells_stay_different(one, other):
    assert (safe_row([one]) == safe_row([other])) == (one == other)
