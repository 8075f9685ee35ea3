from __future__ import annotations

import json
import re
from pathlib import Path

import image_datasets
import models
import pytest

from clsctl.models.directory import read_model_dir
from clsctl.models.integrity import weights_sha256
from clsctl.system import cpu as processor

needs_int8 = pytest.mark.skipif(not models.QUANTISES, reason=models.QUANTISES_WHERE)
SCREEN = r"""MobileNetV1_x0_25 in 8-bit integers
calibrated with 60 images of evaluating-dataset, judged on 36 others

       Top-1           95 %  MiB  ms ONNX Runtime  ms OpenVINO
fp32  0\.7222  0\.5601-0\.8415  0\.9 +[\d.]+ +[\d.]+
int8  0\.\d{4}  0\.\d{4}-0\.\d{4}  0\.3 +[\d.]+ +[\d.]+

agreement  0\.\d{4}  95 % 0\.\d{4} to [01]\.\d{4}
(?:int8 is no faster than fp32 with .*\n)?`clsctl predict --precision int8` takes it\.
Written to small; `clsctl predict --model-dir small` runs it\.
"""


@pytest.fixture(scope="module")
def model(run):
    return run / "best_model/inference"


def kept(home: Path) -> list[str]:
    return sorted(path.suffix for path in (home / "cache/int8").glob("*"))


def scores(done) -> list[float]:
    assert done.returncode == 0, done.stderr
    return [score for line in done.stdout.splitlines() for score in json.loads(line)["scores"]]


@needs_int8
def test_quantize_then_predict(call, home, tmp_path, dataset, model):
    which = ("--model-dir", model)
    measured = home / "cache/timings"
    measured.mkdir(parents=True)
    key = weights_sha256(read_model_dir(model))
    for precision in ("int8", "fp32"):
        (measured / f"{key}-cpu-{precision}.json").write_text("{}")
    done = call(
        "quantize",
        *which,
        "-d",
        dataset,
        "--min-agreement",
        "0.75",
        "--max-drop",
        "20",
        "-o",
        "small",
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(SCREEN, "\n".join(line.rstrip() for line in done.stdout.split("\n")))
    assert kept(home) == [".json", ".onnx"]
    assert [path.stem for path in measured.iterdir()] == [f"{key}-cpu-fp32"]
    [report] = (home / "cache/int8").glob("*.json")
    said = json.loads(report.read_text(encoding="utf-8"))
    assert said["images"] == {"calibrated": 60, "judged": 36}
    assert said["fp32"]["top1"]["value"] == 26 / 36
    assert said["int8"]["bytes"] < said["fp32"]["bytes"] / 2
    handed_on = json.loads((tmp_path / "small/clsctl.json").read_text())["quantization"]
    assert handed_on == said | {"dataset": dataset.name}

    photos = ("predict", dataset / "val", "--format", "jsonl", "--backend", "onnxruntime")
    exact = scores(call(*photos, *which))
    int8 = scores(call(*photos, *which, "--precision", "int8"))
    assert int8 != exact
    assert int8 == pytest.approx(exact, abs=0.35)
    assert scores(call(*photos, "--model-dir", "small")) == int8
    for milliseconds, said_so in ((0.5, False), (2.5, True)):
        said["int8"]["milliseconds"]["ONNX Runtime"] = milliseconds
        said["fp32"]["milliseconds"]["ONNX Runtime"] = 1
        report.write_text(json.dumps(said), encoding="utf-8")
        done = call(*photos, *which, "--precision", "int8")
        slower = "ONNX Runtime takes 2.50 ms for an image of MobileNetV1_x0_25 in int8, and 1.00 in"
        assert (slower in done.stderr) == said_so

    again = call("quantize", "--model-dir", "small", "-d", dataset)
    assert again.returncode == 4
    assert "is in integers already [E_CONVERSION]" in again.stderr


@needs_int8
def test_what_loses_too_much_is_not_kept(call, home, tmp_path, dataset, model):
    which = ("--model-dir", model)
    done = call("quantize", *which, "-d", dataset, "--min-agreement", "1", "-o", "small")
    assert (done.returncode, done.stdout) == (4, "")
    assert re.search(
        r"MobileNetV1_x0_25 was not quantised: on 36 images .*int8 chooses fp32's class for "
        r"[\d.]+% of them \(at least 100.0% are required\) \[E_QUANTIZE_DROP\]",
        done.stderr,
    )
    assert kept(home) == []
    assert not (tmp_path / "small").exists()
    refused = call("predict", dataset / "val", *which, "--precision", "int8")
    assert refused.returncode == 4
    assert "was not quantised to int8 on this machine [E_PRECISION_MISSING]" in refused.stderr
    assert f"hint: `clsctl quantize --model-dir {model} -d DATASET`" in refused.stderr


def test_too_few_images(call, tmp_path, model, processor_with):
    processor_with("flags\t\t: fpu avx512_vnni")
    photos = image_datasets.tree(tmp_path / "photos", {"boats": 1, "trains": 0})
    done = call("quantize", "--model-dir", model, "-d", photos)
    assert done.returncode == 3, done.stderr
    assert "has too few images" in done.stderr
    assert "[E_QUANTIZE_IMAGES]" in done.stderr


@pytest.mark.parametrize("flags", ["flags\t\t: fpu avx2 avx512f", "Features\t: fp asimd", ""])
def test_a_processor_that_saturates_is_refused(call, dataset, model, processor_with, flags):
    processor_with(flags)
    done = call("quantize", "--model-dir", model, "-d", dataset)
    assert done.returncode == 6
    assert "without saturating, so int8 would be inaccurate on it" in done.stderr
    assert "[E_PRECISION_PROCESSOR]" in done.stderr


def test_what_the_names_of_instructions_mean(processor_with):
    for flags in ("flags\t\t: avx2 avx_vnni", "Features\t: asimd asimddp"):
        processor_with(flags)
        assert processor.multiplies_int8()
        assert not processor.multiplies_bf16()
    processor_with("flags\t\t: avx2 avx512f amx_bf16")
    assert processor.multiplies_bf16()
    assert processor.instruction_set().endswith("-avx512f")
