"""Fine-tuning side by side: clsctl without options, a logistic regression, and fastai's recipe.

    python benchmarks/fine_tuning.py FOLDER DATASET ... [--seeds 3] [--epochs 5] [--size 224]

For each seed a fifth of the dataset's training images, stratified, becomes what clsctl validates
with; its `val` is never seen before the end, and measures all three: top-1 and expected
calibration error. The other two learn from the same images as clsctl and use no validation images.

- regression: scikit-learn's LogisticRegressionCV on the frozen features of the published weights,
  standardised, its penalty found by 5-fold cross-validation.
- fastai: `fine_tune(epochs, freeze_epochs=1, base_lr=2e-3)` as published, in Paddle with clsctl's
  loader: a frozen epoch of the new head, then all layers by one-cycle at rates from base_lr / 200
  for the first layers to base_lr / 2 for the head, crops of at least 0.35 of the area, flips, batch
  statistics. Unlike fastai it keeps the network's own pooling and a linear head, and AdamW's
  momentum does not follow the cycle.

Needs scikit-learn. With several seeds the figures are means with 95 % intervals of the mean; with
one, Wilson intervals.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hard_sets import pairs, write_lists
from numpy.typing import NDArray

import clsctl
from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.datasets.samples import Dataset, Sample
from clsctl.evaluation.metrics import expected_calibration_error, wilson_interval
from clsctl.evaluation.scoring import score_function
from clsctl.images.preprocess import transform_ops
from clsctl.loading.augment import AugmentConfig, train_transform
from clsctl.loading.loader import Loader, open_loader
from clsctl.models.catalog import get_entry
from clsctl.onednn.choice import choose_acceleration
from clsctl.settings import load_settings
from clsctl.system.cpu import available_cores
from clsctl.values import HOST, Preprocessing

BATCH = 32
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""Student's t at 97.5 %, by the number of seeds."""


class Task(NamedTuple):
    """One dataset and seed, and how to learn it."""

    dataset: Dataset
    train: list[Sample]
    val: list[Sample]
    test: list[Sample]
    folder: Path
    seed: int
    options: argparse.Namespace
    preprocessing: Preprocessing

    @property
    def classes(self) -> int:
        return self.dataset.num_classes


class Figures(NamedTuple):
    top1: float
    ece: float
    seconds: float


def main() -> None:
    options = task_parser(__doc__, seeds=3, epochs=5, size=224).parse_args()
    ways = {"clsctl": by_clsctl, "regression": by_regression, "fastai": by_fastai}
    for path in options.datasets:
        figures: dict[str, list[Figures]] = {way: [] for way in ways}
        for seed in range(options.seeds):
            task = make_task(path, seed, options)
            for way, learn in ways.items():
                figures[way].append(measure(task, learn))
                print(f"{path.name} seed {seed} {way:10} {figures[way][-1]}", flush=True)
        for way, found in figures.items():
            print(f"{path.name:16} {way:10} {summary(found, len(task.test))}", flush=True)


def task_parser(doc: str | None, seeds: int, epochs: int, size: int) -> argparse.ArgumentParser:
    """What `make_task` has to be told, with these defaults."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--size", type=int, default=size)
    parser.add_argument("--model", default="EfficientNet-Lite0")
    return parser


def make_task(path: Path, seed: int, options: argparse.Namespace) -> Task:
    """Divide the training images, and write the lists that clsctl is given."""
    dataset = read_valid_dataset(path)
    train, val = [], []
    rng = np.random.default_rng(seed)
    for label in range(dataset.num_classes):
        ours = [sample for sample in dataset.splits["train"] if sample.label == label]
        order = rng.permutation(len(ours))
        held = max(len(ours) // 5, 1)
        val += [ours[place] for place in order[:held]]
        train += [ours[place] for place in order[held:]]
    folder = options.folder / f"{path.name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": train, "val": val, "test": dataset.splits["val"]}
    lists = {name: pairs(dataset, samples) for name, samples in parts.items()}
    write_lists(folder, lists, dataset.class_names)
    published = get_entry(options.model).preprocessing
    short = round(published.resize_short * options.size / published.input_size[0])
    preprocessing = replace(published, crop=options.size, resize_short=short)
    test = list(dataset.splits["val"])
    return Task(dataset, train, val, test, folder, seed, options, preprocessing)


def measure(task: Task, learn: Callable[[Task], NDArray[Any]]) -> Figures:
    started = time.monotonic()
    scores = learn(task)
    seconds = time.monotonic() - started
    right = scores.argmax(axis=1) == [sample.label for sample in task.test]
    ece = expected_calibration_error(scores.max(axis=1), right)
    return Figures(float(right.mean()), ece, seconds)


def summary(found: list[Figures], images: int) -> str:
    """Return means over seeds, with intervals."""
    top1, ece, seconds = (list(column) for column in zip(*found, strict=True))
    mean = statistics.mean(top1)
    low, high = wilson_interval(mean * images, images)
    if len(found) > 1:
        spread = T_95[len(found)] * statistics.stdev(top1) / math.sqrt(len(found))
        low, high = mean - spread, mean + spread
    return (
        f"top-1 {mean:.2%} ({low:.2%} to {high:.2%})  ECE {statistics.mean(ece):.3f}  "
        f"{statistics.mean(seconds):.0f} s"
    )


# ---- the three ---------------------------------------------------------------------------------


def by_clsctl(task: Task) -> NDArray[Any]:
    run = task.folder / "run"
    command = [sys.executable, "-m", "clsctl", "train", "-m", task.options.model]
    given = ["-d", task.folder, "-o", run, "--epochs", task.options.epochs, "--seed", task.seed]
    if task.options.size != get_entry(task.options.model).preprocessing.input_size[0]:
        given += ["--set", f"data.image_size={task.options.size}"]
    subprocess.run([*command, *map(str, given)], check=True)
    return clsctl.evaluate(task.folder, weights=run, split="test").scores


def by_regression(task: Task) -> NDArray[Any]:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = pretrained(task)
    network.eval()
    train, test = (features(task, network, part) for part in (task.train, task.test))
    penalties = np.geomspace(1e-5, 1, 11)
    # scikit-learn deprecates and renames its parameters; these hold in 1.5 to 1.9.
    regression = LogisticRegressionCV(
        Cs=penalties, cv=5, max_iter=300, random_state=task.seed, use_legacy_attributes=True
    )
    model = make_pipeline(StandardScaler(), regression)
    model.fit(train, [sample.label for sample in task.train])
    scores: NDArray[Any] = model.predict_proba(test)
    return scores


def by_fastai(task: Task) -> NDArray[Any]:
    import paddle
    from paddle.nn import functional as F

    accelerate = choose_acceleration("auto", HOST, available_cores())
    network = pretrained(task)
    paddle.seed(task.seed)
    loader = Loader(
        task.train,
        task.dataset.root,
        train_transform(task.preprocessing, AugmentConfig(crop_scale=(0.35, 1.0))),
        batch_size=BATCH,
        seed=task.seed,
        shuffle=True,
        drop_last=len(task.train) % BATCH == 1,
        workers=available_cores(),
    )
    base, epoch = 2e-3, 0
    with accelerate.on_its_threads():
        for epochs, rate, start, divided, frozen in (
            (1, base, 0.99, 25, True),
            (task.options.epochs, base / 2, 0.3, 5, False),
        ):
            optimizer = discriminative(network, rate, frozen)
            steps, step = epochs * len(loader), 0
            for _ in range(epochs):
                network.train()
                for batch in loader.batches(epoch):
                    optimizer.set_lr(rate * one_cycle(step / steps, start, divided))
                    with accelerate(network):
                        logits = network(paddle.to_tensor(batch.images))
                    F.cross_entropy(logits, paddle.to_tensor(batch.labels)).backward()
                    optimizer.step()
                    optimizer.clear_grad()
                    step += 1
                epoch += 1
        network.eval()
        with accelerate(network):
            score = score_function(network)
            return np.concatenate([score(images) for images in batches(task, task.test)])


# ---- their parts -------------------------------------------------------------------------------


def pretrained(task: Task) -> Any:
    return clsctl.build(task.options.model, task.classes, pretrained=True, seed=task.seed)


def batches(task: Task, samples: list[Sample]) -> Iterator[NDArray[np.float32]]:
    """Images as they are in prediction."""
    transforms = transform_ops(task.preprocessing)
    loader = open_loader(samples, task.dataset.root, transforms, load_settings(), 2 * BATCH)
    return (batch.images for batch in loader.batches(0))


def features(task: Task, network: Any, samples: list[Sample]) -> NDArray[Any]:
    import paddle

    accelerate = choose_acceleration("auto", HOST, available_cores())
    with paddle.no_grad(), accelerate.on_its_threads(), accelerate(network):
        found = [
            network.features(paddle.to_tensor(images)).numpy() for images in batches(task, samples)
        ]
    return np.concatenate(found)


def discriminative(network: Any, rate: float, frozen: bool) -> Any:
    """Rates from `rate` / 100 for the first half of the stages to `rate` for the head."""
    import paddle

    stages = list(network.stage_prefixes().items())
    half = len(stages) // 2
    parts = (stages[:half], stages[half:-1], stages[-1:])
    groups = []
    for part, share in zip(parts, (0.01, 0.1, 1.0), strict=True):
        prefixes = tuple(f"{prefix}." for _, names in part for prefix in names)
        named = [p for name, p in network.named_parameters() if name.startswith(prefixes)]
        # Batch normalisation learns in frozen layers, too, in fastai.
        learning = [p for p in named if p.trainable and (not frozen or share == 1 or p.ndim == 1)]
        groups.append({"params": learning, "learning_rate": 1.0 if frozen else share})
    return paddle.optimizer.AdamW(
        rate, beta2=0.99, epsilon=1e-5, parameters=groups, weight_decay=0.01
    )


def one_cycle(done: float, start: float, divided: float) -> float:
    """The share of the peak rate: up by a cosine until `start`, then down to nothing."""
    if done < start:
        return 1 / divided + (1 - 1 / divided) * (1 - math.cos(math.pi * done / start)) / 2
    return (1 + math.cos(math.pi * (done - start) / (1 - start))) / 2


if __name__ == "__main__":
    sys.exit(main())
