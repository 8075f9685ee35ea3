import json
import signal
import subprocess
import sys
from pathlib import Path

import limits
import pytest
import yaml
from fixtures import Run
from tiny_training import (
    CLASSES,
    MODEL,
    OPTIONS,
    run_of_folders,
    state,
    weights_for,
    write_dataset,
)

TINY = ("-m", MODEL, *OPTIONS)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("train") / "data")


def long_tailed(root: Path, val: int) -> Path:
    """Ten, ten and one image to train with, by class; `val` more than three of each to validate."""
    images = 17
    write_dataset(root, images)
    lines = (root / "train.txt").read_text().splitlines()
    classes = [lines[start : start + images] for start in range(0, len(lines), images)]
    kept = [line for ours, most in zip(classes, (10, 10, 1), strict=True) for line in ours[:most]]
    (root / "train.txt").write_text("\n".join(kept))
    with (root / "val.txt").open("a") as stream:
        stream.write("\n".join(line for ours in classes for line in ours[images - val :]))
    return root


def test_a_long_tail_is_pointed_out_unless_something_is_done(call: Run, tmp_path: Path):
    data = long_tailed(tmp_path / "data", val=0)
    advice = (
        "note: 'red apple' has 10 images and 'blue' 1: if all classes are to count the same, try "
        "--set loss.logit_adjustment=1\n"
    )
    for number, done_about_it in enumerate(
        ("logit_adjustment=0", "logit_adjustment=1", "balanced=1")
    ):
        done = call(*("train", *TINY, "-d", data, "-o", f"{number}", f"--set=loss.{done_about_it}"))
        assert done.returncode == 0, done.stderr
        assert (advice in done.stderr) == (number == 0)


def test_validation_images_with_all_classes_alike_decide_against_a_long_tail(
    call: Run, tmp_path: Path
):
    data = long_tailed(tmp_path / "data", val=4)
    told = (
        "loss.logit_adjustment: 1 (the validation images have all classes alike, the training "
        "images 1 : 10)\n"
    )
    done = call("train", *TINY, "-d", data, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert f"note: {told}" in done.stderr
    assert "if all classes are to count the same" not in done.stderr
    assert told in (tmp_path / "out/train.log").read_text()
    saved = yaml.safe_load((tmp_path / "out/config.yaml").read_text())
    assert saved["loss"]["logit_adjustment"] == 1
    done = call("train", "--resume", "out", "--epochs", "3")
    assert done.returncode == 0, done.stderr
    assert told not in done.stderr
    done = call("train", *TINY, "-d", data, "-o", "plain", "--set=loss.logit_adjustment=0")
    assert done.returncode == 0, done.stderr
    assert told not in done.stderr


def test_epochs_are_judged_as_the_classes_count_in_training(call: Run, tmp_path: Path):
    data = long_tailed(tmp_path / "data", val=0)
    told = "best_by: balanced_loss (loss.balanced lets all classes count alike)"
    done = call("train", *TINY, "-d", data, "-o", "out", "--set=loss.balanced=true")
    assert done.returncode == 0, done.stderr
    assert f"note: {told}\n" in done.stderr
    saved = yaml.safe_load((tmp_path / "out/config.yaml").read_text())
    assert saved["best_by"] == "balanced_loss"
    result = json.loads((tmp_path / "out/train_result.json").read_text())
    found = min(result["clsctl"]["history"], key=lambda epoch: epoch["balanced_loss"])
    assert result["clsctl"]["best_epoch"] == found["epoch"]
    best = found["balanced_accuracy"]
    assert result["models"]["best"]["score"] == best
    assert done.stdout.splitlines()[0].endswith(f", balanced accuracy {best:.2%}")
    assert f"  balanced {best:.2%}  " in (tmp_path / "out/train.log").read_text()
    evaluated = call("eval", "-m", "out", "-d", data)
    assert f"balanced  {100 * best:.2f} %" in evaluated.stdout
    by_top1 = ("--set=loss.balanced=true", "--set=best_by=top1")
    done = call("train", *TINY, "-d", data, "-o", "plain", *by_top1)
    assert done.returncode == 0, done.stderr
    assert told not in done.stderr
    assert "balanced accuracy" not in done.stdout


def test_train_then_predict(clsctl: Run, data: Path, tmp_path: Path):
    done = clsctl("train", *TINY, "-d", data, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "model: out/best_model/inference",
        "try it: clsctl predict IMAGE --model-dir out/best_model/inference",
    ]
    assert "learning rate 0.00234: 0.1 for 256 images a step, scaled (linear) to 6" in done.stderr
    out = tmp_path / "out"
    log = (out / "train.log").read_text()
    assert f"{MODEL} on cpu: 24 images of 3 classes to train with, 9 to validate with\n" in log
    assert "steps: 4 an epoch, 8 in all\n" in log
    for line in ("memory: ", "disk: ", "expected time: 0:00:"):
        assert line in log
        assert line in done.stderr
    result = json.loads((out / "train_result.json").read_text())
    assert result == json.loads((out / "train_results.json").read_text())
    assert (result["done_flag"], result["model_name"]) == (True, MODEL)
    assert (out / result["label_dict"]).read_text() == (data / "label.txt").read_text()
    for name in ("pdparams", "pdopt", "pdstates", "inference_config", "pdmodel", "pdiparams"):
        assert (out / result["models"]["best"][name]).is_file()
    info = json.loads((out / "best_model" / "best_model.info.json").read_text())
    assert info["metric"] == result["models"]["best"]["score"]
    card = json.loads((out / "run.json").read_text())
    assert card["dataset"]["images"] == {"train": 24, "val": 9}
    assert "best_model/best_model.pdparams" in card["outputs"]
    image = data / "images" / "0_0.png"
    command = ["predict", image, "--model-dir", "out/best_model/inference", "--format", "json"]
    (shown,) = json.loads(clsctl(*command, "--backend", "paddle").stdout)
    assert set(shown["label_names"]) == set(CLASSES)


def test_explain_config_shows_each_origin(clsctl: Run, data: Path):
    options = ("train", *TINY, "-d", data, "--explain-config")
    shown = clsctl(*options, env={"COLUMNS": "200"})
    lines = {line.split()[0]: line for line in shown.stdout.splitlines()}
    assert "published recipe" in lines["optimizer.name"]
    assert "--set" in lines["data.image_size"]
    assert "option" in lines["epochs"]
    assert "default" in lines["seed"]


@pytest.mark.parametrize("columns", [80, 140])
def test_explain_config_has_room_for_the_meanings(clsctl: Run, data: Path, columns: int):
    shown = clsctl("train", *TINY, "-d", data, "--explain-config", env={"COLUMNS": str(columns)})
    head, *lines = shown.stdout.splitlines()
    assert head.split() == ["Key", "Value", *(["From"] if columns > 80 else []), "Meaning"]
    assert max(len(line.rstrip()) for line in lines) <= columns
    place = head.index("Meaning")
    meanings = " ".join(line[place:].strip() for line in lines)
    assert "Stop after so many epochs without a new best; 0 never stops" in meanings
    assert "..." not in shown.stdout.replace("[N,...]", "").replace("[,N...]", "")


def test_a_configuration_that_does_not_fit_the_dataset(clsctl: Run, data: Path):
    done = clsctl("train", *TINY, "-d", data, "--set", "data.num_classes=102")
    assert done.returncode == 2
    assert "the configuration says 102 classes" in done.stderr
    assert "has 3: red apple, green, blue [E_NUM_CLASSES]" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-m", "ResNet5O", "-d", "data"), "E_MODEL_UNKNOWN"),
        (("-d", "data"), "E_MODEL_MISSING"),
        (("-m", MODEL, "-d", "nowhere"), "E_DATASET_NOT_FOUND"),
        (("-m", MODEL, "-d", "nowhere", "--set", "epocs=3"), "E_CONFIG"),
        (("data",), "E_USAGE"),
        (("--resume", "nowhere"), "E_RUN_MISSING"),
    ],
)
def test_what_cannot_start_says_why(clsctl: Run, arguments: tuple[str, ...], code: str):
    done = clsctl("train", *arguments)
    assert f"[{code}]" in done.stderr
    assert done.returncode in (2, 3, 4)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_folder_that_cannot_be_written_is_one_line(clsctl: Run, data, tmp_path, processes: str):
    (tmp_path / "file").touch()
    done = clsctl("train", *TINY, "-d", data, "-o", "file/run", "--processes", processes)
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: cannot write {Path('file/run')}: Not a directory")
    assert error.endswith("[E_OUTPUT]")
    assert hint == "hint: choose another folder with -o"


def test_a_batch_and_a_rate_that_are_found(clsctl: Run, data: Path, tmp_path: Path):
    options = ("train", *TINY, "-d", data, "--epochs", "1")
    done = clsctl(*options, "-b", "auto", "--lr", "auto", "-o", "found")
    assert done.returncode == 0, done.stderr
    assert "batch 2: a larger one leaves too few steps in an epoch of 24 images" in done.stderr
    found = tmp_path / "found"
    config = yaml.safe_load((found / "config.yaml").read_text())
    rate = config["optimizer"]["learning_rate"]
    assert config["batch_size"] == 2
    origins = json.loads((found / "run.json").read_text())["origins"]
    assert origins["batch_size"] == "found to fit"
    assert origins["optimizer.learning_rate"] == "range test"
    header, *points = (found / "lr_range.csv").read_text().splitlines()
    assert header == "learning_rate,loss,smoothed"
    rates = [float(point.split(",")[0]) for point in points]
    assert rates == sorted(rates)
    assert rates[-1] == 10 * rate
    assert (found / "lr_range.png").is_file()
    # The test leaves no trace in the run: the same rate, given, gives the same weights.
    assert clsctl(*options, "-b", "2", "--lr", repr(rate), "-o", "given").returncode == 0
    both = (state(found), state(tmp_path / "given"))
    for files in both:
        del files["best_model/inference/inference.json"]  # Paddle numbers networks in it
    assert both[0] == both[1]


def test_checkpoints_that_cannot_fit_are_refused_at_once(clsctl: Run, data: Path, tmp_path: Path):
    many = ("--epochs", "1000000000", "--save-every", "1", "--set", "checkpoint.keep=1000000000")
    done = clsctl("train", *TINY, *many, "-d", data)
    assert done.returncode == 4
    assert "the checkpoints of this run take up to" in done.stderr
    assert "[E_DISK_FULL]" in done.stderr
    assert not (tmp_path / "output" / "config.yaml").exists()


def test_mixed_precision_needs_an_accelerator(clsctl: Run, data: Path):
    done = clsctl("train", *TINY, "-d", data, "--device", "cpu", "--set", "amp=O1")
    assert done.returncode == 6
    assert "[E_AMP_DEVICE]" in done.stderr


# A plugin whose network is another one once it is made ready for export.
WRONG = """
import sys, types
import clsctl
from clsctl.plugin.registry import default_registry
from clsctl.plugin import Architecture, Catalog, ModelEntry, Preprocessing, hookimpl

def build(num_classes=1000):
    network = clsctl.build("MobileNetV1_x0_25", num_classes)
    network.__class__ = type("Wrong", (type(network),), {"reparameterise": spoil})
    return network

def spoil(network):
    network.fc.weight.set_value(network.fc.weight * 2)

side = Preprocessing(72, 64)
entry = ModelEntry("Wrong", "MobileNetV1", "", "tests", side, side)
hooks = types.SimpleNamespace(
    clsctl_architectures=hookimpl(lambda: [Architecture("Wrong", "", build)]),
    clsctl_catalogs=hookimpl(lambda: [Catalog("tests", "", lambda: [entry])]),
)
for name in vars(hooks):
    getattr(hooks, name).__name__ = name
default_registry().register(hooks, "tests", "tests")
from clsctl.main import main
main()
"""


def test_a_model_that_differs_is_not_exported_but_its_weights_are_kept(data: Path, tmp_path: Path):
    command = ["train", "-m", "Wrong", "-d", str(data), "--scratch", "-b", "6", "--epochs", "1"]
    done = subprocess.run(
        [sys.executable, "-c", WRONG, *command], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "nothing was exported: inference.json gives other scores" in done.stderr
    assert len(done.stdout.splitlines()) == 1
    names = {path.name for path in (tmp_path / "output" / "best_model").iterdir()}
    assert "best_model.pdparams" in names
    assert "inference" not in names


def test_a_loss_that_is_no_number(clsctl: Run, data: Path, tmp_path: Path):
    options = ("train", *TINY, "-d", data, "--set", "schedule.warmup_epochs=0", "--lr", "1e30")
    done = clsctl(*options, "-o", "stop")
    assert done.returncode == 3
    assert "E_LOSS_NAN" in done.stderr
    assert (tmp_path / "stop" / "latest" / "latest.pdparams").is_file()
    done = clsctl(*options, "-o", "back", "--set", "on_nan=rollback")
    assert "going back, at 0.5 of the rate" in done.stderr
    assert "E_LOSS_NAN" in done.stderr  # halved six times it is still far too high


def test_how_much_of_an_image_is_seen_in_prediction(clsctl: Run, tmp_path: Path, data: Path):
    done = clsctl("train", *TINY, "-d", data, "--epochs", "1", "--set", "data.resize_short=66")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "output/best_model/inference/inference.yml").read_text()
    (resize, crop, *_) = yaml.safe_load(written)["PreProcess"]["transform_ops"]
    assert (resize["ResizeImage"]["resize_short"], crop["CropImage"]["size"]) == (66, 64)
    done = clsctl("train", *TINY, "-d", data, "-o", "small", "--set", "data.resize_short=63")
    assert (done.returncode, "no input of 64 pixels can be cut" in done.stderr) == (2, True)


def test_a_run_that_could_not_begin_is_none(clsctl: Run, tmp_path: Path, data: Path):
    weights = tmp_path / "later.pdparams"
    command = ("train", *TINY, "-d", data, "--weights", weights, "--epochs", "1")
    done = clsctl(*command)
    assert (done.returncode, "[E_WEIGHTS_NOT_FOUND]" in done.stderr) == (4, True)
    weights_for(5, weights)
    assert clsctl(*command).returncode == 0
    assert "[E_RUN_EXISTS]" in clsctl(*command).stderr


def test_a_run_is_not_overwritten(clsctl: Run, tmp_path: Path, data: Path):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "config.yaml").write_text("model: X\n")
    done = clsctl("train", *TINY, "-d", data)
    assert done.returncode == 2
    assert "[E_RUN_EXISTS]" in done.stderr


def interrupted(folder: Path, data: Path, after: str, *options: str) -> str:
    """What a run says when Ctrl-C comes after a line that holds `after`."""
    command = [sys.executable, "-m", "clsctl", "train", *TINY, "-d", str(data), *options]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if after in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait() == 130
    return rest


def test_ctrl_c_in_the_range_test_begins_no_run(data: Path, tmp_path: Path):
    large = ("--set", "data.image_size=224")  # for it to take long enough
    rest = interrupted(tmp_path, data, "note: disk: ", "--lr", "auto", *large)
    assert rest == "error: stopped in the range test; nothing was begun [E_INTERRUPTED]\n"
    assert not (tmp_path / "output/config.yaml").exists()


def test_ctrl_c_while_the_classifier_is_fitted(data: Path, tmp_path: Path):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    large = ("--set", "data.image_size=224")  # for it to take long enough
    rest = interrupted(tmp_path, data, "classifier re-initialised", "--weights", weights, *large)
    assert rest == (
        "error: stopped while the classifier was fitted; no step was made [E_INTERRUPTED]\n"
    )


def test_ctrl_c_saves_and_resume_goes_on(clsctl: Run, data: Path, tmp_path: Path):
    rest = interrupted(tmp_path, data, "step 1/4", "--epochs", "500")
    assert "all is saved [E_INTERRUPTED]" in rest
    assert "resume with `clsctl train --resume output`" in rest
    epoch = json.loads((tmp_path / "output/metrics.jsonl").read_text().splitlines()[-1])["epoch"]
    done = clsctl("train", "--resume", "--epochs", str(epoch + 1))
    assert done.returncode == 0, done.stderr
    assert f"epochs is now {epoch + 1}, not 500" in done.stderr


def test_no_room_for_anything_else(clsctl: Run, tmp_path: Path, tmp_path_factory, monkeypatch):
    """Whatever meets the end of the disk first: the configuration, a log, a table of figures."""
    monkeypatch.chdir(tmp_path)
    run_of_folders(tmp_path_factory, tmp_path)
    before = state(tmp_path / "run")
    full = limits.run_clsctl("train", "--resume", "run", "--epochs", "2", file_kb=1)
    assert full.returncode == 4, full.stderr
    assert "[E_DISK_FULL]" in full.stderr
    assert "standard output" not in full.stderr
    assert state(tmp_path / "run") == before
    assert clsctl("train", "--resume", "run", "--epochs", "2").returncode == 0


def test_no_room_for_a_checkpoint(clsctl: Run, data: Path, tmp_path: Path):
    """A limit on the size of files stands for a full disk."""
    limited = f"ulimit -f 1500; exec {sys.executable} -m clsctl " + " ".join(
        ["train", *TINY, "-d", str(data), "--set", "optimizer.name=AdamW"]
    )
    done = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    assert "could not be written: File too large; the one before it is untouched" in done.stderr
    assert "[E_DISK_FULL]" in done.stderr
    saved = sorted(path.name for path in (tmp_path / "output").glob("latest/*"))
    assert saved == ["latest.pdparams", "latest.pdstates"]
    assert not list((tmp_path / "output").glob(".*.part"))
    config = yaml.safe_load((tmp_path / "output" / "config.yaml").read_text())
    assert config["optimizer"]["name"] == "AdamW"
    assert clsctl("train", "--resume").returncode == 0
