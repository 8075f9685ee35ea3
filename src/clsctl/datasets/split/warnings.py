"""What a person should know about a split before training on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from clsctl.datasets.problems import Problem
from clsctl.datasets.split.groups import Groups
from clsctl.datasets.split.pool import Pool

_SHOWN = 5


def find_warnings(
    pool: Pool,
    placed: Mapping[str, str],
    shares: Mapping[str, float],
    groups: Groups,
    stratify: bool,
) -> Iterator[Problem]:
    """Classes without samples on a side, and what groups lead to.

    Args:
        pool: What was dealt out.
        placed: The side of each sample, by normalised path.
        shares: What each side should hold, in percent.
        groups: What had to stay together.
        stratify: Whether each class should have been shared out.
    """
    cells = Counter((side, pool.samples[key].label) for key, side in placed.items())
    sizes = Counter(item.label for item in pool.samples.values())
    for side, share in shares.items():
        empty = [label for label in sorted(sizes) if not cells[side, label]]
        if empty:
            yield _empty_classes(side, share, empty, pool.class_names)
    if groups.names:
        uneven = [_uneven_totals(Counter(placed.values()), shares)]
        uneven += [_uneven_class(cells, sizes, shares, pool.class_names)] if stratify else []
        if any(uneven):
            yield _warning(
                "E_SPLIT_UNEVEN",
                f"because groups stay together, {'; '.join(filter(None, uneven))}",
                "another --seed may come closer; smaller groups certainly do",
            )
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


def _uneven_totals(totals: Counter[str], shares: Mapping[str, float]) -> str:
    """The sides that are a sample or more from their share; empty where none is."""
    whole = sum(totals.values())
    return ", ".join(
        f"{side} has {100 * totals[side] / whole:.1f} % instead of {share:.4g} %"
        for side, share in shares.items()
        if abs(totals[side] - whole * share / 100) >= 1
    )


def _uneven_class(
    cells: Mapping[tuple[str, int], int],
    sizes: Mapping[int, int],
    shares: Mapping[str, float],
    class_names: Mapping[int, str],
) -> str:
    """The class that is furthest from its share on a side; empty where all are within a sample."""

    def distance(cell: tuple[str, int]) -> float:
        return abs(cells[cell] - shares[cell[0]] / 100 * sizes[cell[1]])

    side, label = max(((side, label) for side in shares for label in sorted(sizes)), key=distance)
    if distance((side, label)) < 1:
        return ""
    due = f"{shares[side] / 100 * sizes[label]:.1f}"
    name = class_names.get(label, str(label))
    return f"furthest off is '{name}' in {side}, {cells[side, label]:,} samples instead of {due}"


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
