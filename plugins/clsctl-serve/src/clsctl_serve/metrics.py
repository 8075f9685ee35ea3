"""Count and time requests; Prometheus reads the figures at /metrics."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from clsctl_serve.batching import Call, Observed
    from clsctl_serve.engine import ServedModel

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable with the folder in which several processes keep their figures together."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 3, 4, 6, 8, 16, 32)


class Metrics:
    """The figures of one process, which /metrics gives together with those of its siblings."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        self._registry = registry
        self.requests = Counter(
            "clsctl_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "clsctl_request_seconds", "From a request's first byte to its answer.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._stages = Histogram(
            "clsctl_stage_seconds", "Of a request: waiting, decoding, running.", ["stage"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._wait, self._decode, self._run = (
            self._stages.labels(stage) for stage in ("wait", "decode", "run")
        )
        self._batches = Histogram(
            "clsctl_batch_size", "Images in one run of the network.",
            buckets=_SIZES, registry=registry,
        )  # fmt: skip
        self._images = Counter(
            "clsctl_images", "Images and pages answered.", ["model", "outcome"], registry=registry
        )
        self._queue = Gauge(
            "clsctl_queue_depth", "Images that wait.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._memory = Gauge(
            "clsctl_resident_bytes", "Memory of the processes.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._info = Gauge(
            "clsctl_model_info", "Which version of a model answers.", ["model", "version"],
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._versions: dict[str, str] = {}
        self._depth: Callable[[], int] = lambda: 0
        if SHARED not in os.environ:
            ProcessCollector(registry=registry)

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Say where the queue's depth is to be read."""
        self._depth = depth

    def set_model(self, model: ServedModel) -> None:
        old = self._versions.get(model.name)
        if old is not None:
            self._info.labels(model.name, old).set(0)
        self._versions[model.name] = model.version[:12]
        self._info.labels(model.name, model.version[:12]).set(1)

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        self.requests.labels(route, str(status)).inc()
        self.seconds.observe(seconds)

    def observe_batch(self, batch: Observed) -> None:
        self._batches.observe(batch.images)
        self._queue.set(self._depth())

    def observe_call(self, call: Call) -> None:
        self._wait.observe(call.wait or 0.0)
        self._decode.observe(call.decode)
        self._run.observe(call.run)
        results = call.results
        failed = sum(result.error is not None for result in results)
        name = call.model.name
        if failed:
            self._images.labels(name, "error").inc(failed)
        self._images.labels(name, "classified").inc(len(results) - failed)

    def expose(self) -> bytes:
        """Return everything, in Prometheus's text format."""
        self._queue.set(self._depth())
        self._memory.set(_resident())
        if SHARED not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _resident() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 - every scrape
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return 0
