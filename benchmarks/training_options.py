"""What options of training are worth: each against training without, on images that no run saw.

    python benchmarks/training_options.py FOLDER DATASET ... --try ema=0.99
        [--try "mix.mixup=0.2 mix.probability=0.5"] [--always pretrained=false]
        [--seeds 1] [--epochs 3] [--size 96] [--model NAME]

Datasets are divided as in fine_tuning.py. Top-1, balanced accuracy (the mean of the classes'),
negative log-likelihood in nats and expected calibration error, means over seeds; the gain in top-1
over the run without options in points, with a 95 % interval that is paired by image. `--always`
sets what all runs have, that without options, too. Runs that are in FOLDER already are taken from
there.
"""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
from fine_tuning import Task, make_task, task_parser
from numpy.typing import NDArray

import clsctl
from clsctl.evaluation.metrics import expected_calibration_error


class Outcome(NamedTuple):
    """What one run says about the test images of its seed: which are right, and figures."""

    right: NDArray[np.bool_]
    balanced: float
    nll: float
    ece: float


def main() -> None:
    parser = task_parser(__doc__, seeds=1, epochs=3, size=96)
    parser.add_argument("--try", dest="tried", action="append", default=[])
    parser.add_argument("--always", default="")
    options = parser.parse_args()
    for path in options.datasets:
        tasks = [make_task(path, seed, options) for seed in range(options.seeds)]
        plain: list[Outcome] = []
        for tried in ("", *options.tried):
            found = [outcome(task, tried) for task in tasks]
            plain = plain or found
            print(f"{path.name:16} {tried or 'no options':44} {summary(found, plain)}", flush=True)


def outcome(task: Task, tried: str) -> Outcome:
    """Train with the options, unless that was done before, and judge by the test images."""
    run = task.folder / ("run-" + (tried.replace(" ", "+") or "plain"))
    if not (run / "train_result.json").exists():
        command = [sys.executable, "-m", "clsctl", "train", "-m", task.options.model, "-o", run]
        command += ["-d", task.folder, "--seed", task.seed]
        own = f"data.image_size={task.options.size}", f"epochs={task.options.epochs}"
        given = [*own, *task.options.always.split(), *tried.split()]
        command += [word for one in given for word in ("--set", one)]
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
    scores = clsctl.evaluate(task.folder, weights=run, split="test").scores
    return judge(scores, np.array([sample.label for sample in task.test]))


def judge(scores: NDArray[Any], labels: NDArray[Any]) -> Outcome:
    right = scores.argmax(axis=1) == labels
    balanced = np.mean([right[labels == label].mean() for label in np.unique(labels)])
    likelihood = scores[np.arange(len(labels)), labels].clip(1e-12)
    ece = expected_calibration_error(scores.max(axis=1), right)
    return Outcome(right, float(balanced), float(-np.log(likelihood).mean()), ece)


def summary(found: list[Outcome], plain: list[Outcome]) -> str:
    """Return means over seeds, and the gain over the runs without options."""
    right, before = (np.concatenate([one.right for one in runs]) for runs in (found, plain))
    gains = right.astype(float) - before
    spread = 1.96 * gains.std() / math.sqrt(len(gains))
    balanced, nll, ece = (
        np.mean([getattr(one, name) for one in found]) for name in ("balanced", "nll", "ece")
    )
    return (
        f"top-1 {right.mean():.2%}  balanced {balanced:.2%}  NLL {nll:.3f}  ECE {ece:.3f}  "
        f"gain {100 * gains.mean():+.1f} ({100 * (gains.mean() - spread):+.1f} to "
        f"{100 * (gains.mean() + spread):+.1f})"
    )


if __name__ == "__main__":
    sys.exit(main())
