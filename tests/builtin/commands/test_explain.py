"""`clsctl explain`: one picture that a person can look at, or one clear error."""

from __future__ import annotations

from pathlib import Path

import paddle
import pytest
from paths import EXAMPLES
from PIL import Image

import clsctl as library
from clsctl.main import run

MODEL = "EfficientNet-Lite0"
CAT = EXAMPLES / "chelsea.png"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def explain(*arguments):
    return run(["explain", *map(str, arguments)])


def test_a_photo_and_its_best_class(clsctl, here):
    done = clsctl("explain", CAT, "-m", MODEL, "-o", "new/why.png")
    assert (done.returncode, done.stdout) == (0, "tiger cat 0.41: new/why.png\n")
    with Image.open(here / "new" / "why.png") as picture:
        assert picture.format == "PNG"
        assert picture.mode == "RGB"
        assert picture.size == (896, 512)


@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "JPEG"), ("WEBP", "WEBP")])
def test_the_suffix_chooses_the_format(suffix, kind, capsys):
    assert explain(CAT, "-m", MODEL, "-o", f"why.{suffix}") == 0
    with Image.open(f"why.{suffix}") as picture:
        assert picture.format == kind


def test_a_class_of_one_s_choice(capsys):
    assert explain(CAT, "-m", MODEL, "--class", "285", "-o", "why.png") == 0
    name, score, path = capsys.readouterr().out.rsplit(maxsplit=2)
    assert (name, path) == ("Egyptian cat", "why.png")
    assert 0 < float(score.rstrip(":")) < 0.41


def test_weights_of_one_s_own_know_no_names(capsys):
    network = library.build("PP-LCNet_x0_25", num_classes=3, seed=1)
    paddle.save(network.state_dict(), "w.pdparams")
    arguments = ("-m", "PP-LCNet_x0_25", "--weights", "w.pdparams", "--class", "2")
    assert explain(CAT, *arguments, "-o", "why.png") == 0
    assert capsys.readouterr().out == "class 2 0.33: why.png\n"


def test_a_run_names_its_own_classes(call, run, dataset):
    image = dataset / "val" / "1-0.png"
    done = call("explain", image, "-m", run, "--class", "GREEN", "-o", "why.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("green ")
    exported = run / "best_model" / "inference"
    assert call("explain", image, "-m", exported, "--class", "1", "-o", "again.png").stdout == (
        done.stdout.replace("why.png", "again.png")
    )
    assert Path("why.png").read_bytes() == Path("again.png").read_bytes()


def test_a_class_of_a_run_that_is_not_there(call, run, dataset):
    image = dataset / "val" / "1-0.png"
    done = call("explain", image, "-m", run, "--class", "gren", "-o", "why.png")
    assert done.returncode == 2
    assert done.stderr == ("error: unknown class 'gren'. Did you mean green? [E_CLASS_UNKNOWN]\n")


def test_a_name_that_two_classes_have(call):
    done = call("explain", CAT, "-m", MODEL, "--class", "crane", "-o", "why.png")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: several classes are called 'crane' [E_CLASS_AMBIGUOUS]",
        "hint: give one by its id: 134 or 517",
    ]


def test_an_exported_model_alone_is_refused(call, tiny):
    done = call("explain", CAT, "-m", tiny, "-o", "why.png")
    assert done.returncode == 2
    assert "[E_MODEL_CHOICE]" in done.stderr
    assert "a run's folder or a .pdparams file" in done.stderr


# ---- errors --------------------------------------------------------------------------------------


def failure(capsys, *arguments):
    """The exit status and the error, of a command that leaves nothing behind."""
    status = explain(*arguments)
    assert list(Path().glob("*.png")) + list(Path().glob(".*")) == []
    return status, capsys.readouterr().err.splitlines()


def test_a_class_that_is_not_there(capsys):
    status, lines = failure(capsys, CAT, "-m", MODEL, "--class", "1000", "-o", "why.png")
    assert status == 2
    assert lines[-1] == (
        "error: there is no class 1000; the network has 1000, from 0 to 999 [E_CLASS_UNKNOWN]"
    )


def test_an_unknown_model(capsys):
    status, lines = failure(capsys, CAT, "-m", "ResNet_50", "-o", "why.png")
    assert status == 4
    assert lines[-2].endswith("[E_MODEL_UNKNOWN]")


def test_an_image_that_cannot_be_read(capsys):
    Path("broken.jpg").write_bytes(b"no image")
    status, lines = failure(capsys, "broken.jpg", "-m", MODEL, "-o", "why.png")
    assert status == 3
    assert lines[0].startswith("error: broken.jpg: ")


def test_an_image_that_is_not_there(capsys):
    status, lines = failure(capsys, "none.jpg", "-m", MODEL, "-o", "why.png")
    assert status == 3
    assert "none.jpg" in lines[0]


def test_a_folder_of_several_images(capsys):
    status, lines = failure(capsys, EXAMPLES, "-m", MODEL, "-o", "why.png")
    assert (status, lines) == (
        2,
        [f"error: '{EXAMPLES}' stands for several images; name one [E_USAGE]"],
    )


def test_an_output_that_is_no_image(capsys):
    status, lines = failure(capsys, CAT, "-m", MODEL, "-o", "why.txt")
    assert (status, lines) == (
        2,
        [
            "error: 'why.txt' is no name of an image file [E_OUTPUT]",
            "hint: end it in .jpg, .jpeg, .png, .bmp, .webp",
        ],
    )


def test_an_output_that_cannot_be_written(capsys):
    Path("file").write_text("in the way")
    status, lines = failure(capsys, CAT, "-m", MODEL, "-o", "file/why.png")
    assert status == 2
    assert lines[-1].endswith("[E_OUTPUT]")
