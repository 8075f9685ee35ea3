"""`clsctl bench` measures for real, in processes of its own, and keeps what it found."""

from __future__ import annotations

import json

import models
import pytest
from PIL import Image

from clsctl.bench.records import load_measurements

QUICK = ("--rounds", "1", "--images", "4", "-o", "out")


def test_a_broken_model_is_a_row_and_the_others_are_measured(clsctl, ready, tmp_path):
    broken = models.spoilt_copy(ready, tmp_path / "broken", "inference.pdiparams", lambda b: b[:9])
    models_ = ("--model-dir", broken, "-m", ready, "--backend", models.BACKEND)
    done = clsctl("bench", *models_, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "Not measured: " in done.stdout
    assert f"\nMobileNetV1_x0_25 {models.BACKEND} fp32 batch 1\n" in done.stdout
    assert done.stdout.endswith("\nFiles: out/bench.json\n")

    result = json.loads((tmp_path / "out/bench.json").read_text(encoding="utf-8"))
    assert [failure["backend"] for failure in result["failures"]] == [models.BACKEND]
    [record] = load_measurements()
    assert (record.model, record.model_dir) == ("MobileNetV1_x0_25", str(ready))
    assert record.backend == models.BACKEND
    assert record.top1 is None
    for latency in (record.one_thread, record.all_threads):
        assert 0 < latency.p50 <= latency.p90 <= latency.p99
    # A process that classifies has numpy, OpenCV and a backend, and no more than a few models.
    assert 40 < record.memory_mb < 1000
    assert 0.05 < record.cold_start_s < 60
    assert record.images_per_second > 1
    assert 100 < record.result_bytes < 1000

    planned = clsctl("plan", "-m", ready, "-n", "100", "--format", "json")
    assert json.loads(planned.stdout)["rate"]["images_per_second"] == record.images_per_second


def test_accuracy_is_that_of_eval_and_is_drawn(call, dataset, run, run_ready, tmp_path):
    model = run / "best_model" / "inference"
    about = ("--model-dir", model, "-d", dataset, "--backend", "paddle")
    done = call("bench", *about, *QUICK, "--format", "json")
    assert done.returncode == 0, done.stderr
    [record] = json.loads(done.stdout)["measurements"]

    call("eval", "--model-dir", model, "-d", dataset, "--backend", "paddle", "-o", "eval")
    evaluated = json.loads((tmp_path / "eval/evaluate_result.json").read_text(encoding="utf-8"))
    top1 = evaluated["clsctl"]["top1"]
    assert record["top1"] == pytest.approx(100 * top1["value"])
    assert record["top1_interval"] == pytest.approx([100 * bound for bound in top1["interval95"]])
    with Image.open(tmp_path / "out/pareto.png") as picture:
        assert picture.size[0] > 800


def test_nothing_measured_is_an_error_with_its_reason(clsctl, ready):
    done = clsctl("bench", "--model-dir", ready, "--backend", "tensorrt-or-such", *QUICK)
    assert done.returncode == 2
    assert "unknown backend 'tensorrt-or-such'" in done.stderr
    assert load_measurements() == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--batch", "0"), "E_VALUE"),
        (("--batch", ","), "E_VALUE"),
        (("--precision", "fp33"), "E_VALUE"),
        ((), "E_MODEL_CHOICE"),
        (("-m", "PP-LCNet_x1_1"), "E_MODEL_UNKNOWN"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, tiny, options, code):
    model = ("--model-dir", tiny) if code == "E_VALUE" else ()
    done = call("bench", *model, *options)
    assert done.returncode != 0
    assert f"[{code}]" in done.stderr
