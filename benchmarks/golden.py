"""Every network of the catalog against its reference: names, logits, export, ONNX, OpenVINO.

    python benchmarks/golden.py [--force] [NAME ...]

Writes docs/reference/networks.md, row by row, and leaves rows that are there already, so an
interrupted run resumes where it stopped; `--force` begins again. Every network runs in a process of
its own. The weights and images are those of tests/golden, by rule and not trained. Without the
package `openvino` its column stays empty.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "reference" / "networks.md"
sys.path.insert(0, str(ROOT / "tests"))

HEAD = """\
# The 80 networks, checked

`make golden` writes this page. Each network is built, filled with the weights of its reference in
`tests/golden` (given by a rule, not trained), run on the reference images, exported and converted.

- **Parameters** and **GMACs** (multiply-accumulates, for one image of the given size) are counted
  on the network itself. Parameters include the statistics of batch normalisation.
- **Logits**: the largest difference to the reference's logits, in units of their standard
  deviation, and what is tolerated: five times what rounding to 32 bits costs, or 1e-5.
- **Paddle**, **ONNX Runtime**, **OpenVINO**: the largest difference of any class's log-probability
  between the network and its exported form. ONNX Runtime's is the figure of the gate that every
  conversion has to pass: at most {limit:g} from the exported model in Paddle, on several inputs.

| Network | Input | Parameters, M | GMACs | Logits: error / tolerated | Paddle | ONNX Runtime \
| OpenVINO |
|---|---:|---:|---:|---:|---:|---:|---:|
"""


def main() -> int:
    from golden_rules import NAMES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="these networks only")
    parser.add_argument("--force", action="store_true", help="also those that have a row already")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.names or NAMES
    if arguments.child:
        print(json.dumps(facts(names[0])))
        return 0
    rows = read_rows()
    todo = names if arguments.force else [name for name in names if name not in rows]
    failed = []
    for number, name in enumerate(todo, start=1):
        print(f"{number}/{len(todo)} {name}", end=" ", flush=True)
        row = checked(name)
        print("ok" if row else "FAILED")
        if row:
            rows[name] = row
            write_rows(rows)
        else:
            failed.append(name)
    print(f"{len(rows)} of {len(NAMES)} networks are in {TABLE}")
    return bool(failed)


def checked(name: str) -> str:
    """The network's row; empty where a check failed, after saying why."""
    child = subprocess.run(
        [sys.executable, __file__, "--child", name], capture_output=True, text=True, check=False
    )
    if child.returncode:
        print((child.stderr.strip().splitlines() or ["it crashed"])[-1], end=" ")
        return ""
    found = json.loads(child.stdout.splitlines()[-1])
    if not found["error"] <= found["tolerance"]:
        print(f"logits differ by {found['error']:.1e}", end=" ")
        return ""
    cells = (
        f"`{name}`",
        f"{found['size']}",
        f"{found['parameters'] / 1e6:.2f}",
        f"{found['macs'] / 1e9:.2f}",
        f"{found['error']:.1e} / {found['tolerance']:.1e}",
        *("" if found[form] is None else f"{found[form]:.1e}" for form in FORMS),
    )
    return f"| {' | '.join(cells)} |"


# ---- in the child ------------------------------------------------------------------------------


def facts(name: str) -> dict[str, Any]:
    """What is measured of one network, by name.

    Raises:
        AssertionError: Its state_dict is not the published one.
        ModelError: It does not pass the conversion's gate.
    """
    import paddle
    from golden_rules import make_input, manifest, relative_error, state_of, tolerance

    from clsctl.networks.build import build
    from clsctl.networks.flops import macs, parameters

    expected = manifest(name)
    network = build(name)
    assert state_of(network) == expected["state_dict"], "the state_dict is not the published one"
    error = relative_error(network, name)
    images = make_input(expected["input_seed"], expected["input_shape"])
    with paddle.no_grad():
        scores = paddle.nn.functional.softmax(network(paddle.to_tensor(images))).numpy()
    with tempfile.TemporaryDirectory() as folder:
        differences = exported_differences(network, name, Path(folder), images, scores)
    shape = expected["input_shape"][1:]
    return {
        "size": shape[-1],
        "parameters": parameters(network),
        "macs": macs(network, shape),
        "error": error,
        "tolerance": tolerance(name),
        **differences,
    }


def exported_differences(
    network: Any, name: str, folder: Path, images: Any, scores: Any
) -> dict[str, float | None]:
    """How far each exported form is from the network, by the form's name."""
    from clsctl.exporting.network import export_network
    from clsctl.images.preprocess import transform_ops
    from clsctl.models.catalog import get_entry
    from clsctl.models.directory import read_model_dir
    from clsctl.models.imagenet_labels import imagenet_labels

    preprocessing = get_entry(name).preprocessing
    transforms, labels = transform_ops(preprocessing), imagenet_labels()
    export_network(network, folder, name, transforms, labels, preprocessing.input_size)
    spec = read_model_dir(folder)
    return {form: difference(spec, images, scores) for form, difference in FORMS.items()}


def in_paddle(spec: Any, images: Any, scores: Any) -> float:
    from clsctl.inference.paddle_session import PaddleSession
    from clsctl.values import DeviceId, Placement

    return log_difference(PaddleSession(spec, Placement(DeviceId("cpu"), 1)).run(images), scores)


def in_onnxruntime(spec: Any, images: Any, scores: Any) -> float:
    from clsctl.inference.convert import convert
    from clsctl.inference.onnx_session import COMPILED
    from clsctl.values import DeviceId, Placement

    return convert(COMPILED, spec, Placement(DeviceId("cpu"), 1), spec.directory / "model.onnx")


def in_openvino(spec: Any, images: Any, scores: Any) -> float | None:
    if find_spec("openvino") is None:
        return None
    import openvino

    from clsctl.inference.paddle2onnx import onnx_bytes

    # Not the product's file: that one is fused for ONNX Runtime and nothing else reads it.
    core = openvino.Core()
    graph = core.read_model(onnx_bytes(spec))
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    model = core.compile_model(graph, "CPU", options)
    return log_difference(model(images)[0], scores)


def log_difference(theirs: Any, ours: Any) -> float:
    import numpy as np

    theirs, ours = (np.log(np.maximum(values, 1e-6)) for values in (theirs, ours))
    return float(np.abs(theirs - ours).max())


FORMS: dict[str, Callable[[Any, Any, Any], float | None]] = {
    "paddle": in_paddle,
    "onnxruntime": in_onnxruntime,
    "openvino": in_openvino,
}


# ---- the page ----------------------------------------------------------------------------------


def read_rows() -> dict[str, str]:
    if not TABLE.exists():
        return {}
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return {line.split("`")[1]: line for line in lines if line.startswith("| `")}


def write_rows(rows: dict[str, str]) -> None:
    from clsctl.inference.parity import LIMIT

    TABLE.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{rows[name]}\n" for name in sorted(rows)]
    part = TABLE.with_suffix(".part")
    part.write_text(HEAD.format(limit=LIMIT) + "".join(lines), encoding="utf-8")
    part.replace(TABLE)


if __name__ == "__main__":
    sys.exit(main())
