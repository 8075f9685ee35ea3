"""Find the fastest backend for a model on this machine: measured once, and cached.

The measurement runs in a process of its own, `python -m clsctl.inference.backend_benchmark`: it
loads libraries that the process which predicts shall not carry. What it found holds until the
model, the processor or a library changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import ModelError
from clsctl.inference.devices import resolve_device
from clsctl.inference.int8_cache import read_report
from clsctl.inference.parity import sample_inputs, tolerant_agreement
from clsctl.inference.timing import time_sessions
from clsctl.inference.timings_cache import (
    list_timings,
    machine_facts,
    read_timings,
    timings_path,
    write_timings,
)
from clsctl.models.directory import read_model_dir
from clsctl.plugin.descriptors import Backend
from clsctl.plugin.registry import Registry, default_registry
from clsctl.schema.constraints import Fraction, PositiveFloat
from clsctl.settings import folders
from clsctl.system.locks import locked
from clsctl.system.processes import failure_of, run_module
from clsctl.values import ModelSpec, Placement

FOLDER = "timings"
MARGIN = 1.05
"""A backend that is faster by less does not make up for starting later."""

MIN_SAMPLES, SAMPLES_MS = 16, 5000
"""How many images a lower precision is judged on: as many as it classifies in that time."""

WARM_UP, ROUNDS, MAX_ROUNDS, SECONDS = 2, 4, 100, 0.5


@dataclass(frozen=True, slots=True)
class BackendTimings:
    """How long the backends take for a model, and which of them to use.

    Attributes:
        machine: The processor and the versions of the libraries that were measured.
        ms: Milliseconds for one image on one thread, by backend.
        backend: The one to use.
        agreement: Share of images whose best class is fp32's: the photos of `clsctl quantize` for
            int8, else synthetic ones; see `clsctl.inference.parity.tolerant_agreement`.
    """

    model: str
    device: str
    precision: str
    machine: Mapping[str, str]
    ms: Mapping[str, PositiveFloat]
    backend: str
    agreement: Fraction = 1.0

    def __str__(self) -> str:
        within = "" if self.precision == "fp32" else f"in {self.precision} "
        names = sorted(self.ms, key=self.ms.__getitem__)
        figures = ", ".join(f"{name} {self.ms[name]:.1f} ms" for name in names)
        return f"{within}{figures} an image; taking {self.backend}"


def load_cached(spec: ModelSpec, placement: Placement, registry: Registry) -> BackendTimings | None:
    """Return what was measured on such a machine with these libraries; reads one small file."""
    timings = read_timings(BackendTimings, timings_path(FOLDER, spec, placement))
    return timings if timings and timings.machine == machine_facts(registry) else None


def measure(
    spec: ModelSpec, placement: Placement, backends: Sequence[Backend], registry: Registry
) -> BackendTimings:
    """Measure backends, cache the figures and say what they are; other processes wait for them.

    Args:
        backends: Those that are prepared for the model, in order of preference.

    Raises:
        ModelError: The measurement failed (`E_MEASUREMENT`), or its result cannot be kept.
    """
    path = timings_path(FOLDER, spec, placement)
    with locked(folders().cache, f"{FOLDER}-{path.stem}"):
        timings = load_cached(spec, placement, registry)
        if timings is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            found = _measure_in_child(spec, placement, backends)
            facts = spec.name, str(placement.device), placement.precision, machine_facts(registry)
            timings = BackendTimings(*facts, backend=preferred(found["ms"]), **found)
            note(f"{timings.model}: {timings}")
            write_timings(timings, path)
    return timings


def list_cached() -> list[BackendTimings]:
    """Return everything that is cached, by model."""
    return list_timings(BackendTimings, FOLDER)


def preferred(ms: Mapping[str, float]) -> str:
    """Return the name of the fastest; of those that are nearly as fast, the first."""
    limit = MARGIN * min(ms.values())
    return next(name for name, value in ms.items() if value <= limit)


def _measure_in_child(
    spec: ModelSpec, placement: Placement, backends: Sequence[Backend]
) -> dict[str, Any]:
    names = [backend.name for backend in backends]
    where = str(placement.device), placement.precision
    folder = folders().cache / FOLDER
    child = run_module(__name__, spec.graph.absolute(), *where, *names, folder=folder)
    if child.returncode != 0:
        raise ModelError(
            f"the backends for {spec.name} could not be compared: {failure_of(child)}",
            code="E_MEASUREMENT",
            hint=f"name one, such as --backend {names[0]}",
        )
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def _agreement(spec: ModelSpec, placement: Placement, backend: Backend, ms: float) -> float:
    """How often a lower precision gives fp32's class; see `BackendTimings`."""
    if placement.precision == "fp32":
        return 1.0
    if placement.precision == "int8":
        return read_report(spec).agreement.value
    count = max(MIN_SAMPLES, int(SAMPLES_MS / ms))
    images = sample_inputs(spec.transforms)[:count]
    exact = backend.open(spec, replace(placement, precision="fp32"))
    return tolerant_agreement(exact.run, backend.open(spec, placement).run, images)


def _main(graph: str, device: str, precision: str, *names: str) -> None:
    spec = read_model_dir(Path(graph))
    registry = default_registry()
    placement = Placement(resolve_device(device, registry), 1, precision=precision)
    backends = [registry.get("backends", name) for name in names]
    sessions = {backend.name: backend.open(spec, placement) for backend in backends}
    times = time_sessions(
        sessions,
        sample_inputs(spec.transforms)[0],
        warm_up=WARM_UP,
        rounds=ROUNDS,
        max_rounds=MAX_ROUNDS,
        seconds=SECONDS * len(sessions),
    )
    ms = {name: min(runs) for name, runs in times.items()}
    kept = _agreement(spec, placement, backends[0], ms[names[0]])
    print(json.dumps({"ms": ms, "agreement": kept}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
