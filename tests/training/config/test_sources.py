from pathlib import Path

import pytest

from clsctl.errors import ModelError, UsageError
from clsctl.schema.layers import ConfigSource, nest
from clsctl.training.config.recipes import configure
from clsctl.training.config.sources import (
    file_source,
    option_source,
    resolve_config,
    table_source,
    writable_values,
)


def test_later_sources_win_and_origins_are_kept():
    resolved = resolve_config(
        [ConfigSource("file", {"epochs": 3, "seed": 1}), ConfigSource("option", {"epochs": 5})]
    )
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
        ("augment.crop_scale=0.5, 1", "augment.crop_scale", (0.5, 1.0)),
        ("augment.crop_scale=0.5,1", "augment.crop_scale", (0.5, 1.0)),
        ("batch_size=auto", "batch_size", 0),
        ("optimizer.learning_rate=auto", "optimizer.learning_rate", 0),
    ],
)
def test_set_takes_text_for_what_it_says(text: str, key: str, value: object):
    assert resolve_config([option_source([text])]).values()[key] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "optimiser.name=AdamW",
            "--set: unknown key 'optimiser.name'. Did you mean optimizer.name?",
        ),
        ("epocs=3", "--set: unknown key 'epocs'. Did you mean epochs?"),
        ("epochs=0", "--set: epochs: expected a whole number, 1 or more, not '0'"),
        ("epochs=auto", "--set: epochs: expected a whole number, 1 or more, not 'auto'"),
        ("epochs=many", "--set: epochs: expected a whole number, 1 or more, not 'many'"),
        ("optimizer.name=Adam", "--set: optimizer.name: expected Momentum or AdamW, not 'Adam'"),
        ("augment.flip=2", "--set: augment.flip: expected a number from 0 to 1, not '2'"),
        (
            "batch_size=0",
            "--set: batch_size: expected a whole number, 1 or more, or auto, not '0'",
        ),
        ("optimizer=AdamW", "--set: optimizer: expected a table, not 'AdamW'"),
        ("augment.flip=nan", "--set: augment.flip: expected a number from 0 to 1, not 'nan'"),
        ("augment.crop_scale=1", "--set: augment.crop_scale: expected a list of 2, not '1'"),
        ("pretrained=maybe", "--set: pretrained: expected true or false, not 'maybe'"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str):
    with pytest.raises(UsageError) as caught:
        resolve_config([option_source([text])])
    assert caught.value.message == message
    assert caught.value.code == "E_CONFIG"


def test_a_configuration_survives_being_written_and_read():
    resolved = resolve_config([ConfigSource("a", {"augment.crop_scale": [0.2, 0.9], "ema": 0.99})])
    again = resolve_config([table_source("b", nest(writable_values(resolved)))])
    assert again.config == resolved.config


def test_the_recipe_follows_the_weights_and_the_family():
    tuned = configure([ConfigSource("option", {"model": "ResNet50"})])
    assert tuned.config.optimizer.name == "AdamW"
    assert tuned.origins["optimizer.name"] == "fine-tuning recipe"
    fresh = configure([ConfigSource("option", {"model": "ResNet50", "pretrained": False})])
    assert fresh.config.optimizer.name == "Momentum"
    assert fresh.config.optimizer.weight_decay == 1e-4
    assert fresh.origins["optimizer.weight_decay"] == "published recipe of ResNet"


def test_every_recipe_of_the_file_is_valid():
    import clsctl.training.config
    from clsctl.models.catalog import load_catalog
    from clsctl.schema.documents import parse_document
    from clsctl.training.config.recipes import recipe

    text = (
        Path(clsctl.training.config.__file__).with_name("recipes.toml").read_text(encoding="utf-8")
    )
    families = {entry.family for entry in load_catalog().values()}
    for kind, table in parse_document(text, ".toml").items():
        assert set(table["families"]) <= families
        for family in families:
            resolve_config(recipe(family, kind))


def test_a_model_is_needed_and_must_be_known():
    with pytest.raises(UsageError, match="no model to train is named"):
        configure([])
    with pytest.raises(ModelError, match=r"Did you mean ResNet50"):
        configure([ConfigSource("option", {"model": "ResNet5O"})])


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
    config = configure([file_source(path)]).config
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
    assert configure([file_source(path)]).config.amp == meant


def test_a_paddlex_file_with_a_wrong_key_is_refused(tmp_path: Path):
    path = tmp_path / "peer.yaml"
    path.write_text(PEER.replace("batch_size", "bach_size"))
    with pytest.raises(UsageError, match=r"'Train\.bach_size'\. Did you mean Train\.batch"):
        file_source(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("20", "many", "Train.epochs_iters: expected a whole number, 1 or more, not 'many'"),
        ("256", "0", "Train.batch_size: expected a whole number, 1 or more, or auto, not 0"),
        ("https://example.org/PP-LCNet_x1_0_pretrained.pdparams", "[1]", "Train.pretrain_weight"),
    ],
)
def test_a_wrong_value_in_a_paddlex_file_is_named_by_its_key_there(tmp_path, old, new, message):
    path = tmp_path / "peer.yaml"
    path.write_text(PEER.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        file_source(path)
    assert caught.value.message.startswith(f"{path}: {message}")


HOSTILE = {
    "unclosed": "a: [",
    "a list": "- just a list",
    "a table that holds itself": "&a\noptimizer: *a",
    "a bomb of aliases": "data: &a {a: 1}\n"
    + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}' if n else '*a'] * 9)}]\n" for n in range(12)),
    "keys that are no text": "1: 2\n[3]: 4",
    "a broken number": "seed: !!int ''",
    "a number of many digits": f"seed: 0x-{'f' * 9000}",
    "an escape sequence": '"\\e[31m": 1',
    "nested without end": "[" * 100_000,
    "not UTF-8": "\udcff",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_is_no_configuration_is_one_error(tmp_path: Path, text: str):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UsageError) as caught:
        resolve_config([file_source(path)])
    assert caught.value.code == "E_CONFIG"
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < len(str(path)) + 400
