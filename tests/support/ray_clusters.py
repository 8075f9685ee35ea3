"""A Ray cluster on this machine, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

ATTEMPTS = 3
"""Ray gives a node 30 seconds to start, which is little on a busy machine."""


def add_node(cluster: Cluster, cores: int) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            cluster.add_node(num_cpus=cores, node_ip_address="127.0.0.1", include_dashboard=False)
            return
        except Exception:
            if attempt == ATTEMPTS:
                raise


@pytest.fixture(scope="session")
def cluster(tiny_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head without cores and a node of one core, which listen on loopback only."""
    folder = tmp_path_factory.mktemp("nodes")
    (folder / "cache").symlink_to(tiny_cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLSCTL_HOME", str(folder))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        add_node(cluster, cores=0)
        add_node(cluster, cores=1)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def two_nodes(cluster: Cluster) -> Cluster:
    """The same with two nodes of one core each, of which one may be removed."""
    add_node(cluster, cores=1)
    return cluster
