"""Measure how long a model takes for one image on this machine, from the file to its classes."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.exporting.network import export_network
from clsctl.images.preprocess import transform_ops
from clsctl.networks.build import build
from clsctl.prediction.classifier import create_model
from clsctl.system.temporary import scratch_folder

if TYPE_CHECKING:
    from clsctl.datasets.samples import Dataset
    from clsctl.training.job import TrainJob

RUNS = 15
"""The median of so many counts."""


def untrained_latency(job: TrainJob) -> float:
    """Measure a model before it is trained, which makes no difference; milliseconds.

    Raises:
        ModelError: It cannot be exported or run.
    """
    network = build(job.config.model, num_classes=len(job.labels), seed=0)
    transforms, size = transform_ops(job.preprocessing), job.preprocessing.input_size
    with scratch_folder() as folder:
        export_network(network, folder, job.config.model, transforms, job.labels, size)
        return latency(folder, an_image(job.dataset))


def latency(model_dir: Path, image: Path) -> float:
    """Measure an exported model; milliseconds."""
    model = create_model(model_dir=model_dir)
    times = []
    for _ in range(1 + RUNS):
        began = time.perf_counter()
        list(model.predict(image))
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times[1:])


def an_image(dataset: Dataset) -> Path:
    """Return the first validation image."""
    return dataset.image_path(dataset.splits["val"][0])
