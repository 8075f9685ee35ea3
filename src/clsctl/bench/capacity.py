"""Estimate how long a large prediction job takes, what it reads and writes, and its bottleneck.

The model: `workers` machines like the one that was measured take shards of the inputs from a queue,
read each image from an object store, and write a file of results for each shard. A worker that
fails loses its shard, half done on average; another one repeats it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clsctl.bench.records import Measurement
from clsctl.errors import ModelError
from clsctl.values import DeviceId, ModelEntry

MANIFEST_ROW_BYTES = 200
"""A shard's line in the manifest: name, rows, range of inputs, checksum."""

PUBLISHED_RESULT_BYTES = 250
"""Of a result with five classes as a JSON line, where none was measured."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A large prediction job, and the machines for it.

    Attributes:
        workers: Machines, each like the one that was measured.
        image_kb: Mean size of an image file, in units of 1000 bytes.
        bandwidth: Of the link of one worker, in Mbit/s.
        store_requests: Requests per second that the object store can serve; 0 for local disks.
        mtbf_hours: Mean time between failures of one worker.
        cost_per_hour: Of one worker; None where it does not matter.
    """

    images: int
    workers: int
    image_kb: float
    bandwidth: float
    shard_size: int
    store_requests: float
    mtbf_hours: float
    cost_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast one worker is.

    Attributes:
        images_per_second: From files to ranked classes.
        result_bytes: Of a result as a JSON line.
        memory_mb: Of its process; None where it is not known.
        measured: Whether the figures are this machine's, not the catalog's.
        source: Where the figures come from, for users to read.
    """

    images_per_second: float
    result_bytes: float
    memory_mb: float | None
    measured: bool
    source: str


@dataclass(frozen=True, slots=True)
class Load:
    """How far the job uses a resource.

    Attributes:
        hours: How long the job would take if this were the only limit.
        share: Utilisation, 0 to 1; the bottleneck's is 1.
        remedy: What helps where this is the bottleneck.
    """

    name: str
    hours: float
    share: float
    remedy: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The estimate for a workload at a rate.

    Attributes:
        hours: From start to end, including repeated work and the wait for the last shard.
        shard_seconds: Time of one shard on one worker.
        failures: Workers expected to fail.
        repeated_images: Images expected to be classified twice for that reason.
        input_bytes: Read, each image once.
        output_bytes: Of the results as JSON lines.
        traffic: Mean rate at which all workers read, in bytes per second.
        worker_hours: Hours of all workers together.
        cost: Of the workers; None where no price was given.
        useful_workers: More of them make nothing faster.
        loads: Utilisation by resource, the bottleneck first.
    """

    hours: float
    shards: int
    shard_seconds: float
    failures: float
    repeated_images: float
    input_bytes: float
    output_bytes: float
    manifest_bytes: float
    traffic: float
    worker_hours: float
    cost: float | None
    useful_workers: int
    loads: tuple[Load, ...]


def make_plan(job: Workload, rate: Rate) -> Plan:
    """Estimate a workload."""
    shards = math.ceil(job.images / job.shard_size)
    workers, shard = min(job.workers, shards), min(job.images, job.shard_size)
    loads = _loads(job, rate, workers)
    busy = loads[0].hours
    shard_hours = busy * workers * shard / job.images
    failures = workers * busy / job.mtbf_hours
    repeated = failures * shard / 2
    hours = busy * (1 + repeated / job.images) + shard_hours * (shards > workers)
    input_bytes = job.images * job.image_kb * 1000
    worker_hours = job.workers * hours
    return Plan(
        hours=hours,
        shards=shards,
        shard_seconds=3600 * shard_hours,
        failures=failures,
        repeated_images=repeated,
        input_bytes=input_bytes,
        output_bytes=job.images * rate.result_bytes,
        manifest_bytes=shards * MANIFEST_ROW_BYTES,
        traffic=input_bytes / (3600 * busy),
        worker_hours=worker_hours,
        cost=None if job.cost_per_hour is None else worker_hours * job.cost_per_hour,
        useful_workers=_useful_workers(job, rate, shards),
        loads=loads,
    )


def find_rate(
    name: str,
    measurements: Iterable[Measurement],
    entry: ModelEntry | None,
    device: DeviceId,
    backend: str | None = None,
    precision: str = "fp32",
) -> Rate:
    """Return the highest throughput that was measured, else what the published latency implies.

    Args:
        name: How the user names the model.
        measurements: Those of the model.
        entry: What a catalog says of it.

    Raises:
        ModelError: Neither is there (`E_NOT_MEASURED`).
    """
    fitting = [
        record
        for record in measurements
        if (record.device, record.precision) == (str(device), precision)
        and backend in (None, record.backend)
    ]
    if fitting:
        return _measured(max(fitting, key=lambda record: record.images_per_second))
    published = entry and entry.latency(device.kind)
    if not published or backend or precision != "fp32":
        how = f" --backend {backend}" if backend else ""
        raise ModelError(
            f"{name} was not measured so on this machine",
            code="E_NOT_MEASURED",
            hint=f"clsctl bench -m {name} --device {device}{how} --precision {precision}",
        )
    return _published(published[0])


def _measured(record: Measurement) -> Rate:
    how = f"{record.backend}, {record.precision}, batch {record.batch}, {record.threads} cores"
    return Rate(
        record.images_per_second,
        record.result_bytes,
        record.memory_mb,
        measured=True,
        source=f"measured on this machine on {record.date[:10]} ({how})",
    )


def _published(milliseconds: float) -> Rate:
    return Rate(
        1000 / milliseconds,
        PUBLISHED_RESULT_BYTES,
        None,
        measured=False,
        source=f"published latency of {milliseconds:g} ms, without reading and decoding",
    )


def _loads(job: Workload, rate: Rate, workers: int) -> tuple[Load, ...]:
    """Utilisation by resource, the bottleneck first."""
    rates: Mapping[str, tuple[float, str]] = {
        "processors of the workers": (
            workers * rate.images_per_second,
            "more workers, lower precision, smaller model",
        ),
        "links of the workers": (
            workers * _per_link(job),
            "smaller images, workers beside the store",
        ),
        "requests to the store": (
            job.store_requests or math.inf,
            "more prefixes, or many images to a file",
        ),
    }
    slowest = min(images_per_second for images_per_second, _ in rates.values())
    loads = [
        Load(name, job.images / images_per_second / 3600, slowest / images_per_second, remedy)
        for name, (images_per_second, remedy) in rates.items()
        if images_per_second < math.inf
    ]
    return tuple(sorted(loads, key=lambda load: -load.hours))


def _useful_workers(job: Workload, rate: Rate, shards: int) -> int:
    """How many workers the store can serve, and there are shards for."""
    one = min(rate.images_per_second, _per_link(job))
    return min(shards, math.ceil(job.store_requests / one)) if job.store_requests else shards


def _per_link(job: Workload) -> float:
    """Images per second that a worker's link carries."""
    return job.bandwidth * 1e6 / 8 / (job.image_kb * 1000)
