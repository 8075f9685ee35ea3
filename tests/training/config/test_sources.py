from pathlib import Path

import pytest

from clsctl.errors import ModelError, UsageError
from clsctl.training.config.recipes import configure
from clsctl.training.config.sources import Layer, assignments, flatten, nest, resolve
from clsctl.training.train import file_layers


def test_later_layers_win_and_origins_are_kept():
    resolved = resolve([Layer("file", {"epochs": 3, "seed": 1}), Layer("option", {"epochs": 5})])
    assert (resolved.config.epochs, resolved.config.seed) == (5, 1)
    assert resolved.origins["epochs"] == "option"
    assert resolved.origins["seed"] == "file"
    assert resolved.origins["batch_size"] == "default"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("epochs=3", "epochs", 3),
        ("optimizer.learning_rate=3e-3", "optimizer.learning_rate", 0.003),
        ("optimizer.learning_rate=none", "optimizer.learning_rate", None),
        ("pretrained=false", "pretrained", False),
        ("model=PP-LCNet_x1_0", "model", "PP-LCNet_x1_0"),
        ("augment.crop_scale=[0.5, 1]", "augment.crop_scale", (0.5, 1.0)),
        ("batch_size=auto", "batch_size", 0),
        ("optimizer.learning_rate=auto", "optimizer.learning_rate", 0),
    ],
)
def test_set_takes_text_for_what_it_says(text: str, key: str, value: object):
    assert resolve([assignments([text])]).values()[key] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "optimiser.name=AdamW",
            "--set: unknown key 'optimiser.name'. Did you mean optimizer.name?",
        ),
        ("epocs=3", "--set: unknown key 'epocs'. Did you mean epochs?"),
        ("epochs=0", "--set: epochs: expected 1 or more, not '0'"),
        ("epochs=auto", "--set: epochs: expected a whole number, not 'auto'"),
        ("epochs=many", "--set: epochs: expected a whole number, not 'many'"),
        ("optimizer.name=Adam", "--set: optimizer.name: expected Momentum or AdamW, not 'Adam'"),
        ("augment.flip=2", "--set: augment.flip: expected 1 or less, not '2'"),
        ("pretrained=maybe", "--set: pretrained: expected true or false, not 'maybe'"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str):
    with pytest.raises(UsageError) as caught:
        resolve([assignments([text])])
    assert caught.value.message == message
    assert caught.value.code == "E_CONFIG"


def test_a_configuration_survives_being_written_and_read():
    resolved = resolve([Layer("a", {"augment.crop_scale": [0.2, 0.9], "ema": 0.99})])
    again = resolve([Layer("b", flatten(nest(resolved.values())))])
    assert again.config == resolved.config


def test_the_recipe_follows_the_weights_and_the_family():
    tuned = configure([Layer("option", {"model": "ResNet50"})])
    assert tuned.config.optimizer.name == "AdamW"
    assert tuned.origins["optimizer.name"] == "fine-tuning recipe"
    fresh = configure([Layer("option", {"model": "ResNet50", "pretrained": False})])
    assert fresh.config.optimizer.name == "Momentum"
    assert fresh.config.optimizer.weight_decay == 1e-4
    assert fresh.origins["optimizer.weight_decay"] == "published recipe of ResNet"


def test_every_recipe_of_the_file_is_valid():
    import tomllib

    import clsctl.training.config
    from clsctl.models.catalog import load_catalog
    from clsctl.training.config.recipes import recipe

    text = (
        Path(clsctl.training.config.__file__).with_name("recipes.toml").read_text(encoding="utf-8")
    )
    families = {entry.family for entry in load_catalog().values()}
    for kind, table in tomllib.loads(text).items():
        assert set(table["families"]) <= families
        for family in families:
            resolve(recipe(family, kind))


def test_a_model_is_needed_and_must_be_known():
    with pytest.raises(UsageError, match="which model"):
        configure([])
    with pytest.raises(ModelError, match=r"Did you mean ResNet50"):
        configure([Layer("option", {"model": "ResNet5O"})])


PEER = """\
Global:
  model: PP-LCNet_x1_0
  mode: train
  dataset_dir: data
  device: gpu:0,1,2,3
  output: "out"
CheckDataset:
  split: {enable: False, train_percent: null}
Train:
  num_classes: 102
  epochs_iters: 20
  batch_size: 256
  learning_rate: 3e-3
  pretrain_weight_path: https://example.org/PP-LCNet_x1_0_pretrained.pdparams
  warmup_steps: 5
  resume_path: null
  log_interval: 1
  eval_interval: 1
  save_interval: 1
Predict: {kernel_option: {run_mode: paddle}}
"""


def test_a_paddlex_file_is_taken_as_it_is(tmp_path: Path):
    path = tmp_path / "PP-LCNet_x1_0.yaml"
    path.write_text(PEER)
    config = configure(file_layers(path)).config
    assert (config.model, config.output, config.device) == ("PP-LCNet_x1_0", "out", "gpu:0,1,2,3")
    assert (config.data.path, config.data.num_classes) == ("data", 102)
    assert (config.epochs, config.batch_size, config.schedule.warmup_epochs) == (20, 256, 5.0)
    assert config.optimizer.base_learning_rate == 0.003
    assert config.optimizer.base_batch_size == 1024
    assert (config.recipe, config.optimizer.name, config.pretrained) == ("family", "Momentum", True)
    assert config.checkpoint.save_every == 1
    assert config.amp == "off"


@pytest.mark.parametrize(("written", "meant"), [("OFF", "off"), ("O1", "O1"), ("null", "off")])
def test_mixed_precision_in_a_paddlex_file(tmp_path: Path, written: str, meant: str):
    path = tmp_path / "peer.yaml"
    path.write_text(PEER.replace("log_interval: 1", f"amp: {written}"))
    assert configure(file_layers(path)).config.amp == meant


def test_a_paddlex_file_with_a_wrong_key_is_refused(tmp_path: Path):
    path = tmp_path / "peer.yaml"
    path.write_text(PEER.replace("batch_size", "bach_size"))
    with pytest.raises(UsageError, match=r"'Train\.bach_size'\. Did you mean Train\.batch"):
        file_layers(path)


@pytest.mark.parametrize("text", ["a: [", "- just a list"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        file_layers(path)
    assert caught.value.code == "E_CONFIG"
