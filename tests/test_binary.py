"""The one-file build, in a root folder that has no Python: `make binary`, then these.

tests/test_launcher.py tries its beginning, which unpacks it, without building all of it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from distributions import fatal_wheel, hello_wheel
from empty_root import empty_root, enter
from paths import EXAMPLES, ROOT
from PIL import Image
from tiny_training import MODEL, OPTIONS, write_dataset

from clsctl.values import __version__

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        platform.system() != "Linux" or os.geteuid() != 0,
        reason="only root may enter a root folder",
    ),
]

UNPACKED = "note: unpacking clsctl"


class Machine:
    """A root folder with the file in it as /bin/clsctl."""

    def __init__(self, root: Path, file: Path) -> None:
        self.root = root
        shutil.copy2(file, root / "bin" / "clsctl")

    def start(self, *words: str, **options: object) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return subprocess.Popen(enter(self.root, *words), start_new_session=True, **pipes)

    def run(self, *words: str, status: int = 0) -> tuple[str, str]:
        process = self.start("clsctl", *words)
        out, err = process.communicate(timeout=600)
        assert process.returncode == status, err
        return out, err

    @property
    def cache(self) -> Path:
        return self.root / "root" / ".cache" / "clsctl" / "one-file" / "clsctl"

    def forget(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)


def file_of(flavour: str) -> Path:
    file = ROOT / "dist" / f"{flavour}-{__version__}-linux-{platform.machine()}"
    if not file.exists():
        pytest.fail(f"there is no {file}; `make binary` makes it")
    return file


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with empty_root(tmp_path_factory.mktemp("root")) as root:
        shutil.copytree(EXAMPLES, root / "photos")
        Image.open(EXAMPLES / "coffee.png").save(root / "photos" / "coffee.tiff")
        write_dataset(root / "data")
        yield root


@pytest.fixture(scope="module")
def machine(root: Path) -> Machine:
    return Machine(root, file_of("clsctl"))


def test_there_is_no_python_in_that_root(root):
    folders = [folder for folder in root.iterdir() if folder.name != "proc"]
    assert not [path for folder in folders for path in folder.rglob("python*") if path.is_file()]


def test_it_unpacks_itself_once(machine):
    machine.forget()
    assert UNPACKED in machine.run("--version")[1]
    assert machine.run("--version") == (f"clsctl {__version__}\n", "")
    assert [path.name.startswith(__version__) for path in machine.cache.iterdir()] == [True]


def test_predict(machine):
    """Converts the model, and decodes a TIFF, in child processes."""
    photos = ("/photos/coffee.png", "/photos/coffee.tiff")
    out, _ = machine.run("predict", *photos, "--format", "json", "--backend", "onnxruntime")
    assert [page["label_names"][0] for page in json.loads(out)] == ["espresso"] * 2


def test_backends_are_measured(machine):
    _, err = machine.run("predict", "/photos", "-m", "EfficientNet-Lite0", "--backend", "auto")
    assert re.search(r"onnxruntime [\d.]+ ms, paddle [\d.]+ ms an image; taking", err)


def test_models_list(machine):
    assert len(machine.run("models", "list", "--format", "csv")[0].splitlines()) > 80


def test_train_and_export(machine):
    machine.run("train", "-m", MODEL, "-d", "/data", "-o", "/run", *OPTIONS)
    machine.run("export", "--weights", "/run", "-o", "/exported", "--to", "onnx")
    assert (machine.root / "exported" / "inference.onnx").is_file()


def test_train_in_two_processes(machine):
    words = ("train", "-m", MODEL, "-d", "/data", "-o", "/run2", *OPTIONS)
    machine.run(*words, "--processes", "2", "--device", "cpu")
    assert (machine.root / "run2").is_dir()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve(machine, workers):
    words = ("serve", "-m", "EfficientNet-Lite0", "--port", "0", "--workers", workers)
    server = machine.start("clsctl", *words)
    try:
        lines = iter(server.stdout.readline, "")
        url = next(found[0] for line in lines if (found := re.search(r"http://[\d.:]+", line)))
        photo = (EXAMPLES / "coffee.png").read_bytes()
        answer = httpx.post(f"{url}/v1/models/EfficientNet-Lite0:classify", content=photo)
        assert "espresso" in answer.text
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=60)


def test_plugins_go_into_a_folder_of_the_user_s(machine, tmp_path):
    wheel, fatal = hello_wheel(tmp_path), fatal_wheel(tmp_path)
    shutil.copy2(fatal, machine.root / "tmp")
    _, err = machine.run("plugins", "install", f"/tmp/{fatal.name}", "--offline", status=2)
    assert "[E_PLUGIN_FATAL]" in err
    shutil.copy2(wheel, machine.root / "tmp")
    out, _ = machine.run("plugins", "install", f"/tmp/{wheel.name}", "--offline")
    assert out == "installed clsctl-hello\nclsctl-hello adds commands: hello\n"
    assert machine.run("hello")[0] == "hello\n"
    folder = machine.root / "root" / ".local" / "share" / "clsctl" / "plugins"
    assert len(list(folder.rglob("clsctl_hello.py"))) == 1
    assert not list(folder.rglob("clsctl_fatal*"))
    machine.run("plugins", "remove", "clsctl-hello")
    assert not list(folder.rglob("clsctl_hello.py"))
    _, err = machine.run("plugins", "remove", "serve", status=2)
    assert "clsctl-serve is part of this clsctl" in err


def test_the_light_flavour_runs_what_was_exported(machine, tmp_path):
    if not (machine.root / "exported").exists():
        test_train_and_export(machine)
    light = Machine(machine.root, file_of("clsctl-light"))
    out, _ = light.run("predict", "/photos", "-m", "/exported/inference.onnx", "--format", "json")
    assert {tuple(sorted(page["label_names"])) for page in json.loads(out)}
    _, err = light.run("train", "-m", MODEL, "-d", "/data", status=6)
    assert "PaddlePaddle" in err
