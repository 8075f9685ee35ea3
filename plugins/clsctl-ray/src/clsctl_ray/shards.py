"""Split the inputs into shards: the pieces of work that are done, lost and counted as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsctl.images.sources import Source
from clsctl.system.iteration import batched
from clsctl_ray.remote import find_sources

if TYPE_CHECKING:
    from clsctl.settings import Settings


@dataclass(frozen=True, slots=True)
class Shard:
    """Consecutive inputs; shard n of a job holds the same ones whenever the job is run."""

    number: int
    sources: Sequence[Source]

    def fingerprint(self) -> str:
        """SHA256, in hex, of the names of its inputs."""
        names = "\0".join(source.name for source in self.sources)
        return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()


def split_inputs(inputs: Iterable[object], size: int, settings: Settings) -> Iterator[Shard]:
    """Split a stream of inputs into shards, one by one; see `clsctl_ray.remote.find_sources`."""
    for number, sources in enumerate(batched(find_sources(inputs, settings), size)):
        yield Shard(number, sources)
