"""Classify many inputs into files: what `clsctl predict` does, for use from Python too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from clsctl.console.progress import no_progress
from clsctl.errors import UsageError
from clsctl.images.sources import count_sources, iter_sources
from clsctl.plugin.descriptors import Executor, PredictJob, Writer
from clsctl.prediction.executors import find_executor, require_live
from clsctl.prediction.job import require_positive
from clsctl.prediction.output import Counts, image_savers, write_results
from clsctl.prediction.partial import open_keeping_partial
from clsctl.prediction.resume import ResumeState, open_for_resume, reader_of
from clsctl.prediction.shard import parse_shard, select_shard
from clsctl.prediction.watch import require_watchable, watch
from clsctl.prediction.writers import find_writer, require_format, suffix_format
from clsctl.system.files import open_output
from clsctl.values import Progress


@dataclass(frozen=True, slots=True)
class BatchPrediction:
    """What to classify, and where the results go; checked when it is made, before any work.

    Attributes:
        inputs: A path, URL, folder, glob, `@list.txt` or ndarray, or a list of these; see
            `clsctl.images.sources.iter_sources`.
        output: A file; standard output where None. For some executors a folder.
        format: Name of a writer; where None the output's suffix decides.
        batch_size: Images in one run of the network; None is what is fastest.
        shard: `i/n`: only every n-th input, from the i-th on.
        watch: The inputs are folders, and what arrives there is classified until Ctrl-C.
        resume: Keep the results that the output holds, and add those that it lacks.
        save_img: A folder for each image with its label.
        save_json: A folder for each result as JSON.
        sort_into: A folder with a folder for each class, into which the images are linked.
        executor: Name of what runs it; in this process where None.
        options: The executor's own; see `clsctl.plugin.Executor`.

    Raises:
        UsageError: A name is unknown, a value is wrong (`E_VALUE`, `E_SHARD`), the output has no
            format (`E_OUTPUT_FORMAT`), or what is asked for does not go together (`E_RESUME`,
            `E_WATCH`, `E_EXECUTOR_OPTION`).
    """

    inputs: Any
    output: str | Path | None = None
    format: str | None = None
    batch_size: int | None = None
    shard: str | None = None
    watch: bool = False
    resume: bool = False
    save_img: str | Path | None = None
    save_json: str | Path | None = None
    sort_into: str | Path | None = None
    executor: str | None = None
    options: object = None

    def __post_init__(self) -> None:
        writer = self.writer
        require_positive("batch_size", self.batch_size)
        if self._path and not self._folder:
            require_format(self._path, self.format)
        if self.shard is not None:
            parse_shard(self.shard)
        if self.watch:
            require_live(self.executor)
            require_watchable(self._inputs, self.batch_size, self._path, self.resume)
        if self.resume:
            self._check_resume()
        if self._folder and (self.save_img or self.save_json or self.sort_into):
            raise UsageError(
                f"--executor {self.executor} writes into {self._folder} itself, and saves nothing "
                "else",
                code="E_EXECUTOR_OPTION",
                hint="leave out --save-img, --save-json and --sort-into, or write "
                f"{self._folder}.{writer.name}",
            )

    def run(self, job: PredictJob, progress: Progress = no_progress) -> Counts:
        """Classify the inputs, and write the results.

        Args:
            job: How the model is run, such as `clsctl.Classifier.job`.
            progress: Receives the number of results as they come.

        Returns:
            How many results the output then holds, and how many of them are errors.

        Raises:
            UsageError: The output cannot be written (`E_OUTPUT`, `E_OUTPUT_BUSY`), or holds
                something else than what is to be resumed (`E_RESUME`).
            Interrupted: Ctrl-C came before the end; what was done is kept.
        """
        executor = find_executor(self.executor)
        job = replace(
            job,
            inputs=self._select_inputs(),
            batch_size=self.batch_size,
            live=self.watch,
            options=self.options,
        )
        if self._folder and executor.run_to:
            return Counts(*executor.run_to(job, self._folder, self.writer.name, self.resume))
        return self._write(executor, job, progress)

    def count_inputs(self) -> int | None:
        """Count the inputs; None where that would use them up, or they have no end."""
        if self.watch or self.resume or (total := count_sources(self._inputs)) is None:
            return None
        return sum(1 for _ in select_shard(range(total), self.shard)) if self.shard else total

    @property
    def writer(self) -> Writer:
        """The format of the results."""
        return find_writer(self.format, self._path, folder=self._folder is not None)

    def _write(self, executor: Executor, job: PredictJob, progress: Progress) -> Counts:
        savers = image_savers(self.save_img, self.save_json, self.sort_into)
        with self._open_output() as (stream, state):
            if self.resume:
                job = replace(job, inputs=state.missing_sources(iter_sources(job.inputs)))
            results = state.missing_results(executor.run(job))
            writer = state.open_writer(self.writer, stream)
            counts = write_results(results, writer, savers, self.watch, progress)
            done, errors = state.results + counts.results, state.errors + counts.errors
            return Counts(done, errors, state.results, counts.bugs)

    @contextmanager
    def _open_output(self) -> Iterator[tuple[TextIO, ResumeState]]:
        if self.resume and self._path:
            with open_for_resume(self._path, self.writer) as (stream, state):
                yield stream, state
        else:
            resumable = not (self.save_img or self.save_json)
            opened = (
                open_keeping_partial(self._path, self.writer, resumable)
                if self._path
                else open_output(None)
            )
            with opened as stream:
                yield stream, ResumeState()

    def _select_inputs(self) -> Iterable[object]:
        chosen: Iterable[object] = watch(self._inputs) if self.watch else self._inputs
        return select_shard(iter_sources(chosen), self.shard) if self.shard else chosen

    def _check_resume(self) -> None:
        if self._path is None:
            raise UsageError(
                "--resume continues a file, and there is none",
                code="E_RESUME",
                hint="say where the results are, with -o FILE",
            )
        if self.save_img or self.save_json:
            raise UsageError(
                "--resume cannot know which files of --save-img and --save-json belong to which "
                "input",
                code="E_RESUME",
                hint="leave these out, or --resume",
            )
        if not self._folder:
            reader_of(self._path, self.writer)

    @property
    def _inputs(self) -> list[Any]:
        return list(self.inputs) if isinstance(self.inputs, list | tuple) else [self.inputs]

    @property
    def _path(self) -> Path | None:
        return None if self.output is None else Path(self.output)

    @property
    def _folder(self) -> Path | None:
        """The output, if the executor writes it itself."""
        if find_executor(self.executor).run_to is None:
            return None
        return None if suffix_format(self._path) else self._path
