"""The other kinds of extension, each a single file: what reads, writes, runs, trains and lists."""

from __future__ import annotations

import json
import shutil

import made_plugins
import pictures
import pytest
import tiny_training

WRITER = """
from clsctl.plugin import StoredResult, Writer, hookimpl


class Lines:
    def __init__(self, stream):
        self.stream = stream

    def write(self, result):
        best = result.error.code if result.error else result.class_ids[0]
        self.stream.write(f"{result.input_path}|{best}\\n")

    def close(self):
        pass


def read(stream):
    end = 0
    for line in stream:
        if line.endswith(b"\\n"):
            end += len(line)
            path, _, best = line.decode().rstrip().rpartition("|")
            yield StoredResult(end, path, None, best.startswith("E_"))


@hookimpl
def clsctl_writers():
    return [Writer("bar", "A path, a bar and the best class.", Lines, read)]
"""

EXECUTOR = """
from typing import Annotated

import typer

from clsctl.plugin import Executor, hookimpl
from clsctl.prediction.job import run_job


class Options:
    def __init__(self, greeting: Annotated[str, typer.Option(help="What to say.")] = "hello"):
        self.greeting = greeting


def run(job):
    print(job.options.greeting)
    return run_job(job)


@hookimpl
def clsctl_executors():
    return [Executor("polite", "Here, after a greeting.", run, options=Options)]
"""

MODELS = """
import shutil
from pathlib import Path

from paddle import nn

from clsctl.networks.base import Network
from clsctl.plugin import (
    Architecture, Artifact, Catalog, ModelEntry, Preprocessing, WeightSource, hookimpl,
)

SIDE = Preprocessing(resize_short=32, crop=32)


class Small(Network):
    num_features = 4
    head_name = "fc"

    def __init__(self, num_classes=1000):
        super().__init__()
        self.conv = nn.Conv2D(3, 4, 3, stride=4)
        self.fc = nn.Linear(4, num_classes)

    def forward_features(self, x):
        return self.conv(x)

    def forward_head(self, x, pre_logits=False):
        pooled = x.mean([2, 3])
        return pooled if pre_logits else self.fc(pooled)

    def stage_prefixes(self):
        return {"stem": ("conv",), "head": ("fc",)}


def fetch(request):
    folder = Path(request.url.partition("//")[2])
    return shutil.copytree(folder, request.workdir / "model", dirs_exist_ok=True)


def entries():
    artifact = Artifact("shelf://" + FOLDER)
    yield ModelEntry("Small", "Small", "One convolution.", "shelf", SIDE, SIDE)
    shelved = ("OnTheShelf", "Small", "From a shelf.", "shelf", SIDE, SIDE, artifact)
    yield ModelEntry(*shelved, top1=99.0)


@hookimpl
def clsctl_architectures():
    return [Architecture("Small", "One convolution.", Small)]


@hookimpl
def clsctl_catalogs():
    return [Catalog("shelf", "What lies on the shelf.", entries)]


@hookimpl
def clsctl_weight_sources():
    return [WeightSource("shelf", "A folder.", ("shelf",), fetch, local=True)]
"""

CALLBACK = """
from clsctl.plugin import TrainCallback, hookimpl


class Diary:
    def __init__(self, run):
        self.file = run / "diary.txt"

    def epoch_started(self, epoch, batches):
        pass

    def step(self, info):
        pass

    def epoch_ended(self, info):
        with self.file.open("a") as stream:
            stream.write(f"epoch {info.epoch}\\n")

    def close(self):
        pass


@hookimpl
def clsctl_train_callbacks():
    return [TrainCallback("diary", "A line an epoch.", Diary)]
"""

COMMAND = """
from typing import Annotated

import typer

from clsctl.plugin import Command, hookimpl


def shout(word: Annotated[str, typer.Argument(metavar="WORD", help="What to shout.")]) -> None:
    \"\"\"Say it loudly.\"\"\"
    print(word.upper())


@hookimpl
def clsctl_commands():
    return [Command("models shout", "Say a model's name loudly.", shout)]
"""


@pytest.fixture
def photos(tmp_path):
    content = {f"{n}.png": pictures.encoded(pictures.photo(seed=n), "PNG") for n in range(3)}
    pictures.write(tmp_path / "photos", content)
    return tmp_path / "photos"


def test_a_writer_that_resumes(clsctl, tmp_path, photos, ready):
    env = made_plugins.install(tmp_path / "site", "bars", WRITER)
    predict = ["predict", photos, "--model-dir", ready, "-o", "out.bar"]
    assert clsctl(*predict, env=env).returncode == 0
    whole = (tmp_path / "out.bar").read_text()
    assert [line.rpartition("|")[0] for line in whole.splitlines()] == [
        str(photos / f"{n}.png") for n in range(3)
    ]
    first, cut = whole.splitlines(keepends=True)[0], whole.splitlines()[1][:-3]
    (tmp_path / "out.bar").write_text(first + cut)
    done = clsctl(*predict, "--resume", env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.bar").read_text() == whole


def test_an_executor(clsctl, tmp_path, photos, ready):
    env = made_plugins.install(tmp_path / "site", "manners", EXECUTOR)
    predict = ["predict", photos, "--model-dir", ready, "--format", "jsonl"]
    here = clsctl(*predict)
    there = clsctl(*predict, "--executor", "polite", "--greeting", "good day", env=env)
    assert there.stdout == f"good day\n{here.stdout}"


def test_a_weight_source_and_a_catalog(clsctl, tmp_path, photos, tiny, tiny_cache, home):
    shelf = shutil.copytree(tiny, tmp_path / "shelf")
    settings = (shelf / "inference.yml").read_text("utf-8")
    renamed = settings.replace("MobileNetV1_x0_25", "OnTheShelf")
    (shelf / "inference.yml").write_text(renamed, "utf-8")
    (shelf / "clsctl.json").unlink(missing_ok=True)
    source = MODELS.replace("FOLDER", repr(str(shelf)))
    env = made_plugins.install(tmp_path / "site", "shelves", source)
    listed = clsctl("models", "list", "--family", "Small", "--format", "json", env=env)
    assert {entry["name"] for entry in json.loads(listed.stdout)} == {"Small", "OnTheShelf"}
    # Without -m, what needs no network is taken.
    done = clsctl("predict", photos, "--format", "jsonl", env=env)
    assert done.returncode == 0, done.stderr
    assert (home / "models/OnTheShelf/inference/inference.yml").is_file()
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.usefixtures("one_thread")
def test_an_architecture_that_trains_and_a_callback(clsctl, tmp_path):
    env = made_plugins.install(tmp_path / "site", "smalls", MODELS.replace("FOLDER", "'/none'"))
    env = made_plugins.install(tmp_path / "diaries", "diaries", CALLBACK) | {
        "PYTHONPATH": f"{env['PYTHONPATH']}:{tmp_path / 'diaries'}"
    }
    data = tiny_training.write_dataset(tmp_path / "data", 4)
    options = ["-d", data, "--scratch", "--epochs", "2", "-b", "4", "-o", "run"]
    done = clsctl("train", "-m", "Small", *options, env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/best_model/inference/inference.json").is_file()
    assert (tmp_path / "run/diary.txt").read_text() == "epoch 1\nepoch 2\n"


def test_a_command(clsctl, tmp_path):
    env = made_plugins.install(tmp_path / "site", "shouting", COMMAND)
    assert clsctl("models", "shout", "resnet", env=env).stdout == "RESNET\n"
    assert "  shout   Say a model's name loudly.\n" in clsctl("models", "--help", env=env).stdout
