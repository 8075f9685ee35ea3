"""Requests a second of `clsctl serve` and of PaddleX's server, in turn, on the same model.

    python benchmarks/serve.py [--paddlex PYTHON] [--also OPTIONS] [--seconds N] [--rounds N]
                               [MODEL]

The model has weights by the golden rule; both servers load the same directory. PaddleX
(`paddlex[base,serving]==3.7.2`, `paddlepaddle==3.3.1`, in the environment whose interpreter is
given) as released answers 500 to every image, because its class ids come nested; here one line is
changed in its process, so that it answers. wrk sends one JPEG of 100 KB as base64, without
asking for the drawn image, over 1, 8 and 32 connections; A B A B, medians. Printed too is the
processor's time for a request, which tells the work apart from waiting on a machine that is not
idle, and what `clsctl predict` does on a folder of as many copies of the same JPEG. `--also` adds a
second clsctl server with other options, such as `--also "--workers 2"`.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

import models
import numpy as np
from PIL import Image

CONNECTIONS = (1, 8, 32)
COPIES = 400
EXAMPLE = Path(__file__).parents[1] / "examples/coffee.png"
PATH = "/image-classification"
PADDLEX = """
import sys
from paddlex.inference import create_pipeline, load_pipeline_config
from paddlex.inference.models.image_classification.processors import Topk
from paddlex.inference.serving.basic_serving import create_pipeline_app, run_server
folder, name, port = sys.argv[1:]
config = load_pipeline_config("image_classification")
config["SubModules"]["ImageClassification"].update(model_name=name, model_dir=folder)
nested = Topk.__call__
def flat(self, *args, **options):
    ids, scores, names = nested(self, *args, **options)
    return ids.tolist(), scores, names
Topk.__call__ = flat
app = create_pipeline_app(create_pipeline(config=config), config)
run_server(app, host="127.0.0.1", port=int(port))
"""


class Server(NamedTuple):
    """A server that runs."""

    url: str
    pid: int

    def processor_seconds(self) -> float:
        """What it and the processes that it started have taken of the processor so far."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(map(_processor_seconds, [self.pid, *children]))


class Measured(NamedTuple):
    """Requests a second, milliseconds, of the processor too, and answers that were no 200."""

    rate: float
    median: float
    p99: float
    processor: float
    failed: int


def _processor_seconds(pid: int | str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        model = folder / options.model
        models.export_golden(model, options.model)
        photo = _photo()
        script = _wrk_script(folder, photo)
        print(
            f"{options.model}, a JPEG of {len(photo) / 1000:.0f} KB, load {os.getloadavg()[0]:.1f}"
        )
        servers = {"clsctl": stack.enter_context(_clsctl(model))}
        if options.also:
            servers["also"] = stack.enter_context(_clsctl(model, *options.also.split()))
        if options.paddlex:
            command = [options.paddlex, "-c", PADDLEX, str(model), options.model]
            servers["PaddleX"] = stack.enter_context(_paddlex(command))
        _compare_answers(servers, photo)
        found = _measure(servers, script, options)
        rates = [_predict_rate(folder, model, photo) for _ in range(options.rounds)]
        _report(found, *map(statistics.median, zip(*rates, strict=True)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare clsctl serve with PaddleX's server")
    parser.add_argument("model", nargs="?", default="PP-LCNet_x1_0")
    parser.add_argument("--paddlex", help="Python of an environment with PaddleX")
    parser.add_argument("--also", help="options of a second clsctl server to compare with")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _photo() -> bytes:
    """About 100 KB, 640 x 480."""
    image = Image.open(EXAMPLE).convert("RGB").resize((640, 480))
    noisy = np.asarray(image) + np.random.default_rng(0).normal(0, 8, (480, 640, 3))
    stream = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=89)
    return stream.getvalue()


def _wrk_script(folder: Path, photo: bytes) -> Path:
    body = folder / "body.json"
    asked = {"image": base64.b64encode(photo).decode(), "topk": 5, "visualize": False}
    body.write_text(json.dumps(asked))
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.body = io.open("{body}"):read("*a")\n'
    )
    return script


@contextmanager
def _clsctl(model: Path, *more: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "clsctl", "serve", "--model-dir", model, "--port", "0", *more]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield Server(process.stdout.readline().split()[-1], process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def _paddlex(command: list[str]) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(f"{url}/health", process)
        yield Server(url, process.pid)
    finally:
        process.kill()
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    while True:
        try:
            urllib.request.urlopen(url).close()
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "PaddleX's server does not start"
            time.sleep(0.5)
        else:
            return


def _compare_answers(servers: dict[str, Server], photo: bytes) -> None:
    asked = {"image": base64.b64encode(photo).decode(), "topk": 5, "visualize": False}
    answers = {}
    for name, server in servers.items():
        request = urllib.request.Request(
            server.url + PATH, json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            answers[name] = json.load(response)["result"]["categories"]
    for name, categories in answers.items():
        print(f"  {name:8}", [(one["id"], round(one["score"], 5)) for one in categories])


def _measure(
    servers: dict[str, Server], script: Path, options: argparse.Namespace
) -> dict[tuple[str, int], list[Measured]]:
    found: dict[tuple[str, int], list[Measured]] = {}
    for server in servers.values():
        _wrk(server, script, 8, 2)
    for connections in CONNECTIONS:
        for _ in range(options.rounds):
            for name, server in servers.items():
                measured = _wrk(server, script, connections, options.seconds)
                found.setdefault((name, connections), []).append(measured)
    return found


def _wrk(server: Server, script: Path, connections: int, seconds: int) -> Measured:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "--timeout", "30"]
    before = server.processor_seconds()
    done = subprocess.run(
        [*command, "-s", str(script), server.url + PATH], capture_output=True, text=True, check=True
    )
    text = done.stdout
    seconds = server.processor_seconds() - before
    requests = int(re.search(r"(\d+) requests in", text)[1])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Measured(
        float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        _milliseconds(re.search(r"\n\s+50%\s+(\S+)", text)[1]),
        _milliseconds(re.search(r"\n\s+99%\s+(\S+)", text)[1]),
        1000 * seconds / requests,
        int(failed[1]) if failed else 0,
    )


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def _predict_rate(folder: Path, model: Path, photo: bytes) -> tuple[float, float]:
    """Images a second of `clsctl predict`, and milliseconds of the processor for one.

    Its start does not count: what it takes for a short folder is taken off.
    """
    seconds, used = {}, {}
    for count in (COPIES // 10, COPIES):
        images = folder / f"photos-{count}"
        images.mkdir(exist_ok=True)
        for number in range(count):
            (images / f"{number:04}.jpg").write_bytes(photo)
        begun, before = time.perf_counter(), _children_seconds()
        command = [sys.executable, "-m", "clsctl", "predict", images, "--model-dir", model]
        subprocess.run([*command, "--format", "jsonl"], capture_output=True, check=True)
        seconds[count] = time.perf_counter() - begun
        used[count] = _children_seconds() - before
    images, short = COPIES - COPIES // 10, COPIES // 10
    return images / (seconds[COPIES] - seconds[short]), 1000 * (used[COPIES] - used[short]) / images


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _report(found: dict[tuple[str, int], list[Measured]], predict: float, processor: float) -> None:
    rates = {key: statistics.median(one.rate for one in rounds) for key, rounds in found.items()}
    for (name, connections), rounds in found.items():
        _, median, p99, used, _ = map(statistics.median, zip(*rounds, strict=True))
        rate = rates[name, connections]
        peer = rates.get(("PaddleX", connections))
        ratio = f"{rate / peer:5.2f} of PaddleX" if peer else ""
        failed = sum(one.failed for one in rounds)
        print(
            f"  {name:8} {connections:3} connections {rate:7.1f} requests/s  p50 {median:7.1f} ms"
            f"  p99 {p99:7.1f} ms  processor {used:5.2f} ms  {ratio}"
            f"  {rate / predict:5.2f} of predict  {failed} failed"
        )
    print(f"  clsctl predict {predict:.1f} images/s, processor {processor:.2f} ms an image")
    print(f"  load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
