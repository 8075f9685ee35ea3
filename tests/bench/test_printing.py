"""The report, at the widths of a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from measurements import measured

from clsctl.bench.measure import Combination, Failure
from clsctl.bench.printing import print_bench
from clsctl.errors import DeviceError
from clsctl.models.catalog import load_catalog
from clsctl.values import DeviceId

ROWS = [
    measured(top1=70.5, dataset="photos, val"),
    measured(backend="openvino", precision="bf16", batch=8),
    measured("Own", ms=1234.5, model_dir="/models/own", images_per_second=8.1),
]
FAILURES = [
    Failure(
        Combination("Own", Path("/models/own"), True, DeviceId("cpu"), "tensorrt", "fp16", batch),
        DeviceError("there is no [such] thing"),
    )
    for batch in (1, 8)
]
NARROW = """\
PP-LCNet_x1_0
published:   top-1 71.32 %   CPU 4.03 ms, 1.35 high-performance   10.5 MiB
Backend       Type  Batch     Cold  1 thread       All  Images  Memory  Top-1
                           start s    p50 ms  cores ms      /s     MiB      %
onnxruntime   fp32      1     0.25      2.00      1.50     700      96  70.50
openvino      bf16      8     0.25      2.00      1.50     700      96      -

Own
/models/own
onnxruntime   fp32      1     0.25      2.00   1234.50       8      96      -

Not measured: there is no [such] thing
Own tensorrt fp16 batch 1, Own tensorrt fp16 batch 8
"""
WIDE = """\
Backend       Type  Batch     Cold  1 thread                         All                    \
Images  Memory  Top-1
                           start s    p50 ms      p90      p99  cores ms      p90      p99\
      /s     MiB      %
onnxruntime   fp32      1     0.25      2.00     2.25     3.00      1.50     1.50     1.50\
     700      96  70.50
"""


@pytest.fixture
def printed(capsys, monkeypatch):
    def at(columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        print_bench(ROWS, FAILURES, load_catalog())
        return "\n".join(line.rstrip() for line in capsys.readouterr().out.split("\n"))

    return at


def test_the_report_fits_80_columns(printed):
    report = printed(80)
    assert report.startswith(NARROW)
    caption = " ".join(report.removeprefix(NARROW).split())
    assert "2 cores. Cold start: from the start of `clsctl predict`" in caption
    assert "Top-1 on photos, val." in caption
    assert max(map(len, report.splitlines())) <= 80


def test_a_wide_terminal_shows_every_percentile(printed):
    assert WIDE in printed(140)
