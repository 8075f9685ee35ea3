"""Select one part of the inputs: `clsctl predict --shard 2/8`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from clsctl.errors import UsageError

T = TypeVar("T")


def select_shard(items: Iterable[T], shard: str) -> Iterator[T]:
    """Select every n-th item, from the i-th on; the n shards together hold each item once.

    Args:
        shard: `i/n`; see `parse_shard`.
    """
    number, count = parse_shard(shard)
    return itertools.islice(items, number - 1, None, count)


def parse_shard(shard: str) -> tuple[int, int]:
    """Parse `i/n`, with i from 1 to n.

    Raises:
        UsageError: It is not of that form (`E_SHARD`).
    """
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise UsageError(
            f"'{shard}' is no shard",
            code="E_SHARD",
            hint="--shard 1/8 is the first of eight parts, --shard 8/8 the last",
        )
    return number, count
