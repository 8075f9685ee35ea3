"""Trace networks without traces: Paddle keeps the sources that it derives in the home folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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


@contextmanager
def methods_rewritten_once() -> Iterator[None]:
    """Let `paddle.jit.to_static` rewrite a method once, not once for each layer that has it.

    Paddle keeps what it rewrote under the bound method, an object that is gone a moment later, so
    that a network of thirty equal layers has the same `forward` rewritten thirty times.
    """
    from paddle.jit.dy2static import program_translator

    cache: Any = program_translator._FUNCTION_CACHE
    original = cache.convert_with_cache

    def convert(function: Callable[..., Any]) -> Any:
        return original(function.__func__ if inspect.ismethod(function) else function)

    cache.convert_with_cache = convert
    try:
        yield
    finally:
        cache.convert_with_cache = original
