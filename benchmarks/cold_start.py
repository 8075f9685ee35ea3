"""A whole process that classifies one photo: clsctl against a bare ONNX Runtime script and PaddleX.

    python benchmarks/cold_start.py [ROUNDS] [PADDLEX_PYTHON]

EfficientNet-Lite0 has to be on this machine; `clsctl predict examples/chelsea.png -m
EfficientNet-Lite0` brings it. The bare script loads the same cached ONNX file and does as little as
it can: it decodes, resizes without care for the rule, runs and prints five numbers. PaddleX loads
the model directory that clsctl keeps, under the name of a model that it knows. All run in turn,
round after round. Printed are medians of the clock and of the processor's time, which says more
on a machine that is not idle.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clsctl.inference.compiled import ensure_compiled
from clsctl.inference.onnx_session import COMPILED
from clsctl.models.directory import read_model_dir
from clsctl.models.store import open_store
from clsctl.values import DeviceId, Placement

MODEL = "EfficientNet-Lite0"
PHOTO = Path(__file__).parents[1] / "examples" / "chelsea.png"
BARE = """
import sys
import cv2, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
session = onnxruntime.InferenceSession(sys.argv[1], options, ["CPUExecutionProvider"])
pixels = cv2.resize(cv2.imread(sys.argv[2])[:, :, ::-1], (224, 224)).astype(numpy.float32)
batch = numpy.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])
scores = session.run(None, {session.get_inputs()[0].name: batch})[0][0]
print(scores.argsort()[::-1][:5])
"""
PEER = """
import sys
from paddlex import create_model
model = create_model(model_name=sys.argv[1], model_dir=sys.argv[2], device="cpu")
for result in model.predict(sys.argv[3]):
    result.print()
"""
PEER_MODEL = "PP-LCNet_x1_0"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    folder = open_store().find(MODEL)
    if folder is None:
        sys.exit(f"{MODEL} is not here: clsctl predict {PHOTO} -m {MODEL}")
    with tempfile.TemporaryDirectory() as scratch:
        commands = _commands(folder, Path(scratch))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(_seconds(command))
    medians = {
        name: [*map(statistics.median, zip(*runs, strict=True))] for name, runs in times.items()
    }
    bare = medians["bare onnxruntime"]
    print(f"{'':18}  clock   ratio  processor  ratio")
    for name, (clock, processor) in medians.items():
        print(
            f"{name:18} {clock:.3f} s  {clock / bare[0]:5.2f}"
            f"    {processor:.3f} s  {processor / bare[1]:5.2f}"
        )


def _commands(folder: Path, scratch: Path) -> dict[str, list[str]]:
    script = str(Path(sys.executable).with_name("clsctl"))
    form = str(ensure_compiled(COMPILED, read_model_dir(folder), Placement(DeviceId("cpu"))))
    commands = {
        "bare onnxruntime": [sys.executable, "-c", BARE, form, str(PHOTO)],
        "clsctl, table": [script, "predict", str(PHOTO), "-m", MODEL],
        "clsctl, jsonl": [script, "predict", str(PHOTO), "-m", MODEL, "--format", "jsonl"],
    }
    if len(sys.argv) > 2:
        shutil.copytree(folder, scratch / "model")
        settings = scratch / "model" / "inference.yml"
        known = settings.read_text("utf-8").replace(MODEL, PEER_MODEL)
        settings.write_text(_without_own_words(known), encoding="utf-8")
        peer = [sys.argv[2], "-c", PEER, PEER_MODEL, str(scratch / "model"), str(PHOTO)]
        commands["PaddleX"] = peer
    return commands


def _without_own_words(settings: str) -> str:
    """A crop by a fraction is clsctl's own; here any preprocessing of 224 pixels will do."""
    import yaml

    content = yaml.safe_load(settings)
    transforms = content["PreProcess"]["transform_ops"]
    transforms[:2] = [{"ResizeImage": {"resize_short": 256}}, {"CropImage": {"size": 224}}]
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _seconds(command: list[str]) -> tuple[float, float]:
    """Run a command; returns seconds of the clock and of the processor."""
    # Compiled modules are part of an installation.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start, before = time.perf_counter(), _processor_seconds()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start, _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
