"""A first fine-tuning without options against frozen features with logistic regression.

    pip install scikit-learn
    python benchmarks/newcomer.py DATASET FOLDER [-m NAME] [option of clsctl train ...]

Prints the top-1 on the validation images of both: the bar that training has to clear to be worth
its time. The regression's strength of regularisation is the best of five on those very images,
which flatters it. FOLDER gets the run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clsctl.datasets.layouts.detect import read_dataset
from clsctl.datasets.samples import Dataset, Sample
from clsctl.interpretation.embed import compute_embeddings
from clsctl.interpretation.network import load_network
from clsctl.networks.trained_weights import find
from clsctl.settings import load_settings

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)


def main() -> None:
    dataset, folder, *options = sys.argv[1:]
    if "-m" not in options:
        options = ["-m", "EfficientNet-Lite0", *options]
    frozen = frozen_top1(read_dataset(Path(dataset)), options[options.index("-m") + 1])
    print(f"frozen features and logistic regression  {frozen:.4f}", flush=True)
    command = [sys.executable, "-m", "clsctl", "train", "-d", dataset, "-o", folder, *options]
    subprocess.run(command, check=True)


def frozen_top1(dataset: Dataset, model: str) -> float:
    train, val = dataset.splits["train"], dataset.splits["val"]
    images, held_out = (features(model, dataset, samples) for samples in (train, val))
    labels, wanted = ([sample.label for sample in samples] for samples in (train, val))
    models = [make_pipeline(StandardScaler(), LogisticRegression(C=c)) for c in STRENGTHS]
    return max(model.fit(images, labels).score(held_out, wanted) for model in models)


def features(model: str, dataset: Dataset, samples: Sequence[Sample]) -> NDArray[np.float32]:
    settings = load_settings()
    found = find(model, None, settings)
    paths = [dataset.image_path(sample) for sample in samples]
    return compute_embeddings(load_network(found), found.transforms, paths, settings).vectors


if __name__ == "__main__":
    main()
