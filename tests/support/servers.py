"""Real web servers on the loopback interface, each with the one bad habit that a test is about."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ETAG = '"first"'


class Site(ThreadingHTTPServer):
    """Serves each path with its own answer, and remembers what was asked."""

    daemon_threads = True

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Visit)
        self.answers = answers
        self.requests: list[tuple[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Visit(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range", "")))
        self.server.answers.get(self.path, status(404))(self)

    def log_message(self, *args: object) -> None:
        pass

    def begin(self, code: int, **headers: object) -> None:
        self.send_response(code)
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


Answer = Callable[[Visit], None]


@contextmanager
def serving(answers: Mapping[str, Answer]) -> Iterator[Site]:
    with Site(answers) as site:
        threading.Thread(target=site.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield site
        finally:
            site.shutdown()


def in_turn(*answers: Answer) -> Answer:
    """The first request gets the first answer, and so on; the last answer stays."""
    left = list(answers)
    return lambda visit: (left.pop(0) if len(left) > 1 else left[0])(visit)


def whole(content: bytes, **headers: object) -> Answer:
    """A server that has never heard of Range."""

    def answer(visit: Visit) -> None:
        visit.begin(200, Content_Length=len(content), **headers)
        visit.wfile.write(content)

    return answer


def resumable(content: bytes, etag: str = ETAG) -> Answer:
    """A server as it should be: Range, If-Range and ETag."""

    def answer(visit: Visit) -> None:
        start = int(visit.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        if not start or visit.headers.get("If-Range") != etag:
            whole(content, ETag=etag)(visit)
        elif start >= len(content):
            visit.begin(416, Content_Length=0)
        else:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            rest = content[start:]
            visit.begin(206, Content_Length=len(rest), Content_Range=span, ETag=etag)
            visit.wfile.write(rest)

    return answer


def cut(content: bytes, at: int, **headers: object) -> Answer:
    """Promises everything, closes the connection after `at` bytes."""

    def answer(visit: Visit) -> None:
        visit.begin(200, Content_Length=len(content), **(headers or {"ETag": ETAG}))
        visit.wfile.write(content[:at])

    return answer


def stalled(content: bytes, at: int, go_on: threading.Event) -> Answer:
    """Sends `at` bytes; the rest only once the test says so."""

    def answer(visit: Visit) -> None:
        visit.begin(200, Content_Length=len(content), ETag=ETAG)
        visit.wfile.write(content[:at])
        visit.wfile.flush()
        go_on.wait(60)
        visit.wfile.write(content[at:])

    return answer


def wrong_range(content: bytes, **changes: object) -> Answer:
    """Answers a request for a part with another one than was asked for."""

    def answer(visit: Visit) -> None:
        headers = {"Content_Length": len(content), "ETag": ETAG, **changes}
        visit.begin(206, **headers)
        visit.wfile.write(content)

    return answer


def chunked(content: bytes) -> Answer:
    """Does not say beforehand how long the file is."""

    def answer(visit: Visit) -> None:
        visit.begin(200, Transfer_Encoding="chunked")
        for start in range(0, len(content), 1 << 16):
            block = content[start : start + (1 << 16)]
            visit.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        visit.wfile.write(b"0\r\n\r\n")

    return answer


def endless(content: bytes) -> Answer:
    """Says neither how long the file is nor where it ends."""

    def answer(visit: Visit) -> None:
        visit.begin(200)
        visit.wfile.write(content)

    return answer


def status(code: int) -> Answer:
    return lambda visit: visit.begin(code, Content_Length=0)


def redirect(to: str) -> Answer:
    return lambda visit: visit.begin(302, Location=to, Content_Length=0)
