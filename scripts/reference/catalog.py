"""The page about the models of the catalogs and their published figures."""

from __future__ import annotations

from itertools import groupby

from clsctl.models.catalog import catalog_path, load_catalog
from clsctl.models.catalog_schema import CatalogFile
from clsctl.schema.documents import read_document
from clsctl.values import ModelEntry
from reference.markdown import code, table

_INTRODUCTION = """\
# Catalog

The {count} models of clsctl's own catalog and, marked †, those of plugins that are released with
it. `clsctl models list` filters and sorts them, [choose a model](../how-to/choose-a-model.md)
says how, and [the networks](networks.md) are verified one by one. Names in bold are those that
the publisher recommends first.

Top-1 is percent of the ImageNet-1k validation set. Latencies are milliseconds for one image, in
normal and in high-performance mode; the size is in MiB; the input is the side of the network's
square input, in pixels. The figures were not measured here; they are those of the {source}
({version}):

{conditions}
"""
_HEADER = ("model", "top-1", "GPU ms", "CPU ms", "size", "input")


def catalog_page() -> str:
    """Write a table for each family, the most accurate model first."""
    document = read_document(CatalogFile, catalog_path())
    entries = sorted(load_catalog().values(), key=lambda e: (e.family.lower(), -(e.top1 or 0)))
    facts = document.catalog
    lines = [
        _INTRODUCTION.format(
            count=len(document.models),
            source=facts.source,
            version=facts.version,
            conditions="> " + " ".join(facts.conditions.split()),
        )
    ]
    for family, members in groupby(entries, lambda entry: entry.family):
        models = list(members)
        lines += [f"## {family}", "", models[0].summary, "", *table(_HEADER, map(_row, models))]
    return "\n".join(lines)


def _row(entry: ModelEntry) -> tuple[str, ...]:
    name = f"**{code(entry.name)}**" if entry.core else code(entry.name)
    marked = name if entry.catalog == "builtin" else f"{name} †"
    return (
        marked,
        _number(entry.top1),
        _pair(entry.gpu_ms),
        _pair(entry.cpu_ms),
        _number(entry.size_mb),
        str(entry.preprocessing.input_size[0]),
    )


def _pair(latency: tuple[float, float] | None) -> str:
    return " / ".join(map(_number, latency)) if latency else "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
