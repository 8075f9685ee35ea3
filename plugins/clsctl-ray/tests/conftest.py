"""The fixtures of clsctl's own tests, and a Ray cluster on this machine."""

from fixtures import Run, call, clsctl, home, ready, tiny, tiny_cache
from ray_clusters import cluster, two_nodes

__all__ = ["Run", "call", "clsctl", "cluster", "home", "ready", "tiny", "tiny_cache", "two_nodes"]
