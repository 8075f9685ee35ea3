"""`clsctl.evaluate(...)`: how good weights or an exported model are on a dataset."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.progress import no_progress
from clsctl.datasets.samples import Dataset, Sample
from clsctl.errors import DataError, ModelError, UsageError
from clsctl.evaluation import metrics
from clsctl.evaluation.class_mapping import matched, samples_of
from clsctl.evaluation.label_errors import Suspects, suspected_labels
from clsctl.evaluation.scorer import Run, Scorer, network_run, open_scorer
from clsctl.images.sources import Source
from clsctl.plugin.descriptors import Executor, PredictJob
from clsctl.values import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn

    from clsctl.loading.loader import Loader
    from clsctl.settings import Settings

    Scores = tuple[NDArray[np.float32], NDArray[np.int64]]

BATCH = 32


# ---- scoring -----------------------------------------------------------------------------------


def score(network: nn.Layer, loader: Loader, progress: Progress = no_progress) -> Scores:
    """Score every sample of a loader with a network in evaluation mode.

    Returns:
        Probabilities float32 [N, C] and class ids int64 [N], in the loader's order.

    Raises:
        ModelError: A probability is not a number (`E_SCORES`).
        DataError: An image cannot be read.
    """
    return score_with(network_run(network), loader, progress)


def score_with(run: Run, loader: Loader, progress: Progress = no_progress) -> Scores:
    """Score every sample of a loader by a function images -> probabilities; see `score`."""
    import numpy as np

    scores, labels, done = [], [], 0
    for batch in loader.batches(0):
        scores.append(run(batch.images))
        labels.append(batch.labels)
        done += len(batch.labels)
        progress(done, len(loader.samples))
    joined = np.concatenate(scores)
    if not np.isfinite(joined).all():
        raise ModelError(
            "the network's scores are not numbers",
            code="E_SCORES",
            hint="its training diverged; go back to an earlier checkpoint",
        )
    return joined, np.concatenate(labels)


def score_by(
    executor: Executor, job: PredictJob, paths: Sequence[Path], progress: Progress = no_progress
) -> NDArray[np.float32]:
    """Score images where an executor runs them.

    Args:
        job: Without inputs; its `topk` is the number of classes.

    Returns:
        Probabilities float32 [N, C], in the order of the paths.

    Raises:
        ClsctlError: An image cannot be read, or the executor cannot run the job.
    """
    import numpy as np

    # Of a model with more names than outputs, the classes without one score nothing.
    scores = np.zeros((len(paths), job.topk), np.float32)
    inputs = (Source(str(path), path) for path in paths)
    # Of an image with several pages the first one counts.
    results = (r for r in executor.run(replace(job, inputs=inputs)) if not r.page_index)
    for place, (_, result) in enumerate(zip(paths, results, strict=True)):
        if result.error is not None:
            raise result.error
        scores[place, result.class_ids] = result.scores
        progress(place + 1, len(paths))
    return scores


def open_loader(
    samples: Sequence[Sample],
    root: Path,
    transforms: Sequence[Mapping[str, Any]],
    settings: Settings,
    batch_size: int = BATCH,
) -> Loader:
    """A loader that gives each sample once, in order, preprocessed as for prediction."""
    from clsctl.images.preprocess import compile_transforms
    from clsctl.images.read import read_pixels
    from clsctl.loading.loader import Loader
    from clsctl.system.cpu import available_cores

    preprocess = compile_transforms(transforms)
    return Loader(
        samples,
        root,
        lambda pixels, rng: preprocess(pixels),
        batch_size=batch_size,
        workers=settings.threads or available_cores(),
        read=functools.partial(read_pixels, settings=settings),
    )


# ---- evaluating --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's scores on a split of a dataset, and what follows from them.

    Class ids are the model's own.

    Attributes:
        model: The architecture or model.
        source: The model directory or .pdparams file that was evaluated.
        runner: What ran it, such as `onnxruntime on cpu`.
        root: The dataset's folder.
        class_names: Names by class id, one for each of the model's outputs.
        samples: N samples, in the order of the dataset.
        scores: Probabilities, float32 [N, C].
        labels: Right class ids, int64 [N].
    """

    model: str
    source: Path
    runner: str
    root: Path
    split: str
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    @functools.cached_property
    def ranks(self) -> NDArray[np.int64]:
        """How many classes score better than the right one, int64 [N]."""
        return metrics.label_ranks(self.scores, self.labels)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the best class is the right one, bool [N]."""
        right: NDArray[np.bool_] = self.ranks == 0
        return right

    @functools.cached_property
    def predicted(self) -> NDArray[np.int64]:
        """Ids of the best classes, int64 [N]."""
        best: NDArray[np.int64] = self.scores.argmax(axis=1)
        return best

    @functools.cached_property
    def confidences(self) -> NDArray[np.float32]:
        """Scores of the best classes, float32 [N]."""
        best: NDArray[np.float32] = self.scores.max(axis=1)
        return best

    def top_k(self, k: int) -> tuple[float, metrics.Interval]:
        """Share of samples whose class is among the k best, and its 95 % confidence interval."""
        hits = int((self.ranks < k).sum())
        return hits / len(self.ranks), metrics.wilson_interval(hits, len(self.ranks))

    @property
    def top1(self) -> float:
        return self.top_k(1)[0]

    @property
    def top5(self) -> float:
        """1 where the model tells no more than five classes apart, which says nothing."""
        return self.top_k(5)[0]

    @property
    def top5_meaningful(self) -> bool:
        return len(self.class_names) > 5

    @functools.cached_property
    def matrix(self) -> NDArray[np.int64]:
        """Confusion matrix int64 [C, C], right classes in rows."""
        return metrics.confusion_matrix(self.labels, self.predicted, len(self.class_names))

    @functools.cached_property
    def class_scores(self) -> metrics.ClassScores:
        return metrics.class_scores(self.matrix)

    @property
    def occurring(self) -> list[int]:
        """Ids of the classes that a sample has or was given."""
        import numpy as np

        ids: list[int] = np.union1d(self.labels, self.predicted).tolist()
        return ids

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1."""
        return metrics.expected_calibration_error(self.confidences, self.correct)

    @functools.cached_property
    def mistakes(self) -> NDArray[np.int64]:
        """Places of the wrongly classified samples, the most confident first."""
        import numpy as np

        wrong = np.flatnonzero(~self.correct)
        return wrong[np.argsort(-self.confidences[wrong], kind="stable")]

    @functools.cached_property
    def suspects(self) -> Suspects:
        """Samples whose label is probably wrong; see `clsctl.evaluation.label_errors`."""
        return suspected_labels(self.scores, self.labels)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values, as evaluate_result.json holds them."""
        (top1, interval1), (top5, interval5) = self.top_k(1), self.top_k(5)
        return {
            "model": self.model,
            "source": str(self.source),
            "runner": self.runner,
            "dataset": str(self.root),
            "split": self.split,
            "images": len(self.samples),
            "classes": len(self.class_names),
            "top1": {"value": top1, "interval95": list(interval1)},
            "top5": {
                "value": top5,
                "interval95": list(interval5),
                "meaningful": self.top5_meaningful,
            },
            "macro": self._means(metrics.macro_mean),
            "weighted": self._means(metrics.weighted_mean),
            "expected_calibration_error": self.ece,
            "mistakes": len(self.mistakes),
            "suspected_labels": len(self.suspects.indices),
            "per_class": [self._class_figures(class_id) for class_id in self.occurring],
        }

    def _means(self, mean: Any) -> dict[str, float]:
        figures = self.class_scores
        return {
            name: mean(self.matrix, getattr(figures, name))
            for name in ("precision", "recall", "f1")
        }

    def _class_figures(self, class_id: int) -> dict[str, Any]:
        precision, recall, f1, support = (column[class_id].item() for column in self.class_scores)
        hits = int(self.matrix[class_id, class_id])
        return {
            "id": class_id,
            "name": self.class_names[class_id],
            "precision": precision,
            "recall": recall,
            "recall_interval95": list(metrics.wilson_interval(hits, support)),
            "f1": f1,
            "support": support,
        }


def evaluate(
    dataset: str | Path,
    model_name: str | None = None,
    weights: str | Path | None = None,
    model_dir: str | Path | None = None,
    *,
    split: str = "val",
    device: str | None = None,
    backend: str | None = None,
    precision: str | None = None,
    batch_size: int = BATCH,
) -> Evaluation:
    """Evaluate a model on a dataset.

    Args:
        dataset: A dataset's folder or table, in any layout that `clsctl dataset check` accepts.
        model_name: A model of the catalog; with `weights`, the architecture they are for.
        weights: A .pdparams file or a run's folder, evaluated by the training network.
        model_dir: An exported model, evaluated by a backend, as is a model of the catalog.
        split: `train`, `val` or `test`.
        device: `auto`, `cpu`, `gpu:0` ...
        backend: `auto`, or the name of a backend.
        precision: Of an exported model: `fp32`, `bf16`, `fp16`, `int8` or `auto`.
        batch_size: Images in one run of the network.

    Raises:
        UsageError: No model, or no such split.
        DataError: The dataset is invalid, an image cannot be read, or the model was made for other
            classes (`E_CLASSES_DIFFER`).
        ModelError: The model is not available or not usable.
    """
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.settings import load_settings

    settings = load_settings(device=device, backend=backend, precision=precision)
    found = read_valid_dataset(Path(dataset))
    samples_of(found, split)  # before a model is loaded or even pulled
    scorer = open_scorer(model_name, weights, model_dir, settings)
    return evaluate_scorer(scorer, found, split, settings, batch_size)


def evaluate_scorer(
    scorer: Scorer,
    dataset: Dataset,
    split: str,
    settings: Settings,
    batch_size: int = BATCH,
    progress: Progress = no_progress,
    executor: Executor | None = None,
    options: object = None,
) -> Evaluation:
    """Evaluate a model that is open already; see `evaluate`.

    Args:
        executor: Where an exported model runs; in this process where it is None.
        options: The executor's own; see `clsctl.plugin.descriptors.Executor`.

    Raises:
        UsageError: Training weights cannot be run by an executor (`E_MODEL_CHOICE`).
    """
    import numpy as np

    from clsctl.prediction.executors import find_executor

    classes, run = scorer.classes, scorer.run
    samples = matched(samples_of(dataset, split), dataset.class_names, scorer.labels, classes)
    labels = np.array([sample.label for sample in samples], np.int64)
    if isinstance(run, PredictJob):
        executor = executor or find_executor()
        job = replace(run, batch_size=batch_size, options=options)
        paths = [dataset.image_path(sample) for sample in samples]
        scores = score_by(executor, job, paths, progress)
    elif executor is None or executor.in_process:
        loader = open_loader(samples, dataset.root, scorer.transforms, settings, batch_size)
        scores, _ = score_with(run, loader, progress)
    else:
        raise UsageError(
            f"training weights are evaluated in this process, not by --executor {executor.name}",
            code="E_MODEL_CHOICE",
            hint="a run exports them: --model-dir RUN/best_model/inference",
        )
    named = scorer.labels or [dataset.class_names.get(i, f"class {i}") for i in range(classes)]
    return Evaluation(
        scorer.name,
        scorer.source,
        scorer.runner,
        dataset.root,
        split,
        tuple(named),
        tuple(samples),
        scores,
        labels,
    )


def compare(first: Evaluation, second: Evaluation) -> metrics.Comparison:
    """Two models on the same samples, by McNemar's test.

    Raises:
        DataError: The samples are not the same (`E_NOT_PAIRED`).
    """
    if [replace(s, label=0) for s in first.samples] != [
        replace(s, label=0) for s in second.samples
    ]:
        raise DataError("the two models were evaluated on different images", code="E_NOT_PAIRED")
    return metrics.compare_paired(first.correct, second.correct)
