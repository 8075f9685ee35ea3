"""List the models that a search can try: those that are here, then those that can be pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsctl.console.progress import transfer_bar
from clsctl.errors import Interrupted
from clsctl.models.catalog import load_catalog
from clsctl.models.locate import local_names
from clsctl.models.pull import ensure_pulled
from clsctl.models.store import Store, open_store
from clsctl.searching.record import Goal
from clsctl.searching.state import Until

if TYPE_CHECKING:
    from clsctl.values import ModelEntry

MEGABYTE = 10**6
MEBIBYTE = 2**20 / MEGABYTE
"""The catalog's unit."""

MEGABYTES_PER_MINUTE = 5.0
"""The largest model that is pulled, by the time that there is."""


def local_models(store: Store, goal: Goal) -> list[ModelEntry]:
    """List the models whose training weights need no network, the most accurate first."""
    catalog = load_catalog()
    here = [catalog[name] for name in local_names(store, "training") if name in catalog]
    return sorted((entry for entry in here if _fits(entry, goal)), key=_rank)


def models_to_pull(store: Store, goal: Goal) -> list[ModelEntry]:
    """List the models whose training weights would come from the network, likewise.

    None is so large that it would take much of the time to pull it.
    """
    local, most = local_names(store, "training"), MEGABYTES_PER_MINUTE * goal.minutes
    others = [one for one in load_catalog().values() if one.training and one.name not in local]
    small = [one for one in others if _fits(one, goal) and _megabytes(one) <= most]
    return sorted(small, key=_rank)


def pull(entry: ModelEntry, until: Until) -> float:
    """Pull a model's training weights where necessary.

    Args:
        entry: What the catalog says of it.
        until: Says when to stop.

    Returns:
        The size of the weights, in units of 10**6 bytes.

    Raises:
        NetworkError: They could not be had.
        ModelError: Likewise.
        Interrupted: There was no more time.
    """
    with transfer_bar(entry.name) as show:

        def watch(done: int, total: int | None) -> None:
            if until.is_set():
                raise Interrupted(f"stopped while {entry.name} was pulled")
            show(done, total)

        folder = ensure_pulled(open_store(), entry, "training", progress=watch)
    return next(folder.glob("*.pdparams")).stat().st_size / MEGABYTE


def _fits(entry: ModelEntry, goal: Goal) -> bool:
    return not goal.size_mb or _megabytes(entry) <= goal.size_mb


def _megabytes(entry: ModelEntry) -> float:
    return (entry.size_mb or 0.0) * MEBIBYTE


def _rank(entry: ModelEntry) -> tuple[float, str]:
    return -(entry.top1 or 0), entry.name
