"""Print what `clsctl dataset check` found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.datasets.check.check import CheckReport
from clsctl.datasets.check.statistics import describe
from clsctl.datasets.printing import LAYOUTS
from clsctl.datasets.problems import CODES, Problem, Severity

if TYPE_CHECKING:
    from clsctl.console.tables import Text

SHOWN = 5
"""Problems of one kind that are printed; the report has more."""

STYLES: dict[Severity, str] = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


def print_check(report: CheckReport, page: Path) -> None:
    """Print figures and problems, only some of each kind.

    Args:
        report: What was found.
        page: Where the report is that has the others.
    """
    from clsctl.console.tables import Text, open_console

    console = open_console()
    layout = LAYOUTS[report.dataset.layout]
    console.print(Text.assemble((str(report.dataset.root), "bold"), f", {layout}"), soft_wrap=True)
    for name, text in describe(report.statistics):
        console.print(Text(f"  {name:<26}{text}"), soft_wrap=True)
    for _, group in groupby(report.problems, key=lambda one: one.code):
        console.line()
        for line in _group(list(group), page):
            console.print(line, soft_wrap=True)
    for code, number in report.ignored.items():
        console.line()
        console.print(Text(f"ignored: {number:,} x {code}"), style="dim")
    console.line()
    console.print(Text(f"Report: {page}"), soft_wrap=True)


def _group(problems: Sequence[Problem], page: Path) -> Iterator[Text]:
    from clsctl.console.tables import Text

    first, code = problems[0], CODES[problems[0].code]
    number = f" ({len(problems):,})" if len(problems) > 1 else ""
    style = STYLES[first.severity]
    yield Text.assemble(
        (first.severity, style), f": {code.title}{number} ", (f"[{first.code}]", "dim")
    )
    for one in problems[:SHOWN]:
        own_hint = f"; {one.hint}" if one.hint != code.hint else ""
        yield Text(f"  {one.where}  {one.message}{own_hint}")
    if len(problems) > SHOWN:
        yield Text(f"  and {len(problems) - SHOWN:,} more, see {page}")
    yield Text.assemble(("  fix: ", "cyan"), code.hint)
