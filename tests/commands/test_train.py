import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import Run
from tiny_training import CLASSES, MODEL, OPTIONS, write_dataset

TINY = ("-m", MODEL, *OPTIONS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("train") / "data")


def test_train_then_predict(clsctl: Run, data: Path, tmp_path: Path):
    done = clsctl("train", *TINY, "-d", data, "-o", "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "model: out/best_model/inference",
        "try it: clsctl predict IMAGE --model-dir out/best_model/inference",
    ]
    assert "learning rate 0.00234: 0.1 for 256 images a step, scaled (linear) to 6" in done.stderr
    out = tmp_path / "out"
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


def test_a_loss_that_is_no_number(clsctl: Run, data: Path, tmp_path: Path):
    options = ("train", *TINY, "-d", data, "--set", "schedule.warmup_epochs=0", "--lr", "1e30")
    done = clsctl(*options, "-o", "stop")
    assert done.returncode == 3
    assert "E_LOSS_NAN" in done.stderr
    assert (tmp_path / "stop" / "latest" / "latest.pdparams").is_file()
    done = clsctl(*options, "-o", "back", "--set", "on_nan=rollback")
    assert "going back, at 0.5 of the rate" in done.stderr
    assert "E_LOSS_NAN" in done.stderr  # halved six times it is still far too high


def test_a_run_is_not_overwritten(clsctl: Run, tmp_path: Path, data: Path):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "config.yaml").write_text("model: X\n")
    done = clsctl("train", *TINY, "-d", data)
    assert done.returncode == 2
    assert "[E_RUN_EXISTS]" in done.stderr


def test_ctrl_c_saves_and_resume_goes_on(clsctl: Run, data: Path, tmp_path: Path):
    command = [sys.executable, "-m", "clsctl", "train", *TINY, "--epochs", "500", "-d", str(data)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "step 1/4" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait() == 130
    assert "all is saved [E_INTERRUPTED]" in rest
    assert "go on with `clsctl train --resume output`" in rest
    epoch = json.loads((tmp_path / "output/metrics.jsonl").read_text().splitlines()[-1])["epoch"]
    done = clsctl("train", "--resume", "--epochs", str(epoch + 1))
    assert done.returncode == 0, done.stderr
    assert f"epochs is now {epoch + 1}, not 500" in done.stderr


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
