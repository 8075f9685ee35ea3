"""`clsctl.evaluate(...)`: how good weights or an exported model are on a dataset."""

from __future__ import annotations

from pathlib import Path

from clsctl.console.progress import no_progress
from clsctl.datasets.samples import Dataset, Layout
from clsctl.evaluation.class_mapping import remap_labels, samples_of
from clsctl.evaluation.open_scorer import open_scorer
from clsctl.evaluation.result import Evaluation
from clsctl.evaluation.scorer import Scorer, ScoringSetup
from clsctl.values import Progress


def evaluate(
    dataset: str | Path,
    model_name: str | None = None,
    weights: str | Path | None = None,
    model_dir: str | Path | None = None,
    *,
    layout: Layout | None = None,
    split: str = "val",
    device: str | None = None,
    backend: str | None = None,
    precision: str | None = None,
    batch_size: int | None = None,
) -> Evaluation:
    """Evaluate a model on a dataset.

    Args:
        dataset: A dataset's folder or table, in any layout that `clsctl dataset check` accepts.
        model_name: A model of the catalog; with `weights`, the architecture they are for.
        weights: A .pdparams file or a run's folder, evaluated by the training network.
        model_dir: An exported model, evaluated by a backend, as is a model of the catalog.
        layout: Read this layout of the dataset alone.
        split: `train`, `val` or `test`.
        device: `auto`, `cpu`, `gpu:0` ...
        backend: `auto`, or the name of a backend.
        precision: Of an exported model: `fp32`, `bf16`, `fp16`, `int8` or `auto`.
        batch_size: Images in one run of the network; None is 32 for weights, and what is fastest
            for an exported model.

    Raises:
        UsageError: No model, or no such split.
        DataError: The dataset is invalid, an image cannot be read, or the model was made for other
            classes (`E_CLASSES_DIFFER`).
        ModelError: The model is not available or not usable.
    """
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.settings import load_settings

    settings = load_settings(device=device, backend=backend, precision=precision)
    found = read_valid_dataset(Path(dataset), layout=layout)
    samples_of(found, split)  # before a model is loaded or even pulled
    setup = ScoringSetup(settings, batch_size)
    return evaluate_scorer(open_scorer(model_name, weights, model_dir, setup), found, split)


def evaluate_scorer(
    scorer: Scorer, dataset: Dataset, split: str, progress: Progress = no_progress
) -> Evaluation:
    """Evaluate a model that is open already; see `evaluate`."""
    import numpy as np

    classes, names = scorer.classes, dataset.class_names
    samples = remap_labels(samples_of(dataset, split), names, scorer.labels, classes)
    return Evaluation(
        model=scorer.name,
        source=scorer.source,
        runner=scorer.runner,
        root=dataset.root,
        split=split,
        class_names=scorer.labels or tuple(names.get(i, f"class {i}") for i in range(classes)),
        samples=tuple(samples),
        scores=scorer.score(samples, dataset.root, progress),
        labels=np.array([sample.label for sample in samples], np.int64),
    )
