"""PaddleX's own command lines, with `clsctl train` in place of `python main.py`."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

PEER = """\
Global: {{model: MobileNetV1_x0_25, mode: check_dataset, dataset_dir: {data}, device: cpu,
         output: out}}
CheckDataset:
  convert: {{enable: False, src_dataset_type: null}}
  split: {{enable: False, train_percent: null, val_percent: null}}
Train: {{num_classes: 3, epochs_iters: 1, batch_size: 6, learning_rate: 0.001, warmup_steps: 0,
        pretrain_weight_path: null, log_interval: 10, eval_interval: 1, save_interval: 1,
        resume_path: null}}
Evaluate: {{weight_path: {run}/best_model/best_model.pdparams, log_interval: 1}}
Export: {{weight_path: {run}/best_model/best_model.pdparams}}
Predict: {{batch_size: 1, model_dir: {run}/best_model/inference, input: {data}/val/1-2.png,
          kernel_option: {{run_mode: paddle}}}}
"""


@pytest.fixture
def peer(tmp_path: Path, dataset: Path, run: Path) -> str:
    """A PaddleX configuration of the small run and its dataset, which may be changed."""
    data = shutil.copytree(dataset, tmp_path / "data")
    (tmp_path / "peer.yaml").write_text(PEER.format(data=data, run=run), encoding="utf-8")
    return "peer.yaml"


def overrides(*texts: str) -> list[str]:
    """As PaddleX takes them."""
    return [word for text in texts for word in ("-o", text)]


def note_of(done) -> str:
    (line,) = (line for line in done.stderr.splitlines() if "Global.mode is" in line)
    return line


def test_the_mode_that_the_file_names_is_run(call, peer, tmp_path):
    done = call("train", "--config", peer)
    assert done.returncode == 0, done.stderr
    assert note_of(done).startswith("note: Global.mode is check_dataset: clsctl dataset check ")
    assert json.loads((tmp_path / "out/check_dataset_result.json").read_text())["check_pass"]
    assert not (tmp_path / "out/train.log").exists()


def test_a_dataset_is_split_before_it_is_checked(call, peer, tmp_path):
    split = ("enable=True", "train_percent=75", "val_percent=25")
    done = call("train", "--config", peer, *overrides(*(f"CheckDataset.split.{s}" for s in split)))
    assert done.returncode == 0, done.stderr
    lists = [(tmp_path / "data" / f"{name}.txt").read_text() for name in ("train", "val")]
    assert [text.count("\n") for text in lists] == [72, 24]


def test_evaluate_is_eval(call, peer, tmp_path):
    done = call("train", "--config", peer, "-o", "Global.mode=evaluate")
    assert done.returncode == 0, done.stderr
    notes = done.stderr.splitlines()
    assert notes[0] == (
        "note: -o Global.mode=evaluate is taken as --set; a folder of that name is "
        "-o ./Global.mode=evaluate"
    )
    result = json.loads((tmp_path / "out/evaluate_result.json").read_text())
    again = call(*shlex.split(note_of(done).partition("clsctl ")[2]), "-o", "again")
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "again/evaluate_result.json").read_text()) == result


def test_export_and_predict(call, peer, tmp_path):
    done = call("train", "--config", peer, "--set", "Global.mode=export")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/export/inference.json").is_file()
    chosen = ("Global.mode=predict", "Predict.batch_size=2", "Predict.model_dir=out/export")
    done = call("train", "--config", peer, *overrides(*chosen))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out/1-2_res.json").read_text())["label_names"][0] == "green"
    assert "--model-dir out/export" in note_of(done)
    assert "-b 2" in note_of(done)


@pytest.mark.usefixtures("one_thread")
def test_train_takes_overrides(clsctl, peer, tmp_path):
    chosen = ("Global.mode=train", "Train.epochs_iters=2", "Global.output=run")
    own = ("--scratch", "--set", "data.image_size=32")
    done = clsctl("train", "--config", peer, *overrides(*chosen), *own)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert (config["epochs"], config["batch_size"], config["model"]) == (2, 6, "MobileNetV1_x0_25")
    assert done.stderr.count("is taken as --set") == 1


def test_paddlex_s_keys_work_without_a_file_of_paddlex_s(call):
    options = ("--set", "Global.model=ResNet50", "--set", "Train.epochs_iters=3", "-d", "data")
    done = call("train", *options, "--explain-config")
    lines = [line.split() for line in done.stdout.splitlines() if line[0] != " "]
    rows = {name: cells for name, *cells in lines}
    assert (rows["model"][0], rows["epochs"][0], rows["recipe"][0]) == ("ResNet50", "3", "auto")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("Global.mode=serve", "unknown mode 'serve'. Valid: check_dataset, evaluate, export,"),
        ("Train.resume_path=x", "hint: use clsctl train --resume RUN"),
        ("Train.dist_ips=10.0.0.1", "hint: use --nnodes, --node-rank and --master"),
        ("Train.epoch_iters=3", "unknown key 'Train.epoch_iters'. Did you mean Train.epochs_iters"),
        ("Predict.batch=3", "unknown key 'Predict.batch'. Did you mean Predict.batch_size"),
        ("CheckDataset.convert.enable=True", "hint: use clsctl dataset import SRC DST"),
    ],
)
def test_what_is_not_followed_is_refused_by_its_name(call, peer, option, said):
    done = call("train", "--config", peer, *overrides("Global.mode=train", option))
    assert done.returncode == 2
    assert said in done.stderr
    assert "[E_CONFIG]" in done.stderr


def test_a_mode_says_which_key_it_lacks(call, peer):
    done = call("train", "--config", peer, *overrides("Global.mode=predict", "Predict.input="))
    assert done.returncode == 2
    assert "the mode predict needs Predict.input [E_CONFIG]" in done.stderr


def test_what_has_no_effect_is_noted(call, peer):
    chosen = overrides("Global.mode=train", "Train.dy2st=True")
    done = call("train", "--config", peer, *chosen, "--explain-config")
    assert "note: Train.dy2st = True in peer.yaml has no effect" in done.stderr
