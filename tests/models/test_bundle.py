from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from stores import (
    NAME,
    entry,
    model_files,
    pdparams,
    read_files,
    tar_of,
    write_files,
)

from clsctl.errors import ModelError, UsageError
from clsctl.models.bundle import import_path, write_bundle
from clsctl.models.install import remove_model, verify_model
from clsctl.models.pull import ensure_pulled
from clsctl.models.store import Store

FILES = model_files()
MANIFEST = "clsctl-bundle.json"


@pytest.fixture
def store(home) -> Store:
    return Store(home)


@pytest.fixture
def elsewhere(tmp_path) -> Store:
    """The store of another machine, with a model and its training weights in it."""
    store = Store(tmp_path / "elsewhere")
    archive = tmp_path / "archive.tar"
    archive.write_bytes(tar_of(FILES))
    weights = tmp_path / f"{NAME}_pretrained.pdparams"
    weights.write_bytes(pdparams())
    ensure_pulled(store, entry(archive.as_uri()))
    ensure_pulled(store, entry(training=weights.as_uri()), "training")
    return store


@pytest.fixture
def bundle(elsewhere, tmp_path) -> Path:
    path = tmp_path / "models.bundle"
    write_bundle(elsewhere, [NAME], path)
    return path


def refusal(store: Store, path: Path, error=ModelError, name: str = ""):
    with pytest.raises(error) as caught:
        import_path(store, path, name)
    assert store.pulled() == store.pulled("training") == []
    assert list((store.root / "partial").glob("*")) == []
    return caught.value


def rewritten(bundle: Path, change) -> Path:
    """The bundle with its entries, a dict of name and content, changed."""
    with tarfile.open(bundle) as tar:
        entries = {member.name: tar.extractfile(member).read() for member in tar}
    change(entries)
    bundle.write_bytes(tar_of(entries, top=""))
    return bundle


def test_a_directory_is_imported_under_the_name_it_has_inside(store, tmp_path):
    source = write_files(tmp_path / "brought", FILES)
    assert import_path(store, source) == [(NAME, "inference")]
    assert read_files(store.find(NAME)) == FILES == read_files(source)
    record = json.loads((store.find(NAME) / "clsctl.json").read_text())
    assert record["source"]["url"] == "file:brought"
    assert set(verify_model(store, NAME).values()) == {"ok"}


def test_a_tar_is_imported_under_the_name_that_is_asked_for(store, tmp_path):
    (tmp_path / "m.tar").write_bytes(tar_of(FILES))
    assert import_path(store, tmp_path / "m.tar", "mine") == [("mine", "inference")]
    assert read_files(store.find("mine")) == FILES


@pytest.mark.parametrize("file", [f"{NAME}_pretrained.pdparams", f"{NAME}.pdparams"])
def test_training_weights_are_named_by_their_file(store, tmp_path, file):
    (tmp_path / file).write_bytes(pdparams())
    assert import_path(store, tmp_path / file) == [(NAME, "training")]
    assert read_files(store.find(NAME, "training")) == {f"{NAME}_pretrained.pdparams": pdparams()}


def test_weights_that_paddle_saved_are_accepted(store, tmp_path):
    import paddle

    paddle.save({"weight": paddle.zeros([3])}, str(tmp_path / "tiny.pdparams"))
    assert import_path(store, tmp_path / "tiny.pdparams") == [("tiny", "training")]


def test_without_a_name_inside_the_folder_gives_it(store, tmp_path):
    settings = FILES["inference.yml"].replace(NAME.encode(), b"''")
    write_files(tmp_path / "brought", {**FILES, "inference.yml": settings})
    assert import_path(store, tmp_path / "brought" / ".." / "brought") == [("brought", "inference")]


def test_what_an_exported_model_says_of_itself_is_kept(store, tmp_path):
    extra = json.dumps({"metrics": {"top1": 0.9}}).encode()
    import_path(store, write_files(tmp_path / "m", {**FILES, "clsctl.json": extra}))
    record = json.loads((store.find(NAME) / "clsctl.json").read_text())
    assert record["metrics"] == {"top1": 0.9}
    assert set(record["files"]) == set(FILES)


def test_a_model_that_is_not_what_its_own_record_says_is_refused(store, elsewhere, tmp_path):
    brought = elsewhere.find(NAME)
    (brought / "inference.pdiparams").write_bytes(b"damaged on the way")
    error = refusal(store, brought)
    assert error.code == "E_CHECKSUM"
    assert error.message.startswith("inference.pdiparams is not the file that clsctl.json")


def test_another_model_of_the_same_name_is_refused(store, tmp_path):
    import_path(store, write_files(tmp_path / "a", FILES))
    with pytest.raises(ModelError) as caught:
        import_path(store, write_files(tmp_path / "b", model_files(seed=1)))
    assert caught.value.code == "E_MODEL_CHANGED"
    assert read_files(store.find(NAME)) == FILES


def test_what_is_not_there_is_a_usage_error(store, tmp_path):
    error = refusal(store, tmp_path / "nothing.tar", UsageError)
    assert (error.code, error.exit_status) == ("E_NO_SUCH_FILE", 2)


@pytest.mark.parametrize("name", ["../x", "a/b", ".."])
@pytest.mark.parametrize("file", ["m.tar", "m.pdparams"])
def test_a_name_cannot_leave_the_store(store, tmp_path, file, name):
    (tmp_path / file).write_bytes(tar_of(FILES) if file == "m.tar" else pdparams())
    assert refusal(store, tmp_path / file, UsageError, name).code == "E_NAME"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("evil.tar", tar_of(FILES, "../"), "E_ARCHIVE_UNSAFE"),
        ("photo.jpg", b"\xff\xd8\xff", "E_ARCHIVE"),
        (
            "two.tar",
            tar_of({f"{top}/{n}": c for top in "ab" for n, c in FILES.items()}, ""),
            "E_MODEL_DIR_INVALID",
        ),
        ("page.pdparams", b"<html>", "E_WEIGHTS_INVALID"),
        ("memo.pdparams", b"\x80\x04}r\0\0\0\x10.", "E_WEIGHTS_INVALID"),
        ("deep.pdparams", b"\x80\x04}K\x01" + b"\x85" * 5000 + b"K\x01s.", "E_WEIGHTS_INVALID"),
        ("large.pdparams", b"\x80\x04}B\xff\xff\xff\xffK\x01s.", "E_WEIGHTS_INVALID"),
    ],
)
def test_what_cannot_be_used_leaves_nothing(store, tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    assert refusal(store, tmp_path / name).code == code


def test_a_directory_that_is_no_model_is_refused(store, tmp_path):
    error = refusal(store, write_files(tmp_path / "holiday", {"photo.jpg": b""}))
    assert error.code == "E_MODEL_DIR_INVALID"
    assert str(tmp_path / "holiday") in error.message


@pytest.mark.parametrize(
    "record",
    [
        *("", "[]", "{", '{"files": 3}', '{"files": {"a": 1}}', '{"files": {"a": {"size": -1}}}'),
        '{"files": {"a": {"size": 1, "sha256": "x"}}}',
        *('{"source": {"url": 3}}', '{"a": "\\ud800"}'),
        *('{"a": ' + "[" * 100_000, '{"a": NaN}', '{"a": ' + "9" * 5000 + "}"),
    ],
)
def test_a_record_that_is_none_is_one_error(store, tmp_path, record):
    brought = write_files(tmp_path / "brought", FILES)
    (brought / "clsctl.json").write_text(record)
    error = refusal(store, brought)
    assert error.code == "E_PROVENANCE"
    assert error.message.isprintable()


@pytest.mark.parametrize(
    "manifest",
    [
        *(b"", b"[]", b'{"format": 2, "files": {}}', b'{"format": true, "files": {}}', b"\xff"),
        *(b'{"format": 1, "files": []}', b'{"format": 1, "files": {"a": 3}}', b"[" * 100_000),
        b'{"format": 1, "files": {"\\ud800": {"size": 1, "sha256": "' + b"0" * 64 + b'"}}}',
    ],
)
def test_a_list_that_is_none_is_one_error(store, tmp_path, manifest):
    (tmp_path / "models.bundle").write_bytes(tar_of({"clsctl-bundle.json": manifest}, ""))
    assert refusal(store, tmp_path / "models.bundle").code == "E_ARCHIVE"


def test_a_bundle_holds_no_path_of_the_machine_it_was_made_on(elsewhere, tmp_path):
    """Not even where a record, perhaps of an earlier version, holds some."""
    brought = write_files(tmp_path / "brought by A. CLIENT", model_files(seed=2))
    facts = {
        "source": {"url": (tmp_path / "x.tar").as_uri()},
        "calibration": {"dataset": str(tmp_path / "photos"), "split": "val"},
        "export": {"parity": [{"file": str(tmp_path / "inference.onnx")}]},
    }
    (brought / "clsctl.json").write_text(json.dumps(facts))
    remove_model(elsewhere, NAME)
    import_path(elsewhere, brought)
    folder = elsewhere.find(NAME)
    kept = json.loads((folder / "clsctl.json").read_text())
    assert kept["source"]["url"] == "file:brought%20by%20A.%20CLIENT"
    assert kept["calibration"] == {"dataset": "photos", "split": "val"}
    (folder / "clsctl.json").write_text(json.dumps(kept | facts))  # as 0.1.0 wrote it
    write_bundle(elsewhere, [NAME], tmp_path / "models.bundle")
    assert str(tmp_path).encode() not in (tmp_path / "models.bundle").read_bytes()
    there = Store(tmp_path / "there")
    assert import_path(there, tmp_path / "models.bundle") == [(NAME, "inference")]
    record = json.loads((there.find(NAME) / "clsctl.json").read_text())
    assert record["source"]["url"] == "file:x.tar"


def test_a_bundle_brings_everything_over(store, elsewhere, bundle):
    assert import_path(store, bundle) == [(NAME, "inference"), (NAME, "training")]
    for kind in ("inference", "training"):
        here, there = store.find(NAME, kind), elsewhere.find(NAME, kind)
        assert {p.name: p.read_bytes() for p in here.iterdir() if p.name != "clsctl.json"} == (
            {p.name: p.read_bytes() for p in there.iterdir() if p.name != "clsctl.json"}
        )
        assert json.loads((here / "clsctl.json").read_text()) == (
            json.loads((there / "clsctl.json").read_text())
        )


def test_the_same_models_give_the_same_bundle(elsewhere, bundle, tmp_path):
    write_bundle(elsewhere, [NAME], tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries.update({f"{NAME}/inference/inference.yml": b"other"}),
        lambda entries: entries.update({f"{NAME}/inference/clsctl.json": b"{}"}),
        lambda entries: entries.update({f"{NAME}/inference/extra": b""}),
        lambda entries: entries.pop(f"{NAME}/training/{NAME}_pretrained.pdparams"),
    ],
    ids=["changed", "changed record", "added", "missing"],
)
def test_a_bundle_with_a_wrong_file_is_refused_whole(store, bundle, change):
    error = refusal(store, rewritten(bundle, change))
    assert error.code == "E_CHECKSUM"
    assert error.message.startswith("the bundle is damaged: ")


def test_a_bundle_without_the_file_that_matters_is_refused(store, bundle):
    def rename(entries):
        content = entries.pop(f"{NAME}/training/{NAME}_pretrained.pdparams")
        manifest = json.loads(entries[MANIFEST])
        files = manifest["files"]
        files[f"{NAME}/training/x"] = files.pop(f"{NAME}/training/{NAME}_pretrained.pdparams")
        entries[f"{NAME}/training/x"] = content
        entries[MANIFEST] = json.dumps(manifest).encode()

    assert refusal(store, rewritten(bundle, rename)).code == "E_WEIGHTS_INVALID"


@pytest.mark.parametrize("manifest", [b"{", b"[]", b'{"format": 2, "files": {}}'])
def test_a_bundle_with_an_unreadable_list_is_refused(store, bundle, manifest):
    error = refusal(store, rewritten(bundle, lambda entries: entries.update({MANIFEST: manifest})))
    assert error.code == "E_ARCHIVE"


def test_a_truncated_bundle_is_refused(store, bundle):
    bundle.write_bytes(bundle.read_bytes()[:100_000])
    assert refusal(store, bundle).code == "E_ARCHIVE"


def test_a_bundle_keeps_its_names(store, bundle):
    error = refusal(store, bundle, UsageError, name="other")
    assert error.message == "a bundle keeps the names of its models"


def test_a_damaged_model_is_not_bundled(elsewhere, tmp_path):
    (elsewhere.find(NAME) / "inference.json").write_bytes(b"")
    with pytest.raises(ModelError) as caught:
        write_bundle(elsewhere, [NAME], tmp_path / "out")
    assert caught.value.code == "E_CHECKSUM"
    assert caught.value.message == f"{NAME} is damaged: inference/inference.json is changed"
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_cannot_be_written(elsewhere, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as caught:
        write_bundle(elsewhere, [NAME], tmp_path / "file" / "out")
    assert caught.value.code == "E_OUTPUT"
    with pytest.raises(ModelError) as caught:
        write_bundle(elsewhere, ["ResNet50"], tmp_path / "out")
    assert caught.value.code == "E_MODEL_NOT_PULLED"


def test_a_refused_bundle_leaves_the_old_file(elsewhere, bundle, tmp_path):
    before = bundle.read_bytes()
    (elsewhere.find(NAME) / "inference.json").write_bytes(b"")
    with pytest.raises(ModelError):
        write_bundle(elsewhere, [NAME], bundle)
    assert bundle.read_bytes() == before
