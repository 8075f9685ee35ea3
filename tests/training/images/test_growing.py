"""Training images grow from epoch to epoch, and what is planned and told counts with that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fixtures import Run
from tiny_training import MODEL, write_dataset

from clsctl.training.config.run_config import resolve_run
from clsctl.training.config.sources import table_source
from clsctl.training.images.growing import sized_loader
from clsctl.training.setup import prepare

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", images=2)


@pytest.mark.parametrize(
    ("image_size", "sizes"),
    [
        (160, [(64, 64), (96, 96), (128, 128), (160, 160)]),
        # Both sides in proportion, by whole multiples of 32.
        ((64, 160), [(64, 160)] * 4),
        ((160, 320), [(64, 128), (96, 192), (128, 256), (160, 320)]),
    ],
)
def test_images_grow_evenly_to_their_whole_size(data: Path, image_size, sizes):
    settings = {"image_size": image_size, "first_size": 64}
    table = {"model": MODEL, "data.path": str(data), "pretrained": False, "epochs": 4}
    given = table_source("argument", table | {f"data.{name}": v for name, v in settings.items()})
    job = prepare(resolve_run([given], resume=False).config)
    batches = [next(iter(sized_loader(job, epoch).batches(epoch))) for epoch in range(5)]
    assert [batch.images.shape[2:] for batch in batches] == [*sizes, sizes[-1]]
    single = prepare(resolve_run([given, table_source("option", {"epochs": 1})], False).config)
    assert sized_loader(single, 0) is single.train


def test_a_run_learns_from_them_and_resumes(clsctl: Run, data: Path, tmp_path: Path):
    """The expected time counts the larger images that are still to come."""
    options = ("-b", "2", "--set", "data.image_size=128", "--set", "data.first_size=32")
    run = ("train", "-m", MODEL, "--scratch", *options, "-d", data, "--set", "epochs=3")
    done = clsctl(*run, "-o", "run")
    assert done.returncode == 0, done.stderr
    said = r"epoch 1/3  step 1/3 .* ([\d.]+) images/s  (\d):(\d\d):(\d\d) left"
    first = re.search(said, done.stderr)
    assert first, done.stderr
    speed, hours, minutes, seconds = map(float, first.groups())
    # 4 more images of 32 pixels, then 6 of 64, which take 4 times as long, and 6 of 128: 16 times.
    left = (4 + 6 * 4 + 6 * 16) / speed
    # The time is told in whole seconds, and the speed to a tenth.
    assert abs(3600 * hours + 60 * minutes + seconds - left) <= 1 + left * 0.05 / speed


def test_they_cannot_shrink(clsctl: Run, data: Path):
    options = ("--set", "data.image_size=128", "--set", "data.first_size=160")
    done = clsctl("train", "-m", MODEL, "--scratch", *options, "-d", data, "-o", "run")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: data.first_size is 160, more than the 128 pixels that images are to grow to "
        "[E_CONFIG]\n"
    )
