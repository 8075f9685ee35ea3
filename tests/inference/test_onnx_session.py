"""ONNX Runtime is imported without its telemetry, and nothing of that is left behind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

IMPORTS = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from clsctl.inference.onnx_session import import_onnxruntime
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(8) as threads:
    list(threads.map(lambda _: import_onnxruntime(), range(20_000)))
print(os.environ.get("ORT_DISABLE_TELEMETRY"))
"""


@pytest.mark.parametrize("mine", [None, "0"])
def test_threads_leave_the_variable_as_the_user_set_it(mine: str | None):
    name = "ORT_DISABLE_TELEMETRY"
    env = {key: text for key, text in os.environ.items() if key != name}
    if mine is not None:
        env[name] = mine
    done = subprocess.run([sys.executable, "-c", IMPORTS], env=env, capture_output=True, text=True)
    assert done.stdout == f"{mine}\n", done.stderr
