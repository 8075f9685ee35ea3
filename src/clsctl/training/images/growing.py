"""Train on smaller images at first: their epochs are quick, and larger images need less after them.

M. Tan and Q. Le, "EfficientNetV2: Smaller Models and Faster Training", 2021 (arXiv:2104.00298).
"""

from __future__ import annotations

import math
from dataclasses import replace

from clsctl.loading.augment import train_transform
from clsctl.loading.loader import Loader
from clsctl.training.job import TrainJob

MULTIPLE = 32
"""Networks shrink images by this factor."""


def sized_loader(job: TrainJob, epoch: int) -> Loader:
    """The training images in the size of an epoch, counted from 0."""
    size = input_size(job, epoch)
    if size == job.preprocessing.input_size:
        return job.train
    crop = size if isinstance(job.preprocessing.crop, tuple) else size[0]
    smaller = replace(job.preprocessing, crop=crop)
    return job.train.with_transform(train_transform(smaller, job.config.augment))


def input_size(job: TrainJob, epoch: int) -> tuple[int, int]:
    """Height and width in an epoch: they grow evenly, and are whole from the last one on."""
    whole, last = job.preprocessing.input_size, job.config.epochs - 1
    first = job.config.data.first_size / min(whole)
    if not first or epoch >= last:
        return whole
    share = first + (1 - first) * epoch / last
    height, width = (min(MULTIPLE * max(round(share * side / MULTIPLE), 1), side) for side in whole)
    return height, width


def whole_epochs(job: TrainJob, first: int = 0) -> float:
    """As many epochs of whole images have the pixels of all those from one epoch on."""
    sizes = [input_size(job, epoch) for epoch in range(first, job.config.epochs)]
    return sum(height * width for height, width in sizes) / math.prod(job.preprocessing.input_size)
