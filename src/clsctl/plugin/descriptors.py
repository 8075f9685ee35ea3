"""The frozen descriptors that plugins hand over, and the values that travel between modules.

A descriptor names one thing (a command, a device, a backend ...) and carries the callable that
does the work; that callable, not the descriptor, imports what is heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO

from clsctl.values import (
    DeviceId,
    Memory,
    ModelEntry,
    ModelSpec,
    Placement,
    Progress,
    Session,
    WeightKind,
)

if TYPE_CHECKING:
    from paddle import nn

    from clsctl.result import Result
    from clsctl.settings import Settings


# ---- what travels through prediction -----------------------------------------------------------


class RecordWriter(Protocol):
    """Receives results one by one, in input order."""

    def write(self, result: Result) -> None: ...

    def close(self) -> None:
        """Called once after the last result, also when there was none."""


# ---- what plugins hand over --------------------------------------------------------------------


class Command(NamedTuple):
    """A command of the command line.

    Attributes:
        name: One word (`predict`), or a group and a word (`models list`).
        run: A function with Typer annotations; None where this only describes a group.
        examples: Two command lines that its help ends with, as one types them.
    """

    name: str
    help: str
    run: Callable[..., object] | None = None
    examples: tuple[str, ...] = ()


class Device(NamedTuple):
    """A kind of device.

    What clsctl has to know of a device stands here, so that a new one is one file.

    Attributes:
        units: Describes each unit present (`NVIDIA A10, 24 GiB`), or raises DeviceError saying
            why there is none.
        priority: With `--device auto` the available kind of highest priority is taken.
        accelerator: Whether it computes apart from the processor: its units are numbered
            (`gpu:0`), one session keeps a unit busy, and training may use mixed precision.
        memory: Reads how much memory it has; where None, training finds out by trying which batch
            fits.
        precisions: By backend, what that backend computes in there; for the backends that the
            fields below tell how to use the device.
        configure_paddle: Lets a `paddle.inference.Config` run a model there. Raises DeviceError
            where the installed PaddlePaddle cannot.
        onnx_provider: Returns the execution provider by which ONNX Runtime uses a unit, and the
            provider's options.
        paddle_place: Returns what `paddle.device.set_device` calls a unit.
        collectives: The library by which processes that train on it exchange gradients, as
            Paddle names it in PADDLE_DISTRI_BACKEND.
        sync_batch_norm: Whether Paddle's SyncBatchNorm runs there.
    """

    name: str
    help: str
    units: Callable[[], Sequence[str]]
    priority: int = 0
    accelerator: bool = True
    memory: Callable[[], Memory] | None = None
    precisions: Mapping[str, Sequence[str]] = MappingProxyType({})
    configure_paddle: Callable[[Any, Placement], None] | None = None
    onnx_provider: Callable[[DeviceId], tuple[str, Mapping[str, object]]] | None = None
    paddle_place: Callable[[DeviceId], str] = str
    collectives: str = "xccl"
    sync_batch_norm: bool = False

    def unit(self, index: int = 0) -> DeviceId:
        """One of its units, counted from 0."""
        return DeviceId(self.name, index if self.accelerator else None)


class CompiledModel(NamedTuple):
    """What a backend makes of a model and loads in its place; see `clsctl.inference.compiled`.

    Attributes:
        name: The backend's.
        library: The backend's, as users know it.
        suffix: Of the compiled model's file.
        cache_key: Returns what it depends on besides the model, such as the library's version.
        write: Compiles ONNX, given as bytes or as a path, or the model's own graph, given as a
            path, into a file; raises whatever the library raises where it cannot.
        load: Loads such a file.
    """

    name: str
    library: str
    suffix: str
    cache_key: Callable[[Placement], str]
    write: Callable[[str | bytes, Path, Placement], None]
    load: Callable[[Path, Placement], Session]


class Backend(NamedTuple):
    """A library that runs exported models.

    Attributes:
        check: Raises DeviceError, saying what to install, where the library is missing.
        open: Loads a model; its session may be run by `streams` threads at the same time.
        prepare: Makes what it needs beside the model directory, once. Raises ModelError where it
            cannot run the model so, DeviceError where something for it is not installed.
        priority: Higher where it starts sooner: decides where nothing was measured.
        precisions: By kind of device, what it computes in there; a device may name itself, too
            (`Device.precisions`).
        formats: Of the models it can run; names of MODEL_FORMATS.
        packages: Distributions that bring the library, whose version a measurement belongs to.
        compiled: What it compiles models to, if it does.
        import_library: Imports the library, and raises whatever it raises; `clsctl doctor` calls
            it in a process of its own.
    """

    name: str
    help: str
    check: Callable[[], None]
    open: Callable[[ModelSpec, Placement], Session]
    prepare: Callable[[ModelSpec, Placement], object] = lambda spec, placement: None
    priority: int = 0
    precisions: Mapping[str, Sequence[str]] = MappingProxyType({})
    formats: tuple[str, ...] = ("paddle",)
    packages: tuple[str, ...] = ()
    compiled: CompiledModel | None = None
    import_library: Callable[[], object] = lambda: None

    def precisions_on(self, device: Device) -> Sequence[str]:
        """What it computes in on a device; empty where it does not run there."""
        return self.precisions.get(device.name) or device.precisions.get(self.name, ())


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A trained network on its way into files, which is to be left as it is.

    Attributes:
        name: The model's.
        transforms: Preprocessing, as `PreProcess.transform_ops` of inference.yml.
        labels: Class names by id.
        input_size: Height and width of the network's input, in pixels.
    """

    network: nn.Layer
    name: str
    transforms: Sequence[Mapping[str, Any]]
    labels: Sequence[str]
    input_size: tuple[int, int]


class Exporter(NamedTuple):
    """A format that `clsctl export` writes (`--to`).

    Attributes:
        file: Name of the file that holds the graph.
        write: Writes the format's files into a folder. Raises ModelError where that is not
            possible.
        open: Loads that file on the processor, for its scores to be compared with the network's.
        beside: The format that is written into the folder before, and whose files this one may be
            made of; empty where the network is all that it needs.
    """

    name: str
    help: str
    file: str
    write: Callable[[ExportRequest, Path], None]
    open: Callable[[Path], Session]
    beside: str = "paddle"


class Architecture(NamedTuple):
    """A trainable network.

    Attributes:
        build: `build(num_classes=1000, **options)` returns the network, freshly initialised.
    """

    name: str
    help: str
    build: Callable[..., nn.Layer]


class Catalog(NamedTuple):
    """A list of models, read on first use."""

    name: str
    help: str
    load: Callable[[], Iterable[ModelEntry]]


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One transfer that the store asks of a weight source.

    Attributes:
        url: The artifact's URL, or its counterpart on a mirror.
        workdir: A folder that survives an interrupted attempt: leave partial files here and
            continue from them. The result belongs here too.
        max_bytes: Refuse to write more than this.
        offline: No socket may be opened.
    """

    entry: ModelEntry
    kind: WeightKind
    url: str
    workdir: Path
    max_bytes: int
    offline: bool
    progress: Progress


class WeightSource(NamedTuple):
    """A way to obtain weights.

    Attributes:
        schemes: URL schemes it serves, such as `https`.
        fetch: Returns what it obtained, inside `workdir`: a file (a tar or a .pdparams), or a
            folder that is a complete model directory.
        local: Whether it needs no network: without `-m` its models are taken before any other.
    """

    name: str
    help: str
    schemes: tuple[str, ...]
    fetch: Callable[[FetchRequest], Path]
    local: bool = False


class StoredResult(NamedTuple):
    """A result as it was read back from an output.

    Attributes:
        end: Where it ends in the output, in bytes.
        input_path: As `clsctl.result.Result` has it.
        page_index: As `clsctl.result.Result` has it.
        failed: Whether it is an error.
    """

    end: int
    input_path: str
    page_index: int | None
    failed: bool


class Writer(NamedTuple):
    """A format for results (`--format`).

    Attributes:
        open: Receives the stream to write to.
        read: Yields the results that an output holds, in order, and leaves out one at its end that
            was cut short; raises ValueError, KeyError or TypeError where it holds something else.
            None where an output of this format cannot be resumed.
        append: As `open`, for a stream that holds results already, for instance to write no second
            header; None where that makes no difference.
        for_terminals: Made to be read on a terminal: the default where neither `--format` nor the
            suffix of `-o` names a format. In a folder the default is a writer that is not.
        priority: Of several that may be the default, the highest is.
    """

    name: str
    help: str
    open: Callable[[TextIO], RecordWriter]
    read: Callable[[IO[bytes]], Iterator[StoredResult]] | None = None
    append: Callable[[TextIO], RecordWriter] | None = None
    for_terminals: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class PredictJob:
    """Everything an executor needs to classify a stream of inputs, here or elsewhere.

    Attributes:
        inputs: What `clsctl.images.sources.iter_sources` accepts, item by item.
        backend: Name of a backend that was found able to run the model there.
        placement: Device and precision; how many threads and streams is up to who runs the job.
        settings: Those for reading images (`max_pixels`, `draft`, `timeout` ...), and `threads`.
        batch_size: Images in one run of the network; None is what is fastest there, as
            `clsctl.inference.batch_size` finds it.
        topk: Classes to report for each image.
        temperature: What the logits are divided by; see `clsctl.inference.temperature`.
        threshold: Classes that score below it are left out.
        live: The inputs arrive over time, so that none may wait for those after it.
        exact: Scores are not rounded.
        options: What `Executor.options` returned for the options that the user gave.
    """

    model: ModelSpec
    inputs: Iterable[object]
    backend: str
    placement: Placement
    settings: Settings
    batch_size: int | None = None
    topk: int = 5
    temperature: float = 1.0
    threshold: float = 0.0
    live: bool = False
    exact: bool = False
    options: Any = None


class RunTo(Protocol):
    """Classifies a job's inputs and writes the results into a folder, as files of its own."""

    def __call__(self, job: PredictJob, folder: Path, writer: str, resume: bool) -> tuple[int, int]:
        """Return how many results the folder then holds, and how many of them are errors.

        Args:
            folder: Where to write; made where it is missing.
            writer: Name of the writer that gives the files their format.
            resume: Keep what an earlier run of the same job completed there, and do the rest.
        """


class Executor(NamedTuple):
    """Where a prediction job runs.

    Attributes:
        run: Yields results in input order.
        run_to: Takes the place of `run` where `-o` names a folder, that is, has no suffix of a
            format; None where results always come back one by one.
        options: Holds the executor's own options, such as a frozen dataclass: its parameters,
            with Typer annotations and a default each, become options of `clsctl predict` and
            `clsctl eval`, and what it returns is the job's `options`. The annotations' names must
            be imported, not only under TYPE_CHECKING.
        in_process: Jobs run in this process, so that models that exist only here can be run. The
            first such executor is the default.
        live: Answers each input of a job that is `live` at once, so that `--watch` works.
        prepare: Makes the job for `clsctl predict` where the model is elsewhere and nothing of it
            is needed here, from `options`, the model's name (None where none was given) and the
            settings; where None, the model is found and its backend chosen on this machine. An
            option of such an executor chooses it without `--executor`.
    """

    name: str
    help: str
    run: Callable[[PredictJob], Iterator[Result]]
    run_to: RunTo | None = None
    options: Callable[..., object] = lambda: None
    in_process: bool = False
    live: bool = False
    prepare: Callable[[Any, str | None, Settings], PredictJob] | None = None
