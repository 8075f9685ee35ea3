"""Top-1 and agreement with fp32 of a model in bf16 and int8, on the images of a dataset.

    python benchmarks/quantize_accuracy.py MODEL_DIR DATASET [SEED...]

Each precision is run by every backend that has it. int8 is quantised again for each seed, that is,
with other images for calibration, which shows how much of a difference is chance.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.errors import ClsctlError
from clsctl.evaluation.evaluate import evaluate_scorer
from clsctl.evaluation.exported_scorer import ExportedScorer
from clsctl.evaluation.result import Evaluation
from clsctl.evaluation.scorer import ScoringSetup
from clsctl.models.directory import read_model_dir
from clsctl.quantization.quantize import quantize
from clsctl.settings import load_settings

EXACT = {"onnxruntime": ("fp32",), "openvino": ("fp32", "bf16")}


def main() -> None:
    model, dataset = map(Path, sys.argv[1:3])
    seeds = [int(seed) for seed in sys.argv[3:]] or [0]
    reference = _evaluate(model, dataset, "onnxruntime", "fp32")
    print(f"{len(reference.labels)} images\n{'':30}  top-1  agreement")
    for backend, precisions in EXACT.items():
        for precision in precisions:
            _show(
                f"{backend} {precision}", _evaluate(model, dataset, backend, precision), reference
            )
    for seed in seeds:
        with TemporaryDirectory() as scratch:
            folder = Path(scratch) / "int8"
            quantize(
                dataset, model_dir=model, output=folder, seed=seed, max_drop=100, min_agreement=0
            )
            for backend in EXACT:
                found = _evaluate(folder, dataset, backend, "fp32")
                _show(f"{backend} int8, seed {seed}", found, reference)


def _evaluate(model: Path, dataset: Path, backend: str, precision: str) -> Evaluation:
    settings = load_settings(backend=backend, precision=precision, device="cpu")
    scorer = ExportedScorer.open(read_model_dir(model), ScoringSetup(settings))
    return evaluate_scorer(scorer, read_valid_dataset(dataset), "val")


def _show(label: str, found: Evaluation, reference: Evaluation) -> None:
    agreement = np.mean(found.predicted == reference.predicted)
    print(f"{label:30}  {found.top1:.4f}  {agreement:.4f}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except ClsctlError as error:
        sys.exit(f"{error.message}; {error.hint}")
