"""`--device`, `--precision` and `--backend` -> one device, one precision and one backend.

What was asked for and is not there is an error, never a fallback. An automatic device is the
available one of highest priority, an automatic backend the one that was measured to be the fastest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clsctl.console.messages import note
from clsctl.errors import DeviceError, ModelError
from clsctl.inference.backend_benchmark import Choice, measure, recall
from clsctl.inference.devices import get_device, select_device
from clsctl.plugin.descriptors import Backend, Device
from clsctl.plugin.registry import Registry
from clsctl.values import PRECISIONS, ModelSpec, Placement

if TYPE_CHECKING:
    from clsctl.settings import Settings

AGREEMENT = 0.97
"""Share of sample images that a lower precision has to put into fp32's class, for `auto`."""


def select(
    spec: ModelSpec, settings: Settings, registry: Registry, *, single: bool = False
) -> tuple[Backend, Placement]:
    """Device, precision and backend that the settings name, prepared to run the model.

    Args:
        single: As for `select_backend`.

    Raises:
        ClsctlError: As the other functions of this module.
    """
    placement = Placement(select_device(settings.device, registry), precision=settings.precision)
    if placement.precision == "auto":
        precision = _fastest_precision(settings.backend, spec, placement, registry)
        placement = replace(placement, precision=precision)
        if precision != "fp32":
            note(f"{spec.name} runs in {precision}, the fastest that keeps its answers here")
    backend = select_backend(settings.backend, spec, placement, registry, single=single)
    return backend, placement


def select_backend(
    text: str, spec: ModelSpec, placement: Placement, registry: Registry, *, single: bool = False
) -> Backend:
    """The backend that `text` names, prepared to run the model so; `auto` is the fastest.

    Args:
        single: Only one image will be classified: `auto` then is the one that starts soonest, and
            nothing is measured.

    Raises:
        UsageError: There is no backend of that name (`E_BACKEND_UNKNOWN`).
        DeviceError: It is not installed, or does not run on the device (`E_BACKEND_MISSING`) or in
            the precision (`E_PRECISION_UNSUPPORTED`, `E_PRECISION_PROCESSOR`).
        ModelError: It cannot run this model.
    """
    if text != "auto":
        backend: Backend = registry.get("backends", text)
        _require_able(backend, spec, placement, registry)
        backend.check()
        backend.prepare(spec, placement)
        return backend
    able = _able(spec, placement, registry)
    if not able:
        within = "" if placement.precision == "fp32" else f" in {placement.precision}"
        raise _missing(f"no backend runs {spec.name} on {placement.device}{within}", registry)
    if single:
        return _ready(able, spec, placement, enough=1)[0]
    choice = recall(spec, placement, registry)
    if choice is not None:
        able.sort(key=lambda backend: backend.name != choice.backend)
        return _ready(able, spec, placement, enough=1)[0]
    return _fastest(_ready(able, spec, placement), spec, placement, registry)


def _fastest_precision(
    backend: str, spec: ModelSpec, placement: Placement, registry: Registry
) -> str:
    """fp32, or whatever is faster and keeps the model's answers on this machine."""
    times: dict[str, float] = {}
    for precision in PRECISIONS:
        choice = _choice(spec, replace(placement, precision=precision), registry)
        name = choice.backend if choice and backend == "auto" else backend
        if choice and name in choice.ms and choice.agreement >= AGREEMENT:
            times[precision] = choice.ms[name]
    return min(times, key=times.__getitem__, default="fp32")


def _choice(spec: ModelSpec, placement: Placement, registry: Registry) -> Choice | None:
    """What is the fastest in one precision; None where that cannot be had, which nobody asked."""
    able = _able(spec, placement, registry)
    choice = recall(spec, placement, registry)
    if choice is not None or not able:
        return choice
    try:
        return measure(spec, placement, _ready(able, spec, placement), registry)
    except (DeviceError, ModelError) as error:
        if error.code == "E_MEASUREMENT":
            note(f"{error.message}; leaving out {placement.precision}")
        return None


def _fastest(
    ready: Sequence[Backend], spec: ModelSpec, placement: Placement, registry: Registry
) -> Backend:
    if len(ready) == 1:
        return ready[0]
    try:
        name = measure(spec, placement, ready, registry).backend
    except ModelError as error:
        note(f"{error.message}; taking {ready[0].name}")
        return ready[0]
    return next(backend for backend in ready if backend.name == name)


def _ready(
    backends: Sequence[Backend], spec: ModelSpec, placement: Placement, enough: int = 0
) -> list[Backend]:
    """Those that are installed and prepared to run the model; `enough` of them where it is not 0.

    Raises:
        ClsctlError: There is none; why the first cannot.
    """
    ready: list[Backend] = []
    problems: list[DeviceError | ModelError] = []
    for backend in backends:
        try:
            backend.check()
            backend.prepare(spec, placement)
        except (DeviceError, ModelError) as error:
            problems.append(error)
            continue
        ready.append(backend)
        if len(ready) == enough:
            break
    if not ready:
        raise problems[0]
    for problem in problems:
        if isinstance(problem, ModelError):
            note(f"{problem.message}; trying the next backend")
    return ready


def _able(spec: ModelSpec, placement: Placement, registry: Registry) -> list[Backend]:
    """The backends that do such a thing, installed or not, in order of preference."""
    backends: Iterable[Backend] = registry.items("backends").values()
    device = get_device(placement.device, registry)
    able = [backend for backend in backends if not _inability(backend, spec, placement, device)]
    return sorted(able, key=lambda backend: -backend.priority)


def _require_able(
    backend: Backend, spec: ModelSpec, placement: Placement, registry: Registry
) -> None:
    code = _inability(backend, spec, placement, get_device(placement.device, registry))
    if code:
        what = {
            "E_BACKEND_MISSING": f"on {placement.device}",
            "E_PRECISION_UNSUPPORTED": f"in {placement.precision} on {placement.device}",
            "E_MODEL_FORMAT": f"a model of the format '{spec.format}'",
        }
        others = ", ".join(other.name for other in _able(spec, placement, registry))
        raise DeviceError(
            f"backend '{backend.name}' does not run {what[code]}",
            code=code,
            hint=f"backends that do: {others or 'none'}",
        )


def _inability(backend: Backend, spec: ModelSpec, placement: Placement, device: Device) -> str:
    """What the backend never does, as an error's code; empty where there is nothing."""
    precisions = backend.precisions_on(device)
    if not precisions:
        return "E_BACKEND_MISSING"
    if placement.precision not in precisions:
        return "E_PRECISION_UNSUPPORTED"
    return "" if spec.format in backend.formats else "E_MODEL_FORMAT"


def _missing(reason: str, registry: Registry) -> DeviceError:
    names = ", ".join(sorted(registry.items("backends")))
    return DeviceError(reason, code="E_BACKEND_MISSING", hint=f"backends: {names}, or auto")
