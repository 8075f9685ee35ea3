from __future__ import annotations

import pytest
from servers import resumable, serving
from stores import close_the_network, tar_of

NAME = "cls_flowers_examples"
FILES = {
    "label.txt": b"0 rose\n",
    "train.txt": b"images/a.jpg 0\n",
    "val.txt": b"images/b.jpg 0\n",
    "images/a.jpg": b"a",
    "images/b.jpg": b"b",
}


@pytest.fixture(autouse=True)
def _network(monkeypatch):
    close_the_network(monkeypatch)


def test_pull(clsctl, tmp_path):
    with serving({f"/{NAME}.tar": resumable(tar_of(FILES, f"{NAME}/"))}) as site:
        for _ in range(2):
            done = clsctl("dataset", "pull", NAME, "-o", "flowers", "--mirror", site.url)
            assert (done.returncode, done.stdout, done.stderr) == (0, f"{NAME} is in flowers\n", "")
    assert len(site.requests) == 1
    assert (tmp_path / "flowers" / "label.txt").read_bytes() == FILES["label.txt"]


def test_offline(clsctl):
    done = clsctl("dataset", "pull", NAME, "--offline")
    assert done.returncode == 5
    assert "[E_OFFLINE]\nhint: bring https://" in done.stderr


def test_a_disk_that_is_too_small_has_nothing_to_do_with_models(clsctl):
    petabyte = str(1 << 50)
    answer = {f"/{NAME}.tar": lambda visit: visit.begin(200, Content_Length=petabyte)}
    with serving(answer) as site:
        env = {"CLSCTL_MAX_DOWNLOAD": str(1 << 60)}
        done = clsctl("dataset", "pull", NAME, "--mirror", site.url, env=env)
    assert done.returncode == 4
    error, hint = done.stderr.splitlines()
    assert error.endswith("are free [E_DISK_FULL]")
    assert hint == "hint: free some space, or set CLSCTL_HOME to a folder on another disk"


def test_an_unknown_name(clsctl):
    done = clsctl("dataset", "pull", "flowers")
    assert (done.returncode, done.stderr) == (
        2,
        f"error: unknown dataset 'flowers'. Valid: {NAME}. [E_DATASET_UNKNOWN]\n",
    )
