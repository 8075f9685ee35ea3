"""Decode in a process of its own, under limits of memory and time that end in an error.

PDFs and what Pillow decodes can take any amount of both, whatever their headers say; so can a JPEG
of thousands of scans. The processes are kept for the next document, as many as there are threads
that need one.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from clsctl.errors import ClsctlError, DataError
from clsctl.images.headers import Header
from clsctl.images.image_errors import corrupt, too_many_pages, too_slow
from clsctl.images.page import Page, Warn
from clsctl.images.sandbox.local import LocalDocument
from clsctl.images.sandbox.messages import raise_error, receive, send
from clsctl.images.value_range import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.settings import Settings

MEMORY_PER_PIXEL, MEMORY_PER_BYTE, LEAST_MEMORY = 3, 512, 128 << 20
"""Bytes that a decoder may take in all: for each pixel that an image may have at most, for each
byte of the file, or in any case, whichever is most."""

CAN_WAIT = hasattr(select, "poll")
"""Whether this system can wait for a pipe with a limit of time; Windows cannot."""

_CLOSING_S = 5
_PIPE_BYTES = 1 << 20

# Not `-m`, which would look for modules in the current folder first, where anything may lie.
_PROGRAM = (
    "import sys; sys.path[:] = [*filter(None, sys.path), sys.argv[1]]; "
    "from clsctl.images.sandbox.child import main; main()"
)


def iter_sandboxed_pages(kind: str, data: bytes, settings: Settings, warn: Warn) -> Iterator[Page]:
    """Yield the number of each page, or None for a single image, and a function that decodes it.

    The function is to be called before the next page is asked for. After a page that takes too long
    there are no others.

    Raises:
        DataError: The document cannot be opened, or has more pages than allowed.
    """
    with _opened(kind, data, settings) as process:
        for count in itertools.count():
            fields = process.ask("next")
            if "end" in fields:
                return
            if count == settings.max_pages:
                raise too_many_pages(kind, settings.max_pages)
            decode = functools.partial(process.decode, settings.max_pixels, warn)
            yield Page(fields["page"], decode, functools.partial(_span, process))
            if process.ended:
                return


def sandboxed_header(kind: str, path: Path, settings: Settings) -> Header:
    """Read the header of a file that Pillow decodes.

    Raises:
        DataError: It cannot be read.
    """
    with _opened(kind, b"", settings, path=str(path.absolute())) as process:
        fields = process.ask("header")
    return Header(*(fields[name] for name in Header._fields))


def allowed_memory(size: int, settings: Settings) -> int:
    """Return how many bytes a decoder may take for a file of that size."""
    return max(LEAST_MEMORY, MEMORY_PER_PIXEL * settings.max_pixels, MEMORY_PER_BYTE * size)


@contextlib.contextmanager
def _opened(
    kind: str, data: bytes, settings: Settings, **fields: str
) -> Iterator[_Process | LocalDocument]:
    memory = allowed_memory(len(data), settings)
    limits = {
        "max_pixels": settings.max_pixels,
        "draft": settings.draft,
        "memory": memory,
        "value_range": settings.value_range and asdict(settings.value_range),
    }
    if not CAN_WAIT:
        yield LocalDocument({"kind": kind, **limits, **fields}, data)
        return
    process = _idle_process() or _Process()
    try:
        process.open({"kind": kind, **limits, **fields}, data, settings.input_timeout)
        yield process
    finally:
        if process.close():
            _idle_processes().append(process)


def _span(process: _Process | LocalDocument) -> Span:
    fields = process.ask("span")
    return Span(*(fields[name] for name in Span._fields))


class _Process:
    """A process that decodes one document at a time."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(Path(__file__).parents[3])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the process that asks
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._requests, self._replies = self._child.stdin, self._child.stdout
        for pipe in (self._requests, self._replies):
            _widen(pipe)
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)
        self._kind, self._seconds, self._deadline = "", 0, 0.0

    @property
    def ended(self) -> bool:
        """Whether it has ended, was ended, or cannot be spoken with any more.

        The garbage collector may close the pipes of a process that a dropped generator gave back.
        """
        closed = self._requests.closed or self._replies.closed
        return closed or self._child.poll() is not None

    def open(self, fields: Mapping[str, Any], data: bytes, seconds: int) -> None:
        """Hand over a document, of which every answer may take that many seconds; 0: any number."""
        self._kind, self._seconds = fields["kind"], seconds
        with self._limits():
            send(self._requests, fields, data)

    def ask(self, request: str) -> dict[str, Any]:
        """Return the answer's fields, or raise the DataError that is the answer."""
        with self._limits():
            return self._ask(request)

    def decode(self, max_pixels: int, warn: Warn) -> NDArray[np.uint8]:
        """Decode the current page: uint8 [height, width, 3], RGB."""
        import numpy as np

        with self._limits():
            fields = self._ask("pixels")
            height, width = fields["height"], fields["width"]
            if not 0 < height * width <= max_pixels:
                raise ValueError
            pixels = np.empty((height, width, 3), np.uint8)
            self._read_into(memoryview(pixels.data).cast("B"))
        for warning in fields["warnings"]:
            warn(warning)
        return pixels

    def close(self) -> bool:
        """Take the document away, and return whether the process is of further use."""
        self._seconds = _CLOSING_S
        with contextlib.suppress(DataError):
            if not self.ended and self.ask("close")["reusable"]:
                return True
        self._kill()
        return False

    def _ask(self, request: str) -> dict[str, Any]:
        send(self._requests, {"ask": request})
        fields = receive(self._read)
        raise_error(fields)
        return fields

    def _read(self, count: int) -> bytearray:
        content = bytearray(count)
        self._read_into(memoryview(content))
        return content

    def _read_into(self, view: memoryview) -> None:
        while len(view):
            left = max(0, self._deadline - time.monotonic()) * 1000 if self._seconds else None
            if not self._poll.poll(left):
                raise TimeoutError
            count = os.readv(self._replies.fileno(), [view])
            if count == 0:
                raise EOFError
            view = view[count:]

    @contextlib.contextmanager
    def _limits(self) -> Iterator[None]:
        """Give the process its time, and end it where it does not answer as it should."""
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        except ClsctlError:
            raise
        except TimeoutError:
            self._kill()
            raise too_slow(self._kind, self._seconds) from None
        except (EOFError, OSError, ValueError):
            raise corrupt(self._kind, f"its decoder {self._last_words()}") from None
        except BaseException:  # such as Ctrl-C, after which the answer would be another's
            self._kill()
            raise

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_CLOSING_S)
        self._kill()
        status = self._child.returncode
        return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"

    def _kill(self) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._requests, self._replies):
            with contextlib.suppress(OSError):
                pipe.close()


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold more at once, where the system can, and has memory to spare for it."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _idle_process() -> _Process | None:
    """One that has nothing to do; the system may have ended it meanwhile."""
    with contextlib.suppress(IndexError):
        while (process := _idle_processes().pop()).ended:
            pass
        return process
    return None


@functools.cache
def _idle_processes() -> deque[_Process]:
    """The last one is taken first: the others may be on disk by now.

    No lock is held meanwhile: the garbage collector may give one back at any time.
    """
    return deque()


# A forked process must not speak with the children of another one.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle_processes.cache_clear)
