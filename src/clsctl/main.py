"""Build the app from the hooks, run it, print a ClsctlError once."""

from __future__ import annotations

import errno
import functools
import inspect
import itertools
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, cast

import typer

from clsctl.console import messages
from clsctl.console.help import HelpCommand, HelpGroup
from clsctl.console.messages import detail, print_error, says, set_level
from clsctl.console.streams import quieten_libraries, write_utf8
from clsctl.errors import ClsctlError, DeviceError, Interrupted, UsageError
from clsctl.plugin.descriptors import Command
from clsctl.plugin.registry import Registry, default_registry
from clsctl.settings import folders
from clsctl.system.interrupts import certain_interrupts
from clsctl.system.os_errors import FULL
from clsctl.system.output_failures import SIGPIPE_STATUS, output_failed
from clsctl.system.shared_folders import warn_of_other_writers
from clsctl.values import __version__

ClickException: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of what the parser raises; recent Typers bring a click of their own."""

COMPLETION = "_CLSCTL_COMPLETE"
"""The variable by which a shell asks for completions."""


def main() -> NoReturn:
    """Run the `clsctl` command and end the process."""
    try:
        status = run(sys.argv[1:])
    except Exception as bug:  # noqa: BLE001, it is printed as Python would
        _print_traceback(bug)
        status = 1
    # Python would wait for every thread, though one may wait for a server, and then take apart what
    # the libraries hold, which lasts longer than to classify an image. The system does it at once.
    os._exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; user errors are printed, bugs raise."""
    write_utf8()
    quieten_libraries()
    set_level(logging.INFO)
    try:
        status = _invoke(arguments)
        print(end="", flush=True)
    except OSError as error:
        if error.errno not in (errno.EPIPE, *FULL):
            _admit_bug()
            raise
        status = output_failed(error, as_json=_wants_json(arguments))
    except Exception:
        _admit_bug()
        raise
    return status


def _invoke(arguments: Sequence[str]) -> int:
    registry = default_registry()
    named = None
    try:
        named = registry.find_command(_words(arguments))
        _keep_matplotlib_in_our_cache(named)
        app = build_app(registry, named)
        return app(args=list(arguments), prog_name="clsctl", standalone_mode=False) or 0
    except ClsctlError as error:
        failure = error
    except ModuleNotFoundError as error:
        if error.name != "paddle":
            raise
        failure = _without_paddle()
    except ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error)
            return UsageError.exit_status
        failure = _usage_error(error, named, arguments)
    except KeyboardInterrupt:
        failure = Interrupted("interrupted")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    print_error(failure, as_json=_wants_json(arguments))
    return failure.exit_status


def _words(arguments: Sequence[str]) -> Sequence[str]:
    """The words of the command line; where a shell asks for completions, those before the cursor.

    Bash says which word is being completed, zsh and fish end the line there.
    """
    if COMPLETION not in os.environ:
        return arguments
    if "COMP_WORDS" in os.environ:
        return os.environ["COMP_WORDS"].split()[1 : int(os.environ.get("COMP_CWORD", "1"))]
    return re.split(r"\s+", os.environ.get("_TYPER_COMPLETE_ARGS", ""))[1:-1]


def _without_paddle() -> DeviceError:
    """Return the error for what only Paddle does, where it was left out or removed."""
    from clsctl.installation import install_hint

    return DeviceError(
        "this needs PaddlePaddle, which is not installed",
        code="E_PADDLE_MISSING",
        hint=install_hint("paddlepaddle"),
    )


def _usage_error(error: Any, named: Command | None, arguments: Sequence[str]) -> UsageError:
    """Put what the command line's parser found wrong into the form of every other error."""
    from clsctl.plugin.elsewhere import hint_elsewhere

    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    command = f"clsctl {named.name}" if named else getattr(context, "command_path", "clsctl")
    elsewhere = "" if named else hint_elsewhere("commands", arguments[0])
    return UsageError(
        f"{message[:1].lower()}{message[1:]}",
        hint=elsewhere or f"`{command} --help` shows what it takes",
    )


def build_app(registry: Registry, named: Command | None = None) -> typer.Typer:
    """Build the command line out of every plugin's commands.

    Args:
        named: The only command that is needed. Where there is none, all are there, but by name and
            help alone.
    """
    app = typer.Typer(
        name="clsctl",
        cls=HelpGroup,
        help="Image classification on PaddlePaddle: 80 models, from photo to trained model.",
        epilog="clsctl predict img.jpg -m PP-LCNet_x1_0\nclsctl predict --help",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    commands = {named.name: named} if named else registry.items("commands")
    whole = named is not None
    parents = {"": app}
    for name, command in sorted(commands.items()):
        group = name if command.run is None else name.rpartition(" ")[0]
        if group not in parents:
            described = commands.get(group, Command(group, ""))
            parents[group] = typer.Typer(
                name=group,
                cls=HelpGroup,
                help=described.help or None,
                epilog="\n".join(described.examples),
                no_args_is_help=True,
            )
            app.add_typer(parents[group])
        if command.run is not None:
            _add_command(parents[group], command, whole)
    return app


def _add_command(parent: typer.Typer, command: Command, whole: bool) -> None:
    """Add a command with its options, or only what the help of its parent says of it."""
    run = cast("Callable[..., object]", command.run)
    described = _paragraphs(run.__doc__ or command.help)
    word = command.name.rpartition(" ")[2]
    handler = _interruptible(run) if whole else lambda: None
    epilog = "\n".join(command.examples)
    parent.command(word, cls=HelpCommand, help=described, short_help=command.help, epilog=epilog)(
        handler
    )


def _paragraphs(docstring: str) -> str:
    """Return the docstring without the source's line breaks, which Typer would show."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _admit_bug() -> None:
    messages.status("This is a bug in clsctl, not your fault. Please report it with:")


def _print_traceback(bug: Exception) -> None:
    """Print where a bug is; its message may hold what no terminal should obey."""
    import traceback

    for line in "".join(traceback.format_exception(bug)).rstrip().split("\n"):
        messages.status(line)


def _interruptible(run: Callable[..., object]) -> Callable[..., None]:
    """Keep Ctrl-C and closed pipes out of click's hands, which would end with exit status 1."""

    @functools.wraps(run)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            warn_of_other_writers()
            with certain_interrupts(ClsctlError, OSError, typer.Exit), _detailed():
                run(*args, **kwargs)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None
        except BrokenPipeError as error:
            raise typer.Exit(output_failed(error, as_json=False)) from None
        except SystemExit as stop:  # what Rich makes of it
            if isinstance(stop.__context__, BrokenPipeError):
                raise typer.Exit(SIGPIPE_STATUS) from None
            raise

    return wrapped


@contextmanager
def _detailed() -> Iterator[None]:
    """Say, with `-v`, what runs with which settings, how long it took, and where errors arose."""
    if not says(logging.DEBUG):
        yield
        return
    import traceback

    from clsctl.settings import load_settings

    begun, settings = time.perf_counter(), load_settings(report=lambda _: None)
    chosen = [
        f"{name} = {getattr(settings, name)} ({origin})"
        for name, origin in settings.origins.items()
        if origin != "default"
    ]
    detail(f"clsctl {__version__}, Python {sys.version.split()[0]}, {sys.prefix}")
    detail(f"settings: {', '.join(chosen) or 'the defaults'}")
    try:
        yield
    except ClsctlError:
        for line in traceback.format_exc().splitlines():
            detail(line)
        raise
    finally:
        detail(f"{time.perf_counter() - begun:.2f} s")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"clsctl {__version__}")
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


def _keep_matplotlib_in_our_cache(named: Command | None) -> None:
    """Matplotlib lists fonts in a folder of its own below the home folder, unless told where."""
    if named is not None:
        os.environ.setdefault("MPLCONFIGDIR", str(folders().cache / "matplotlib"))
