"""Warn of what the user should know about a split before training on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from clsctl.datasets.problems import Problem, warning
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
    """Warn of classes without samples in a split, and what groups lead to.

    Args:
        pool: What was split.
        placed: The split of each sample, by normalised path.
        shares: What each split should hold, in percent.
        groups: What had to stay together.
        stratify: Whether each class should have been shared out.
    """
    cells = Counter((split, pool.samples[key].label) for key, split in placed.items())
    sizes = Counter(item.label for item in pool.samples.values())
    for split, share in shares.items():
        empty = [label for label in sorted(sizes) if not cells[split, label]]
        if empty:
            yield _empty_classes(split, share, empty, pool.class_names)
    if groups.names:
        uneven = [_uneven_totals(Counter(placed.values()), shares)]
        uneven += [_uneven_class(cells, sizes, shares, pool.class_names)] if stratify else []
        if any(uneven):
            yield warning(
                "E_SPLIT_UNEVEN",
                f"because groups stay together, {'; '.join(filter(None, uneven))}",
                "another --seed may come closer; smaller groups certainly do",
            )
        yield from _in_test(pool, groups)
    if groups.ungrouped:
        yield warning(
            "E_SPLIT_UNGROUPED",
            f"--group says nothing of {groups.ungrouped:,} of {len(placed):,} samples; each of "
            "them is on its own",
            "check the expression or the file if they belong to groups",
        )


def _empty_classes(
    split: str, share: float, empty: list[int], class_names: Mapping[int, str]
) -> Problem:
    names = ", ".join(f"'{class_names.get(label, label)}'" for label in empty[:_SHOWN])
    more = f" and {len(empty) - _SHOWN:,} more" if len(empty) > _SHOWN else ""
    return warning(
        "E_SPLIT_EMPTY_CLASS",
        f"{split} has no sample of {'class' if len(empty) == 1 else 'classes'} {names}{more}",
        f"at {share:g} % a class needs about {round(100 / share):,} samples to be sure of one: add "
        f"some, or give {split} a larger share",
    )


def _uneven_totals(totals: Counter[str], shares: Mapping[str, float]) -> str:
    """Name the splits that are a sample or more from their share; empty where none is."""
    whole = sum(totals.values())
    return ", ".join(
        f"{split} has {100 * totals[split] / whole:.1f} % instead of {share:.4g} %"
        for split, share in shares.items()
        if abs(totals[split] - whole * share / 100) >= 1
    )


def _uneven_class(
    cells: Mapping[tuple[str, int], int],
    sizes: Mapping[int, int],
    shares: Mapping[str, float],
    class_names: Mapping[int, str],
) -> str:
    """Name the class furthest from its share in a split; empty where all are within a sample."""

    def distance(cell: tuple[str, int]) -> float:
        return abs(cells[cell] - shares[cell[0]] / 100 * sizes[cell[1]])

    split, label = max(
        ((split, label) for split in shares for label in sorted(sizes)), key=distance
    )
    if distance((split, label)) < 1:
        return ""
    due = f"{shares[split] / 100 * sizes[label]:.1f}"
    name = class_names.get(label, str(label))
    return f"furthest off is '{name}' in {split}, {cells[split, label]:,} samples instead of {due}"


def _in_test(pool: Pool, groups: Groups) -> Iterator[Problem]:
    """Warn of groups that are in the test list, which stays as it is, and elsewhere too."""
    tested = {groups.names[key] for key in pool.held_out if key in groups.names}
    shared = tested & {groups.names[key] for key in pool.samples if key in groups.names}
    if shared:
        yield warning(
            "E_SPLIT_GROUP_IN_TEST",
            f"{len(shared):,} {'group has' if len(shared) == 1 else 'groups have'} samples in "
            f"the test list as well, such as {min(shared)}",
            "give a share with --test to split the test list's samples as well",
        )
