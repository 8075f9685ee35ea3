"""Images from the network: bounded in time and memory, and only from where it is allowed."""

from __future__ import annotations

import ipaddress
import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import hostile
import measured
import pictures
import pytest
from servers import Answer, Visit, redirect, serving, stalled, whole

from clsctl.errors import ClsctlError
from clsctl.images.download.network import is_public
from clsctl.images.fetch import download
from clsctl.images.read import read
from clsctl.images.sources import iter_sources
from clsctl.settings import Settings

PHOTO = pictures.encoded(pictures.photo(), "PNG")
SETTINGS = Settings(timeout=5, input_timeout=20)


def error_of(url: str, **settings: object) -> ClsctlError:
    with pytest.raises(ClsctlError) as caught:
        download(url, Settings(**{"timeout": 5, "input_timeout": 20, **settings}))
    return caught.value


# ---- what is no URL ----------------------------------------------------------------------------

BAD = ["http://", "http://[::1", "http://xn--/", "http://" + "a" * 64 + ".com/", "http://a:99999/"]
BAD += ["http://caf\udce9.com/a.png", "http://\u2603\u200d.com/"]


@pytest.mark.parametrize("url", BAD)
def test_what_can_be_no_url_is_an_error(url: str) -> None:
    assert error_of(url).code in ("E_URL_INVALID", "E_URL_UNREACHABLE")


@pytest.mark.parametrize(
    "url", [*BAD, "file:///etc/passwd", "ftp://127.0.0.1/", "http:///a", "\udce9"]
)
def test_a_redirect_to_what_can_be_no_url_is_an_error(url: str) -> None:
    def answer(visit: Visit) -> None:
        visit.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: ")
        visit.wfile.write(url.encode("utf-8", "surrogateescape") + b"\r\nContent-Length: 0\r\n\r\n")

    with serving({"/a.png": answer}) as site:
        error = error_of(f"{site.url}/a.png")
    assert error.code in ("E_URL_INVALID", "E_URL_UNREACHABLE", "E_URL_STATUS")
    assert "root:" not in error.message


def test_bytes_that_are_no_utf8_in_a_list_are_asked_for_as_they_are(tmp_path: Path) -> None:
    with serving({"/caf%E9.png": whole(PHOTO)}) as site:
        (tmp_path / "list.txt").write_bytes(site.url.encode() + b"/caf\xe9.png\nhttp://\xe9/\n")
        first, second = (
            image
            for source in iter_sources(f"@{tmp_path}/list.txt")
            for image in read(source, SETTINGS)
        )
    assert first.pixels is not None, first.error
    assert second.error is not None


# ---- redirects ---------------------------------------------------------------------------------


def test_redirects_are_followed_and_counted() -> None:
    answers = {f"/{n}": redirect(f"/{n + 1}") for n in range(10)} | {"/10": whole(PHOTO)}
    answers |= {"/start": redirect("/0"), "/loop": redirect("/loop")}
    with serving(answers) as site:
        assert download(f"{site.url}/0", SETTINGS) == PHOTO
        assert "more than 10 redirects" in error_of(f"{site.url}/start").message
        assert "more than 10 redirects" in error_of(f"{site.url}/loop").message


# ---- time --------------------------------------------------------------------------------------


def dripping(content: bytes) -> Answer:
    """One byte after another, each in time, as long as anybody listens."""

    def answer(visit: Visit) -> None:
        for byte in content:
            visit.wfile.write(bytes([byte]))
            time.sleep(0.2)  # the server's own pace, which no result depends on

    return answer


@pytest.mark.parametrize(
    "begin", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n\x89PNG\r\n\x1a\n"]
)
def test_a_server_that_sends_byte_by_byte_is_given_up(begin: bytes) -> None:
    def answer(visit: Visit) -> None:
        visit.wfile.write(begin)
        dripping(b"x" * 1000)(visit)

    with serving({"/a.png": answer}) as site:
        error = error_of(f"{site.url}/a.png", input_timeout=1)
    assert error.code == "E_URL_TIMEOUT"
    assert "did not come within 1 s" in error.message
    assert "CLSCTL_INPUT_TIMEOUT" in error.hint


def test_a_server_that_sends_nothing_is_given_up() -> None:
    go_on = threading.Event()
    with serving({"/a.png": stalled(PHOTO, 10, go_on)}) as site:
        error = error_of(f"{site.url}/a.png", timeout=1)
        go_on.set()
    assert (error.code, "nothing came for 1 s" in error.message) == ("E_URL_TIMEOUT", True)


def test_a_connection_is_used_again_by_the_next_request_with_its_own_time() -> None:
    def answer(visit: Visit) -> None:
        visit.send_response(200)
        visit.send_header("Content-Length", str(len(PHOTO)))
        visit.end_headers()
        visit.wfile.write(PHOTO)

    with serving({"/a.png": answer}) as site:
        ports = []
        site.answers = {
            "/a.png": lambda visit: (ports.append(visit.client_address[1]), answer(visit))
        }
        for _ in range(3):
            assert download(f"{site.url}/a.png", Settings(input_timeout=1)) == PHOTO
    assert len(set(ports)) == 1


# ---- memory ------------------------------------------------------------------------------------


def encoded_as(content: bytes, encoding: str) -> Answer:
    return whole(content, Content_Encoding=encoding)


def test_one_compression_that_nobody_asked_for_is_undone() -> None:
    asked = []

    def answer(visit: Visit) -> None:
        asked.append(visit.headers["Accept-Encoding"])
        encoded_as(hostile.gzipped(PHOTO, 1), "gzip")(visit)

    with serving({"/a.png": answer}) as site:
        assert download(f"{site.url}/a.png", SETTINGS) == PHOTO
    assert asked == ["identity"]


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "\xe9"])
def test_other_compressions_are_errors(encoding: str) -> None:
    with serving({"/a.png": encoded_as(hostile.gzipped(PHOTO, 2), encoding)}) as site:
        error = error_of(f"{site.url}/a.png")
    assert error.code == "E_URL_UNREACHABLE"
    assert "which was not asked for" in error.message


def test_damaged_compression_is_an_error() -> None:
    content = hostile.gzipped(PHOTO, 1)
    with serving(
        {"/a": encoded_as(content[:-20], "gzip"), "/b": encoded_as(PHOTO, "gzip")}
    ) as site:
        for path in ("a", "b"):
            assert error_of(f"{site.url}/{path}").code == "E_URL_UNREACHABLE"


def promising(length: int) -> Answer:
    def answer(visit: Visit) -> None:
        visit.begin(200, Content_Length=length)
        visit.wfile.write(b"\x89PNG\r\n\x1a\n" + bytes(1000))
        visit.connection.settimeout(30)
        block = bytes(1 << 20)
        for _ in range(length >> 20):
            visit.wfile.write(block)

    return answer


def test_no_small_answer_takes_much_memory(tmp_path: Path) -> None:
    twice = hostile.gzipped_zeros(2 << 30, 2)
    answers = {
        "/twice": encoded_as(twice, "gzip, gzip"),
        "/as-once": encoded_as(twice, "gzip"),
        "/once": encoded_as(hostile.gzipped_zeros(1 << 30, 1), "gzip"),
        "/ten": promising(10 << 30),
    }
    script = (
        "import sys, json; sys.path.append(sys.argv[2])\n"
        "from measured import peak_mb\n"
        "from clsctl.errors import ClsctlError\n"
        "from clsctl.images.fetch import download\n"
        "from clsctl.settings import Settings\n"
        "codes = []\n"
        "for path in ('twice', 'as-once', 'once', 'ten'):\n"
        "    try: download(f'{sys.argv[1]}/{path}', Settings())\n"
        "    except ClsctlError as error: codes.append(error.code)\n"
        "print(json.dumps([peak_mb(), codes]))\n"
    )
    with serving(answers) as site:
        done = subprocess.run(
            [sys.executable, "-c", script, site.url, str(Path(measured.__file__).parent)],
            capture_output=True,
            text=True,
            check=True,
        )
    peak, codes = json.loads(done.stdout)
    assert codes == ["E_URL_UNREACHABLE", "E_IMAGE_UNSUPPORTED", *["E_IMAGE_TOO_LARGE"] * 2]
    assert peak < 640


# ---- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"],
)
def test_private_addresses_are_refused_before_anything_is_sent(host: str) -> None:
    with serving({"/a.png": whole(PHOTO)}) as site:
        url = f"http://{host}:{site.server_port}/a.png"
        error = error_of(url, private_hosts=False)
        assert site.requests == []
    assert error.code in ("E_URL_PRIVATE", "E_URL_INVALID", "E_URL_UNREACHABLE")


PRIVATE = ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"]
PRIVATE += ["[fd00::1]", "[fe80::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::]"]


@pytest.mark.parametrize("host", PRIVATE)
def test_every_kind_of_private_address_is_known(host: str) -> None:
    error = error_of(f"http://{host}/a.png", private_hosts=False, timeout=1)
    assert (error.code, "--no-private-hosts" in error.hint) == ("E_URL_PRIVATE", True)
    assert host.strip("[]")[:4] in error.message


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::"]
)
def test_a_public_address_is_no_private_one(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_private_addresses_are_reached_unless_forbidden_and_no_proxy_is_asked_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving({"/a.png": whole(PHOTO)}) as site, serving({}) as proxy:
        assert download(f"{site.url}/a.png", SETTINGS) == PHOTO
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert error_of(f"{site.url}/a.png").code == "E_URL_STATUS"
        assert proxy.requests[0][0] == f"{site.url}/a.png"
        assert error_of(f"{site.url}/a.png", private_hosts=False).code == "E_URL_PRIVATE"
        assert len(proxy.requests) == 1


# ---- secrets -----------------------------------------------------------------------------------


def test_secrets_of_a_url_show_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    with serving({}) as site, caplog.at_level(logging.DEBUG):
        url = f"{site.url}/none.png?token=5ec2e7".replace("//", "//user:5ec2e7@")
        [source] = iter_sources(url)
        [image] = read(source, SETTINGS)
    assert site.requests[0][0] == "/none.png?token=5ec2e7"
    assert image.input_path == f"{site.url}/none.png?..."
    assert "5ec2e7" not in f"{image.error.message}{image.error.hint}{caplog.text}"


def test_name_and_password_are_sent() -> None:
    sent = []

    def answer(visit: Visit) -> None:
        sent.append(visit.headers["Authorization"])
        whole(PHOTO)(visit)

    with serving({"/a.png": answer}) as site:
        assert download(f"{site.url}/a.png".replace("//", "//us%20er:p%40ss@"), SETTINGS) == PHOTO
    assert sent == ["Basic dXMgZXI6cEBzcw=="]
