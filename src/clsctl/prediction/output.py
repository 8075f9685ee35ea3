"""Write results: into a writer's stream, and into files for each image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clsctl.console.messages import note, warn
from clsctl.console.progress import no_progress
from clsctl.errors import ClsctlError, DataError, Interrupted, NetworkError
from clsctl.plugin.descriptors import RecordWriter
from clsctl.values import Progress

if TYPE_CHECKING:
    from clsctl.result import Result

Saver = Callable[["Result"], None]


class Counts(NamedTuple):
    """How many results an output holds.

    Attributes:
        errors: How many of them are errors.
        resumed: How many of them an earlier run wrote.
        bugs: How many of the errors of this run are bugs of clsctl.
    """

    results: int
    errors: int
    resumed: int = 0
    bugs: int = 0


def write_results(
    results: Iterable[Result],
    writer: RecordWriter,
    savers: Sequence[Saver] = (),
    endless: bool = False,
    progress: Progress = no_progress,
) -> Counts:
    """Hand every result to the savers, then to the writer.

    Args:
        endless: Only Ctrl-C ends the results, so that it is no failure.

    Raises:
        Interrupted: Ctrl-C came before the end.
    """
    done = errors = bugs = 0
    try:
        # What is written counts as done, so everything else comes first; even the count, because
        # who reads the stream may send Ctrl-C before the write has returned.
        for result in results:
            for save in savers:
                save(result)
            done += 1
            errors += result.error is not None
            bugs += result.error is not None and result.error.code == ClsctlError.default_code
            for warning in result.warnings:
                warn(f"{result.input_path}: {warning}")
            writer.write(result)
            progress(done, None)
    except KeyboardInterrupt:
        if not endless:
            raise Interrupted(f"interrupted, {done} done") from None
        note(f"{done} classified")
    finally:
        writer.close()
    return Counts(done, errors, bugs=bugs)


def image_savers(
    save_img: str | Path | None, save_json: str | Path | None, sorted_folder: str | Path | None
) -> list[Saver]:
    """Return what is done with each result before it is written; see `clsctl.BatchPrediction`."""
    savers: list[Saver] = []
    if save_img:
        savers.append(functools.partial(_save_img, folder=Path(save_img)))
    if save_json:
        savers.append(lambda result: result.save_to_json(save_json))
    if sorted_folder:
        savers.append(functools.partial(_sort, folder=Path(sorted_folder)))
    return savers


def _save_img(result: Result, folder: Path) -> None:
    if result.error is None:
        with _noting_loss():
            result.save_to_img(folder)


def _sort(result: Result, folder: Path) -> None:
    from clsctl.prediction.sort import sort_into

    with _noting_loss():
        sort_into(result, folder)


@contextmanager
def _noting_loss() -> Iterator[None]:
    """Report pixels that cannot be read again, for instance because they came from a server."""
    try:
        yield
    except (DataError, NetworkError) as error:
        note(f"no image was saved of {error.message}")
