"""An HTTP server for clsctl's models: the command `serve`, the executor `remote`, a client.

`create_app` gives the ASGI app to those who bring a server of their own, `Client` speaks to one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clsctl.plugin import Command, Executor, PredictJob, hookimpl
from clsctl_serve.command import serve

if TYPE_CHECKING:
    from clsctl.result import Result
    from clsctl.settings import Settings
    from clsctl_serve.app import create_app
    from clsctl_serve.client import Client
    from clsctl_serve.options import ServeOptions

__all__ = ["Client", "RemoteOptions", "ServeOptions", "create_app"]


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """What `--executor remote` adds to `clsctl predict`."""

    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Classify on this `clsctl serve`, with its model."),
    ] = None


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "serve",
            "Serve models over HTTP, with a page to drop a photo on.",
            serve,
            examples=(
                "clsctl serve -m PP-LCNet_x1_0",
                "clsctl serve -m PP-LCNet_x1_0 --port 9000 --workers 2",
            ),
        )
    ]


@hookimpl
def clsctl_executors() -> list[Executor]:
    return [
        Executor(
            "remote",
            "On a `clsctl serve`.",
            _run,
            options=RemoteOptions,
            live=True,
            prepare=_prepare,
        )
    ]


# What is heavy is imported when it is used, so that clsctl starts as fast as without the plugin.


def _prepare(options: RemoteOptions, model: str | None, settings: Settings) -> PredictJob:
    from clsctl_serve.remote import prepare

    return prepare(options, model, settings)


def _run(job: PredictJob) -> Iterator[Result]:
    from clsctl_serve.remote import run

    return run(job)


_LAZY = {
    "Client": "clsctl_serve.client",
    "ServeOptions": "clsctl_serve.options",
    "create_app": "clsctl_serve.app",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'clsctl_serve' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)
