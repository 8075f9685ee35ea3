"""Where the results of `clsctl predict` go: a writer's stream, and files for each image."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from clsctl.console.messages import note
from clsctl.errors import DataError, Interrupted, NetworkError, UsageError
from clsctl.plugin.descriptors import RecordWriter

if TYPE_CHECKING:
    from clsctl.plugin.registry import Registry
    from clsctl.prediction.resume import Held
    from clsctl.result import Result

Saver = Callable[["Result"], None]


class Count(NamedTuple):
    """Results, and how many of them are errors."""

    done: int
    failed: int


def deliver(
    results: Iterable[Result],
    writer: RecordWriter,
    savers: Sequence[Saver],
    endless: bool = False,
) -> Count:
    """Hand every result to the savers and the writer.

    Args:
        endless: Ctrl-C is how it is meant to end.

    Raises:
        Interrupted: Ctrl-C came before the end.
    """
    done = failed = 0
    try:
        # What is written counts as done, so everything else comes first; even the count, because
        # who reads the stream may send Ctrl-C before the write has returned.
        for result in results:
            for save in savers:
                save(result)
            done += 1
            failed += result.error is not None
            writer.write(result)
    except KeyboardInterrupt:
        if not endless:
            raise Interrupted(f"interrupted, {done} done") from None
        note(f"{done} classified")
    finally:
        writer.close()
    return Count(done, failed)


@contextmanager
def open_target(output: Path | None, writer: str, resume: bool) -> Iterator[tuple[TextIO, Held]]:
    """The stream that a writer receives, and the results that it holds already.

    Raises:
        UsageError: The output cannot be continued, or not be written.
    """
    from clsctl.prediction.resume import Held, continuing
    from clsctl.system.files import open_output

    if resume and output is None:
        raise UsageError(
            "--resume goes on with a file, and there is none",
            code="E_RESUME",
            hint="say where the results are, with -o results.jsonl",
        )
    if resume and output:
        with continuing(output, writer) as (stream, held):
            yield stream, held
    else:
        with open_output(output) as stream:
            yield stream, Held()


def savers(
    save_img: Path | None, save_json: Path | None, sort_into: Path | None, resume: bool
) -> list[Saver]:
    """What is done with each result, before it is written.

    Raises:
        UsageError: Files that are numbered within a run cannot be resumed (`E_RESUME`).
    """
    if resume and (save_img or save_json):
        raise UsageError(
            "--resume cannot know which files of --save-img and --save-json belong to which input",
            code="E_RESUME",
            hint="leave these out, or --resume",
        )
    chosen: list[Saver] = []
    if save_img is not None:
        chosen.append(functools.partial(_save_img, folder=save_img))
    if save_json is not None:
        chosen.append(lambda result: result.save_to_json(save_json))
    if sort_into is not None:
        chosen.append(functools.partial(_sort_into, folder=sort_into))
    return chosen


def format_for(output: Path | None, registry: Registry) -> str | None:
    """The writer that is called like the file's suffix."""
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    return suffix if suffix in registry.items("writers") else None


def shown(results: Iterable[Result], stream: TextIO) -> Iterator[Result]:
    """The same results, counted on standard error where they do not show on this terminal."""
    if stream.isatty() or not sys.stderr.isatty():
        yield from results
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from clsctl.console.tables import open_console

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:.0f} images"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=open_console(sys.stderr), transient=True) as progress:
        task = progress.add_task("predict", total=None)
        for result in results:
            progress.advance(task)
            yield result


def _save_img(result: Result, folder: Path) -> None:
    if result.error is None:
        with _noting_loss():
            result.save_to_img(folder)


def _sort_into(result: Result, folder: Path) -> None:
    from clsctl.prediction.sort import sort_into

    with _noting_loss():
        sort_into(result, folder)


@contextmanager
def _noting_loss() -> Iterator[None]:
    """The pixels are read again, which may fail where they came over the network."""
    try:
        yield
    except (DataError, NetworkError) as error:
        note(f"no image was saved of {error.message}")
