from __future__ import annotations

import hashlib
import json
import tarfile

import pytest
from dataset_builders import contents
from servers import cut, in_turn, resumable, serving, status, whole
from stores import close_the_network, tar_of, tar_with

from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.datasets.pull import Published, published_datasets, pull_dataset
from clsctl.errors import DataError, ModelError, NetworkError, UsageError
from clsctl.settings import load_settings

NAME = "cls_flowers_examples"
TAR = f"/{NAME}.tar"
FILES = {
    "label.txt": b"0 rose\n1 tulip\n",
    "train.txt": b"images/a.jpg 0\n",
    "val.txt": b"images/b.jpg 1\n",
    "images/a.jpg": b"a" * 50_000,
    "images/b.jpg": b"b" * 50_000,
}
ARCHIVE = tar_of(FILES, f"{NAME}/")


@pytest.fixture(autouse=True)
def _network(monkeypatch, tmp_path):
    close_the_network(monkeypatch)
    monkeypatch.chdir(tmp_path)


def pull(answer, *arguments, **options):
    with serving({TAR: answer}) as site:
        return pull_dataset(NAME, *arguments, mirrors=[site.url], **options), site.requests


def failure(answer, error=ModelError, **options):
    with pytest.raises(error) as caught:
        pull(answer, **options)
    return caught.value


def test_the_demo_of_the_specification_is_known():
    assert published_datasets()[NAME] == Published(
        NAME,
        "PaddleX's demo: flowers of 102 kinds, 1,020 photos to train on and 1,020 to validate",
        "https://paddle-model-ecology.bj.bcebos.com/paddlex/data/cls_flowers_examples.tar",
    )


def test_a_pulled_dataset_is_ready_to_use(tmp_path, home):
    folder, _ = pull(resumable(ARCHIVE))
    assert folder.resolve() == tmp_path / NAME
    found = contents(folder)
    record = json.loads(found.pop("clsctl.json"))
    assert found == FILES
    assert read_valid_dataset(folder).problems == ()
    assert record["source"]["url"].endswith(TAR)
    assert record["source"]["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
    assert record["files"]["label.txt"]["size"] == len(FILES["label.txt"])
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert not any((home / "partial").iterdir())


def test_it_goes_where_it_is_asked_to_go(tmp_path):
    folder, _ = pull(whole(ARCHIVE), tmp_path / "deep" / "flowers")
    assert (folder / "images" / "a.jpg").read_bytes() == FILES["images/a.jpg"]
    assert folder == tmp_path / "deep" / "flowers"


def test_an_archive_without_a_folder_at_its_top():
    folder, _ = pull(whole(tar_of(FILES, "")))
    assert contents(folder).keys() == {*FILES, "clsctl.json"}


def test_what_is_there_is_not_pulled_again():
    pull(whole(ARCHIVE))
    (folder, requests) = pull(status(500))
    assert (folder / "label.txt").is_file()
    assert requests == []


def test_a_broken_download_is_continued():
    with serving({TAR: in_turn(cut(ARCHIVE, 40_000), resumable(ARCHIVE))}) as site:
        pull_dataset(NAME, mirrors=[site.url])
    assert [span for _, span in site.requests] == ["", "bytes=40000-"]


def test_a_folder_serves_as_a_mirror(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / TAR[1:]).write_bytes(ARCHIVE)
    settings = load_settings(mirrors=(str(tmp_path / "mirror"),), offline=True)
    folder = pull_dataset(NAME, settings=settings)
    assert contents(folder).keys() == {*FILES, "clsctl.json"}


def test_offline_says_what_to_do(tmp_path):
    with pytest.raises(NetworkError) as caught:
        pull_dataset(NAME, settings=load_settings(offline=True))
    assert caught.value.code == "E_OFFLINE"
    assert caught.value.hint == (
        "bring https://paddle-model-ecology.bj.bcebos.com/paddlex/data/cls_flowers_examples.tar "
        "by hand, and unpack it with `tar -xf`"
    )


def test_something_else_in_its_place_is_not_overwritten(tmp_path):
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "mine.txt").write_text("mine")
    assert failure(whole(ARCHIVE), DataError).code == "E_EXISTS"
    assert contents(tmp_path / NAME) == {"mine.txt": b"mine"}


def link_out() -> bytes:
    link = tarfile.TarInfo(f"{NAME}/images")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    return tar_with((link, b""))


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (ARCHIVE[:40_000], "this is not a complete, uncompressed tar archive"),
        (tar_of({"../label.txt": b"0 a\n"}), "the archive is refused because it holds the path"),
        (link_out(), "which is neither a plain file nor a folder"),
        (tar_of({"README": b"nothing"}), "it holds no dataset: the archive has no layout"),
        (tar_of({**FILES, "train.txt": b"images/a.jpg 7\n"}), "it holds no dataset"),
    ],
)
def test_a_bad_archive_leaves_nothing(tmp_path, home, archive, said):
    error = failure(whole(archive), NetworkError)
    assert said in error.message
    assert list(tmp_path.iterdir()) == []
    pull(whole(ARCHIVE))


def test_a_download_beyond_the_limit(tmp_path):
    error = failure(whole(ARCHIVE), NetworkError, settings=load_settings(max_download=1000))
    assert "the limit of 1,000 bytes" in error.message
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_known():
    with pytest.raises(UsageError) as caught:
        pull_dataset("cls_flower_examples")
    assert caught.value.message == (f"unknown dataset 'cls_flower_examples'. Did you mean {NAME}?")
