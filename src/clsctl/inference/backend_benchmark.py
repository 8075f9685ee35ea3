"""Which backend is the fastest for a model on this machine: measured once, and remembered.

The measurement runs in a process of its own (`python -m
clsctl.inference.backend_benchmark`), which loads libraries that the one which predicts shall not
carry. What it found lies in the cache until the model, the processor or a library changes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.errors import ModelError
from clsctl.inference.devices import resolve_device
from clsctl.inference.parity import agreement, sample_inputs
from clsctl.models.directory import read_model_dir, weights_sha256
from clsctl.plugin.descriptors import Backend
from clsctl.plugin.registry import Registry, default_registry
from clsctl.settings import folders
from clsctl.system.cpu import processor_name
from clsctl.system.files import atomic_replace
from clsctl.system.locks import locked
from clsctl.system.processes import last_words, run_module
from clsctl.values import ModelSpec, Placement, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "fastest"
MARGIN = 1.05
"""A backend that is faster by less does not make up for starting later."""

LEAST_SAMPLES, SAMPLES_MS = 16, 5000
"""How many images a lower precision is judged on: what it classifies in that time, if not more."""

WARM_UP, LEAST_ROUNDS, MOST_ROUNDS, SECONDS = 2, 3, 100, 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """What was measured and chosen.

    Attributes:
        machine: Processor and versions of the libraries, which it holds for.
        ms: One image on one thread, by backend, in milliseconds.
        backend: The one to take.
        agreement: Share of images whose best class is that of fp32: the photos of `clsctl
            quantize` for int8, else made-up ones; see `clsctl.inference.parity.agreement`.
    """

    model: str
    device: str
    precision: str
    machine: Mapping[str, str]
    ms: Mapping[str, float]
    backend: str
    agreement: float = 1.0

    def __str__(self) -> str:
        within = "" if self.precision == "fp32" else f"in {self.precision} "
        names = sorted(self.ms, key=self.ms.__getitem__)
        figures = ", ".join(f"{name} {self.ms[name]:.1f} ms" for name in names)
        return f"{within}{figures} an image; taking {self.backend}"


def recall(spec: ModelSpec, placement: Placement, registry: Registry) -> Choice | None:
    """The choice that was made on such a machine with these libraries; reads one small file."""
    choice = _read(_path(spec, placement))
    return choice if choice and choice.machine == _machine(registry) else None


def measure(
    spec: ModelSpec, placement: Placement, backends: Sequence[Backend], registry: Registry
) -> Choice:
    """Measure backends, remember and say what came out; other processes wait and take that.

    Args:
        backends: Those that are prepared for the model, in order of preference.

    Raises:
        ModelError: The measurement failed (`E_MEASUREMENT`), or its result cannot be kept.
    """
    path = _path(spec, placement)
    with locked(folders().cache, f"{FOLDER}-{path.stem}"):
        choice = recall(spec, placement, registry)
        if choice is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            found = _measure_in_child(spec, placement, backends)
            facts = spec.name, str(placement.device), placement.precision, _machine(registry)
            choice = Choice(*facts, backend=preferred(found["ms"]), **found)
            note(f"{choice.model}: {choice}")
            with atomic_replace(path) as part:
                part.write_text(json.dumps(asdict(choice), indent=1), encoding="utf-8")
    return choice


def remembered() -> list[Choice]:
    """Every choice in the cache, by model."""
    found = map(_read, (folders().cache / FOLDER).glob("*.json"))
    return sorted((choice for choice in found if choice), key=lambda choice: choice.model)


def time_sessions(sessions: Mapping[str, Session], image: NDArray[np.float32]) -> dict[str, float]:
    """Milliseconds of one run of each, the least of several rounds in turn."""
    for session in sessions.values():
        for _ in range(WARM_UP):
            session.run(image)
    best = dict.fromkeys(sessions, float("inf"))
    end = time.perf_counter() + SECONDS * len(sessions)
    for number in range(MOST_ROUNDS):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(image)
            best[name] = min(best[name], 1000 * (time.perf_counter() - start))
        if number >= LEAST_ROUNDS and time.perf_counter() > end:
            break
    return best


def preferred(ms: Mapping[str, float]) -> str:
    """The fastest of several; among those that are nearly as fast, the first."""
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
            f"the backends for {spec.name} could not be compared: {last_words(child)}",
            code="E_MEASUREMENT",
            hint=f"name one, such as --backend {names[0]}",
        )
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def _path(spec: ModelSpec, placement: Placement) -> Path:
    key = f"{weights_sha256(spec)}-{placement.device.kind}-{placement.precision}"
    return folders().cache / FOLDER / f"{key}.json"


def _machine(registry: Registry) -> dict[str, str]:
    backends = registry.items("backends").items()
    versions = {name: _version(backend) for name, backend in backends}
    return {"processor": processor_name()} | versions


def _version(backend: Backend) -> str:
    for package in backend.packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _read(path: Path) -> Choice | None:
    try:
        return Choice(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _agreement(spec: ModelSpec, placement: Placement, backend: Backend, ms: float) -> float:
    """What a lower precision keeps of the answers; see `Choice`."""
    if placement.precision == "fp32":
        return 1.0
    if placement.precision == "int8":
        from clsctl.inference.int8_cache import int8_path

        report = int8_path(spec).with_suffix(".json").read_text(encoding="utf-8")
        return float(json.loads(report)["agreement"]["value"])
    count = max(LEAST_SAMPLES, int(SAMPLES_MS / ms))
    images = sample_inputs(spec.transforms)[:count]
    exact = backend.open(spec, replace(placement, precision="fp32"))
    return agreement(exact.run, backend.open(spec, placement).run, images)


def _main(graph: str, device: str, precision: str, *names: str) -> None:
    spec = read_model_dir(Path(graph))
    registry = default_registry()
    placement = Placement(resolve_device(device, registry), 1, precision=precision)
    backends = [registry.get("backends", name) for name in names]
    sessions = {backend.name: backend.open(spec, placement) for backend in backends}
    ms = time_sessions(sessions, sample_inputs(spec.transforms)[0])
    kept = _agreement(spec, placement, backends[0], ms[names[0]])
    print(json.dumps({"ms": ms, "agreement": kept}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
