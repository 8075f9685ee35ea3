"""Choose device, precision and backend from `--device`, `--precision` and `--backend`.

What was asked for and is not there is an error, never replaced. `auto` is the available device of
highest priority, the fastest precision that keeps the model's answers, and the fastest backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clsctl.console.messages import note
from clsctl.errors import DeviceError, ModelError
from clsctl.inference.backend_benchmark import BackendTimings, load_cached, measure, preferred
from clsctl.inference.devices import get_device, select_device
from clsctl.inference.int8_cache import note_if_slower
from clsctl.plugin.descriptors import Backend
from clsctl.plugin.registry import Registry
from clsctl.values import PRECISIONS, ModelSpec, Placement

if TYPE_CHECKING:
    from clsctl.settings import Settings

MIN_AGREEMENT = 0.97
"""Share of sample images that a lower precision has to put into fp32's class, for `auto`."""


def select_placement(
    spec: ModelSpec, settings: Settings, registry: Registry, *, single: bool = False
) -> tuple[Backend, Placement]:
    """Choose what the settings name: a backend, prepared to run the model, and where it runs.

    Args:
        single: As for `select_backend`.

    Raises:
        ClsctlError: As `select_device` and `select_backend`.
    """
    placement = Placement(select_device(settings.device, registry), precision=settings.precision)
    if placement.precision == "auto":
        times = _precision_times(settings.backend, spec, placement, registry)
        placement = replace(placement, precision=preferred(times) if times else "fp32")
        note(f"{spec.name} runs in {placement.precision}, {_gain(placement.precision, times)}")
    backend = select_backend(settings.backend, spec, placement, registry, single=single)
    return backend, placement


def select_backend(
    text: str, spec: ModelSpec, placement: Placement, registry: Registry, *, single: bool = False
) -> Backend:
    """Find the backend that `text` names, and prepare it to run the model; `auto` is the fastest.

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
        _require_support(backend, spec, placement, registry)
        backend.check()
        backend.prepare(spec, placement)
        if placement.precision == "int8" and backend.compiled:
            note_if_slower(spec, backend.compiled.library)
        return backend
    backends = _supporting(spec, placement, registry)
    if not backends:
        within = "" if placement.precision == "fp32" else f" in {placement.precision}"
        raise _missing(f"no backend runs {spec.name} on {placement.device}{within}", registry)
    if single:
        return _prepare(backends, spec, placement, enough=1)[0]
    timings = load_cached(spec, placement, registry)
    if timings is not None:
        backends.sort(key=lambda backend: backend.name != timings.backend)
        return _prepare(backends, spec, placement, enough=1)[0]
    return _fastest(_prepare(backends, spec, placement), spec, placement, registry)


# ---- auto --------------------------------------------------------------------------------------


def _precision_times(
    backend: str, spec: ModelSpec, placement: Placement, registry: Registry
) -> dict[str, float]:
    """Milliseconds of an image in each precision that keeps the model's answers here."""
    times: dict[str, float] = {}
    for precision in PRECISIONS:
        timings = _timings(spec, replace(placement, precision=precision), registry)
        name = timings.backend if timings and backend == "auto" else backend
        if timings and name in timings.ms and timings.agreement >= MIN_AGREEMENT:
            times[precision] = timings.ms[name]
    return times


def _gain(precision: str, times: Mapping[str, float]) -> str:
    """Say what a precision was chosen for."""
    if precision == "fp32":
        return "since nothing that keeps its answers is faster here"
    kept = "which keeps its answers here"
    if "fp32" not in times:
        return kept
    return f"{kept} and is {times['fp32'] / times[precision]:.2f} times as fast as fp32"


def _timings(spec: ModelSpec, placement: Placement, registry: Registry) -> BackendTimings | None:
    """Measure one precision; None where it cannot be had, which is no error for `auto`."""
    backends = _supporting(spec, placement, registry)
    timings = load_cached(spec, placement, registry)
    if timings is not None or not backends:
        return timings
    try:
        return measure(spec, placement, _prepare(backends, spec, placement), registry)
    except (DeviceError, ModelError) as error:
        if error.code == "E_MEASUREMENT":
            note(f"{error.message}; leaving out {placement.precision}")
        return None


def _fastest(
    backends: Sequence[Backend], spec: ModelSpec, placement: Placement, registry: Registry
) -> Backend:
    if len(backends) == 1:
        return backends[0]
    try:
        name = measure(spec, placement, backends, registry).backend
    except ModelError as error:
        note(f"{error.message}; taking {backends[0].name}")
        return backends[0]
    return next(backend for backend in backends if backend.name == name)


def _prepare(
    backends: Sequence[Backend], spec: ModelSpec, placement: Placement, enough: int = 0
) -> list[Backend]:
    """Prepare those that are installed to run the model, or only the first `enough` of them.

    Raises:
        ClsctlError: None of them can; why the first cannot.
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


# ---- what a backend supports -------------------------------------------------------------------


def _supporting(spec: ModelSpec, placement: Placement, registry: Registry) -> list[Backend]:
    """The backends that support such a thing, installed or not, in order of preference."""
    backends: Iterable[Backend] = registry.items("backends").values()
    able = [backend for backend in backends if not _obstacle(backend, spec, placement, registry)]
    return sorted(able, key=lambda backend: -backend.priority)


def _require_support(
    backend: Backend, spec: ModelSpec, placement: Placement, registry: Registry
) -> None:
    code = _obstacle(backend, spec, placement, registry)
    if code:
        what = {
            "E_BACKEND_MISSING": f"on {placement.device}",
            "E_PRECISION_UNSUPPORTED": f"in {placement.precision} on {placement.device}",
            "E_MODEL_FORMAT": f"a model of the format '{spec.format}'",
        }
        others = ", ".join(other.name for other in _supporting(spec, placement, registry))
        raise DeviceError(
            f"backend '{backend.name}' does not run {what[code]}",
            code=code,
            hint=f"backends that do: {others or 'none'}",
        )


def _obstacle(backend: Backend, spec: ModelSpec, placement: Placement, registry: Registry) -> str:
    """What the backend does not support, as an error's code; empty where there is nothing."""
    precisions = backend.precisions_on(get_device(placement.device, registry))
    if not precisions:
        return "E_BACKEND_MISSING"
    if placement.precision not in precisions:
        return "E_PRECISION_UNSUPPORTED"
    return "" if spec.format in backend.formats else "E_MODEL_FORMAT"


def _missing(reason: str, registry: Registry) -> DeviceError:
    names = ", ".join(sorted(registry.items("backends")))
    return DeviceError(reason, code="E_BACKEND_MISSING", hint=f"backends: {names}, or auto")
