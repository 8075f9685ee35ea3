"""OpenVINO is imported without its telemetry, by as many threads as like."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

IMPORTS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from clsctl.inference.openvino_session import import_openvino
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(8) as threads:
    list(threads.map(lambda _: import_openvino(), range(20_000)))
print("openvino_telemetry" in sys.modules)
"""


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_threads_import_it_at_once():
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
