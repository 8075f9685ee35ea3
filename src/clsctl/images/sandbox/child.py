"""Decode for another process, which ends this one where it takes too long.

Requests come on standard input, replies go to standard output. What decoders print is dropped.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from clsctl.errors import ClsctlError
from clsctl.images.headers import read_header
from clsctl.images.image_errors import corrupt, too_much_memory, truncated
from clsctl.images.sandbox.messages import Buffer, error_fields, receive, send
from clsctl.images.sandbox.pillow_decode import PLUGINS, iter_pillow_pages, read_pillow_header
from clsctl.images.sandbox.raw_pixels import RawPage, RawPixels, raw_of_values
from clsctl.images.value_range import EIGHT_BITS, other_dtype, span_of, to_eight_bits
from clsctl.paths import exists, open_regular
from clsctl.values import ValueRange

STATUS = Path("/proc/self/status")
KEPT_KB = 256 << 10
"""Memory that this process may have had to be of further use."""

Reply = tuple[dict[str, Any], Buffer]


def main() -> NoReturn:
    """Serve documents, one after another, until there are no more requests."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # At its end the other process closes the pipe.
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            _serve(sys.stdin.buffer, replies)
    os._exit(0)


def _serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    read = functools.partial(_read, requests)
    fields = receive(read)
    _limit_memory(fields["memory"] + fields["bytes"])
    document = Document(fields, read(fields["bytes"]))
    while (request := receive(read)["ask"]) != "close":
        try:
            reply = document.answer(request)
        except ClsctlError as error:
            reply = error_fields(error), b""
        send(replies, *reply)
    send(replies, {"reusable": _memory_kb("VmHWM") < KEPT_KB})


class Document:
    """A file that is being decoded, page by page."""

    def __init__(self, fields: Mapping[str, Any], content: bytes) -> None:
        self.kind: str = fields["kind"]
        self._path, self._content = fields.get("path"), content
        self._max_pixels, self._draft = fields["max_pixels"], fields["draft"]
        self._range = ValueRange(**fields["value_range"]) if fields["value_range"] else None
        self._warnings: list[str] = []
        self._pages = self._iter_pages()
        self._page: RawPage | None = None

    def answer(self, request: str) -> Reply:
        """Answer a request for the header, the next page's number, its pixels or its values' span.

        Raises:
            ClsctlError: Whatever is wrong with the file.
        """
        with _translate(self.kind):
            return self._answer(request)

    def _answer(self, request: str) -> Reply:
        if request == "header":
            return self._header(), b""
        if request == "next":
            self._page = next(self._pages, None)
            return {"page": self._page.number} if self._page else {"end": True}, b""
        assert self._page
        if request == "span":
            span = span_of(self._page.values()) if self._page.values else EIGHT_BITS
            return span._asdict(), b""
        pixels = self._page.decode() if self._range is None else self._scaled(self._page)
        fields = {"height": pixels.height, "width": pixels.width, "warnings": self._warnings}
        return fields, pixels.content

    def _header(self) -> dict[str, Any]:
        with open_regular(self._path) if self._path else io.BytesIO(self._content) as stream:
            return read_pillow_header(self.kind, stream)._asdict()

    def _iter_pages(self) -> Iterator[RawPage]:
        if self.kind == "PDF":
            from clsctl.images.sandbox.pdf import iter_pdf_pages

            yield from iter_pdf_pages(self._content, self._max_pixels)
        elif self.kind in PLUGINS:
            yield from iter_pillow_pages(self.kind, self._content, self._max_pixels)
        else:
            yield self._plain_page()

    def _plain_page(self) -> RawPage:
        """Decode what is mostly decoded without another process, and was too large for that."""
        from clsctl.images.plain import decode_plain, plain_values

        args = self.kind, self._content, read_header(self.kind, self._content)
        decode = functools.partial(decode_plain, *args, self._draft, self._warnings.append)
        return RawPage(None, lambda: raw_of_values(decode()), lambda: plain_values(*args))

    def _scaled(self, page: RawPage) -> RawPixels:
        assert self._range
        if page.values is None:
            raise other_dtype(EIGHT_BITS.dtype, self._range)
        return raw_of_values(to_eight_bits(page.values(), self._range))


@contextlib.contextmanager
def _translate(kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises into the error that says what is wrong with the file."""
    try:
        yield
    except ClsctlError:
        raise
    except MemoryError:
        raise too_much_memory(kind) from None
    except Exception as error:  # noqa: BLE001 - damaged bytes may raise anything in a decoder
        if "truncated" in str(error):
            raise truncated(kind) from None
        raise corrupt(kind, error) from None


def _read(requests: IO[bytes], count: int) -> bytes:
    content = requests.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _limit_memory(allowed: int) -> None:
    """Let this process have that many bytes more than it has, where the system counts them."""
    if not exists(STATUS):  # not Linux
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = _memory_kb("VmSize") * 1024 + allowed
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _memory_kb(name: str) -> int:
    """Read what the kernel counts; its usual figure of the most includes the parent's memory."""
    if not exists(STATUS):
        return KEPT_KB  # so that it is used once
    with STATUS.open(encoding="ascii", errors="replace") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith(name))
