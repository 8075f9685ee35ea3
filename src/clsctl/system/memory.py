"""How this process keeps the memory that it has freed."""

from __future__ import annotations

import contextlib
import ctypes
import functools

# Of glibc's mallopt: from which size memory is mapped anew, and how much is kept when it is free.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_KEPT = 1 << 30


@functools.cache
def reuse_memory() -> None:
    """Keep the memory of large images for the next one, for as long as this process runs.

    The system would otherwise clear every page anew, which for a photo of 12 megapixels takes as
    long as half its decoding, and lets threads wait for each other.
    """
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
