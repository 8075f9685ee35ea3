"""Keys, URLs that a server must not fetch, and what answers must not tell."""

import asyncio
import base64
import time

import pytest
from clsctl_serve.urls import Fetcher, is_public
from serve_process import NAME
from servers import endless, redirect, serving, status, whole

from clsctl.errors import ClsctlError


@pytest.fixture
def guarded(start, tmp_path):
    (tmp_path / "key").write_text("s3cret\n")
    return start("--api-key-file", tmp_path / "key")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}, {"X-API-Key": "s"}],
)
def test_without_the_key(guarded, photo, headers):
    for path in (f"/v1/models/{NAME}:classify", "/image-classification"):
        response = guarded.post(path, content=photo, headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/v1/models", f"/v1/models/{NAME}", "/metrics"):
        assert guarded.get(path, headers=headers).status_code == 401
    for path in ("/livez", "/readyz", "/health", "/", "/docs"):
        assert guarded.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer s3cret"}, {"X-API-Key": "s3cret"}])
def test_with_the_key(guarded, photo, headers):
    assert guarded.classify(content=photo, headers=headers).status_code == 200
    assert guarded.get("/metrics", headers=headers).status_code == 200


def test_a_key_in_the_environment(start):
    server = start(CLSCTL_API_KEY="other")
    assert server.get("/v1/models").status_code == 401
    assert server.get("/v1/models", headers={"X-API-Key": "other"}).status_code == 200


def test_other_sites_may_not_read_answers(server, photo):
    response = server.classify(content=photo, headers={"Origin": "https://example.org"})
    assert "access-control-allow-origin" not in response.headers
    assert server.get("/").headers["Content-Security-Policy"].startswith("default-src 'none'")


# ---- URLs --------------------------------------------------------------------------------------


def fetch(url, hosts, max_bytes=1_000_000, public=is_public, seconds=20):
    async def run():
        fetcher = Fetcher(hosts, max_bytes, public)
        return await fetcher.content(url, time.monotonic() + seconds)

    found = asyncio.run(run())
    return found.code if isinstance(found, ClsctlError) else found


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::",
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_addresses_that_are_public(address):
    assert is_public(address)


def test_an_allowed_host_of_a_public_address(photo):
    with serving({"/a.jpg": whole(photo)}) as site:
        host = site.url.removeprefix("http://")
        assert fetch(f"{site.url}/a.jpg", [host], public=lambda _: True) == photo
        assert fetch(f"{site.url}/no", [host], public=lambda _: True) == "E_URL_STATUS"


def test_a_host_that_was_not_allowed(photo):
    with serving({"/a.jpg": whole(photo)}) as site:
        for hosts in ([], ["example.org"], ["127.0.0.1"], ["127.0.0.1:1"]):
            assert fetch(f"{site.url}/a.jpg", hosts, public=lambda _: True) == "E_URL_FORBIDDEN"
        assert site.requests == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "0x7f.1", "2130706433"])
def test_an_allowed_name_that_means_this_machine(photo, name):
    with serving({"/a.jpg": whole(photo)}) as site:
        host = f"{name}:{site.server_port}"
        assert fetch(f"http://{host}/a.jpg", [host, "*"]) in (
            "E_URL_FORBIDDEN",
            "E_URL_UNREACHABLE",
        )
        assert site.requests == []


def test_a_redirect_is_checked_as_well(photo):
    with serving({"/a.jpg": whole(photo)}) as inner:
        answers = {
            "/out": redirect(f"{inner.url}/a.jpg"),
            "/loop": redirect("/loop"),
            "/file": redirect("file:///etc/passwd"),
            "/ok": redirect("/b.jpg"),
            "/b.jpg": whole(photo),
        }
        with serving(answers) as site:
            host = [site.url.removeprefix("http://")]
            found = {
                path: fetch(site.url + path, host, public=lambda _: True)
                for path in ("/out", "/loop", "/file", "/ok")
            }
        assert found == {
            "/out": "E_URL_FORBIDDEN",
            "/loop": "E_URL_UNREACHABLE",
            "/file": "E_URL_FORBIDDEN",
            "/ok": photo,
        }
        assert inner.requests == []


def test_bounds_of_size_and_time(photo):
    with serving({"/long": endless(bytes(100_000)), "/broken": status(500)}) as site:
        host = [site.url.removeprefix("http://")]
        always = {"public": lambda _: True}
        assert fetch(f"{site.url}/long", host, max_bytes=50_000, **always) == "E_IMAGE_TOO_LARGE"
        assert fetch(f"{site.url}/long", host, seconds=0, **always) == "E_URL_UNREACHABLE"
        assert fetch(f"{site.url}/broken", host, **always) == "E_URL_STATUS"


@pytest.mark.parametrize("url", ["http://", "http://[", "http://a@b/", "http://ex.org:99999/x"])
def test_urls_that_are_none(url):
    assert fetch(url, ["*"]) in ("E_URL_FORBIDDEN", "E_URL_UNREACHABLE")


def test_a_url_beside_an_image(start, photo):
    server = start("--allow-urls", "localhost,*.example.org")
    images = [f"{server.url.replace('127.0.0.1', 'localhost')}/", base64.b64encode(photo).decode()]
    results = server.classify(json={"images": images}).json()["results"]
    assert results[0]["error"]["code"] == "E_URL_FORBIDDEN"
    assert "error" not in results[1]
