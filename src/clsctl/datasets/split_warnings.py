"""What a person should know about a split before training on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from clsctl.datasets.grouping import Groups
from clsctl.datasets.pool import Pool
from clsctl.datasets.problems import Problem

_SHOWN = 5


def find_warnings(
    pool: Pool, placed: Mapping[str, str], shares: Mapping[str, float], groups: Groups
) -> Iterator[Problem]:
    """Classes without samples on a side, and what groups lead to.

    Args:
        pool: What was dealt out.
        placed: The side of each sample, by normalised path.
        shares: What each side should hold, in percent.
        groups: What had to stay together.
    """
    cells = Counter((side, pool.samples[key].label) for key, side in placed.items())
    sizes = Counter(item.label for item in pool.samples.values())
    for side, share in shares.items():
        empty = [label for label in sorted(sizes) if not cells[side, label]]
        if empty:
            yield _empty_classes(side, share, empty, pool.class_names)
    if groups.names:
        yield from _uneven(Counter(placed.values()), shares)
        yield from _in_test(pool, groups)
    if groups.ungrouped:
        yield _warning(
            "E_SPLIT_UNGROUPED",
            f"--group says nothing of {groups.ungrouped:,} of {len(placed):,} samples; each of "
            "them is on its own",
            "check the expression or the file if they belong to groups",
        )


def _empty_classes(
    side: str, share: float, empty: list[int], class_names: Mapping[int, str]
) -> Problem:
    names = ", ".join(f"'{class_names.get(label, label)}'" for label in empty[:_SHOWN])
    more = f" and {len(empty) - _SHOWN:,} more" if len(empty) > _SHOWN else ""
    return _warning(
        "E_SPLIT_EMPTY_CLASS",
        f"{side} has no sample of {'class' if len(empty) == 1 else 'classes'} {names}{more}",
        f"at {share:g} % a class needs about {round(100 / share):,} samples to be sure of one: add "
        f"some, or give {side} a larger share",
    )


def _uneven(totals: Counter[str], shares: Mapping[str, float]) -> Iterator[Problem]:
    """Shares that groups did not allow to keep to within one sample."""
    whole = sum(totals.values())
    off = [side for side in shares if abs(totals[side] - whole * shares[side] / 100) >= 1]
    if off:
        held = ", ".join(
            f"{side} has {100 * totals[side] / whole:.1f} % instead of {shares[side]:.4g} %"
            for side in off
        )
        yield _warning(
            "E_SPLIT_UNEVEN",
            f"because groups stay together, {held}",
            "another --seed may come closer; smaller groups certainly do",
        )


def _in_test(pool: Pool, groups: Groups) -> Iterator[Problem]:
    """Groups that are in the test list, which stays as it is, and elsewhere too."""
    tested = {groups.names[key] for key in pool.held_out if key in groups.names}
    shared = tested & {groups.names[key] for key in pool.samples if key in groups.names}
    if shared:
        yield _warning(
            "E_SPLIT_GROUP_IN_TEST",
            f"{len(shared):,} {'group has' if len(shared) == 1 else 'groups have'} samples in "
            f"the test list as well, such as {min(shared)}",
            "give a share with --test to deal the test list out anew",
        )


def _warning(code: str, message: str, hint: str) -> Problem:
    return Problem(code, "warning", message, file="", hint=hint)
