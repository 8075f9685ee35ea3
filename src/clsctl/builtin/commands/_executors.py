"""The option that chooses an executor, and those that executors add to commands."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Annotated, Any, get_args, get_origin

import typer

from clsctl.builtin.commands._completion import complete_registered
from clsctl.builtin.commands._options import ADVANCED
from clsctl.errors import UsageError
from clsctl.plugin import Executor
from clsctl.plugin.registry import default_registry
from clsctl.prediction.executors import find_executor


class WithExecutorOptions:
    """A command with the options of every executor in place of its `**keywords`.

    What these are is found out when the signature is asked for, so that `clsctl --help` need not
    load any executor.
    """

    def __init__(self, run: Callable[..., object]) -> None:
        self._run = run
        functools.update_wrapper(self, run)

    def __call__(self, **options: Any) -> object:
        return self._run(**options)

    @functools.cached_property
    def __signature__(self) -> Signature:
        """Its own parameters and those of every executor; raises as `_executor_parameters`."""
        signature = inspect.signature(self._run, eval_str=True)
        *own, _keywords = signature.parameters.values()
        return signature.replace(parameters=[*own, *_executor_parameters(own)])


def executor_option(purpose: str) -> Any:
    """Make the option `--executor`, whose help names every executor."""
    names = ", ".join(executor.name for executor in _executors())
    return typer.Option(
        metavar="NAME",
        rich_help_panel=ADVANCED,
        autocompletion=complete_registered("executors"),
        help=f"{purpose}: {names}.",
        show_default=find_executor().name,
    )


def executor_options(name: str | None, given: Mapping[str, Any]) -> object:
    """Return what the executor makes of its own options.

    Raises:
        UsageError: An option was given that belongs to another executor (`E_EXECUTOR_OPTION`).
    """
    executor = find_executor(name)
    own = inspect.signature(executor.options).parameters
    for other in _executors():
        for option, parameter in inspect.signature(other.options).parameters.items():
            if option not in own and given.get(option, parameter.default) != parameter.default:
                raise UsageError(
                    f"{_spelt(option)} is an option of --executor {other.name}, "
                    f"and this one is {executor.name}",
                    code="E_EXECUTOR_OPTION",
                )
    return executor.options(**{option: given[option] for option in own if option in given})


def _executor_parameters(own: Sequence[Parameter]) -> Iterator[Parameter]:
    """Yield the parameters of every executor.

    Raises:
        UsageError: Two executors claim one option, or one that the command has
            (`E_PLUGIN_CONFLICT`).
    """
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
            yield parameter


def implied_executor(given: Mapping[str, Any]) -> str | None:
    """Return the name of the executor whose options say where the model is, if any was given."""
    for executor in _executors():
        for parameter in _parameters(executor) if executor.prepare else ():
            if given.get(parameter.name, parameter.default) != parameter.default:
                return executor.name
    return None


def refuse_local_options(executor: str, given: Mapping[str, object]) -> None:
    """Refuse options that say how a model runs here, where it runs elsewhere.

    Raises:
        UsageError: One of them was given (`E_EXECUTOR_OPTION`).
    """
    for option, value in given.items():
        if value not in (None, False):
            raise UsageError(
                f"{option} is decided where the model is, not by --executor {executor}",
                code="E_EXECUTOR_OPTION",
                hint=f"leave out {option}",
            )


def _executors() -> Iterable[Executor]:
    return default_registry().items("executors").values()


def _parameters(executor: Executor) -> list[Parameter]:
    """Return the parameters of its options as keywords, which Typer wants."""
    try:
        signature = inspect.signature(executor.options, eval_str=True)
    except Exception as error:  # noqa: BLE001 - third-party code may raise anything
        default_registry().report(
            f"the options of executor '{executor.name}' cannot be read: {error}"
        )
        return []
    heading = f"With --executor {executor.name}"
    return [
        parameter.replace(
            kind=Parameter.KEYWORD_ONLY, annotation=_headed(parameter.annotation, heading)
        )
        for parameter in signature.parameters.values()
    ]


def _headed(annotation: Any, heading: str) -> Any:
    """Return the annotation with its Typer option under that heading of the help."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *notes = get_args(annotation)
    headed = [_under(note, heading) for note in notes]
    return Annotated[(kind, *headed)]


def _under(note: Any, heading: str) -> Any:
    note = copy.copy(note)
    if hasattr(note, "rich_help_panel"):
        note.rich_help_panel = note.rich_help_panel or heading
    return note


def _spelt(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"
