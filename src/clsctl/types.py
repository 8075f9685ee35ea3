"""The frozen descriptors that plugins hand over, and the values that travel between modules.

A descriptor names one thing (a command, a device, a backend ...) and carries the callable that
does the work; that callable, not the descriptor, imports what is heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from clsctl.errors import ClsctlError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn

    from clsctl.config import Settings
    from clsctl.results import Result

WeightKind = Literal["inference", "training"]
PRECISIONS = ("fp32", "bf16", "fp16", "int8")
FORMATS = {".json": "paddle", ".pdmodel": "paddle", ".onnx": "onnx", ".xml": "openvino"}
"""What a model's graph is written in, by the suffix of its file."""


# ---- what a model is ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels become the network's input; the fields of a catalog `[preprocessing.*]` table.

    Attributes:
        resize_short: The short side after resizing, in pixels; 0 leaves the size alone.
        crop: Side of the centre crop, in pixels: the network's input.
        crop_fraction: Where not 0, the centre square of this fraction of the short side is cut out
            first and resized to `crop`; `resize_short` is then 0.
        interpolation: `nearest`, `bilinear`, `bicubic`, `area` or `lanczos`.
        backend: The library that resizes, `cv2` or `pil`.
        mean: Per channel, RGB, after scaling to 0..1.
        std: Per channel, RGB, after scaling to 0..1.
    """

    resize_short: int
    crop: int
    interpolation: str = "bilinear"
    backend: str = "cv2"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    crop_fraction: float = 0.0


@dataclass(frozen=True, slots=True)
class Artifact:
    """One downloadable form of a model.

    Attributes:
        url: Where it comes from; the scheme selects the weight source.
        sha256: Pinned checksum of the file, in hex; empty where the publisher states none.
    """

    url: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What a catalog knows about one model.

    Attributes:
        top1: Published ImageNet-1k validation accuracy, percent.
        gpu_ms: Published GPU latency per image (normal mode, high-performance mode), milliseconds.
        cpu_ms: Published CPU latency per image (normal mode, high-performance mode), milliseconds.
        size_mb: Published size of the model, in units of 2**20 bytes.
        exported: Preprocessing written into the published inference model, where it differs from
            the one its accuracy was measured with (`preprocessing`).
        figures: Where the figures come from and how they were measured.
    """

    name: str
    family: str
    summary: str
    catalog: str
    preprocessing: Preprocessing
    exported: Preprocessing
    inference: Artifact | None = None
    training: Artifact | None = None
    top1: float | None = None
    gpu_ms: tuple[float, float] | None = None
    cpu_ms: tuple[float, float] | None = None
    size_mb: float | None = None
    core: bool = False
    figures: str = ""

    def artifact(self, kind: WeightKind) -> Artifact | None:
        return self.inference if kind == "inference" else self.training


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model directory, read and validated: everything a backend and the pipeline need.

    Attributes:
        graph: `inference.json` (PIR), `inference.pdmodel` (legacy), an ONNX file, or the `.xml`
            of an OpenVINO IR.
        params: `inference.pdiparams` or the IR's `.bin`; None where the graph's file holds them.
        transforms: `PreProcess.transform_ops` of inference.yml, in order.
        labels: Class names by id; empty where the directory names none.
        topk: Default number of classes to report.
    """

    name: str
    directory: Path
    graph: Path
    params: Path | None
    transforms: tuple[Mapping[str, Any], ...]
    labels: tuple[str, ...]
    topk: int

    @property
    def format(self) -> str:
        """One of FORMATS."""
        return FORMATS[self.graph.suffix]


# ---- what travels through prediction -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """One image on its way to the network, or the reason why there is none.

    Attributes:
        source: What the person passed: a path, a URL, or `array[3]` for the fourth ndarray.
        page: Page of a PDF or multi-page TIFF, from 0; None for a single image.
        pixels: uint8 [height, width, 3], RGB, EXIF orientation applied; None after an error.
        error: Why there are no pixels; None where there are.
    """

    source: str
    page: int | None = None
    pixels: NDArray[np.uint8] | None = None
    error: ClsctlError | None = None


class Session(Protocol):
    """A model loaded on a device, ready to run."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores [N, classes] (softmax included) for a batch [N, 3, H, W]."""


class RecordWriter(Protocol):
    """Receives results one by one, in input order."""

    def write(self, result: Result) -> None: ...

    def close(self) -> None:
        """Called once after the last result, also when there was none."""


# ---- what plugins hand over --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the command line.

    Attributes:
        name: One word (`predict`), or a group and a word (`models list`).
        run: A function with Typer annotations; None where this only describes a group.
    """

    name: str
    help: str
    run: Callable[..., object] | None = None


@dataclass(frozen=True, slots=True)
class DeviceId:
    """One concrete device, such as `gpu:0`."""

    kind: str
    index: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of device.

    Attributes:
        units: Describes each unit present (`NVIDIA A10, 24 GiB`), or raises DeviceError saying
            why there is none.
        priority: With `--device auto` the available kind of highest priority is taken.
    """

    name: str
    help: str
    units: Callable[[], Sequence[str]]
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a session runs a model.

    Attributes:
        threads: CPU threads of one run; 0 means every core.
        streams: Runs that go on at the same time, each in a thread of the caller's.
        precision: Of the arithmetic, one of PRECISIONS; less than fp32 only where asked for.
    """

    device: DeviceId
    threads: int = 0
    streams: int = 1
    precision: str = "fp32"

    def __str__(self) -> str:
        """As a person reads it: `cpu`, or `cpu in bf16`."""
        return (
            f"{self.device}" if self.precision == "fp32" else f"{self.device} in {self.precision}"
        )


@dataclass(frozen=True, slots=True)
class Form:
    """What a backend loads in place of a model's own files; see `clsctl.conversion`.

    Attributes:
        name: The backend's.
        library: The backend's, as a person reads it.
        suffix: Of the form's file.
        belongs_to: Says what it depends on besides the model, such as the library's version.
        write: Makes it from ONNX, given as bytes or as a path, or from the path of the model's own
            graph; raises whatever the library does where it cannot.
        load: Loads what was written.
    """

    name: str
    library: str
    suffix: str
    belongs_to: Callable[[Placement], str]
    write: Callable[[str | bytes, Path, Placement], None]
    load: Callable[[Path, Placement], Session]


@dataclass(frozen=True, slots=True)
class Backend:
    """A library that runs exported models.

    Attributes:
        devices: Kinds of device it can use.
        check: Raises DeviceError, saying what to install, where the library is missing.
        open: Loads a model; its session may be run by `streams` threads at the same time.
        prepare: Makes what it needs beside the model directory, once. Raises ModelError where it
            cannot run the model so, DeviceError where something for it is not installed.
        priority: Higher where it starts sooner: decides where nothing was measured.
        precisions: By kind of device; fp32 only where that is not named.
        formats: Of the models it can run; values of FORMATS.
        packages: Distributions that bring the library, whose version a measurement belongs to.
        form: What it converts models to, if it does.
    """

    name: str
    help: str
    devices: tuple[str, ...]
    check: Callable[[], None]
    open: Callable[[ModelSpec, Placement], Session]
    prepare: Callable[[ModelSpec, Placement], object] = lambda spec, placement: None
    priority: int = 0
    precisions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    formats: tuple[str, ...] = ("paddle",)
    packages: tuple[str, ...] = ()
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Architecture:
    """A trainable network.

    Attributes:
        build: `build(num_classes=1000, **options)` returns the network, freshly initialised.
    """

    name: str
    help: str
    build: Callable[..., nn.Layer]


@dataclass(frozen=True, slots=True)
class Catalog:
    """A list of models, read on first use."""

    name: str
    help: str
    load: Callable[[], Iterable[ModelEntry]]


class Progress(Protocol):
    """Receives how far a transfer has come: bytes done, and in all where that is known."""

    def __call__(self, done: int, total: int | None) -> None: ...


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


@dataclass(frozen=True, slots=True)
class WeightSource:
    """A way to obtain weights.

    Attributes:
        schemes: URL schemes it serves, such as `https`.
        fetch: Returns what it obtained, inside `workdir`: a file (a tar or a .pdparams), or a
            folder that is a complete model directory.
    """

    name: str
    help: str
    schemes: tuple[str, ...]
    fetch: Callable[[FetchRequest], Path]


@dataclass(frozen=True, slots=True)
class Writer:
    """A format for results (`--format`).

    Attributes:
        open: Receives the stream to write to.
        go_on: The same where the stream holds results already; None where that makes no difference.
    """

    name: str
    help: str
    open: Callable[[TextIO], RecordWriter]
    go_on: Callable[[TextIO], RecordWriter] | None = None


@dataclass(frozen=True, slots=True)
class PredictJob:
    """Everything an executor needs to classify a stream of inputs, here or elsewhere.

    Attributes:
        inputs: What `clsctl.inputs.expand` accepts, item by item.
        backend: Name of a backend that was found able to run the model on the device.
        batch_size: Images in one run of the network.
        topk: Classes to report for each image.
        temperature: What the logits are divided by; see `clsctl.calibration`.
        threshold: Classes that score below it are left out.
        live: The inputs arrive over time, so that none may wait for those after it.
        exact: Scores are not rounded.
        options: What `Executor.options` returned for the options that a person gave.
    """

    model: ModelSpec
    inputs: Iterable[object]
    device: DeviceId
    backend: str
    settings: Settings
    batch_size: int = 1
    topk: int = 5
    temperature: float = 1.0
    threshold: float = 0.0
    live: bool = False
    exact: bool = False
    options: Any = None


class RunTo(Protocol):
    """Classifies a job's inputs and writes the results into a folder, as files of its own."""

    def __call__(self, job: PredictJob, folder: Path, writer: str, resume: bool) -> tuple[int, int]:
        """Returns how many results the folder then holds, and how many of them are errors.

        Args:
            folder: Where to write; made where it is missing.
            writer: Name of the writer that gives the files their format, such as `jsonl`.
            resume: Keep what an earlier run of the same job completed there, and do the rest.
        """


@dataclass(frozen=True, slots=True)
class Executor:
    """Where a prediction job runs.

    Attributes:
        run: Yields results in input order.
        run_to: Takes the place of `run` where `-o` names a folder, that is, has no suffix of a
            format; None where results always come back one by one.
        options: Holds the executor's own options, such as a frozen dataclass: its parameters,
            with Typer annotations and a default each, become options of `clsctl predict` and
            `clsctl eval`, and what it returns is the job's `options`. The annotations' names must
            be imported, not only under TYPE_CHECKING.
    """

    name: str
    help: str
    run: Callable[[PredictJob], Iterator[Result]]
    run_to: RunTo | None = None
    options: Callable[..., object] = lambda: None


@dataclass(frozen=True, slots=True)
class TrainCallback:
    """An observer of training; `load` returns the observer for one run's output folder."""

    name: str
    help: str
    load: Callable[[Path], object]
