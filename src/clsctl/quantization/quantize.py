"""Quantise a model to 8-bit integers, and keep the result only where it answers as before.

The result is an ONNX file in the cache, keyed by the weights' SHA256, and a report beside it.
Backends compile it as they do models in float32.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.console.progress import no_progress
from clsctl.errors import DataError, ModelError
from clsctl.evaluation.scorer import BATCH
from clsctl.evaluation.scoring import score_batches
from clsctl.inference.compiled import ensure_compiled
from clsctl.inference.int8_cache import int8_target, report_path
from clsctl.inference.onnx_session import COMPILED
from clsctl.inference.paddle2onnx import write_onnx
from clsctl.inference.timings_cache import delete_timings
from clsctl.loading.loader import open_loader
from clsctl.models.directory import write_settings
from clsctl.models.provenance import origin, record
from clsctl.quantization.calibration_split import sample_calibration_split
from clsctl.quantization.int8 import write_int8
from clsctl.quantization.judge import Share, accuracy, agreement, measure_speed, open_graph
from clsctl.settings import Settings, folders, load_settings
from clsctl.system.cpu import require_int8
from clsctl.system.files import atomic_replace, new_folder
from clsctl.system.locks import locked
from clsctl.system.os_errors import translate_store_errors
from clsctl.system.temporary import scratch_folder
from clsctl.values import HOST, ModelSpec, Placement, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.datasets.samples import Dataset, Layout

CALIBRATION_BATCH = 8
GRAPH = "inference.onnx"
TMPDIR_HINT = "set TMPDIR to a folder on another disk"


@dataclass(frozen=True, slots=True)
class Quantized:
    """A model that was quantised, in figures; pairs are of fp32 and int8.

    Attributes:
        path: The ONNX file in the cache.
        calibrated: Images it was calibrated with.
        judged: Other images, which the shares are of.
        top1: Accuracy; None where the model's classes are not the dataset's.
        agreement: For how many images int8 chooses fp32's class.
        sizes: Of the ONNX files, in bytes.
        milliseconds: What an image takes on one core, by library.
    """

    model: str
    dataset: Path
    path: Path
    calibrated: int
    judged: int
    top1: tuple[Share, Share] | None
    agreement: Share
    sizes: tuple[int, int]
    milliseconds: Mapping[str, tuple[float, float]]

    @property
    def drop(self) -> float:
        """Points of top-1 accuracy that are lost, in percent; 0 where that is unknown."""
        if self.top1 is None:
            return 0.0
        before, after = self.top1
        return round(100 * (before.value - after.value), 9)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values, for the report."""
        return {
            "model": self.model,
            "dataset": Path(self.dataset).resolve().name,
            "images": {"calibrated": self.calibrated, "judged": self.judged},
            "fp32": self._figures(0),
            "int8": self._figures(1),
            "agreement": self.agreement.as_dict(),
        }

    def _figures(self, place: int) -> dict[str, Any]:
        return {
            "top1": self.top1 and self.top1[place].as_dict(),
            "bytes": self.sizes[place],
            "milliseconds": {name: pair[place] for name, pair in self.milliseconds.items()},
        }


def quantize(
    dataset: str | Path,
    model_name: str | None = None,
    model_dir: str | Path | None = None,
    *,
    layout: Layout | None = None,
    images: int = 300,
    max_drop: float = 1.0,
    min_agreement: float = 0.97,
    output: str | Path | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Quantized:
    """Quantise a trained model, and keep the result where it is good enough.

    Args:
        dataset: Images of its train split calibrate, those of val judge; a single split is shared
            out between the two.
        model_name: A model of the catalog.
        model_dir: An exported model, in place of a name.
        layout: Read this layout of the dataset alone.
        images: How many to calibrate with.
        max_drop: Points of top-1 accuracy that may be lost, in percent.
        min_agreement: Share of images for which int8 has to choose fp32's class, 0 to 1.
        output: A folder to make: a model directory around the quantised ONNX file.
        seed: Random seed of the choice of images.
        progress: Told of each pass over the images: calibrating, fp32, int8.

    Raises:
        DeviceError: The processor would compute int8 inaccurately (`E_PRECISION_PROCESSOR`).
        DataError: The dataset is invalid or too small, or there is something at `output`.
        ModelError: The model is not available, or loses too much (`E_QUANTIZE_DROP`); nothing is
            then kept, and what was quantised before stays.
    """
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.datasets.printing import print_notes
    from clsctl.models.locate import find_model

    require_int8()
    settings = load_settings()
    found = read_valid_dataset(Path(dataset), layout=layout)
    print_notes(found)
    sampled = sample_calibration_split(found, images, seed)
    spec = find_model(model_name, model_dir, settings)
    with (
        new_folder(Path(output)) if output else nullcontext() as folder,
        translate_store_errors(Path(gettempdir()), TMPDIR_HINT, TMPDIR_HINT),
        scratch_folder() as scratch,
    ):
        graphs = scratch / "fp32.onnx", scratch / "int8.onnx"
        _write_plain(spec, graphs[0])
        write_int8(*graphs, _calibrating(spec, sampled, settings, progress))
        result = _judge(spec, graphs, sampled, settings, progress)
        _require_good(result, max_drop, min_agreement)
        _keep(graphs[1], result)
        delete_timings(spec, "int8")
        if folder is not None:
            _write_model_dir(graphs[1], folder, spec, result)
    return result


def _calibrating(
    spec: ModelSpec, sampled: Dataset, settings: Settings, progress: Progress
) -> Iterator[NDArray[np.float32]]:
    samples, done = sampled.splits["train"], 0
    loader = open_loader(samples, sampled.root, spec.transforms, settings, CALIBRATION_BATCH)
    for batch in loader.batches(0):
        yield batch.images
        done += len(batch.images)
        progress(done, len(samples))


def _judge(
    spec: ModelSpec,
    graphs: tuple[Path, Path],
    sampled: Dataset,
    settings: Settings,
    progress: Progress,
) -> Quantized:
    loader = open_loader(sampled.splits["val"], sampled.root, spec.transforms, settings, BATCH)
    scores = [score_batches(open_graph(graph), loader, progress) for graph in graphs]
    return Quantized(
        spec.name,
        sampled.root,
        int8_target(spec),
        len(sampled.splits["train"]),
        len(sampled.splits["val"]),
        _top1(scores, sampled, spec),
        agreement(*scores),
        (graphs[0].stat().st_size, graphs[1].stat().st_size),
        measure_speed(graphs, spec),
    )


def _top1(
    scores: Sequence[NDArray[np.float32]], sampled: Dataset, spec: ModelSpec
) -> tuple[Share, Share] | None:
    try:
        before, after = (accuracy(each, sampled, spec.labels) for each in scores)
    except DataError as error:
        if error.code != "E_CLASSES_DIFFER":
            raise
        note("the dataset has other classes than the model, so only agreement with fp32 is judged")
        return None
    return before, after


def _require_good(result: Quantized, max_drop: float, min_agreement: float) -> None:
    faults = []
    if result.drop > max_drop:
        faults.append(f"top-1 falls by {result.drop:.2f} points (at most {max_drop:g} are allowed)")
    if result.agreement.value < min_agreement:
        share = f"{result.agreement.value:.1%} of them (at least {min_agreement:.1%} are required)"
        faults.append(f"int8 chooses fp32's class for {share}")
    if faults:
        raise ModelError(
            f"{result.model} was not quantised: on {result.judged} images {' and '.join(faults)}",
            code="E_QUANTIZE_DROP",
            hint="try more --images or another --seed, allow more with --max-drop and "
            "--min-agreement, or use --precision bf16, which loses less",
        )


# ---- files -------------------------------------------------------------------------------------


def _write_plain(spec: ModelSpec, target: Path) -> None:
    """Write the graph in float32 as it was converted, after its compiled model passed the gate."""
    if spec.format == "onnx":
        shutil.copyfile(spec.graph, target)
        return
    ensure_compiled(COMPILED, spec, Placement(HOST))
    write_onnx(spec, target)


def _keep(int8: Path, result: Quantized) -> None:
    """Write the report first, so that no model is there without one."""
    report = json.dumps(result.as_dict(), indent=1, ensure_ascii=False)
    with locked(folders().cache, f"int8-{result.path.stem}"):
        result.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_replace(report_path(result.path)) as part:
            part.write_text(f"{report}\n", encoding="utf-8")
        with atomic_replace(result.path) as part:
            shutil.copyfile(int8, part)


def _write_model_dir(int8: Path, folder: Path, spec: ModelSpec, result: Quantized) -> None:
    shutil.copyfile(int8, folder / GRAPH)
    write_settings(folder, spec.name, spec.transforms, spec.labels, spec.topk)
    facts = result.as_dict()
    record(folder, origin(str(spec.directory), spec.directory), quantization=facts)
