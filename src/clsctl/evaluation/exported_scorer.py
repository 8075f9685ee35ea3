"""Score images with an exported model, by a backend, where an executor runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.progress import no_progress
from clsctl.datasets.samples import Sample
from clsctl.evaluation.scorer import ScoringSetup
from clsctl.evaluation.scoring import count_classes
from clsctl.images.sources import Source
from clsctl.plugin.descriptors import Executor, PredictJob
from clsctl.prediction.executors import find_executor
from clsctl.prediction.job import prepare_job, session_factory
from clsctl.values import ModelSpec, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ExportedScorer:
    """A job for an executor, still without images; see `clsctl.evaluation.scorer.Scorer`.

    Attributes:
        job: Its `topk` is the number of classes.
    """

    job: PredictJob
    executor: Executor

    @classmethod
    def open(cls, model: ModelSpec, setup: ScoringSetup) -> ExportedScorer:
        """Choose a backend, and find out how many classes the model tells apart.

        Raises:
            ModelError: No backend can run it.
            DeviceError: The device or the backend is not there.
        """
        job = prepare_job(model, setup.settings)
        classes = len(model.labels)
        if not classes:
            classes = count_classes(session_factory(job)(0, 1).run, model.transforms)
        job = replace(
            job, topk=classes, exact=True, batch_size=setup.batch_size, options=setup.options
        )
        return cls(job, setup.executor or find_executor())

    @property
    def name(self) -> str:
        return self.job.model.name

    @property
    def source(self) -> Path:
        return self.job.model.directory

    @property
    def runner(self) -> str:
        return f"{self.job.backend} on {self.job.placement}"

    @property
    def labels(self) -> tuple[str, ...]:
        return self.job.model.labels

    @property
    def classes(self) -> int:
        return self.job.topk

    def score(
        self, samples: Sequence[Sample], root: Path, progress: Progress = no_progress
    ) -> NDArray[np.float32]:
        import numpy as np

        paths = [root / sample.path for sample in samples]
        # Of a model with more names than outputs, the classes without one score nothing.
        scores = np.zeros((len(paths), self.classes), np.float32)
        job = replace(self.job, inputs=(Source(str(path), path) for path in paths))
        # Of an image with several pages the first one counts.
        results = (result for result in self.executor.run(job) if not result.page_index)
        for place, (_, result) in enumerate(zip(paths, results, strict=True)):
            if result.error is not None:
                raise result.error
            scores[place, result.class_ids] = result.scores
            progress(place + 1, len(paths))
        return scores
