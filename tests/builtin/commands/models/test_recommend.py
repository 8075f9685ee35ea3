"""Recommendations come from one kind of figures, and say from which."""

from __future__ import annotations

import json

import pytest
from measurements import measured

from clsctl.bench.records import save_measurements

CATALOG = """\
Model                   Top-1 %    ms   MiB
MobileNetV4_conv_small    74.60  4.42  14.7
PP-LCNet_x1_5             73.71  4.17  16.0
PP-LCNet_x1_0             71.32  4.03  10.5
MobileNetV1_x1_0          71.00  4.01  15.2
MobileNetV1_x0_75         68.80  3.41   9.3

Published figures for a CPU: one image, network only, all cores. `clsctl models
list` says how they were measured.

clsctl predict IMAGE -m MobileNetV4_conv_small
"""
MEASURED = """\
Model          Top-1 %    ms   MiB  Run by
PP-HGNetV2-B0    77.77  3.00  10.5  openvino fp32
StarNet-S1       73.60  2.50  10.5  onnxruntime fp32

Figures measured on this machine's cpu: one image, network only, all cores.
Top-1: published, on ImageNet-1k.

clsctl predict IMAGE -m PP-HGNetV2-B0 --backend openvino
"""
NEAREST = """\
Nothing fits. The nearest:
Model          Top-1 %    ms   MiB  Run by
PP-LCNet_x1_0    71.32  1.00  10.5  onnxruntime fp32
StarNet-S1       73.60  2.50  10.5  onnxruntime fp32
PP-HGNetV2-B0    77.77  3.00  10.5  openvino fp32
"""


@pytest.fixture
def figures():
    save_measurements(
        [
            measured("PP-HGNetV2-B0", ms=3.0, backend="openvino"),
            measured("PP-HGNetV2-B0", ms=1.0, backend="openvino", precision="bf16"),
            measured("PP-HGNetV2-B0", ms=0.1, backend="openvino", batch=8),
            measured("PP-LCNet_x1_0", ms=1.0),
            measured("StarNet-S1", ms=2.5),
        ]
    )


@pytest.fixture
def recommend(call):
    """The names recommended, as a script reads them."""

    def run(*options: str) -> list[str]:
        done = call("models", "recommend", "--format", "json", *options)
        return [row["model"] for row in json.loads(done.stdout)["recommended"]]

    return run


def lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def test_by_the_published_figures(call):
    done = call("models", "recommend", "--max-ms", "5", "--max-mb", "16", "--catalog")
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout) == CATALOG


def test_by_measured_figures(call, figures):
    done = call("models", "recommend", "--max-ms", "5", "--min-top1", "72")
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout) == MEASURED


def test_without_measurements_it_says_that_it_believes_the_catalog(call):
    done = call("models", "recommend", "--max-ms", "5", "--max-mb", "16")
    assert done.stderr.startswith("note: nothing was measured on this machine's cpu yet")
    assert lines(done.stdout) == CATALOG


def test_where_nothing_fits_the_nearest_are_shown(call, figures):
    done = call("models", "recommend", "--max-ms", "2", "--min-top1", "75")
    assert done.returncode == 4
    assert lines(done.stdout).startswith(NEAREST)
    assert "no model is within the limits, of 4 with figures measured" in done.stderr
    assert "[E_NO_MODEL_FITS]" in done.stderr


def test_the_fastest_come_first_where_speed_is_no_limit(recommend, figures):
    assert recommend("--min-top1", "72") == ["StarNet-S1", "PP-HGNetV2-B0"]


def test_less_than_fp32_counts_only_with_a_measured_accuracy(recommend, figures):
    assert recommend("--max-ms", "1", "--min-top1", "60") == ["PP-LCNet_x1_0"]
    quick = {"backend": "openvino", "precision": "bf16", "dataset": "/photos, val"}
    save_measurements([measured("PP-HGNetV2-B0", ms=1.0, top1=93.5, **quick)])
    assert recommend("--max-ms", "1", "--min-top1", "60") == ["PP-HGNetV2-B0", "PP-LCNet_x1_0"]


def test_accuracies_of_two_origins_are_told_apart(call, figures):
    save_measurements([measured("My own", top1=91.0, dataset="/photos, val", model_dir="/my own")])
    done = call("models", "recommend", "--max-ms", "2.5")
    text = " ".join(done.stdout.split())
    assert (
        "Top-1 of My own: measured on /photos, val. "
        "Top-1 of StarNet-S1, PP-LCNet_x1_0: published, on ImageNet-1k. "
        "These are not to be compared." in text
    )
    assert text.endswith("clsctl predict IMAGE --model-dir '/my own' --backend onnxruntime")


def test_a_gpu_that_is_elsewhere_has_published_figures(recommend):
    assert recommend("--device", "gpu:1", "--max-ms", "0.5") == []
    assert recommend("--device", "gpu", "--max-ms", "2") == [
        "MobileNetV1_x1_0",
        "MobileNetV1_x0_75",
        "MobileNetV1_x0_5",
        "PP-LCNet_x0_35",
        "PP-LCNet_x0_25",
    ]


def test_nobody_published_figures_of_an_npu(call):
    done = call("models", "recommend", "--device", "npu")
    assert done.returncode == 4
    assert "there are no published figures for npu [E_NOT_MEASURED]" in done.stderr
