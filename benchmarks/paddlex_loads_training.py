"""Does PaddleX give the same answers as clsctl with a model that `clsctl train` left?

    pip install "paddlex[base]==3.7.2"     # in an environment of its own, clsctl in another
    python benchmarks/paddlex_loads_training.py RUN/best_model/inference IMAGES --paddlex PYTHON

PYTHON is the interpreter that has PaddleX. Class ids must be equal and scores within 1e-5.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import clsctl

LIMIT = 1e-5

PADDLEX = """
import json, sys
import numpy
from paddlex import create_model
directory, *images = sys.argv[1:]
name = next(line.split()[1] for line in open(directory + "/inference.yml") if "model_name" in line)
model = create_model(model_name=name, model_dir=directory, device="cpu")
for image in images:
    [result] = model.predict(image, batch_size=1)
    answer = result.json["res"]
    # PaddleX nests them at batch size 1.
    ids, scores = (numpy.ravel(answer[key]).tolist() for key in ("class_ids", "scores"))
    print("answer", json.dumps([ids, scores, answer["label_names"]]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("images", type=Path, help="a folder of images")
    parser.add_argument("--paddlex", required=True, help="a Python that has PaddleX")
    options = parser.parse_args()
    model = clsctl.create_model(model_dir=options.model_dir, device="cpu", backend="paddle")
    ours = list(model.predict(options.images))
    images = [result.input_path for result in ours]
    theirs = peer_answers(options.paddlex, options.model_dir, images)
    worst = 0.0
    for result, (ids, scores, names) in zip(ours, theirs, strict=True):
        if result.class_ids.tolist() != ids or result.label_names != names:
            sys.exit(f"{result.input_path}: clsctl {result.label_names}, PaddleX {names}")
        worst = max(worst, float(abs(result.scores - scores).max()))
    print(f"{len(images)} images: equal classes, scores within {worst:.2g}")
    if worst > LIMIT:
        sys.exit(f"more than {LIMIT:g}")


def peer_answers(
    python: str, model_dir: Path, images: list[str]
) -> list[tuple[list[int], list[float], list[str]]]:
    """Class ids, scores and names by PaddleX, image by image."""
    command = [python, "-c", PADDLEX, str(model_dir), *images]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    lines = [line for line in done.stdout.splitlines() if line.startswith("answer ")]
    return [json.loads(line.removeprefix("answer ")) for line in lines]


if __name__ == "__main__":
    main()
