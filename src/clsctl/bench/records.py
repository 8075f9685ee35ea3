"""Keep what was measured on this machine in the data folder: one file a kind of machine.

    bench/PROCESSOR-CORES.json
    {"machine": {"processor": ..., "cores": ...}, "measurements": [{...}, ...]}

A home folder that several machines share thus holds the figures of each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clsctl.errors import DataError
from clsctl.paths import exists
from clsctl.schema.documents import load_document
from clsctl.schema.errors import SchemaError
from clsctl.settings import folders
from clsctl.system.files import atomic_replace
from clsctl.system.locks import locked


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds that 50, 90 and 99 percent of the runs stay below."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model on one backend in one precision and batch size; medians over the rounds.

    Attributes:
        model: Its name.
        model_dir: Where it lies; empty for a model of the store.
        weights: SHA256 of graph and parameters (`clsctl.models.integrity.weights_sha256`).
        device: Such as `cpu` or `gpu:0`.
        threads: How many cores `all_threads` and `images_per_second` use.
        versions: Of clsctl and the libraries that computed, by package.
        date: When, in UTC.
        cold_start_s: From the start of `clsctl predict` to its first result, seconds.
        one_thread: Of one run of the network on a batch, with one thread.
        all_threads: The same with `threads` threads.
        images_per_second: From files to ranked classes, by the prediction pipeline.
        memory_mb: Largest resident memory of a process that predicts, units of 2**20 bytes.
        size_mb: Graph and parameters on disk, units of 2**20 bytes.
        result_bytes: Mean length of a result as a JSON line.
        top1: Accuracy on `dataset`, percent; None where no dataset was given.
        top1_interval: Its 95 % confidence interval, percent.
        dataset: Folder and split that `top1` was measured on.
    """

    model: str
    model_dir: str
    weights: str
    device: str
    backend: str
    precision: str
    batch: int
    threads: int
    versions: Mapping[str, str]
    date: str
    cold_start_s: float
    one_thread: Percentiles
    all_threads: Percentiles
    images_per_second: float
    memory_mb: float | None
    size_mb: float
    result_bytes: float
    top1: float | None = None
    top1_interval: tuple[float, float] | None = None
    dataset: str = ""

    @property
    def combination(self) -> tuple[object, ...]:
        """What was measured, whichever weights and library versions it was."""
        place = (self.device, self.backend, self.precision, self.batch, self.threads)
        return (self.model, self.model_dir, *place)

    @property
    def key(self) -> tuple[object, ...]:
        """A later measurement of the same key takes this one's place."""
        return (*self.combination, self.weights, tuple(sorted(self.versions.items())))


def machine() -> dict[str, Any]:
    """Describe this kind of machine: its processor and how many cores of it may be used."""
    from clsctl.system.cpu import available_cores, processor_name

    return {"processor": processor_name(), "cores": available_cores()}


def records_file() -> Path:
    """Return the file of this machine's measurements."""
    words = re.findall(r"[a-z0-9]+", "{processor}-{cores}".format(**machine()).lower())
    return folders().data / "bench" / f"{'-'.join(words)}.json"


def load_measurements() -> list[Measurement]:
    """Load the newest measurement of each combination on this machine, in the order they were made.

    Raises:
        DataError: The file is damaged (`E_BENCH_RECORDS`).
    """
    newest = {record.combination: record for record in _read(records_file())}
    return list(newest.values())


def best_of_each(measurements: Iterable[Measurement]) -> dict[str, Measurement]:
    """Return the fastest measurement in fp32 of each model of the store, by name."""
    exact = [
        record
        for record in measurements
        if record.precision == "fp32" and record.batch == 1 and not record.model_dir
    ]
    # The last one of a name stays.
    return {r.model: r for r in sorted(exact, key=lambda r: -r.all_threads.p50)}


def save_measurements(measurements: Iterable[Measurement]) -> Path:
    """Add measurements to this machine's file; returns its path.

    Raises:
        ModelError: The data folder cannot be written (see `clsctl.system.os_errors`).
        DataError: The file is damaged (`E_BENCH_RECORDS`).
    """
    new, path = list(measurements), records_file()
    replaced = {record.key for record in new}
    with locked(folders().data, "bench"):
        kept = [record for record in _read(path) if record.key not in replaced]
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_replace(path) as part:
            part.write_text(as_json([*kept, *new]), encoding="utf-8")
    return path


def as_json(measurements: Iterable[Measurement], **more: object) -> str:
    """Write measurements and the machine they were made on as JSON."""
    content = {"machine": machine(), "measurements": [asdict(record) for record in measurements]}
    return json.dumps(content | more, indent=1, ensure_ascii=False) + "\n"


def _read(path: Path) -> list[Measurement]:
    if not exists(path):
        return []
    try:
        return [_measurement(fields) for fields in load_document(path)["measurements"]]
    except (SchemaError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the measurements in '{path}' cannot be read: {error}",
            code="E_BENCH_RECORDS",
            hint="delete the file and run `clsctl bench` again",
        ) from None


def _measurement(fields: Mapping[str, Any]) -> Measurement:
    latencies = {name: Percentiles(**fields[name]) for name in ("one_thread", "all_threads")}
    interval = fields["top1_interval"] and tuple(fields["top1_interval"])
    return Measurement(**{**fields, **latencies, "top1_interval": interval})
