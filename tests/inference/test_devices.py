"""A device that was asked for and is not there is an error; `auto` chooses among what is there."""

from __future__ import annotations

import pytest
from made_plugins import device, raising, registry_with

from clsctl.errors import ClsctlError, DeviceError
from clsctl.inference.devices import resolve_device, select_device
from clsctl.plugin import Device
from clsctl.plugin.registry import load_registry
from clsctl.values import DeviceId

CPU = DeviceId("cpu")


def test_auto_takes_the_available_device_of_highest_priority():
    registry = registry_with(device("big", 2, 90), device("none", 0, 99), device("small", 1, 80))
    assert select_device("auto", registry) == DeviceId("big", 0)


def test_auto_is_the_processor_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert select_device("auto", load_registry()) == CPU


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("big", DeviceId("big", 0)),
        ("big:0", DeviceId("big", 0)),
        ("big:1", DeviceId("big", 1)),
        ("cpu", CPU),
        ("cpu:0", CPU),
    ],
)
def test_a_device_by_name_and_number(text, expected):
    assert select_device(text, registry_with(device("big", 2))) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("big:2", "E_DEVICE_MISSING"),
        ("cpu:1", "E_DEVICE_MISSING"),
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
    assert select_device("auto", registry_with(gone, device("here", 1, 50))) == DeviceId("here", 0)


def test_figures_may_be_asked_of_a_device_that_is_elsewhere():
    registry = registry_with(device("big", 1))
    assert resolve_device("big:7", registry) == DeviceId("big", 7)
    assert resolve_device("cpu:7", registry) == CPU
    with pytest.raises(ClsctlError, match="after the colon comes a number"):
        resolve_device("big:seven", registry)
