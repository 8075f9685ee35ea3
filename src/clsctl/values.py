"""The values that travel between modules: what a model is, and where and how it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol

from clsctl.schema.constraints import OneOf, Range

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__version__ = "0.2.0"

WeightKind = Literal["inference", "training"]
PRECISIONS = ("fp32", "bf16", "fp16", "int8")


class ModelFormat(NamedTuple):
    """A format of model files.

    Attributes:
        name: What backends call it.
        params_suffix: Of the file with the weights; empty where the graph's file holds them.
    """

    name: str
    params_suffix: str = ""


MODEL_FORMATS: Mapping[str, ModelFormat] = {
    ".json": ModelFormat("paddle", ".pdiparams"),
    ".pdmodel": ModelFormat("paddle", ".pdiparams"),
    ".onnx": ModelFormat("onnx"),
    ".xml": ModelFormat("openvino", ".bin"),
}
"""By the suffix of the graph's file, in the order of preference within a model directory."""

PROVENANCE = "clsctl.json"
"""Lies beside a model: where it came from, and what each of its files must be."""


Pixels = Annotated[int, Range(0, 65_536, "a whole number of pixels")]


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Which values of images of more than 8 bits a model sees as black and as white.

    Attributes:
        low: Black, and what is below it.
        high: White, and what is above it.
        dtype: NumPy's name of the values that images must have.
    """

    low: float
    high: float
    dtype: Annotated[str, OneOf("uint16", "int16", "int32", "float32")]

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError("low must be less than high")

    def __str__(self) -> str:
        """As the user reads it: `1000 to 4093 (uint16)`."""
        return f"{self.low:g} to {self.high:g} ({self.dtype})"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels become the network's input; the fields of a catalog `[preprocessing.*]` table.

    Attributes:
        resize_short: The short side after resizing, in pixels; 0 leaves the size alone. For a crop
            that is not square, the image is brought to the crop's proportions.
        crop: Side of the centre crop, or its height and width, in pixels: the network's input.
        crop_fraction: Where not 0, the centre square of this fraction of the short side is cut out
            first and resized to `crop`; `resize_short` is then 0. For a square crop alone.
        interpolation: `nearest`, `bilinear`, `bicubic`, `area` or `lanczos`.
        backend: The library that resizes, `cv2` or `pil`.
        mean: Per channel, RGB, after scaling to 0..1.
        std: Per channel, RGB, after scaling to 0..1.
        value_range: Of images of more than 8 bits, brought to 8; None where images have 8, and
            where the high byte of 16 counts.
    """

    resize_short: Pixels
    crop: Pixels | tuple[Pixels, Pixels]
    interpolation: Annotated[str, OneOf("nearest", "bilinear", "bicubic", "area", "lanczos")] = (
        "bilinear"
    )
    backend: Annotated[str, OneOf("cv2", "pil")] = "cv2"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    crop_fraction: Annotated[float, Range(0, 1)] = 0.0
    value_range: ValueRange | None = None

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return (self.crop, self.crop) if isinstance(self.crop, int) else self.crop

    @property
    def is_square(self) -> bool:
        """Whether the image keeps its proportions; else it gets those of the network's input."""
        return self.input_size[0] == self.input_size[1]


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

    def latency(self, device: str) -> tuple[float, float] | None:
        """Published latency on a kind of device, as `cpu_ms`; None where there is none."""
        return {"cpu": self.cpu_ms, "gpu": self.gpu_ms}.get(device)

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
        """Name of one of MODEL_FORMATS."""
        return MODEL_FORMATS[self.graph.suffix].name


ScoreFunction = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]
"""Scores [N, classes] for a batch of images [N, 3, H, W], both float32."""


class Session(Protocol):
    """A model loaded on a device, ready to run."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores [N, classes] (softmax included) for a batch [N, 3, H, W]."""


@dataclass(frozen=True, slots=True)
class DeviceId:
    """One concrete device, such as `gpu:0`.

    Attributes:
        index: Its number among those of its kind; None where there can only be one.
    """

    kind: str
    index: int | None = None

    def __str__(self) -> str:
        return self.kind if self.index is None else f"{self.kind}:{self.index}"


class Memory(NamedTuple):
    """Bytes of a device's memory: in all, and those that new work may use."""

    total: int
    free: int


HOST = DeviceId("cpu")
"""The processor: converted and exported models are compared with their reference there."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a session runs a model.

    Attributes:
        threads: CPU threads of one run; 0 means every core.
        streams: Runs that are under way at the same time, each in a thread of the caller's.
        precision: Of the arithmetic, one of PRECISIONS; less than fp32 only where asked for.
    """

    device: DeviceId
    threads: int = 0
    streams: int = 1
    precision: str = "fp32"

    def __str__(self) -> str:
        """As the user reads it: `cpu`, or `cpu in bf16`."""
        return (
            f"{self.device}" if self.precision == "fp32" else f"{self.device} in {self.precision}"
        )


class Progress(Protocol):
    """Receives how far a transfer has come: bytes done, and in all where that is known."""

    def __call__(self, done: int, total: int | None) -> None: ...
