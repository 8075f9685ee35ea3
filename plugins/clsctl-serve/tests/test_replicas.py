"""The same answers by replicas on a Ray cluster, also while replicas and nodes are lost."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import models
import pytest
from gates import processes
from serve_process import NAME

ASKING = 3


def replicas():
    """Process ids of Ray Serve's replicas."""
    return [pid for pid in processes() if b"ServeReplica:clsctl" in command_of(pid)]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class Asking:
    """Clients that ask without a pause, and what they were answered."""

    def __init__(self, server, photo):
        self._server, self._photo = server, photo
        self._over = threading.Event()
        self._answered = threading.Condition()
        self.answers = []

    def __enter__(self):
        self._pool = ThreadPoolExecutor(ASKING)
        self._clients = [self._pool.submit(self._ask) for _ in range(ASKING)]
        return self

    def __exit__(self, *_):
        self._over.set()
        self._pool.shutdown()
        for client in self._clients:
            client.result()

    def _ask(self):
        while not self._over.is_set():
            answer = self._server.classify(content=self._photo)
            with self._answered:
                self.answers.append((answer.status_code, answer.json().get("results")))
                self._answered.notify()

    def wait_for(self, more):
        """Return when so many more answers have come."""
        with self._answered:
            wanted = len(self.answers) + more
            assert self._answered.wait_for(lambda: len(self.answers) >= wanted, timeout=120)
        assert not any(client.done() for client in self._clients)


def test_no_request_is_lost_with_a_replica_or_a_node(start, server, two_nodes, photo):
    local = server.classify(content=photo).json()["results"]
    address = two_nodes.address
    options = ["--executor", "ray", "--ray-address", address, "--replicas", "2", "--timeout", "55"]
    cluster_server = start(*options)
    said = f"clsctl serves {NAME} on cpu with {models.BACKEND}, in up to 2 replicas, at http://"
    assert cluster_server.line.startswith(said)
    with Asking(cluster_server, photo) as asking:
        asking.wait_for(20)
        os.kill(replicas()[0], signal.SIGKILL)
        asking.wait_for(50)
        two_nodes.remove_node(two_nodes.list_all_nodes()[-1], allow_graceful=False)
        asking.wait_for(50)
    assert {status for status, _ in asking.answers} == {200}
    assert all(results == local for _, results in asking.answers)
    assert cluster_server.get("/readyz").json() == {"ready": True, "models": {NAME: "ready"}}
    assert cluster_server.get("/").text == server.get("/").text
    assert cluster_server.stop() == 0


@pytest.mark.long
def test_as_many_replicas_as_the_requests_need(start, server, two_nodes, photo):
    local = server.classify(content=photo).json()["results"]
    options = ["--executor", "ray", "--ray-address", two_nodes.address, "--replicas", "1-2"]
    cluster_server = start(*options)
    assert len(replicas()) == 1
    with Asking(cluster_server, photo) as asking:
        while len(replicas()) < 2:
            asking.wait_for(10)
    assert {status for status, _ in asking.answers} == {200}
    assert all(results == local for _, results in asking.answers)
    while len(replicas()) > 1:
        assert cluster_server.classify(content=photo).json()["results"] == local
    assert cluster_server.stop() == 0
    assert not replicas()


@pytest.mark.parametrize("text", ["0", "2-1", "1-", "-3", "many", "9999999"])
def test_replicas_that_are_no_number(clsctl, ready, text):
    arguments = ["--model-dir", ready, "--port", "0", "--executor", "ray", f"--replicas={text}"]
    done = clsctl("serve", *arguments)
    assert done.returncode == 2
    assert f"--replicas is N or MIN-MAX, such as 1-8, not '{text}'" in done.stderr


def test_a_cluster_that_is_not_there(clsctl, ready):
    arguments = ["--model-dir", ready, "--port", "0", "--executor", "ray"]
    done = clsctl("serve", *arguments, "--ray-address", "127.0.0.1:1")
    assert done.returncode != 0
    assert "E_RAY_ADDRESS" in done.stderr
    assert "Traceback" not in done.stderr
