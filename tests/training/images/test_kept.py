"""Images are decoded once in a run, as far as memory allows, and results do not depend on it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import made_plugins
import pytest
import yaml
from fixtures import Run
from tiny_training import MODEL, write_dataset

TINY = ("--scratch", "-b", "6", "--set", "data.image_size=32")

# Makes every image unreadable after the first epoch, and says of none that it changed.
SPOILER = """
import os
from pathlib import Path
from clsctl.plugin import TrainCallback, hookimpl
from clsctl.plugin.train_callbacks import Callback

class Spoiler(Callback):
    def __init__(self, run):
        self.images = run.parent / "large" / "images"

    def epoch_ended(self, info):
        for path in self.images.iterdir():
            facts = path.stat()
            path.write_bytes(bytes(facts.st_size))
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

@hookimpl
def clsctl_train_callbacks():
    return [TrainCallback("spoiler", "Spoils the images.", Spoiler)]
"""

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Images of ten times the side that is kept of them."""
    data = write_dataset(tmp_path / "large", images=2)
    for path in (data / "images").iterdir():
        pixels = cv2.resize(cv2.imread(str(path)), (720, 640), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(path), pixels)
    return data


def test_large_images_are_kept_and_small_ones_are_not(clsctl: Run, large: Path, tmp_path: Path):
    small = write_dataset(tmp_path / "small", images=2)
    cases = (
        (large, (), "; those to train with are kept with a short side of 64 pixels"),
        (small, (), ""),
        (large, ("--set", "data.cache=none"), ""),
    )
    chosen = []
    for number, (data, options, said) in enumerate(cases):
        run = tmp_path / str(number)
        done = clsctl("train", "-m", MODEL, *TINY, "--epochs", "1", "-d", data, "-o", run, *options)
        assert done.returncode == 0, done.stderr
        assert f"note: images: about 1 MB for decoded ones{said}\n" in done.stderr
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        card = json.loads((run / "run.json").read_text(encoding="utf-8"))
        chosen.append((config["data"]["cache"], card["origins"]["data.cache"]))
    by_size = "by the images' size"
    assert chosen == [("ram", by_size), ("none", by_size), ("none", "--set")]


def test_nothing_is_decoded_twice(clsctl: Run, large: Path, tmp_path: Path):
    """So a run in which the images cannot be read any more goes on, and comes to the same."""
    options = ("-m", MODEL, *TINY, "--epochs", "3", "-d", large)
    assert clsctl("train", *options, "-o", "undisturbed").returncode == 0
    env = made_plugins.install(tmp_path / "site", "spoiler", SPOILER)
    done = clsctl("train", *options, "-o", "spoilt", env=env)
    assert done.returncode == 0, done.stderr
    assert not any(path.read_bytes().strip(b"\0") for path in (large / "images").iterdir())
    whole, spoilt = (
        (tmp_path / run / "latest" / "latest.pdparams").read_bytes()
        for run in ("undisturbed", "spoilt")
    )
    assert whole == spoilt
