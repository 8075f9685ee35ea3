"""Thousands of requests that are wrong in seeded ways: refused, and nothing is left of them."""

import base64
import http.client
import json
import random

import pictures
import pytest
from serve_process import NAME

GROWTH = 60_000_000
"""Bytes; what allocators keep of the largest requests, however many there are."""

ALLOWED = {200, 400, 404, 405, 413, 415, 422}
JSON = {"Content-Type": "application/json"}
CLASSIFY = f"/v1/models/{NAME}:classify"


@pytest.fixture(scope="module")
def images():
    """Whole and damaged ones."""
    damaged = [content for content, _ in pictures.damaged().values()]
    return damaged + list(pictures.lossy().values())


def spoilt(chance: random.Random, content: bytes) -> bytes:
    """The bytes cut, or with some of them changed."""
    if chance.random() < 0.5:
        return content[: chance.randrange(len(content) + 1)]
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 9)):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def anything(chance: random.Random, depth: int = 0) -> object:
    """A JSON value of any kind."""
    kinds = [None, True, -1, 1e308, "", "\x00\ud7ff", "http://127.0.0.1/", "data:,x", 10**30]
    if depth < 3 and chance.random() < 0.4:
        many = range(chance.randrange(4))
        if chance.random() < 0.5:
            return [anything(chance, depth + 1) for _ in many]
        keys = ["image", "images", "topk", "name", "logId", "visualize", "x"]
        return {chance.choice(keys): anything(chance, depth + 1) for _ in many}
    return chance.choice(kinds)


def of_paddlex(chance, image):
    asked = {"image": base64.b64encode(image).decode(), "visualize": False}
    asked[chance.choice(["image", "topk", "visualize", "logId"])] = anything(chance)
    return "/image-classification", JSON, json.dumps(asked).encode()


def spoilt_json(chance, image):
    asked = {"images": [base64.b64encode(image).decode(), anything(chance)]}
    path = chance.choice(["/image-classification", CLASSIFY])
    return path, JSON, spoilt(chance, json.dumps(asked).encode())


def spoilt_base64(chance, image):
    text = spoilt(chance, base64.b64encode(image)).decode("latin-1")
    return "/image-classification", JSON, json.dumps({"image": text, "visualize": False}).encode()


def spoilt_form(chance, image):
    part = b'--b\r\nContent-Disposition: form-data; name="i"; filename="x"\r\n\r\n'
    body = spoilt(chance, part + image + b"\r\n" + part + image + b"\r\n--b--\r\n")
    kind = chance.choice(["multipart/form-data; boundary=b", "multipart/form-data", "multipart/;"])
    return CLASSIFY, {"Content-Type": kind}, body


def spoilt_image(chance, image):
    query = chance.choice(["", "?topk=1", "?topk=-1", "?batch=3", "?exact=x", "?topk=%ff"])
    return CLASSIFY + query, {"Content-Type": "image/jpeg"}, spoilt(chance, image)


def deep_json(chance, image):
    return "/image-classification", JSON, b"[" * chance.randrange(1, 20_000)


def wrong_path(chance, image):
    path = "/" + "".join(chance.choice("/.%:v1models{}~-_?#é&=") for _ in range(12))
    return path.encode("ascii", "ignore").decode().replace("%", "%25"), {}, image[:100]


KINDS = [of_paddlex, spoilt_json, spoilt_base64, spoilt_form, spoilt_image, deep_json, wrong_path]


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_malformed_requests(server, images, photo, count):
    chance = random.Random(0)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    statuses: dict[int, int] = {}
    after_some = 0.0
    for number in range(count):
        path, headers, body = chance.choice(KINDS)(chance, chance.choice(images))
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        assert response.status in ALLOWED, (response.status, path, headers, body[:200], server.log)
        statuses[response.status] = statuses.get(response.status, 0) + 1
        if number == count // 5:
            after_some = server.figure("clsctl_resident_bytes")
    assert statuses[422] > count / 2
    assert server.figure("clsctl_resident_bytes") < after_some + GROWTH
    assert "Traceback" not in server.log
    assert server.classify(content=photo).status_code == 200


def test_bytes_that_are_no_http(server):
    chance = random.Random(1)
    request = b"POST /image-classification HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    for _ in range(300):
        with server.connect() as connection:
            connection.sendall(spoilt(chance, request))
            connection.shutdown(1)
            answer = connection.recv(1 << 16)
            assert b" 500 " not in answer.split(b"\r\n")[0]
    assert "Traceback" not in server.log
