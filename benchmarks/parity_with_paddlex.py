"""The same awkward images through PaddleX and clsctl, on one model directory.

    python benchmarks/parity_with_paddlex.py PADDLEX_PYTHON

PADDLEX_PYTHON is the interpreter of an environment with `paddlex[base]==3.7.2` and
`paddlepaddle==3.3.1`; this script runs in clsctl's own. The model is PP-LCNet_x1_0 with the weights
of the golden rule, its logits stretched for answers to vary, exported by clsctl; PaddleX loads what
clsctl wrote. Prints what PaddleX did where it gave no answer, and where both gave one, the
differences and their sum.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

import models
import pictures
from PIL import Image

MODEL = "PP-LCNet_x1_0"
PEER = """
import json, sys
from paddlex import create_model
model = create_model(model_name=sys.argv[1], model_dir=sys.argv[2])
for path in sys.argv[3:]:
    try:
        results = list(model.predict(path, batch_size=1))
        ids, scores = results[0]["class_ids"], results[0]["scores"]
        ids = ids[0] if hasattr(ids[0], "__len__") else ids
        row = [[int(i) for i in ids], [float(s) for s in scores]]
    except BaseException as error:
        row = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    print("ROW" + json.dumps([path, row]), flush=True)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models.export_golden(folder / "model", MODEL)
        files = _write_pictures(folder / "pictures")
        peer = _paddlex(sys.argv[1], folder / "model", files)
        for backend in ("paddle", "onnxruntime"):
            _compare(backend, peer, _clsctl(folder / "model", files, backend))


def _write_pictures(folder: Path) -> list[str]:
    folder.mkdir()
    damaged = {name: content for name, (content, _) in pictures.damaged().items()}
    turned = {f"turned-{i}.jpg": pictures.oriented("JPEG", i) for i in pictures.ORIENTATIONS}
    sizes = {
        f"{width}x{height}.jpg": pictures.encoded(pictures.photo(height, width, width), "JPEG")
        for width, height in ((1, 1), (1, 300), (255, 257), (256, 256), (640, 427), (3000, 2001))
    }
    second = [Image.fromarray(pictures.photo(seed=1))]
    pages = pictures.encoded(pictures.photo(), "TIFF", save_all=True, append_images=second)
    everything = {
        **pictures.lossless(),
        **pictures.lossless_grey(),
        **pictures.lossy(),
        **turned,
        **sizes,
        "pages.tiff": pages,
        "照片 1.png": pictures.encoded(pictures.photo(seed=5), "PNG"),
        **damaged,
    }
    return [str(path) for path in pictures.write(folder, everything).values()]


def _paddlex(python: str, model: Path, files: list[str]) -> dict[str, object]:
    command = [python, "-c", PEER, MODEL, str(model), *files]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    lines = [line[3:] for line in output.splitlines() if line.startswith("ROW")]
    return dict(map(json.loads, lines))


def _clsctl(model: Path, files: list[str], backend: str) -> dict[str, dict[str, object]]:
    command = [sys.executable, "-m", "clsctl", "predict", *files, "--model-dir", str(model)]
    command += ["--backend", backend, "--format", "jsonl"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    records = [json.loads(line) for line in output.splitlines()]
    # Of several pages the first one: what PaddleX gives first.
    return {record["input_path"]: record for record in reversed(records)}


def _compare(backend: str, peer: dict[str, object], mine: dict[str, dict[str, object]]) -> None:
    worst, answered, same_ids = 0.0, 0, 0
    print(f"\n{backend}")
    for path, theirs in peer.items():
        record, name = mine[path], Path(path).name
        if isinstance(theirs, str) or "error" in record:
            ours = record["error"]["code"] if "error" in record else "classified"
            print(f"  {name:32} PaddleX: {str(theirs)[:60]:62} clsctl: {ours}")
            continue
        ids, scores = theirs
        difference = max(abs(a - b) for a, b in zip(scores, record["scores"], strict=True))
        answered, worst = answered + 1, max(worst, difference)
        same_ids += ids == record["class_ids"]
        if difference > 1e-5 or ids != record["class_ids"]:
            print(f"  {name:32} {difference:.1e}  {ids} {record['class_ids']}")
    print(f"  both answered {answered}: same ids {same_ids}, largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
