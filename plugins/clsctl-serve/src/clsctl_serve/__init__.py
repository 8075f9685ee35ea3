"""An HTTP server for clsctl's models: the command `serve`, the executor `remote`, a client.

`create_app` gives the ASGI app to those who bring a server of their own, `Client` speaks to one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clsctl.plugin import Command, hookimpl
from clsctl_serve.command import serve
from clsctl_serve.options import ServeOptions

if TYPE_CHECKING:
    from clsctl_serve.app import create_app

__all__ = ["ServeOptions", "create_app"]


@hookimpl
def clsctl_commands() -> list[Command]:
    return [Command("serve", "Serve models over HTTP, with a page to drop a photo on.", serve)]


# What is heavy is imported when it is used, so that clsctl starts as fast as without the plugin.


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from clsctl_serve.app import create_app

        return create_app
    raise AttributeError(f"module 'clsctl_serve' has no attribute '{name}'")
