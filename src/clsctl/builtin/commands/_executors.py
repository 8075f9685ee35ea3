"""The options that executors add to commands."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clsctl.errors import UsageError
from clsctl.plugin import Executor
from clsctl.plugin.registry import default_registry


def with_executor_options(run: Callable[..., object]) -> Callable[..., object]:
    """Return the command with the options of every executor in place of its `**keywords`.

    Raises:
        UsageError: Two executors claim one option (`E_PLUGIN_CONFLICT`).
    """
    signature = inspect.signature(run, eval_str=True)
    *own, _keywords = signature.parameters.values()
    owners = dict.fromkeys((parameter.name for parameter in own), "the command")
    for executor in _executors():
        for parameter in _parameters(executor):
            other = owners.setdefault(parameter.name, executor.name)
            if other != executor.name:
                raise UsageError(
                    f"the option {_spelt(parameter.name)} of executor '{executor.name}' is "
                    f"already one of {other}",
                    code="E_PLUGIN_CONFLICT",
                    hint="set CLSCTL_DISABLED_PLUGINS to switch one plugin off",
                )
            own.append(parameter)

    @functools.wraps(run)
    def command(**options: Any) -> object:
        return run(**options)

    command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    return command


def executor_options(name: str | None, given: Mapping[str, Any]) -> object:
    """Return what the executor makes of its own options.

    Raises:
        UsageError: An option was given that belongs to another executor (`E_EXECUTOR_OPTION`).
    """
    from clsctl.prediction.job import find_executor

    executor = find_executor(name)
    own = inspect.signature(executor.options).parameters
    for other in _executors():
        for name, parameter in inspect.signature(other.options).parameters.items():
            if name not in own and given.get(name, parameter.default) != parameter.default:
                raise UsageError(
                    f"{_spelt(name)} is an option of --executor {other.name}, "
                    f"and this one is {executor.name}",
                    code="E_EXECUTOR_OPTION",
                )
    return executor.options(**{name: given[name] for name in own if name in given})


def _executors() -> Iterable[Executor]:
    return default_registry().items("executors").values()


def _parameters(executor: Executor) -> list[inspect.Parameter]:
    """Return the parameters of its options as keywords, which Typer wants."""
    try:
        signature = inspect.signature(executor.options, eval_str=True)
    except Exception as error:  # noqa: BLE001 - third-party code may raise anything
        default_registry().report(
            f"the options of executor '{executor.name}' cannot be read: {error}"
        )
        return []
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [parameter.replace(kind=keyword) for parameter in signature.parameters.values()]


def _spelt(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"
