"""What was asked for and is not there is an error; `auto` chooses among what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from clsctl.errors import ClsctlError, DeviceError, ModelError
from clsctl.inference.backend_choice import select_backend, select_device
from clsctl.models.directory import read_model_dir
from clsctl.plugin import Backend, Device, hookimpl
from clsctl.plugin.registry import Registry, load_registry
from clsctl.values import DeviceId, ModelSpec, Placement

CPU = DeviceId("cpu")


@pytest.fixture
def spec(tiny: Path) -> ModelSpec:
    return read_model_dir(tiny)


def registry_with(*items: Device | Backend) -> Registry:
    """The registry of this installation and one more plugin."""
    registry = load_registry()
    plugin = SimpleNamespace()
    devices = [item for item in items if isinstance(item, Device)]
    backends = [item for item in items if isinstance(item, Backend)]

    @hookimpl
    def clsctl_devices() -> list[Device]:
        return devices

    @hookimpl
    def clsctl_backends() -> list[Backend]:
        return backends

    plugin.clsctl_devices, plugin.clsctl_backends = clsctl_devices, clsctl_backends
    registry.register(plugin, "tests", "tests")
    return registry


def device(name: str, units: int, priority: int = 0) -> Device:
    return Device(name, "For the tests.", lambda: [f"unit {i}" for i in range(units)], priority)


def backend(name: str, priority: int = 0, **changes: object) -> Backend:
    facts = {"devices": ("cpu",), "check": lambda: None, "open": lambda *_: None}
    return Backend(name, "For the tests.", priority=priority, **(facts | changes))


def raising(error: ClsctlError):
    def function(*_: object) -> None:
        raise error

    return function


# ---- devices -----------------------------------------------------------------------------------


def test_auto_takes_the_available_device_of_highest_priority():
    registry = registry_with(device("big", 2, 90), device("none", 0, 99), device("small", 1, 80))
    assert select_device("auto", registry) == DeviceId("big")


def test_auto_is_the_processor_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert select_device("auto", load_registry()) == CPU


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("big", DeviceId("big")),
        ("big:0", DeviceId("big")),
        ("big:1", DeviceId("big", 1)),
        ("cpu", CPU),
    ],
)
def test_a_device_by_name_and_number(text, expected):
    assert select_device(text, registry_with(device("big", 2))) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("big:2", "E_DEVICE_MISSING"),
        ("big:", "E_DEVICE_UNKNOWN"),
        ("big:-1", "E_DEVICE_UNKNOWN"),
        ("big:0:1", "E_DEVICE_UNKNOWN"),
        ("bigg", "E_DEVICE_UNKNOWN"),
        ("", "E_DEVICE_UNKNOWN"),
        ("BIG", "E_DEVICE_UNKNOWN"),
    ],
)
def test_no_device_is_ever_taken_for_another(text, code):
    with pytest.raises(ClsctlError) as caught:
        select_device(text, registry_with(device("big", 2)))
    assert caught.value.code == code


def test_a_missing_device_says_why():
    gone = Device("gone", "For the tests.", raising(DeviceError("it was unplugged")), 99)
    with pytest.raises(DeviceError, match="it was unplugged"):
        select_device("gone", registry_with(gone))
    assert select_device("auto", registry_with(gone, device("here", 1, 50))) == DeviceId("here")


# ---- backends ----------------------------------------------------------------------------------


def test_auto_takes_the_usable_backend_of_highest_priority(spec):
    registry = registry_with(
        backend("absent", 99, check=raising(DeviceError("not installed"))),
        backend("elsewhere", 98, devices=("npu",)),
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
        ({"devices": ("npu",)}, "E_BACKEND_MISSING"),
        ({"prepare": raising(ModelError("no", code="E_CONVERSION"))}, "E_CONVERSION"),
    ],
)
def test_a_backend_that_was_asked_for_is_never_replaced(spec, changes, code):
    with pytest.raises(ClsctlError) as caught:
        select_backend("mine", spec, Placement(CPU), registry_with(backend("mine", **changes)))
    assert caught.value.code == code


def test_a_device_that_no_backend_serves(spec):
    with pytest.raises(DeviceError, match="no backend runs MobileNetV1_x0_25 on tpu:0"):
        select_backend("auto", spec, Placement(DeviceId("tpu")), load_registry())


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


def test_bf16_needs_a_processor_that_has_it(spec, monkeypatch, tmp_path):
    pytest.importorskip("openvino")
    monkeypatch.setattr("clsctl.system.cpu.CPUINFO", tmp_path / "no cpuinfo")
    from clsctl.system import cpu as processor

    processor._flags.cache_clear()
    try:
        with pytest.raises(DeviceError, match="has no bf16 instructions") as caught:
            select_backend("auto", spec, Placement(CPU, precision="bf16"), load_registry())
    finally:
        processor._flags.cache_clear()
    assert caught.value.code == "E_PRECISION_PROCESSOR"


def test_a_format_that_a_backend_does_not_read_is_refused(spec):
    other = replace(spec, graph=spec.graph.with_suffix(".onnx"))
    with pytest.raises(
        DeviceError, match="'paddle' does not run a model of the format 'onnx'"
    ) as e:
        select_backend("paddle", other, Placement(CPU), load_registry())
    assert e.value.code == "E_MODEL_FORMAT"
    assert "onnxruntime" in e.value.hint
