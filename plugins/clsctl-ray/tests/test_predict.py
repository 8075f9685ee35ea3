"""`clsctl predict --executor ray` gives what the local executor gives, whoever is killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import models
import pictures
import pytest
from gates import Gate, ancestors, listening, processes
from PIL import Image

COUNT = 2000
BROKEN = 777
TIMEOUT = 240
RAY = ("--executor", "ray")
PATIENT = {"CLSCTL_TIMEOUT": str(TIMEOUT), "CLSCTL_INPUT_TIMEOUT": "0"}


def photo(number: int) -> bytes:
    return pictures.encoded(pictures.photo(12, 16, seed=number), "PNG")


def document(pages: int) -> bytes:
    first, *others = (Image.fromarray(pictures.photo(12, 16, seed=page)) for page in range(pages))
    return pictures.encoded(first, "TIFF", save_all=True, append_images=others)


def make_photos(folder: Path) -> None:
    """2,000 small images, one of them broken."""
    names = {f"{number:04}.png": photo(number) for number in range(COUNT)}
    names[f"{BROKEN:04}.png"] = photo(BROKEN)[:40]
    folder.mkdir()
    pictures.write(folder, names)


@pytest.fixture
def photos(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A folder of one's own with the images; `photos/` in the current folder."""
    once = models.once(tmp_path_factory, "photos", make_photos)
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in once.iterdir():
        (folder / path.name).hardlink_to(path)
    return folder


@pytest.fixture
def expected(tmp_path_factory, photos, clsctl, ready, tmp_path) -> str:
    """What the local executor says of them, as JSON lines."""

    def predict(path: Path) -> None:
        done = clsctl("predict", "photos", *on(ready), "-o", path)
        assert done.returncode == 7, done.stderr

    return models.once(tmp_path_factory, "expected.jsonl", predict).read_text("utf-8")


def on(model: Path) -> tuple[str, ...]:
    return ("--model-dir", str(model), "--backend", models.BACKEND)


@pytest.fixture
def begin(tmp_path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `clsctl ARGUMENTS`."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "clsctl", *map(str, arguments)]
            process = subprocess.Popen(
                command, cwd=tmp_path, stderr=subprocess.PIPE, env={**os.environ, **PATIENT}
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            guard = threading.Timer(TIMEOUT, process.kill)
            guard.start()
            stack.callback(guard.cancel)
            return process

        yield start


def listed(path: Path, **gates: Gate) -> str:
    """A list of all photos, some of them behind gates; as an argument."""
    names = (f"{number:04}" for number in range(COUNT))
    lines = [
        gates[f"_{name}"].url if f"_{name}" in gates else f"photos/{name}.png" for name in names
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"@{path}"


def without_gates(results: str, **gates: Gate) -> str:
    """The results with the names that the photos have in their folder."""
    for name, gate in gates.items():
        results = results.replace(gate.url, f"photos/{name[1:]}.png")
    return results


def rows(folder: Path, suffix: str = "jsonl") -> str:
    return "".join(path.read_text("utf-8") for path in sorted(folder.glob(f"part-*.{suffix}")))


def test_a_killed_worker_and_a_removed_node_lose_and_repeat_nothing(
    photos, expected, ready, two_nodes, begin, tmp_path
):
    """Two images are behind gates, so that it is known which worker is where when it is killed."""
    first, second = Gate(photo(1042)), Gate(photo(1542))
    gates = {"_1042": first, "_1542": second}
    job = begin(
        *(
            "predict",
            listed(tmp_path / "list.txt", **gates),
            *on(ready),
            *RAY,
            "--ray-address",
            two_nodes.address,
        ),
        *("--shard-size", "100", "-o", "out"),
    )
    os.kill(first.wait(job), signal.SIGKILL)
    first.wait(job)
    first.open()

    worker = second.wait(job)
    [node] = [
        node
        for node in two_nodes.worker_nodes
        if node.all_processes["raylet"][0].process.pid in ancestors(worker)
    ]
    two_nodes.remove_node(node, allow_graceful=False)
    second.wait(job)
    second.open()

    said = job.communicate()[1].decode()
    assert job.returncode == 7, said
    assert [line for line in said.splitlines() if "note" in line] == [
        "note: a worker was lost; its shard 10 is done again",
        "note: a worker was lost; its shard 15 is done again",
    ]
    assert without_gates(rows(tmp_path / "out"), **gates) == expected
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert (manifest["results"], manifest["errors"], len(manifest["shards"])) == (COUNT, 1, 20)


def test_a_killed_driver_is_resumed_by_the_files_that_are_complete(
    photos, expected, ready, cluster, begin, clsctl, call, tmp_path
):
    gate = Gate(photo(1542))
    listing = listed(tmp_path / "list.txt", _1542=gate)
    command = ("predict", listing, *on(ready), *RAY, "--ray-address", cluster.address)
    command += ("--workers", "1", "--shard-size", "500", "-o", "out")
    job = begin(*command)
    gate.wait(job)
    job.kill()
    job.wait()
    gate.open()
    out = tmp_path / "out"
    written = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert sorted(written) == [f"part-0000{number}.jsonl" for number in range(3)]
    assert not (out / "manifest.json").exists()
    with (out / "progress.jsonl").open("a") as stream:
        stream.write('{"file": "part-00')  # as if the kill had come in the middle of a line

    assert "'out' exists, and is never overwritten [E_EXISTS]" in call(*command).stderr
    other = call(*command, "--resume", "-k", 3)
    assert (other.returncode, "differs in topk (5, now 3)" in other.stderr) == (2, True)

    done = clsctl(*command, "--resume")
    assert done.returncode == 7, done.stderr
    assert without_gates(rows(out), _1542=gate) == expected
    assert {name: (out / name).stat().st_mtime_ns for name in written} == written

    again = call(*command, "--resume", "--ray-address", "127.0.0.1:1")
    assert "1 of 2000 inputs failed" in again.stderr  # and no cluster was needed for that
    assert (out / "manifest.json").exists()
    (tmp_path / "list.txt").write_text("photos/0001.png\n" + (tmp_path / "list.txt").read_text())
    other = call(*command, "--resume")
    assert "differs in the inputs of part-00000.jsonl" in other.stderr


def test_what_is_started_here_listens_on_loopback_and_gives_what_local_gives(
    ready, begin, clsctl, tmp_path
):
    pictures.write(
        tmp_path,
        {
            "mix/a.png": photo(1),
            "mix/b.png": b"\x89PNG\r\n\x1a\nbroken",
            "mix/c/deep.png": photo(2),
            "mix/d.tiff": document(pages=3),
        },
    )
    (tmp_path / "list.txt").write_text("mix/a.png\nnowhere.png\nmix/c\n")
    gate = Gate(photo(0))
    gate.open()
    inputs = ("mix", "@list.txt", "mix/*.png", gate.url)
    local = clsctl("predict", *inputs, *on(ready), "--format", "jsonl")
    url = f"file://{tmp_path}"
    (tmp_path / "urls.txt").write_text(f"{url}/mix/a.png\n{url}/nowhere.png\n")
    gate.shut()
    job = begin(
        *("predict", *inputs, f"{url}/mix", "@urls.txt", *on(ready), *RAY),
        *("--workers", "1", "--shard-size", "3", "-o", "out"),
    )
    worker = gate.wait(job)
    family = [pid for pid in processes() if job.pid in ancestors(pid)]
    assert worker in family
    assert listening(family) == {"0100007F", "0000000000000000FFFF00000100007F"}
    gate.open()
    assert job.wait() == 7

    *found, here, nowhere = map(json.loads, rows(tmp_path / "out").splitlines())
    expected = list(map(json.loads, local.stdout.splitlines()))
    assert found[: len(expected)] == expected
    folder = local.stdout.replace('": "mix/', f'": "{url}/mix/').splitlines()[:6]
    assert found[len(expected) :] == list(map(json.loads, folder))
    assert here == found[len(expected)]
    assert nowhere["error"]["code"] == "E_INPUT_MISSING"


def test_the_manifest_tells_every_file_and_its_inputs(ready, cluster, clsctl, tmp_path):
    names = ("a.png", "b.png", "c.tiff", "d.png", "e.png")
    contents = [photo(0), b"", document(pages=2), photo(1), photo(2)]
    pictures.write(tmp_path / "few", dict(zip(names, contents, strict=True)))
    local = clsctl("predict", "few", *on(ready), "-k", 2, "--threshold", 0.2, "-o", "local.csv")
    done = clsctl(
        *("predict", "few", *on(ready), *RAY, "--ray-address", cluster.address),
        *("-k", 2, "--threshold", 0.2, "--format", "csv", "--shard-size", 2, "-o", "out"),
    )
    assert done.returncode == local.returncode == 7
    failed = "error: 1 of 6 inputs failed [E_SOME_INPUTS_FAILED]"
    assert done.stderr.splitlines()[-1] == local.stderr.splitlines()[-1] == failed
    out = tmp_path / "out"
    manifest = json.loads((out / "manifest.json").read_text())
    shards = manifest.pop("shards")
    assert [(s["first"], s["last"], s["inputs"], s["results"], s["errors"]) for s in shards] == [
        ("few/a.png", "few/b.png", 2, 2, 1),
        ("few/c.tiff", "few/d.png", 2, 3, 0),
        ("few/e.png", "few/e.png", 1, 1, 0),
    ]
    for shard in shards:
        content = (out / shard["file"]).read_bytes()
        assert shard["size"] == len(content)
        assert shard["sha256"] == hashlib.sha256(content).hexdigest()
    assert {key: manifest[key] for key in ("model", "topk", "threshold", "format")} == {
        "model": models.NAME,
        "topk": 2,
        "threshold": 0.2,
        "format": "csv",
    }
    header, *lines = (tmp_path / "local.csv").read_text().splitlines(keepends=True)
    assert rows(out, "csv").replace(header, "") == "".join(lines)


def test_results_that_come_back_one_by_one(ready, cluster, clsctl, tmp_path):
    """Images of one name in different shards are saved to files of their own."""
    names = [f"{number}/same.png" for number in range(3)]
    pictures.write(tmp_path / "few", {name: photo(seed) for seed, name in enumerate(names)})
    command = ("predict", "few", *on(ready), "--format", "jsonl", "--sort-into")
    local = clsctl(*command, "local", "--save-img", "local-images")
    ray = (*RAY, "--ray-address", cluster.address, "--shard-size", "1")
    done = clsctl(*command, "ray", "--save-img", "ray-images", *ray)
    assert (done.returncode, done.stdout, done.stderr) == (0, local.stdout, "")
    for folder in ("local", "local-images"):
        here, there = tmp_path / folder, tmp_path / folder.replace("local", "ray")
        names = sorted(path.relative_to(here) for path in here.rglob("*.png"))
        assert len(names) == 3
        for name in names:
            assert (there / name).read_bytes() == (here / name).read_bytes()


def test_parquet_files(ready, cluster, clsctl, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pictures.write(tmp_path / "few", {f"{seed}.png": photo(seed) for seed in range(5)})
    local = clsctl("predict", "few", *on(ready), "-o", "local.parquet")
    assert local.returncode == 0, local.stderr
    ray = (*RAY, "--ray-address", cluster.address, "--shard-size", "2")
    done = clsctl("predict", "few", *on(ready), *ray, "--format", "parquet", "-o", "out")
    assert done.returncode == 0, done.stderr
    tables = [parquet.read_table(path).to_pylist() for path in sorted(tmp_path.glob("out/part-*"))]
    assert [len(table) for table in tables] == [2, 2, 1]
    assert [row for table in tables for row in table] == parquet.read_table(
        tmp_path / "local.parquet"
    ).to_pylist()


def test_an_image_that_kills_its_worker_again_and_again_ends_the_job(
    ready, cluster, begin, tmp_path
):
    pictures.write(tmp_path / "few", {"0.png": photo(0)})
    gate = Gate(photo(1))
    ray = (*RAY, "--ray-address", cluster.address, "--workers", "1")
    job = begin("predict", "few", gate.url, *on(ready), *ray, "-o", "out")
    for _ in range(3):
        os.kill(gate.wait(job), signal.SIGKILL)
    said = job.communicate()[1].decode()
    assert job.returncode == 6
    assert "worker after worker was lost at shard 0, from few/0.png: " in said
    assert "E_WORKER_LOST" in said


def test_addresses_where_there_is_no_cluster(ready, call, tmp_path):
    pictures.write(tmp_path, {"a.png": photo(0)})
    done = call("predict", "a.png", *on(ready), *RAY, "--ray-address", "127.0.0.1:1")
    assert done.returncode == 6
    assert "error: there is no Ray cluster at '127.0.0.1:1': " in done.stderr


def test_images_that_arrive_over_time_are_for_the_local_executor(ready, call, tmp_path):
    done = call("predict", tmp_path, *on(ready), *RAY, "--watch")
    assert done.returncode == 2
    assert "--watch needs an executor that answers at once, which ray does not" in done.stderr
    assert "hint: use --executor local" in done.stderr


def test_a_folder_that_cannot_be_written(ready, call, tmp_path):
    pictures.write(tmp_path, {"a.png": photo(0), "file": b""})
    done = call("predict", "a.png", *on(ready), *RAY, "-o", "file/out")
    assert done.returncode == 2
    assert "cannot write file/out: Not a directory [E_OUTPUT]" in done.stderr
