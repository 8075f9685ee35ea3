"""A whole folder of photos to top-5: clsctl, a bare ONNX Runtime loop and PaddleX, in turn.

    python benchmarks/predict_throughput.py [--paddlex PYTHON] [--backends onnxruntime,openvino]
        [--precision bf16,int8] [--batches auto,1,4,8] [--images N] [--size WIDTHxHEIGHT]
        [--rounds N] [--rows] [MODEL...]

The photos are cut from the examples at seeded places and saved as JPEG. The models have weights by
the golden rule, exported by clsctl; PaddleX (`paddlex[base]==3.7.2`, `paddlepaddle==3.3.1`, in the
environment whose interpreter is given) loads the same directories. With --precision, clsctl runs in
these as well, int8 quantised on some of the photos: with weights never trained, only its speed says
something. Each contender is a process that loads the model, classifies the folder once to warm up,
and then once whenever it is its turn (A B C A B C), while the others wait. clsctl runs with the
batch it finds itself, and with those that --batches names. The bare loop is what clsctl cannot
beat: threads that decode, preprocess and run with one shared session, and nothing else. Printed are
medians: images a second, the ratio to PaddleX's best batch size, what is lost to the bare loop, the
processor's time for an image, which tells the work apart from waiting on a machine that is not
idle, and how many images have PaddleX's top-5. --rows ends with the table of
docs/explanation/speed.md: images a second with the batch that clsctl finds itself, and those of
PaddleX's best.
"""

from __future__ import annotations

import argparse
import json
import operator
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

import models
import numpy as np
from PIL import Image

from clsctl.quantization.quantize import quantize

MODELS = (
    "PP-LCNet_x1_0",
    "MobileNetV3_small_x1_0",
    "PP-HGNetV2-B0",
    "SwinTransformer_tiny_patch4_window7_224",
    "ResNet50",
)
REST_S = 0.5
"""Between turns: OpenMP's threads, PaddleX's among them, spin for a while after their work."""

EXAMPLES = Path(__file__).parents[1] / "examples"
PEER_BATCHES = (1, 8, 16)

Round = tuple[float, float, list[list[int]]]

# One round for each line of standard input: seconds of the clock and of the processor, and the best
# classes of each image.
ROUNDS = """
for line in sys.stdin:
    begun = time.perf_counter(), time.process_time()
    answers = classify()
    took = time.perf_counter() - begun[0], time.process_time() - begun[1]
    print("ROUND" + json.dumps([*took, [[int(i) for i in ids] for ids in answers]]), flush=True)
"""
CLSCTL = """
import json, sys, time
from clsctl import create_model
folder, model_dir, backend, precision, batch = sys.argv[1:]
model = create_model(model_dir=model_dir, backend=backend, precision=precision, topk=5)
size = None if batch == "auto" else int(batch)
def classify():
    return [result.class_ids for result in model.predict(folder, batch_size=size)]
"""
BARE = """
import concurrent.futures, json, sys, time
from pathlib import Path
import cv2, numpy as np
from clsctl.builtin.backends.onnxruntime import open_model
from clsctl.models.directory import read_model_dir
from clsctl.system.cpu import available_cores
from clsctl.images.preprocess import compile_transforms
from clsctl.plugin.descriptors import DeviceId, Placement
folder, model_dir = sys.argv[1:]
spec = read_model_dir(Path(model_dir))
cores = available_cores()
session = open_model(spec, Placement(DeviceId("cpu"), threads=1, streams=cores))
preprocess = compile_transforms(spec.transforms)
paths = sorted(Path(folder).iterdir())
def one(path):
    data = np.frombuffer(path.read_bytes(), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return session.run(preprocess(pixels)[None])[0].argsort()[::-1][:5]
def some(first):
    return [one(path) for path in paths[first::cores]]
def classify():
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        parts = list(pool.map(some, range(cores)))
    return [parts[i % cores][i // cores] for i in range(len(paths))]
"""
PADDLEX = """
import json, sys, time
from paddlex import create_model
folder, model_dir, name, batch = sys.argv[1:]
model = create_model(model_name=name, model_dir=model_dir)
def classify():
    # In a batch, PaddleX gives every image the ids of the whole batch.
    size, answers = int(batch), []
    for number, result in enumerate(model.predict(folder, batch_size=size, topk=5)):
        ids = result["class_ids"]
        answers.append(ids[number % size] if hasattr(ids[0], "__len__") else ids)
    return answers
"""


def main() -> None:
    options = _options()
    speeds: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        width, height = map(int, options.size.split("x"))
        photos = _write_photos(folder / "photos", options.images, width, height)
        for name in options.models or MODELS:
            models.export_golden(folder / name, name)
            if "int8" in options.precision:
                _quantize(photos, folder / name)
            commands = _commands(options, photos, folder / name, name)
            found = _measure(commands, options.rounds)
            speeds[name] = {key: _speed(rounds, options.images) for key, rounds in found.items()}
            _report(name, speeds[name], found)
    if options.rows:
        _print_rows(speeds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the throughput of predict")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--paddlex", help="Python of an environment with PaddleX")
    parser.add_argument("--backends", default="onnxruntime")
    parser.add_argument("--precision", default="")
    parser.add_argument("--batches", default="auto,1,4,8")
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--size", default="500x375")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _write_photos(folder: Path, count: int, width: int, height: int) -> Path:
    """About 57 KB each at 500 x 375."""
    folder.mkdir()
    whole = [Image.open(EXAMPLES / name).convert("RGB") for name in ("chelsea.png", "coffee.png")]
    random = np.random.default_rng(0)
    for number in range(count):
        image = whole[number % 2]
        side = random.uniform(0.4, 0.9) * image.height
        left, top = random.uniform(0, image.width - side), random.uniform(0, image.height - side)
        box = (left, top, left + side, top + side)
        photo = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box))
        noisy = photo + random.normal(0, 7, photo.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
            folder / f"{number:05}.jpg", quality=85
        )
    return folder


def _quantize(photos: Path, model: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        dataset = Path(scratch)
        (dataset / "label.txt").write_text("0 photo\n")
        names = sorted(path.name for path in photos.iterdir())[:128]
        for split, part in (("train", names[::2]), ("val", names[1::2])):
            for name in part:
                shutil.copy(photos / name, dataset)
            (dataset / f"{split}.txt").write_text("".join(f"{name} 0\n" for name in part))
        quantize(dataset, model_dir=model, images=64, max_drop=100, min_agreement=0)


def _commands(
    options: argparse.Namespace, photos: Path, model: Path, name: str
) -> dict[str, list[str]]:
    mine = {
        f"clsctl {backend} {precision}, {batch}": [
            sys.executable, "-c", CLSCTL + ROUNDS, photos, model, backend, precision, batch
        ]
        for backend in options.backends.split(",")
        for precision in ("fp32", *filter(None, options.precision.split(",")))
        for batch in options.batches.split(",")
        if precision != "bf16" or backend != "onnxruntime"
    }  # fmt: skip
    bare = {"bare loop": [sys.executable, "-c", BARE + ROUNDS, photos, model]}
    peers = {
        f"PaddleX batch {batch}": [
            options.paddlex, "-c", PADDLEX + ROUNDS, photos, model, name, batch
        ]
        for batch in PEER_BATCHES
        if options.paddlex
    }  # fmt: skip
    return {key: [*map(str, command)] for key, command in (mine | bare | peers).items()}


def _measure(commands: dict[str, list[str]], rounds: int) -> dict[str, list[Round]]:
    with ExitStack() as stack:
        contenders = {
            key: stack.enter_context(_contender(command)) for key, command in commands.items()
        }
        for contender in contenders.values():
            next(contender)
        found: dict[str, list[Round]] = {key: [] for key in contenders}
        for _ in range(rounds):
            for key, contender in contenders.items():
                time.sleep(REST_S)
                found[key].append(next(contender))
    return found


@contextmanager
def _contender(command: Sequence[str]) -> Iterator[Iterator[Round]]:
    """Rounds of one process, each run when it is asked for."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield _rounds(process)
    finally:
        process.kill()
        process.wait()


def _rounds(process: subprocess.Popen[str]) -> Iterator[Round]:
    assert process.stdin is not None
    assert process.stdout is not None
    while True:
        process.stdin.write("go\n")
        process.stdin.flush()
        line = next(line for line in process.stdout if line.startswith("ROUND"))
        yield tuple(json.loads(line.removeprefix("ROUND")))


def _speed(rounds: Sequence[Round], images: int) -> float:
    """Images a second."""
    return images / statistics.median(seconds for seconds, _, _ in rounds)


def _best_peer(speed: dict[str, float]) -> str:
    peers = [key for key in speed if key.startswith("PaddleX")]
    return max(peers, key=speed.__getitem__, default="bare loop")


def _report(name: str, speed: dict[str, float], found: dict[str, list[Round]]) -> None:
    best = _best_peer(speed)
    images = len(found[best][0][2])
    print(f"\n{name}")
    for key, value in speed.items():
        same = sum(map(operator.eq, found[key][0][2], found[best][0][2]))
        lost = 100 * (1 - value / speed["bare loop"])
        busy = 1000 * statistics.median(r[1] for r in found[key]) / images
        print(
            f"  {key:27} {value:8.1f} images/s  {value / speed[best]:5.2f} of {best}"
            f"  {lost:5.1f} % lost"
            f"  {busy:6.2f} ms of processor  {same} of {images} top-5 the same",
            flush=True,
        )


def _print_rows(speeds: dict[str, dict[str, float]]) -> None:
    """Print a row for each model: each contender's images a second, and the ratio to the peer's."""
    first = next(iter(speeds.values()))
    kinds = [key for key in first if key.endswith(", auto")]
    titles = [key.removeprefix("clsctl ").removesuffix(", auto") for key in kinds]
    print(f"\n| images/s | {' | '.join(titles)} | {_best_peer(first).partition(' ')[0]} |")
    print("|---" * (len(titles) + 2) + "|")
    for name, speed in speeds.items():
        peer = speed[_best_peer(speed)]
        cells = [f"{speed[key]:.0f} ({speed[key] / peer:.2f})" for key in kinds]
        print(f"| {name} | {' | '.join(cells)} | {peer:.0f} |")


if __name__ == "__main__":
    main()
