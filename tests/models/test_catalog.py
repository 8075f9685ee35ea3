"""The catalog in the box against its sources, and what a catalog file may not hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import GOLDEN

from clsctl.errors import ModelError
from clsctl.models.catalog import catalog_path, default_model, get_entry, load_catalog, read_catalog
from clsctl.values import Artifact, ModelEntry, Preprocessing

SERVER = "https://paddle-model-ecology.bj.bcebos.com/paddlex"
CORE = {
    "CLIP_vit_base_patch16_224",
    "MobileNetV3_small_x1_0",
    "PP-HGNet_small",
    "PP-HGNetV2-B0",
    "PP-HGNetV2-B4",
    "PP-HGNetV2-B6",
    "PP-LCNet_x1_0",
    "ResNet50",
    "SwinTransformer_tiny_patch4_window7_224",
}
MANIFESTS = sorted((GOLDEN / "manifest").glob("*.json"))

SMALL = """
[catalog]
source = "A paper"

[families]
Tiny = "Small networks."

[preprocessing]
plain = { resize_short = 256, crop = 224 }

[[models]]
name = "Tiny-1"
family = "Tiny"
preprocessing = "plain"
top1 = 70.5
cpu_ms = [2.0, 1.0]
size = "1.5 G"
inference = "https://example.org/Tiny-1_infer.tar"
"""


def builtin() -> dict[str, ModelEntry]:
    return {entry.name: entry for entry in read_catalog(catalog_path(), "builtin")}


# ---- the models in the box -----------------------------------------------------------------------


def test_there_are_80_models_of_which_9_are_core():
    models = builtin()
    assert len(models) == len(MANIFESTS) == 80
    assert {name for name, entry in models.items() if entry.core} == CORE


def test_every_figure_of_a_model_is_there():
    entry = get_entry("PP-LCNet_x1_0")
    assert (entry.family, entry.catalog, entry.core) == ("PP-LCNet", "builtin", True)
    assert (entry.top1, entry.size_mb) == (71.32, 10.5)
    assert (entry.gpu_ms, entry.cpu_ms) == ((2.35, 0.47), (4.03, 1.35))
    assert entry.preprocessing == entry.exported == Preprocessing(256, 224, "bilinear", "cv2")
    assert entry.artifact("inference") == Artifact(
        f"{SERVER}/official_inference_model/paddle3.0rc0/PP-LCNet_x1_0_infer.tar"
    )
    assert entry.artifact("training") == Artifact(
        f"{SERVER}/official_pretrained_model/PP-LCNet_x1_0_pretrained.pdparams"
    )


def test_a_size_in_g_is_counted_in_mib():
    assert get_entry("CLIP_vit_large_patch14_224").size_mb == 1064.96


def test_every_model_has_both_urls_and_all_figures():
    for name, entry in builtin().items():
        assert entry.inference is not None
        assert entry.training is not None
        assert entry.inference.url.endswith(f"/{name}_infer.tar")
        assert entry.training.url.endswith(f"/{name}_pretrained.pdparams")
        assert entry.top1 is not None
        assert entry.gpu_ms is not None
        assert entry.cpu_ms is not None
        assert entry.summary.endswith(".")
        assert "Tesla T4" in entry.figures
        assert "Xeon Gold 6271C" in entry.figures


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_model_agrees_with_what_was_recorded_when_it_was_run(path: Path):
    manifest = json.loads(path.read_text(encoding="utf-8"))
    entry = builtin()[manifest["name"]]
    amount, unit = manifest["seed_size"].split()
    assert entry.top1 == float(manifest["seed_top1"])
    assert entry.size_mb == float(amount) * (1024 if unit == "G" else 1)
    assert entry.preprocessing == _measured(manifest["preprocess_eval"])
    assert entry.exported == _exported(manifest["preprocess_infer_yaml"])


def _measured(record: dict) -> Preprocessing:
    return Preprocessing(
        record["resize_short"],
        record["crop_size"],
        record["interpolation"],
        record["backend"],
        tuple(record["mean"]),
        tuple(record["std"]),
    )


def _exported(operations: list[dict]) -> Preprocessing:
    steps = {name: options for step in operations for name, options in step.items()}
    resize, normalize = steps["ResizeImage"], steps["NormalizeImage"]
    return Preprocessing(
        resize["resize_short"],
        steps["CropImage"]["size"],
        resize.get("interpolation", "bilinear"),
        resize.get("backend", "cv2"),
        tuple(normalize["mean"]),
        tuple(normalize["std"]),
    )


def test_the_default_model_is_in_the_catalog():
    assert default_model() in load_catalog()


def test_an_unknown_model_gets_the_nearest_names():
    with pytest.raises(ModelError) as failure:
        get_entry("resnet_50")
    assert failure.value.code == "E_MODEL_UNKNOWN"
    assert "Did you mean ResNet50" in failure.value.message
    assert failure.value.hint == "`clsctl models list` shows every model"


# ---- a catalog file ------------------------------------------------------------------------------


def test_a_small_catalog_is_read_from_text_and_from_a_file(tmp_path: Path):
    path = tmp_path / "catalog.toml"
    path.write_text(SMALL, encoding="utf-8")
    assert read_catalog(path, "tiny") == read_catalog(SMALL, "tiny")
    (entry,) = read_catalog(SMALL, "tiny")
    assert entry == ModelEntry(
        name="Tiny-1",
        family="Tiny",
        summary="Small networks.",
        catalog="tiny",
        preprocessing=Preprocessing(256, 224),
        exported=Preprocessing(256, 224),
        inference=Artifact("https://example.org/Tiny-1_infer.tar"),
        top1=70.5,
        cpu_ms=(2.0, 1.0),
        size_mb=1536.0,
        figures="A paper.",
    )


def test_a_checksum_can_be_pinned():
    pin = "0123456789abcdef" * 4
    (entry,) = read_catalog(f'{SMALL}inference_sha256 = "{pin}"\n', "tiny")
    assert entry.inference == Artifact("https://example.org/Tiny-1_infer.tar", pin)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("top1 = 70.5", "top_1 = 70.5", "models: Tiny-1: unknown key 'top_1'. Did you mean top1?"),
        (
            "top1 = 70.5",
            "top1 = true",
            "Tiny-1: top1: expected a percentage from 0 to 100, not True",
        ),
        ("top1 = 70.5", "top1 = nan", "Tiny-1: top1: expected a percentage from 0 to 100, not nan"),
        ("[2.0, 1.0]", "[2.0]", "models: Tiny-1: cpu_ms: expected a list of 2, not [2.0]"),
        ("[2.0, 1.0]", "[2.0, -1]", "models: Tiny-1: cpu_ms: expected milliseconds, not -1"),
        (
            "1.5 G",
            "1.5 T",
            "Tiny-1: size: expected a size such as '10.5 M' or '1.04 G', not '1.5 T'",
        ),
        ("https://ex", "ex", "models: Tiny-1: inference: expected a URL, not 'example.org"),
        ('_infer.tar"', '_infer.tar "', "models: Tiny-1: inference: expected a URL"),
        ("Tiny-1", "../Tiny-1", "models: ../Tiny-1: name: expected letters, digits"),
        ('name = "Tiny-1"', "", "models: number 1: the key 'name' is missing"),
        (
            'family = "Tiny"',
            'family = "Tin"',
            "Tiny-1: family: unknown family 'Tin'. Did you mean Tiny?",
        ),
        (
            '= "plain"',
            '= "plane"',
            "Tiny-1: preprocessing: unknown preprocessing 'plane'. Did you mean",
        ),
        ("inference =", "training_sha256 = 'x'\n#", "Tiny-1: training_sha256: expected 64 digits"),
        (
            "inference =",
            f"training_sha256 = '{'0' * 64}'\n#",
            "Tiny-1: training_sha256: there is no",
        ),
        (
            "crop = 224",
            "crop = 22.4",
            "preprocessing: plain: crop: expected a whole number of pixels",
        ),
        ("crop = 224", "mean = 1", "preprocessing: plain: the key 'crop' is missing"),
        ("crop = 224", "crop = 224, mean = 1", "plain: mean: expected a list of 3, not 1"),
        ('source = "A paper"', "", "catalog: the key 'source' is missing"),
        (
            '"A paper"',
            '"A"\ndefault_model = "Tiny"',
            "default_model: unknown model 'Tiny'. Did you",
        ),
        ("[[models]]", "[models]", "models: expected a list of tables"),
        ("[families]", "families = 1\n[old]", "unknown key 'old'"),
        ("[catalog]", "[catalog", "Expected ']'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(old: str, new: str, reason: str):
    assert SMALL.count(old) >= 1
    with pytest.raises(ModelError) as failure:
        read_catalog(SMALL.replace(old, new, 1), "tiny")
    assert failure.value.code == "E_CATALOG_INVALID"
    assert failure.value.message.startswith("the catalog 'tiny' is not valid: ")
    assert reason in failure.value.message


def test_a_model_listed_twice_is_refused():
    block = SMALL[SMALL.index("[[models]]") :]
    with pytest.raises(ModelError, match="models: Tiny-1: listed twice"):
        read_catalog(SMALL + block, "tiny")


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(
        ModelError, match=f"'tiny' is not valid: {tmp_path}/none.toml: cannot be read: No such"
    ):
        read_catalog(tmp_path / "none.toml", "tiny")


@given(st.decimals(0, 100_000, places=2))
def test_a_size_in_g_is_1024_times_one_in_m(amount):
    def size(unit: str) -> float:
        (entry,) = read_catalog(SMALL.replace("1.5 G", f"{amount} {unit}"), "tiny")
        return entry.size_mb

    assert size("G") == 1024 * size("M") == 1024 * float(amount)


# ---- the catalogs of plugins ---------------------------------------------------------------------

PLUGIN = """
from clsctl.plugin import hookimpl
from clsctl.models.catalog import read_catalog
from clsctl.plugin import Catalog

@hookimpl
def clsctl_catalogs():
    return [Catalog("tiny", "Small networks.", lambda: read_catalog({text!r}, "tiny"))]
"""


@pytest.fixture
def with_catalog(tmp_path: Path):
    """Install a plugin with this catalog; returns the environment that shows it to a process."""

    def install(text: str) -> dict[str, str]:
        site = tmp_path / "site"
        info = site / "tiny-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "tiny.py").write_text(PLUGIN.format(text=text), encoding="utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[clsctl]\ntiny = tiny\n")
        return {"PYTHONPATH": str(site)}

    return install


def test_the_models_of_a_plugin_are_listed_beside_the_others(clsctl, with_catalog):
    env = with_catalog(SMALL)
    done = clsctl("models", "list", "--format", "csv", env=env)
    assert done.returncode == 0
    names = [line.split(",")[0] for line in done.stdout.splitlines()]
    assert {"Tiny-1", "ResNet50"} <= set(names)


def test_one_model_in_two_catalogs_is_an_error_that_names_both(clsctl, with_catalog):
    env = with_catalog(SMALL.replace("Tiny-1", "ResNet50"))
    done = clsctl("models", "list", env=env)
    assert done.returncode == 2
    assert done.stdout == ""
    message = " ".join(done.stderr.split())
    assert "the model 'ResNet50' is in two catalogs" in message
    assert "'tiny' of plugin 'tiny'" in message
    assert "'builtin' of plugin 'catalogs.builtin'" in message
    assert "[E_PLUGIN_CONFLICT]" in message


def test_a_plugin_whose_catalog_is_wrong_is_one_warning(clsctl, with_catalog):
    env = with_catalog(SMALL.replace("70.5", "705"))
    done = clsctl("models", "list", "--family", "StarNet", env=env)
    assert done.returncode == 0
    assert "StarNet-S4" in done.stdout
    assert done.stderr == (
        "warning: the catalog of plugin 'tiny' was left out: the catalog 'tiny' is not valid: "
        "models: Tiny-1: top1: expected a percentage from 0 to 100, not 705\n"
    )
