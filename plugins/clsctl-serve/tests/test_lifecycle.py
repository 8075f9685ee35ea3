"""Starting, replacing models, stopping, and losing a process, with requests under way."""

import http.client
import json
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from models import spoilt_copy
from serve_process import NAME


def begin_request(server, photo):
    """A request of which the last byte has not been sent; the server has seen its head."""
    connection = server.connect()
    path = f"/v1/models/{NAME}:classify"
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(photo)}\r\n\r\n".encode()
    )
    assert connection.recv(100).startswith(b"HTTP/1.1 100")
    connection.sendall(photo[:-1])
    return connection


def end_request(connection, photo):
    connection.sendall(photo[-1:])
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


def test_it_says_in_one_line_where_it_is(start):
    server = start()
    assert NAME in server.line
    assert server.line.endswith(f"at http://127.0.0.1:{server.port}")
    assert server.get("/readyz").json() == {"ready": True, "models": {NAME: "ready"}}
    assert server.get("/livez").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_lets_it_finish_what_it_has(start, photo, number, workers):
    server = start("--workers", workers)
    connection = begin_request(server, photo)
    server.process.send_signal(number)
    server.await_refusal()
    assert server.process.poll() is None
    status, content = end_request(connection, photo)
    assert status == 200
    assert "error" not in content["results"][0]
    assert server.process.wait(60) == 0
    assert "Traceback" not in server.log


def test_a_second_signal_ends_it_at_once(start, photo):
    server = start()
    begin_request(server, photo)
    server.process.send_signal(signal.SIGTERM)
    server.await_refusal()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(20)


@pytest.fixture
def replaceable(ready, tmp_path):
    """A copy of the model, and one with other names of classes."""
    first = shutil.copytree(ready, tmp_path / "first")
    second = spoilt_copy(
        ready, tmp_path / "second", "inference.yml", lambda text: text.replace(b"cat", b"dog")
    )
    return first, second


@pytest.mark.parametrize("how", ["--reload", "SIGHUP", "SIGHUP to workers"])
def test_a_replaced_model_is_taken_up_without_losing_a_request(start, photo, replaceable, how):
    first, second = replaceable
    extra = {"--reload": ["--reload"], "SIGHUP": [], "SIGHUP to workers": ["--workers", "2"]}[how]
    server = start("--model-dir", first, *extra)
    over, both_asked = threading.Event(), threading.Barrier(3, timeout=60)

    def ask(_):
        names = set()
        while not over.is_set():
            response = server.classify(content=photo)
            assert response.status_code == 200
            if not names:
                both_asked.wait()
            names.add(response.json()["results"][0]["label_names"][0])
            if len(names) == 2:
                over.set()
        return names

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, number) for number in range(2)]
        try:
            both_asked.wait()
            first.rename(first.with_name("old"))
            second.rename(first)
            if how != "--reload":
                server.process.send_signal(signal.SIGHUP)
            names = set.union(*(answer.result(120) for answer in answers))
        finally:
            over.set()
    assert {name.split(",")[1].split()[0] for name in names} == {"cat", "dog"}


def test_a_replacement_that_is_broken_changes_nothing(start, photo, replaceable):
    first, _ = replaceable
    server = start("--model-dir", first)
    before = server.classify(content=photo).json()
    (first / "inference.yml").write_text("nothing")
    server.process.send_signal(signal.SIGHUP)
    server.await_log("model not loaded")
    after = server.classify(content=photo).json()
    assert after["results"] == before["results"]
    assert server.get("/readyz").json()["models"] == {NAME: "E_MODEL_DIR_INVALID"}


# ---- several models ----------------------------------------------------------------------------


def test_each_model_has_its_route(start, photo, replaceable):
    first, second = replaceable
    server = start("--model-dir", f"cats={first}", "--model-dir", f"dogs={second}")
    listed = server.get("/v1/models").json()["models"]
    assert [(model["name"], model["default"]) for model in listed] == [
        ("cats", True),
        ("dogs", False),
    ]
    for name in ("cats", "dogs"):
        result = server.classify(model=name, content=photo).json()["results"][0]
        assert name[:3] in result["label_names"][0]


def test_a_model_that_cannot_be_loaded_leaves_the_others_up(start, ready, photo, tmp_path):
    server = start("--model-dir", f"bad={tmp_path / 'nothing'}", "--model-dir", ready)
    response = server.get("/readyz")
    assert response.status_code == 200
    assert response.json()["models"] == {"bad": "E_MODEL_DIR_INVALID", NAME: "ready"}
    assert server.classify(content=photo).status_code == 200
    refused = server.classify(model="bad", content=photo)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "E_MODEL_UNAVAILABLE")
    assert str(tmp_path) not in refused.text


def test_two_models_of_one_name(clsctl, ready):
    done = clsctl("serve", "--model-dir", ready, "--model-dir", ready)
    assert done.returncode == 2
    assert "--model-dir NAME=DIR" in done.stderr


# ---- what cannot start -------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_any_model_it_does_not_start(clsctl, tmp_path, workers):
    done = clsctl("serve", "--model-dir", tmp_path, "--port", "0", "--workers", workers)
    assert done.returncode == 4
    assert done.stderr.splitlines()[-2].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_port_in_use(server, clsctl, ready):
    done = clsctl("serve", "--model-dir", ready, "--port", server.port)
    assert done.returncode == 2
    assert "in use" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--batch", "many"],
        ["--max-body", "20 apples"],
        ["--api-key-file", "missing"],
        ["--host", "no.such.host.invalid"],
    ],
)
def test_options_that_mean_nothing(clsctl, ready, arguments):
    done = clsctl("serve", "--model-dir", ready, "--port", "0", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# ---- several processes -------------------------------------------------------------------------


def workers_of(server):
    """Process ids, by the request numbers that answers carry."""
    found = set()
    while len(found) < 2:
        found.add(int(server.get("/livez").headers["x-request-id"].partition("-")[0], 16))
    return found


def test_a_killed_worker_is_started_again(start, photo):
    server = start("--workers", "2")
    before = workers_of(server)
    os.kill(min(before), signal.SIGKILL)
    server.await_log("worker died")
    assert server.classify(content=photo).status_code == 200
    server.await_log("model loaded", count=3)
    after = workers_of(server)
    assert max(before) in after
    assert min(before) not in after
    assert server.figure("clsctl_images_total") >= 1
    assert server.stop() == 0


def test_workers_end_with_the_process_that_watches_them(start, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    server = start("--workers", "2", TMPDIR=str(temporary))
    pids = workers_of(server)
    server.process.kill()
    server.process.wait()
    for pid in pids:
        while Path(f"/proc/{pid}/exe").exists():
            pass
    (left,) = temporary.iterdir()
    server = start("--workers", "2", TMPDIR=str(temporary))
    assert left not in temporary.iterdir()
    assert server.stop() == 0
    assert list(temporary.iterdir()) == []
