from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clsctl.system.iteration import batched


@given(st.lists(st.integers()), st.integers(1, 9))
def test_batches_hold_everything_in_order(items, size):
    batches = list(batched(items, size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(batches)
