from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.errors import UsageError
from clsctl.prediction.shard import select_shard


@given(st.integers(0, 50), st.integers(1, 9))
def test_all_shards_together_hold_each_item_once(size, count):
    shards = [list(select_shard(range(size), f"{i}/{count}")) for i in range(1, count + 1)]
    assert sorted(item for shard in shards for item in shard) == list(range(size))
    lengths = [len(shard) for shard in shards]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError) as caught:
        select_shard([], text)
    assert caught.value.code == "E_SHARD"
