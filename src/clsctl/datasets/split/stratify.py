"""Assign samples to splits: stratified, in groups, and the same whatever the order.

Samples are taken in an order that is a hash of seed and path, so that it depends on nothing
else. How many of each class a split should get is fixed first; then each group, the largest first,
goes to the split that lacks most of what it holds. A sample without a group is a group of one, and
where all are, every split gets exactly what it should.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import pairwise

Table = list[list[int]]


def assign(
    labels: Mapping[str, int],
    shares: Mapping[str, int],
    *,
    seed: int = 0,
    stratify: bool = True,
    groups: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Assign samples to splits.

    Without groups every split gets its share of every class to within one sample, and of all
    samples by the method of largest remainders. With groups it is as close as a greedy choice
    comes.

    Args:
        labels: Class id by path.
        shares: Weight of each split, in any unit.
        seed: Another seed, another split.
        stratify: Whether each class is shared out, or only the samples as a whole.
        groups: The name of a sample's group, by path; a path that is absent is on its own.

    Returns:
        The split by path, paths in order.
    """
    strata = labels if stratify else dict.fromkeys(labels, 0)
    lacking = _targets(strata, shares, seed)
    placed: dict[str, str] = {}
    for unit in _units(labels, groups or {}, seed):
        counts = Counter(strata[path] for path in unit)
        split = max(shares, key=lambda split: _need(lacking[split], counts))
        lacking[split].subtract(counts)
        placed |= dict.fromkeys(unit, split)
    return dict(sorted(placed.items()))


def apportion(sizes: Sequence[int], shares: Sequence[int]) -> Table:
    """Share out each row and the total at once (controlled rounding).

    Every cell is `size * share / sum(shares)`, rounded up or down; every row sums to its size, and
    the columns are the total shared out by largest remainders. Such a table exists for up to three
    shares, and for any number of equal ones (Cox, "A constructive procedure for unbiased
    controlled rounding", JASA 1987, treats the general case).

    Args:
        sizes: Samples of each class.
        shares: Weights of the splits.

    Returns:
        A row for each class, a column for each split.
    """
    table = [_largest_remainders(size, shares) for size in sizes]
    totals = _largest_remainders(sum(sizes), shares)
    surplus = [sum(row[split] for row in table) - total for split, total in enumerate(totals)]
    while any(surplus):
        giver, taker = surplus.index(max(surplus)), surplus.index(min(surplus))
        _shift(table, sizes, shares, giver, taker)
        surplus[giver] -= 1
        surplus[taker] += 1
    return table


def _largest_remainders(size: int, shares: Sequence[int]) -> list[int]:
    """Return whole parts that sum to `size`: rounded down, the rest to the largest remainders."""
    whole = sum(shares)
    parts = [size * share // whole for share in shares]
    remainders = [-(size * share % whole) for share in shares]
    for split in sorted(range(len(shares)), key=remainders.__getitem__)[: size - sum(parts)]:
        parts[split] += 1
    return parts


def _shift(
    table: Table, sizes: Sequence[int], shares: Sequence[int], giver: int, taker: int
) -> None:
    """Move one sample from split to split, perhaps by way of a third; no cell leaves its bounds."""
    others = [split for split in range(len(shares)) if split not in (giver, taker)]
    for path in ((giver, taker), *((giver, other, taker) for other in others)):
        hops = list(pairwise(path))
        rows = [_row_to_change(table, sizes, shares, *hop) for hop in hops]
        if min(rows) >= 0:
            for row, (source, target) in zip(rows, hops, strict=True):
                table[row][source] -= 1
                table[row][target] += 1
            return
    raise AssertionError("there is always a path: see `apportion`")


def _row_to_change(
    table: Table, sizes: Sequence[int], shares: Sequence[int], source: int, target: int
) -> int:
    """Find the row with most too much at `source` and too little at `target`; -1 if none has."""
    whole = sum(shares)
    best, best_gain = -1, 0
    for row, (cells, size) in enumerate(zip(table, sizes, strict=True)):
        over = cells[source] * whole - size * shares[source]
        under = size * shares[target] - cells[target] * whole
        if over > 0 and under > 0 and over + under > best_gain:
            best, best_gain = row, over + under
    return best


def _targets(
    strata: Mapping[str, int], shares: Mapping[str, int], seed: int
) -> dict[str, Counter[int]]:
    """Compute how many samples of each class a split should get, by split."""
    sizes = Counter(strata.values())
    # Which class is rounded up is chance as well, or it would always be the first ones.
    classes = sorted(sizes, key=lambda label: _shuffled(seed, f"class {label}"))
    table = apportion([sizes[label] for label in classes], list(shares.values()))
    return {
        split: Counter({label: row[place] for label, row in zip(classes, table, strict=True)})
        for place, split in enumerate(shares)
    }


def _units(labels: Iterable[str], groups: Mapping[str, str], seed: int) -> list[list[str]]:
    """Return the paths of each group, the largest group first, groups of one size shuffled."""
    members: defaultdict[tuple[bool, str], list[str]] = defaultdict(list)
    for path in sorted(labels):
        members[path in groups, groups.get(path, path)].append(path)
    return sorted(members.values(), key=lambda paths: (-len(paths), _shuffled(seed, paths[0])))


def _need(lacking: Counter[int], counts: Counter[int]) -> int:
    """Return by how much a split's squared distance from its target shrinks, but for a constant."""
    return sum(count * lacking[label] for label, count in counts.items())


def _shuffled(seed: int, key: str) -> tuple[bytes, str]:
    """Return a sort key that looks random."""
    text = f"{seed}\0{key}".encode(errors="surrogateescape")
    return blake2b(text, digest_size=16).digest(), key
