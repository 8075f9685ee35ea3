"""A `clsctl serve` process, and how tests speak to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

NAME = "MobileNetV1_x0_25"


class Server:
    """A `clsctl serve` process that has said it is ready."""

    def __init__(self, log: Path, *arguments: str | Path, **env: str) -> None:
        command = [sys.executable, "-m", "clsctl", "serve", "--port", "0", *map(str, arguments)]
        self._log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stream, env=os.environ | env, text=True
            )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline().strip()
        self.url = self.line.rpartition(" at ")[2]
        self.port = int(self.url.rpartition(":")[2] or 0)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def get(self, path: str, **options: object) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60, trust_env=False, **options)  # type: ignore[arg-type]

    def post(self, path: str, **options: object) -> httpx.Response:
        return httpx.post(self.url + path, timeout=60, trust_env=False, **options)  # type: ignore[arg-type]

    def classify(self, query: str = "", model: str = NAME, **options: object) -> httpx.Response:
        return self.post(f"/v1/models/{model}:classify{query}", **options)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def figure(self, name: str) -> float:
        """The sum of a metric's samples that begin so."""
        lines = self.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def await_log(self, text: str, count: int = 1) -> None:
        """Return once the log holds a text that often; asks the server meanwhile."""
        while self.log.count(text) < count:
            assert self.process.poll() is None, self.log
            self.get("/livez")

    def await_refusal(self) -> None:
        """Return once no new connection is taken."""
        while True:
            try:
                self.connect().close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                continue

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def rows(output: str) -> list[dict[str, object]]:
    """Lines of jsonl."""
    return [json.loads(line) for line in output.splitlines()]
