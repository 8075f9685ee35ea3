"""Build the app from the hooks, run it, print a ClsctlError once."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import io
import itertools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

import typer

import clsctl
from clsctl.errors import ClsctlError, Interrupted, UsageError
from clsctl.plugins import Registry, default_registry
from clsctl.types import Command


def main() -> NoReturn:
    """The `clsctl` command."""
    status = run(sys.argv[1:])
    if status == Interrupted.exit_status:
        # Python would wait for its threads, and one of them may wait for a server.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; user errors are printed, bugs raise."""
    _write_utf8()
    _quieten_paddle()
    try:
        build_app(default_registry())(args=list(arguments), prog_name="clsctl")
    except ClsctlError as error:
        print_error(error, as_json=_wants_json(arguments))
        return error.exit_status
    except KeyboardInterrupt:
        print_error(Interrupted("interrupted"), as_json=False)
        return Interrupted.exit_status
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno == errno.ENOSPC:
            return _output_is_full(error, as_json=_wants_json(arguments))
        print("This is a bug in clsctl, not your fault. Please report it with:", file=sys.stderr)
        raise
    return 0


def build_app(registry: Registry) -> typer.Typer:
    """The command line, made of every plugin's commands."""
    app = typer.Typer(
        name="clsctl",
        help="Image classification on PaddlePaddle: 80 models, from photo to trained model.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    commands: dict[str, Command] = registry.items("commands")
    groups = {
        name: typer.Typer(name=name, help=command.help, no_args_is_help=True)
        for name, command in sorted(commands.items())
        if command.run is None
    }
    for name, command in sorted(commands.items()):
        if command.run is None:
            app.add_typer(groups[name])
            continue
        group, _, word = name.rpartition(" ")
        parent = groups.setdefault(group, typer.Typer(name=group)) if group else app
        described = _paragraphs(command.run.__doc__ or command.help)
        parent.command(word, help=described, short_help=command.help)(_interruptible(command.run))
    return app


def print_error(error: ClsctlError, as_json: bool) -> None:
    """Print what happened, its code and what to do next on standard error."""
    if as_json:
        import json

        print(json.dumps({"error": error.as_dict()}, ensure_ascii=False), file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    parts: list[Any] = [("error: ", "bold red"), error.message, (f" [{error.code}]", "dim")]
    if error.hint:
        parts += ["\n", ("hint: ", "bold cyan"), error.hint]
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text.assemble(*parts))


def _paragraphs(docstring: str) -> str:
    """The docstring without the source's line breaks, which Typer would show."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _output_is_full(error: OSError, as_json: bool) -> int:
    """Files have names; what has none and no space left is standard output, behind a `>`."""
    sys.stdout = io.StringIO()  # Python would try once more at its end.
    failure = UsageError(f"cannot write to standard output: {error.strerror}", code="E_OUTPUT")
    print_error(failure, as_json)
    return failure.exit_status


def _interruptible(run: Callable[..., object]) -> Callable[..., object]:
    """Keep Ctrl-C out of click's hands, which would end it with exit status 1."""

    @functools.wraps(run)
    def wrapped(*args: Any, **kwargs: Any) -> object:
        try:
            return run(*args, **kwargs)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None

    return wrapped


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"clsctl {clsctl.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Options before the command's name."""


def _wants_json(arguments: Sequence[str]) -> bool:
    words = [part for argument in arguments for part in argument.split("=", 1)]
    return any(
        option == "--format" and value in ("json", "jsonl")
        for option, value in itertools.pairwise(words)
    )


def _quieten_paddle() -> None:
    """Warnings that matter only to those who compile or debug Paddle itself."""
    warnings.filterwarnings("ignore", message="No ccache found")
    os.environ.setdefault("GLOG_minloglevel", "2")


def _write_utf8() -> None:
    """Results hold any language; a pipe in the C locale must carry them too."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
