"""`clsctl embed`: a file of embeddings, as a person and as a script read it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import paddle
import pictures
import pytest
from paths import EXAMPLES
from PIL import Image

import clsctl as library
from clsctl.installation import install_hint
from clsctl.main import run

MODEL = "EfficientNet-Lite0"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with two photos and a broken one among them."""
    monkeypatch.chdir(tmp_path)
    photo = pictures.encoded(pictures.photo(), "PNG")
    pictures.write(tmp_path / "photos", {"a.png": photo, "b.jpg": b"broken", "c.png": photo})
    return tmp_path


def embed(*arguments):
    return run(["embed", *map(str, arguments)])


def test_a_folder_with_a_broken_file(clsctl, folder):
    done = clsctl("embed", "photos", "-m", MODEL, "-o", "out/e.npz")
    assert done.returncode == 7
    assert done.stdout == "2 embeddings of length 1280 in out/e.npz\n"
    *_, left_out, error = done.stderr.splitlines()
    assert left_out.startswith("note: left out photos/b.jpg: ")
    assert error == "error: 1 of 3 inputs failed [E_SOME_INPUTS_FAILED]"
    with np.load(folder / "out" / "e.npz") as arrays:
        assert arrays["vectors"].shape == (2, 1280)
        assert arrays["vectors"].dtype == np.float32
        assert arrays["input_path"].tolist() == ["photos/a.png", "photos/c.png"]
        assert arrays["page_index"].tolist() == [-1, -1]
        assert np.array_equal(*arrays["vectors"])


def test_parquet_holds_the_same(folder, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    inputs = [EXAMPLES / "chelsea.png", EXAMPLES / "coffee.png"]
    for name in ("e.npz", "e.parquet"):
        assert embed(*inputs, "-m", MODEL, "-o", name) == 0
    table = parquet.read_table("e.parquet").to_pydict()
    with np.load("e.npz") as arrays:
        assert table["input_path"] == arrays["input_path"].tolist() == list(map(str, inputs))
        assert table["page_index"] == arrays["page_index"].tolist()
        np.testing.assert_array_equal(np.float32(table["vectors"]), arrays["vectors"])


def test_weights_of_one_s_own(folder, capsys):
    network = library.build("PP-LCNet_x0_25", num_classes=3, seed=1)
    paddle.save(network.state_dict(), "w.pdparams")
    arguments = ("photos/a.png", "-m", "PP-LCNet_x0_25", "--weights", "w.pdparams", "-o", "e.npz")
    assert embed(*arguments) == 0
    assert capsys.readouterr().out == "1 embedding of length 1280 in e.npz\n"


def test_a_run_and_no_model_at_all(call, folder, run):
    done = call("embed", "photos/a.png", "-m", run, "-o", "run.npz")
    assert done.stdout == "1 embedding of length 256 in run.npz\n"
    # The weights that a plugin brings are here; those of the catalog's default are not.
    done = call("embed", "photos/a.png", "-o", "default.npz")
    assert done.stdout == "1 embedding of length 1280 in default.npz\n", done.stderr


def test_bare_weights_say_how_to_name_their_network(call, folder):
    paddle.save(library.build("PP-LCNet_x0_25", num_classes=3).state_dict(), "w.pdparams")
    done = call("embed", "photos", "-m", "w.pdparams", "-o", "e.npz")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "hint: name it, as in -m PP-LCNet_x1_0 --weights w.pdparams"
    )


# ---- errors: before the work, and with nothing left behind ---------------------------------------


def test_a_suffix_that_is_neither(folder, capsys):
    assert embed("photos", "-m", MODEL, "-o", "e.csv") == 2
    assert capsys.readouterr().err == (
        "error: embeddings are written as .npz or .parquet, not as 'e.csv' [E_OUTPUT]\n"
    )


def test_parquet_without_pyarrow(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert embed("photos", "-m", MODEL, "-o", "e.parquet") == 3
    assert capsys.readouterr().err == (
        "error: writing Parquet needs pyarrow, which is not installed [E_EXTRA_MISSING]\n"
        f"hint: {install_hint('pyarrow')}, or write a .npz\n"
    )


def test_an_unknown_model(folder, capsys):
    assert embed("photos", "-m", "EfficientNet-Lite9", "-o", "e.npz") == 4
    assert "Did you mean EfficientNet-Lite0" in capsys.readouterr().err


def test_weights_that_do_not_fit(folder, capsys):
    paddle.save(library.build("PP-LCNet_x0_25").state_dict(), "w.pdparams")
    assert embed("photos", "-m", MODEL, "--weights", "w.pdparams", "-o", "e.npz") == 4
    assert "[E_CHECKPOINT_MISMATCH]" in capsys.readouterr().err


def test_an_output_that_cannot_be_written(folder, capsys):
    Path("file").write_text("in the way")
    assert embed("photos/a.png", "-m", MODEL, "-o", "file/e.npz") == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("[E_OUTPUT]")
    assert sorted(path.name for path in folder.iterdir()) == ["file", "photos"]


def test_inputs_that_are_all_broken_still_give_a_file(folder, capsys):
    assert embed("photos/b.jpg", "-m", MODEL, "-o", "e.npz") == 7
    with np.load("e.npz") as arrays:
        assert arrays["vectors"].shape == (0, 1280)


def test_pages_are_numbered(folder, capsys):
    first, second = (Image.fromarray(pictures.photo(seed=seed)) for seed in (0, 1))
    first.save("two.tif", save_all=True, append_images=[second])
    assert embed("two.tif", "-m", MODEL, "-o", "e.npz") == 0
    with np.load("e.npz") as arrays:
        assert arrays["page_index"].tolist() == [0, 1]


@pytest.mark.parametrize(("device", "status"), [("tpu", 2), ("cpu:7", 6)])
def test_a_device_that_is_not_there_is_refused_before_weights_are_pulled(
    clsctl, folder, device, status
):
    """The weights of this model are not here, and no server is within reach."""
    done = clsctl("embed", "photos", "-m", "PP-LCNet_x1_0", "-o", "e.npz", "--device", device)
    assert done.returncode == status
    assert "[E_DEVICE_" in done.stderr
    assert not (folder / "e.npz").exists()
    assert clsctl("embed", "photos", "-m", MODEL, "-o", "e.npz", "--device", "cpu").returncode == 7
