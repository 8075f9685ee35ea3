"""Find the executor that runs a job."""

from __future__ import annotations

from clsctl.errors import UsageError
from clsctl.plugin.descriptors import Executor
from clsctl.plugin.registry import default_registry


def find_executor(name: str | None = None) -> Executor:
    """Return the executor of that name, or the one that runs jobs in this process.

    Raises:
        UsageError: There is none of that name (`E_EXECUTOR_UNKNOWN`).
    """
    registry = default_registry()
    if name is not None:
        executor: Executor = registry.get("executors", name)
        return executor
    executors: dict[str, Executor] = registry.items("executors")
    return next(executor for executor in executors.values() if executor.in_process)


def require_live(name: str | None) -> None:
    """Refuse an executor that does not answer each input at once.

    Raises:
        UsageError: It does not (`E_EXECUTOR_OPTION`), or there is none of that name.
    """
    executor = find_executor(name)
    if not executor.live:
        raise UsageError(
            f"--watch needs an executor that answers at once, which {executor.name} does not",
            code="E_EXECUTOR_OPTION",
            hint=f"use --executor {find_executor().name}",
        )
