"""Write a table to read in a terminal: `--format table`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TextIO

from clsctl.plugin import Writer, hookimpl

if TYPE_CHECKING:
    from clsctl.errors import ClsctlError
    from clsctl.result import Result

BAR_WIDTH = 20


@hookimpl
def clsctl_writers() -> list[Writer]:
    summary = "A table to read, written as results come."
    return [Writer("table", summary, TableWriter, for_terminals=True)]


class TableWriter:
    """Writes a block for each image: its path, then a line for each class with a bar."""

    def __init__(self, stream: TextIO) -> None:
        from clsctl.console.tables import open_console

        self._print = functools.partial(open_console(stream).print, soft_wrap=True)

    def write(self, result: Result) -> None:
        from clsctl.console.tables import Text

        if result.error is not None:
            self._print_error(result.error)
            return
        page = "" if result.page_index is None else f"  page {result.page_index}"
        self._print(Text.assemble((result.input_path, "bold"), (page, "dim")))
        if len(result.class_ids) == 0:
            self._print(Text("  no class above the threshold", style="dim"))
        else:
            self._print(_classes(result))

    def _print_error(self, error: ClsctlError) -> None:
        """Print an error, whose message begins with the input's name."""
        from clsctl.console.tables import Text

        self._print(Text.assemble((error.message, "red"), (f" [{error.code}]", "dim")))
        if error.hint:
            self._print(Text(f"  hint: {error.hint}", style="dim"))

    def close(self) -> None:
        pass


def _classes(result: Result) -> object:
    from rich.table import Table

    from clsctl.console.tables import Text

    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True, max_width=44)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, width=BAR_WIDTH)
    names = result.label_names or [f"class {class_id}" for class_id in result.class_ids]
    for rank, (name, score) in enumerate(zip(names, result.scores, strict=True), start=1):
        bar = Text("█" * round(float(score) * BAR_WIDTH), style="cyan")
        table.add_row(str(rank), Text(" ".join(name.split())), f"{score:.5f}", bar)
    return table
