"""The result of an evaluation: a model's scores on a split, and every figure that follows."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.datasets.samples import Sample
from clsctl.errors import DataError
from clsctl.evaluation import metrics
from clsctl.evaluation.label_errors import Suspects, suspected_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
        """Share of samples whose best class is the right one, 0 to 1."""
        return self.top_k(1)[0]

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have samples: each counts the same, 0 to 1."""
        return metrics.balanced_mean(self.correct, self.labels)

    @property
    def top5(self) -> float:
        """1 where the model tells no more than five classes apart, which says nothing."""
        return self.top_k(5)[0]

    @property
    def top5_meaningful(self) -> bool:
        """Whether the model tells more than five classes apart."""
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
        """Samples whose label is worth checking; see `clsctl.evaluation.label_errors`."""
        return suspected_labels(self.scores, self.labels)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values, as evaluate_result.json holds them."""
        (top1, interval1), (top5, interval5) = self.top_k(1), self.top_k(5)
        return {
            "model": self.model,
            "source": self.source.resolve().name,
            "runner": self.runner,
            "dataset": self.root.resolve().name,
            "split": self.split,
            "images": len(self.samples),
            "classes": len(self.class_names),
            "top1": {"value": top1, "interval95": list(interval1)},
            "top5": {
                "value": top5,
                "interval95": list(interval5),
                "meaningful": self.top5_meaningful,
            },
            "balanced_accuracy": self.balanced_accuracy,
            "macro": self._means(metrics.macro_mean),
            "weighted": self._means(metrics.weighted_mean),
            "expected_calibration_error": self.ece,
            "mistakes": len(self.mistakes),
            "suspected_labels": len(self.suspects.indices),
            "suspected_labels_wrong": self.suspects.wrong,
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
