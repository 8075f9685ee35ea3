"""The fixtures of clsctl's own tests, and real `clsctl serve` processes on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import models
import pictures
import pytest
from fixtures import Run, call, clsctl, home, ready, tiny, tiny_cache
from ray_clusters import cluster, two_nodes
from serve_process import Server

__all__ = ["Run", "call", "clsctl", "cluster", "home", "ready", "tiny", "tiny_cache", "two_nodes"]

Start = Callable[..., Server]


@contextmanager
def _ended_with_the_block() -> Iterator[list[Server]]:
    servers: list[Server] = []
    try:
        yield servers
    finally:
        for server in servers:
            server.process.kill()
            server.process.wait()


@pytest.fixture
def start(ready: Path, tmp_path: Path) -> Iterator[Start]:
    """Start servers; without arguments of the small model. They are ended with the test."""

    def run(*arguments: str | Path, **env: str) -> Server:
        models = () if "--model-dir" in arguments or "-m" in arguments else ("--model-dir", ready)
        log = tmp_path / f"serve-{len(servers)}.log"
        servers.append(Server(log, *models, *arguments, **env))
        return servers[-1]

    with _ended_with_the_block() as servers:
        yield run


@pytest.fixture(scope="session")
def start_shared(
    tiny: Path, tiny_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Start servers of the small model that tests share."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "cache").symlink_to(tiny_cache)
    home = {"CLSCTL_HOME": str(folder), "CLSCTL_BACKEND": models.BACKEND}

    def run(*arguments: str) -> Server:
        log = folder / f"{len(servers)}.log"
        servers.append(Server(log, "--model-dir", tiny, *arguments, **home))
        return servers[-1]

    with _ended_with_the_block() as servers:
        yield run


@pytest.fixture(scope="session")
def _serving(start_shared: Start) -> Server:
    return start_shared("--log-format", "json")


@pytest.fixture
def server(_serving: Server) -> Server:
    """A server of the small model that tests share; it must be as it was afterwards."""
    assert _serving.process.poll() is None, _serving.log
    return _serving


@pytest.fixture(scope="session")
def photo() -> bytes:
    return pictures.encoded(pictures.photo(), "JPEG")


@pytest.fixture(scope="session")
def large() -> bytes:
    """An image whose decoding takes a while."""
    return pictures.encoded(pictures.photo(1500, 1500), "JPEG", quality=30)
