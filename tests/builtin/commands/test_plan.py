"""`clsctl plan`, exactly as it is read, from measured and from published figures."""

from __future__ import annotations

import json

import pytest
from measurements import measured

from clsctl.bench.records import save_measurements

PLAN = """\
1,000,000,000 images with PP-LCNet_x1_0 on 100 workers

Speed         700 images/s a worker, measured on this machine on 2026-03-01
              (onnxruntime, fp32, batch 1, 2 cores)
Time          2.1 days
Workers       100, though 8 would be as fast
Worker hours  5,056
Cost          1,264 for the workers; traffic and storage not counted
Input         100.0 TB read, at 550.0 MB/s in all
Output        250.0 GB of JSON lines
Shards        100,000 of 10,000 images, 3.0 minutes each
Manifest      20.0 MB
Failures      5.1 workers expected to fail, 25,253 images classified twice
Memory        96 MiB a worker

Utilisation, the bottleneck first
requests to the store      100.0%  more prefixes, or many images to a file
processors of the workers    7.9%  more workers, lower precision, smaller model
links of the workers         4.4%  smaller images, workers beside the store
"""


def lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def test_a_billion_images(call):
    save_measurements([measured(), measured(batch=8, images_per_second=600.0)])
    job = ("-n", "1_000_000_000", "-m", "PP-LCNet_x1_0", "--workers", "100")
    done = call("plan", *job, "--cost-per-hour", "0.25")
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout) == PLAN


def test_without_a_measurement_it_says_that_it_believes_the_catalog(call):
    done = call("plan", "-n", "100", "-m", "PP-LCNet_x1_0", "--format", "json")
    assert done.returncode == 0
    assert "published figures of another machine: `clsctl bench -m PP-LCNet_x1_0`" in done.stderr
    rate = json.loads(done.stdout)["rate"]
    assert rate["measured"] is False
    assert rate["images_per_second"] == pytest.approx(1000 / 4.03)


def test_what_nobody_measured_is_refused(call):
    save_measurements([measured()])
    lower = ("--backend", "openvino", "--precision", "bf16")
    done = call("plan", "-n", "100", "-m", "PP-LCNet_x1_0", *lower)
    assert done.returncode == 4
    assert "[E_NOT_MEASURED]" in done.stderr
    hint = "clsctl bench -m PP-LCNet_x1_0 --device cpu --backend openvino --precision bf16"
    assert f"hint: {hint}\n" in done.stderr


def test_an_unknown_model_gets_the_nearest(call):
    done = call("plan", "-n", "100", "-m", "PP-LCNet_x1_1")
    assert done.returncode == 4
    assert "[E_MODEL_UNKNOWN]" in done.stderr


def test_a_model_of_ones_own_is_found_by_its_measurements(call):
    save_measurements([measured("Own", model_dir="/models/own")])
    done = call("plan", "-n", "100", "-m", "Own", "--format", "json")
    assert json.loads(done.stdout)["rate"]["measured"] is True
