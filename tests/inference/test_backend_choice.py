"""A backend that was asked for and cannot do it is an error; `auto` chooses among the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_plugins import backend, device, raising, registry_with

from clsctl.errors import ClsctlError, DeviceError, ModelError
from clsctl.inference.backend_choice import select_backend
from clsctl.models.directory import read_model_dir
from clsctl.plugin.registry import load_registry
from clsctl.values import DeviceId, ModelSpec, Placement

CPU = DeviceId("cpu")


@pytest.fixture
def spec(tiny: Path) -> ModelSpec:
    return read_model_dir(tiny)


# ---- backends ----------------------------------------------------------------------------------


def test_auto_takes_the_usable_backend_of_highest_priority(spec):
    registry = registry_with(
        backend("absent", 99, check=raising(DeviceError("not installed"))),
        backend("elsewhere", 98, precisions={"npu": ("fp32",)}),
        backend("fast", 97),
        backend("slow", 96),
    )
    assert select_backend("auto", spec, Placement(CPU), registry, single=True).name == "fast"


def test_auto_says_why_it_left_out_a_backend(spec, capsys):
    unfit = backend("unfit", 99, prepare=raising(ModelError("it has a fault")))
    registry = registry_with(unfit, backend("fast", 98))
    assert select_backend("auto", spec, Placement(CPU), registry, single=True).name == "fast"
    assert capsys.readouterr().err == "note: it has a fault; trying the next backend\n"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"check": raising(DeviceError("no", code="E_BACKEND_MISSING"))}, "E_BACKEND_MISSING"),
        ({"precisions": {"npu": ("fp32",)}}, "E_BACKEND_MISSING"),
        ({"prepare": raising(ModelError("no", code="E_CONVERSION"))}, "E_CONVERSION"),
    ],
)
def test_a_backend_that_was_asked_for_is_never_replaced(spec, changes, code):
    with pytest.raises(ClsctlError) as caught:
        select_backend("mine", spec, Placement(CPU), registry_with(backend("mine", **changes)))
    assert caught.value.code == code


def test_a_device_that_no_backend_serves(spec):
    registry = registry_with(device("tpu", 1))
    with pytest.raises(DeviceError, match="no backend runs MobileNetV1_x0_25 on tpu:0"):
        select_backend("auto", spec, Placement(DeviceId("tpu", 0)), registry)


def test_what_cannot_be_measured_goes_by_priority(spec, capsys):
    """The measuring process has no idea of a plugin that only this one has."""
    registry = registry_with(backend("fast", 99), backend("slow", 98))
    assert select_backend("auto", spec, Placement(CPU), registry).name == "fast"
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"note: the backends for {spec.name} could not be compared: ")
    assert said.endswith("; taking fast")


# ---- precision and format ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "precision"),
    [("onnxruntime", "bf16"), ("onnxruntime", "fp16"), ("paddle", "bf16"), ("paddle", "int8")],
)
def test_a_precision_that_a_backend_does_not_have_is_refused(spec, name, precision):
    placement = Placement(CPU, precision=precision)
    with pytest.raises(DeviceError, match=f"'{name}' does not run in {precision} on cpu") as caught:
        select_backend(name, spec, placement, load_registry())
    assert caught.value.code == "E_PRECISION_UNSUPPORTED"


def test_a_precision_that_no_backend_has_on_the_device(spec):
    with pytest.raises(DeviceError, match=f"no backend runs {spec.name} on cpu in fp16"):
        select_backend("auto", spec, Placement(CPU, precision="fp16"), load_registry())


@pytest.mark.parametrize("flags", [None, "flags\t\t: fpu avx2 avx512_vnni"])
def test_bf16_needs_a_processor_that_has_it(spec, processor_with, flags):
    pytest.importorskip("openvino")
    processor_with(flags)
    with pytest.raises(DeviceError, match="has no bf16 instructions") as caught:
        select_backend("auto", spec, Placement(CPU, precision="bf16"), load_registry())
    assert caught.value.code == "E_PRECISION_PROCESSOR"


def test_a_format_that_a_backend_does_not_read_is_refused(spec):
    other = replace(spec, graph=spec.graph.with_suffix(".onnx"))
    with pytest.raises(
        DeviceError, match="'paddle' does not run a model of the format 'onnx'"
    ) as e:
        select_backend("paddle", other, Placement(CPU), load_registry())
    assert e.value.code == "E_MODEL_FORMAT"
    assert "onnxruntime" in e.value.hint
