"""Which epoch to keep: rules judged on images that they did not see.

    python benchmarks/epoch_choice.py FOLDER DATASET ... [--seeds 1] [--epochs 5] [--size 96]
        [--scratch] [--model NAME]

Trains once for each dataset and seed, on four fifths of the training images, and scores the start
and every epoch on the images of `val`. Of these so many are drawn as validation images, 200 times:
each rule chooses an epoch by them, and its top-1 on the other images counts.

- top-1: the highest, of equals the one with the least loss.
- loss: the least validation loss.
- calibrated: the least once a temperature is fitted, as `best_by=calibrated_loss` has it.
- last: the last epoch.

Printed are points of top-1 over the calibrated loss's choice: on images that were not seen, and in
brackets on the validation images, where choosing by a figure always seems to pay. Scores that are
in FOLDER already are taken from there.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from fine_tuning import make_task, task_parser
from hard_sets import pairs, write_lists
from numpy.typing import NDArray

import clsctl
from clsctl.evaluation.calibration import mean_nll, nll
from clsctl.inference.temperature import apply_temperature

DRAWS = 200
SIZES = (100, 200, 400, 800)
TEMPERATURES = np.geomspace(0.3, 5, 25)
RULES = ("top-1", "loss", "calibrated", "last")
Gains = dict[str, list[tuple[float, float]]]
"""Of each rule the points that each run had on unseen images and on those it chose by."""


def main() -> None:
    parser = task_parser(__doc__, seeds=1, epochs=5, size=96)
    parser.add_argument("--scratch", action="store_true")
    options = parser.parse_args()
    total: dict[int, Gains] = {size: defaultdict(list) for size in SIZES}
    for path in options.datasets:
        for seed in range(options.seeds):
            scores, labels = scored_epochs(path, seed, options)
            print(f"\n{path.name}, seed {seed}, {len(labels)} images; start and epochs:")
            print("  top-1     ", *(f"{accuracy(one, labels):6.1%}" for one in scores))
            print("  loss      ", *(f"{mean_nll(one, labels):6.3f}" for one in scores))
            for size in (size for size in SIZES if size <= 0.6 * len(labels)):
                gains = compare(scores, labels, size)
                print(f"  chosen by {size:4} images: {summary(gains)}", flush=True)
                for rule, points in gains.items():
                    total[size][rule].append(tuple(np.mean(points, axis=0)))
    print("\nall runs")
    for size, of_rules in total.items():
        if of_rules:
            print(f"  chosen by {size:4} images: {summary(of_rules)}")


def scored_epochs(
    path: Path, seed: int, options: Any
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Score the images of `val`; float32 [epochs, N, C] and int64 [N]."""
    task = make_task(path, seed, options)
    write_lists(task.folder, {"val": pairs(task.dataset, task.test)}, task.dataset.class_names)
    (task.folder / "test.txt").unlink()
    labels = np.array([sample.label for sample in task.test])
    kept = task.folder / "scores.npy"
    if not kept.exists():
        found = [score(run, task.folder) for run in trained(task.folder, seed, options)]
        np.save(kept, np.stack(found))
    return np.load(kept), labels


def trained(folder: Path, seed: int, options: Any) -> list[Path]:
    """Train, and return the weights of the start, where there is one, and of every epoch."""
    common = [f"data.image_size={options.size}", f"seed={seed}", "calibrate=false"]
    every = ["checkpoint.save_every=1", f"checkpoint.keep={options.epochs}", "on_setback=continue"]
    train(folder, "run", options, [*common, *every, f"epochs={options.epochs}"])
    weights = [
        folder / "run" / f"epoch_{n}" / f"epoch_{n}.pdparams" for n in range(1, options.epochs + 1)
    ]
    if options.scratch:
        return weights
    # The start is what a rate of nothing leaves of it.
    still = ["optimizer.learning_rate=1e-12", "batch_norm=frozen", "epochs=1"]
    train(folder, "start", options, [*common, *still])
    return [folder / "start" / "best_model" / "best_model.pdparams", *weights]


def train(folder: Path, name: str, options: Any, settings: list[str]) -> None:
    command = [sys.executable, "-m", "clsctl", "train", "-m", options.model, "-d", folder]
    command += ["-o", folder / name, *(["--scratch"] if options.scratch else [])]
    command += [word for one in settings for word in ("--set", one)]
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)


def score(weights: Path, folder: Path) -> NDArray[np.float32]:
    return clsctl.evaluate(folder, weights=weights, split="val").scores


def compare(scores: NDArray[np.float32], labels: NDArray[np.int64], size: int) -> Gains:
    """Let each rule choose by `size` images, often, and judge it by the others."""
    right = np.array([one.argmax(axis=1) == labels for one in scores]).astype(float)
    raw = np.array([nll(one, labels) for one in scores])
    warm = np.array(
        [[nll(apply_temperature(one, float(t)), labels) for t in TEMPERATURES] for one in scores]
    )
    gains: Gains = {rule: [] for rule in RULES}
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        order = rng.permutation(len(labels))
        seen, others = order[:size], order[size:]
        top1, loss = right[:, seen].mean(axis=1), raw[:, seen].mean(axis=1)
        chosen = {
            "top-1": int(np.lexsort((loss, -top1))[0]),
            "loss": int(loss.argmin()),
            "calibrated": int(warm[:, :, seen].mean(axis=2).min(axis=1).argmin()),
            "last": len(scores) - 1,
        }
        for rule, epoch in chosen.items():
            gain = right[epoch] - right[chosen["calibrated"]]
            gains[rule].append((100 * gain[others].mean(), 100 * gain[seen].mean()))
    return gains


def accuracy(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    return float((scores.argmax(axis=1) == labels).mean())


def summary(gains: Gains) -> str:
    means = {rule: np.mean(points, axis=0) for rule, points in gains.items()}
    return "  ".join(f"{rule} {new:+.2f} ({seen:+.2f})" for rule, (new, seen) in means.items())


if __name__ == "__main__":
    sys.exit(main())
