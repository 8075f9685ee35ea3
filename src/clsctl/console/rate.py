"""A column of Rich's progress bars: how much is done in a second."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task

from clsctl.console.tables import Text


class RateColumn(ProgressColumn):
    """Show `37.2 images/s`, and nothing until that is known.

    Args:
        unit: What is counted, in the plural.
    """

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The rate of the last half minute, as Rich estimates it."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g} {self._unit}/s")
