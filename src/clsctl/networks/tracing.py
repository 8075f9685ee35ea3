"""Trace networks without traces: Paddle keeps the sources that it derives in the home folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clsctl.system.temporary import scratch_folder


@contextmanager
def derived_sources_apart() -> Iterator[None]:
    """Let `paddle.jit.to_static` write what it derives into a temporary folder, gone at the end.

    Paddle removes its own folder when Python ends in an orderly way, which the command line does
    not wait for.
    """
    from paddle.jit.dy2static import utils

    original = utils.get_temp_dir
    with scratch_folder() as scratch:
        utils.get_temp_dir = lambda: str(scratch)
        try:
            yield
        finally:
            utils.get_temp_dir = original
