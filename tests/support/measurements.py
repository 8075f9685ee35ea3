"""Measurements as `clsctl bench` leaves them, with round figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clsctl.bench.records import Measurement, Percentiles

MEASURED = Measurement(
    model="PP-LCNet_x1_0",
    model_dir="",
    weights="a" * 64,
    device="cpu",
    backend="onnxruntime",
    precision="fp32",
    batch=1,
    threads=2,
    versions={"clsctl": "0.1.0", "onnxruntime": "1.32.0"},
    date="2026-03-01T12:00:00+00:00",
    cold_start_s=0.25,
    one_thread=Percentiles(2.0, 2.25, 3.0),
    all_threads=Percentiles(1.5, 1.75, 2.5),
    images_per_second=700.0,
    memory_mb=96.0,
    size_mb=10.5,
    result_bytes=250.0,
)


def measured(model: str = MEASURED.model, ms: float = 1.5, **changes: Any) -> Measurement:
    """A measurement like that one, but for this model, latency and what else is given."""
    return replace(MEASURED, model=model, all_threads=Percentiles(ms, ms, ms), **changes)
