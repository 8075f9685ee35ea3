from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest
from servers import cut, redirect, resumable, serving, status, whole
from stores import (
    NAME,
    PDPARAMS,
    TAR,
    close_the_network,
    entry,
    model_files,
    pdparams,
    read_files,
    tar_of,
    write_files,
)

from clsctl.errors import ModelError, NetworkError, UsageError
from clsctl.models.install import remove_model, verify_model
from clsctl.models.pull import ensure_pulled
from clsctl.models.store import Store, open_store

FILES = model_files()
ARCHIVE = tar_of(FILES)


@pytest.fixture(autouse=True)
def _network(monkeypatch):
    close_the_network(monkeypatch)


@pytest.fixture
def store(home) -> Store:
    return open_store()


@pytest.fixture
def pulled(store) -> Store:
    """A store that has the model."""
    pull(store)
    return store


def pull(store: Store, answer=None, kind="inference", sha256="", **options) -> Path:
    path = TAR if kind == "inference" else PDPARAMS
    with serving({path: answer or resumable(ARCHIVE)}) as site:
        return ensure_pulled(
            store, entry(**{kind: site.url + path}, sha256=sha256), kind, **options
        )


def failure(store: Store, answer, error=ModelError, **options):
    with pytest.raises(error) as caught:
        pull(store, answer, **options)
    return caught.value


def test_a_pulled_model_is_found(store):
    assert store.find(NAME) is None
    folder = pull(store)
    assert store.find(NAME) == folder == store.root / "models" / NAME / "inference"
    assert read_files(folder) == FILES
    assert store.pulled() == [NAME]
    assert store.pulled("training") == []
    assert not any((store.root / "partial").iterdir())


def test_training_weights_lie_beside_the_model_directory(pulled):
    folder = pull(pulled, whole(pdparams()), "training")
    assert read_files(folder) == {f"{NAME}_pretrained.pdparams": pdparams()}
    assert folder.parent == pulled.find(NAME).parent
    assert pulled.kinds(NAME) == ["inference", "training"]


def test_the_record_says_where_it_came_from_and_what_it_is(store):
    with serving({TAR: resumable(ARCHIVE)}) as site:
        folder = ensure_pulled(store, entry(site.url.replace("//", "//user:secret@") + TAR))
        url = site.url + TAR
    record = json.loads((folder / "clsctl.json").read_text())
    assert record["source"].pop("date").endswith("+00:00")
    digest = hashlib.sha256(ARCHIVE).hexdigest()
    assert record["source"] == {"url": url, "catalog": "tests", "sha256": digest}
    assert record["files"] == {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in FILES.items()
    }


def test_what_is_there_is_not_pulled_again(pulled):
    assert pull(pulled, status(500)) == pulled.find(NAME)


def test_force_repairs_a_damaged_model(pulled):
    params = pulled.find(NAME) / "inference.pdiparams"
    params.write_bytes(b"rust")
    assert verify_model(pulled, NAME)["inference/inference.pdiparams"] == "changed"
    pull(pulled, force=True)
    assert set(verify_model(pulled, NAME).values()) == {"ok"}


def test_other_content_than_the_first_time_is_refused(pulled):
    other = resumable(tar_of(model_files(seed=1)))
    error = failure(pulled, other, force=True)
    assert error.code == "E_MODEL_CHANGED"
    assert f"inference.pdiparams differs from the {NAME} that was pulled before" in error.message
    assert error.hint == f"if you trust the new one: `clsctl models remove {NAME}`, then try again"
    assert read_files(pulled.find(NAME)) == FILES
    remove_model(pulled, NAME)
    assert read_files(pull(pulled, other)) == model_files(seed=1)


@pytest.mark.parametrize("kind", ["inference", "training"])
def test_a_pinned_checksum_is_compared(store, kind):
    content = ARCHIVE if kind == "inference" else pdparams()
    error = failure(store, whole(content), kind=kind, sha256="0" * 64)
    assert error.code == "E_CHECKSUM"
    assert hashlib.sha256(content).hexdigest() in error.message
    assert store.find(NAME, kind) is None
    assert not [path for path in (store.root / "partial").rglob("*") if path.is_file()]
    pull(store, whole(content), kind, sha256=hashlib.sha256(content).hexdigest().upper())
    assert store.find(NAME, kind) is not None


def test_a_broken_download_never_counts_as_present(store):
    error = failure(store, cut(ARCHIVE, 1000), NetworkError)
    assert error.message.startswith(f"cannot pull {NAME}: http://127.0.0.1:")
    assert store.find(NAME) is None
    assert store.pulled() == []
    assert [path.stat().st_size for path in store.root.rglob("download")] == [1000]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<html>Sorry</html>", "E_ARCHIVE"),
        (tar_of(FILES, "../../"), "E_ARCHIVE_UNSAFE"),
        (tar_of({"README": b"no model"}), "E_MODEL_DIR_INVALID"),
        (tar_of({"inference.pdiparams": b"", "inference.yml": b""}), "E_MODEL_DIR_INVALID"),
        (tar_of({**FILES, "clsctl.json": b"{"}), "E_PROVENANCE"),
    ],
    ids=["an error page", "hostile", "another archive", "half a model", "a damaged record"],
)
def test_an_unusable_archive_leaves_nothing(store, content, code):
    assert failure(store, whole(content)).code == code
    assert store.find(NAME) is None
    assert not [path for path in store.root.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("content", [b"", b"<html>", pdparams()[:-1]])
def test_unusable_training_weights_leave_nothing(store, content):
    assert failure(store, whole(content), kind="training").code == "E_WEIGHTS_INVALID"
    assert store.find(NAME, "training") is None


def test_mirrors_are_tried_in_order_and_the_first_good_one_wins(home, tmp_path):
    empty = tmp_path / "empty"
    write_files(tmp_path / "folder mirror", {TAR[1:]: ARCHIVE})
    with serving({"/deep" + TAR: status(404)}) as bad, serving({}) as unused:
        store = Store(home, mirrors=(f"{bad.url}/deep/", str(tmp_path / "folder mirror")))
        artifact = f"{unused.url}/somewhere/else{TAR}?key=1#part"
        folder = ensure_pulled(store, entry(artifact), mirrors=[str(empty)])
        assert [path for path, _ in bad.requests] == ["/deep" + TAR]
        assert unused.requests == []
    assert read_files(folder) == FILES
    source = json.loads((folder / "clsctl.json").read_text())["source"]
    assert source["url"] == f"file:{TAR[1:]}"


def test_if_all_fail_each_failure_is_reported(home, tmp_path):
    with serving({TAR: whole(b"no tar")}) as mirror, serving({}) as origin:
        store = Store(home, mirrors=(str(tmp_path), mirror.url))
        with pytest.raises(NetworkError) as caught:
            ensure_pulled(store, entry(origin.url + TAR))
    assert caught.value.code == "E_HTTP_STATUS"
    assert caught.value.message.split("; ") == [
        f"cannot pull {NAME}: {(tmp_path / TAR[1:]).as_uri()}: "
        "the file cannot be read: No such file or directory",
        f"{mirror.url}{TAR}: this is not a complete, uncompressed tar archive (truncated header)",
        f"{origin.url}{TAR}: the server answered 404 Not Found",
    ]


def test_a_scheme_without_a_source_is_a_usage_error(store):
    with pytest.raises(UsageError) as caught:
        ensure_pulled(store, entry("gopher://old.example/x.tar"))
    assert caught.value.code == "E_SCHEME_UNKNOWN"
    assert "file, http, https" in caught.value.hint


def test_a_model_without_such_weights(store):
    with pytest.raises(ModelError) as caught:
        ensure_pulled(store, entry("http://127.0.0.1:9/x.tar"), "training")
    assert caught.value.code == "E_NO_WEIGHTS"
    assert caught.value.message == f"the catalog 'tests' names no training weights for {NAME}"


def test_offline_needs_no_server_for_what_is_there(pulled):
    offline = Store(pulled.root, offline=True)
    assert pull(offline) == pulled.find(NAME)
    assert failure(offline, None, NetworkError, force=True).code == "E_OFFLINE"


def test_threads_that_pull_at_once_do_the_work_once(store):
    with serving({TAR: resumable(ARCHIVE)}) as site:
        wanted = entry(site.url + TAR)
        threads = [threading.Thread(target=ensure_pulled, args=(store, wanted)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(site.requests) == 1
    assert set(verify_model(store, NAME).values()) == {"ok"}


def test_a_disk_that_fills_up_leaves_nothing_that_counts(store):
    failure(store, cut(ARCHIVE, 1000), NetworkError)
    (partial,) = store.root.rglob("download")
    partial.unlink()
    partial.symlink_to("/dev/full")
    with serving({TAR: resumable(ARCHIVE)}) as site:
        wanted = entry(site.url + TAR)
        again = partial.parent.with_name(
            hashlib.sha256(wanted.inference.url.encode()).hexdigest()[:12]
        )
        partial.parent.rename(again)
        with pytest.raises(ModelError) as caught:
            ensure_pulled(store, wanted)
    assert caught.value.code == "E_DISK_FULL"
    assert caught.value.message == (
        f"the disk that holds {store.root} is full: No space left on device"
    )
    assert store.find(NAME) is None
    assert store.pulled() == []


def test_a_file_in_the_place_of_a_folder_is_a_clear_error(store):
    (store.root / "locks").touch()
    error = failure(store, None)
    assert error.code == "E_STORE"
    assert error.message == f"cannot use {store.root / 'locks'}: File exists"


def test_verify_tells_what_is_wrong_with_each_file(pulled):
    folder = pulled.find(NAME)
    (folder / "inference.json").unlink()
    (folder / "inference.yml").write_bytes(b"")
    (folder / "new").touch()
    assert verify_model(pulled, NAME) == {
        "inference/inference.json": "missing",
        "inference/inference.pdiparams": "ok",
        "inference/inference.yml": "changed",
        "inference/new": "unexpected",
    }
    (folder / "clsctl.json").write_text("[]")
    assert verify_model(pulled, NAME) == {"inference/clsctl.json": "changed"}


def test_remove_deletes_models_and_broken_downloads(pulled):
    pull(pulled, whole(pdparams()), "training")
    remove_model(pulled, NAME)
    assert pulled.find(NAME) is pulled.find(NAME, "training") is None
    failure(pulled, cut(ARCHIVE, 1000), NetworkError)
    remove_model(pulled, NAME)
    assert not any((pulled.root / "partial").iterdir())
    with pytest.raises(ModelError) as caught:
        remove_model(pulled, NAME)
    assert caught.value.code == "E_MODEL_NOT_PULLED"


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", ".hidden", "-x", "a b", "x\n", "x" * 101]
)
def test_a_name_that_could_leave_the_store_is_refused(store, name):
    with pytest.raises(UsageError) as caught:
        store.find(name)
    assert caught.value.code == "E_NAME"


NO_HOSTS = [
    "http://xn--",
    f"http://{'a' * 64}",
    "http://[",
    "http://127.0.0.1:x",
    "http://127.0.0.1:99999",
    "http://a\x01b",
    "http://é.xn--",
    "http://",
    "ftp://host",
    "file:///no%00where",
]


@pytest.mark.parametrize("mirror", NO_HOSTS)
def test_after_a_mirror_that_cannot_be_one_the_next_is_tried(home, tmp_path, capsys, mirror):
    write_files(tmp_path / "good", {TAR[1:]: ARCHIVE})
    store = Store(home, mirrors=(mirror, str(tmp_path / "good")))
    folder = ensure_pulled(store, entry(f"http://127.0.0.1:9{TAR}"))
    assert read_files(folder) == FILES
    said = capsys.readouterr().err
    good = (tmp_path / "good" / TAR[1:]).as_uri()
    assert said.startswith(f"note: {good} was taken, because of {mirror[:5]}")


@pytest.mark.parametrize("host", NO_HOSTS[:-1])
def test_after_a_mirror_that_redirects_to_no_host_the_next_is_tried(home, tmp_path, host):
    write_files(tmp_path / "good", {TAR[1:]: ARCHIVE})
    to = f"{host}/x.tar".encode().decode("latin-1")
    with serving({TAR: redirect(to.replace("\x01", "\x7f"))}) as mirror:
        store = Store(home, mirrors=(mirror.url, str(tmp_path / "good")))
        assert read_files(ensure_pulled(store, entry(f"http://127.0.0.1:9{TAR}"))) == FILES


def test_a_named_pipe_in_a_mirror_folder_is_not_waited_for(home, tmp_path):
    os.mkfifo(tmp_path / TAR[1:])
    with pytest.raises(ModelError) as caught:
        ensure_pulled(Store(home), entry((tmp_path / TAR[1:]).as_uri()))
    assert caught.value.code == "E_NO_SUCH_FILE"
