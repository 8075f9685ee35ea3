"""The client, and `clsctl predict --server`, whose output is the local one byte for byte."""

import asyncio
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import httpx
import numpy as np
import pictures
import pytest
from clsctl_serve import Client, create_app
from serve_process import NAME
from servers import serving, status, whole

from clsctl.errors import NetworkError, UsageError


@pytest.fixture
def files(tmp_path):
    """Images, a document and what is none, also under names that no header can hold."""
    pages = [pictures.Image.fromarray(pictures.photo(seed=seed)) for seed in range(3)]
    contents = {
        f"{seed} 猫.png": pictures.encoded(pictures.photo(seed=seed), "PNG") for seed in range(9)
    }
    contents |= {name: content for name, (content, _) in pictures.damaged().items()}
    contents |= pictures.lossy()
    contents['a"b\n.png'] = contents["0 猫.png"]
    contents["pages.tiff"] = pictures.encoded(
        pages[0], "TIFF", save_all=True, append_images=pages[1:]
    )
    folder = tmp_path / "files"
    folder.mkdir()
    pictures.write(folder, contents)
    return contents


@pytest.mark.parametrize("kind", ["jsonl", "csv", "table"])
@pytest.mark.parametrize("batch", ["1", "3"])
def test_remote_results_are_local_ones(server, clsctl, ready, files, kind, batch):
    arguments = ["predict", "files", "missing.jpg", "--format", kind, "-b", batch, "-k", "3"]
    local = clsctl(*arguments, "--model-dir", ready)
    remote = clsctl(*arguments, "--server", server.url)
    assert local.returncode == remote.returncode == 7, remote.stderr
    assert remote.stdout == local.stdout
    assert len(local.stdout.splitlines()) > len(files)


def test_save_json_and_img(server, clsctl, ready, files, tmp_path):
    for place in (["--server", server.url], ["--model-dir", ready]):
        folder = tmp_path / place[0].strip("-")
        clsctl("predict", "files", "--save-json", folder, "--save-img", folder, *place)
    saved = [sorted((tmp_path / name).iterdir()) for name in ("server", "model-dir")]
    assert [path.name for path in saved[0]] == [path.name for path in saved[1]]
    for ours, theirs in zip(*saved, strict=True):
        assert ours.read_bytes() == theirs.read_bytes()


def test_nothing_of_the_model_is_needed_here(server, clsctl, files, tmp_path):
    env = {"CLSCTL_HOME": str(tmp_path / "empty")}
    done = clsctl("predict", "files/0 猫.png", "--server", server.url, env=env)
    assert done.returncode == 0, done.stderr
    backend = "onnxruntime" if find_spec("paddle2onnx") else "paddle"
    assert f"{NAME} on cpu with {backend} at {server.url}" in done.stderr


def test_files_that_arrive_are_classified_at_once(server, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    command = [sys.executable, "-m", "clsctl", "predict", inbox, "--watch", "--format", "jsonl"]
    command += ["--server", server.url]
    with subprocess.Popen(command, bufsize=0, stdout=subprocess.PIPE) as watching:
        for name in ("first.png", "second.png"):
            pictures.write(inbox, {name: pictures.encoded(pictures.photo(), "PNG")})
            assert json.loads(watching.stdout.readline())["input_path"] == str(inbox / name)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--server", "URL", "--device", "cpu"], "--device is decided where the model is"),
        (["--server", "URL", "--executor", "local"], "option of --executor remote"),
        (["--executor", "remote"], "needs a server"),
        (["--server", "URL", "-m", "other"], "no model 'other'"),
        (["--server", "http://127.0.0.1:9"], "cannot be reached"),
        (["--server", "URL", "--offline"], "offline"),
    ],
)
def test_what_does_not_go_together(server, clsctl, files, arguments, reason):
    given = [server.url if argument == "URL" else argument for argument in arguments]
    done = clsctl("predict", "files", *given)
    assert done.returncode in (2, 5)
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_the_key_comes_from_the_environment(start, clsctl, files):
    server = start(CLSCTL_API_KEY="sesame")
    arguments = ["predict", "files/0 猫.png", "--server", server.url]
    assert "E_API_KEY" in clsctl(*arguments).stderr
    assert clsctl(*arguments, env={"CLSCTL_API_KEY": "sesame"}).returncode == 0


# ---- from Python -------------------------------------------------------------------------------


def test_the_client(server, photo):
    with Client(server.url) as client:
        assert client.model_names() == [NAME]
        assert client.describe(NAME)["precision"] == "fp32"
        good, bad = client.classify({"a.jpg": photo, "b.jpg": b"no image"}, topk=2)
        assert good.input_path == "a.jpg"
        assert good.class_ids.dtype == np.int32
        assert len(good.label_names) == 2
        assert good.pixels().shape == (pictures.HEIGHT, pictures.WIDTH, 3)
        assert bad.error.code == "E_IMAGE_UNSUPPORTED"
        assert bad.error.message.startswith("b.jpg: ")
        with pytest.raises(NetworkError, match="no model 'x'") as caught:
            client.classify({"a.jpg": photo}, model="x")
        assert caught.value.code == "E_MODEL_UNKNOWN"


def test_an_overloaded_server_is_asked_again(start, large):
    server = start("--queue", "4", "--batch", "1", CLSCTL_THREADS="1")
    with Client(server.url) as client, ThreadPoolExecutor(8) as pool:
        images = {str(number): large for number in range(4)}
        answers = list(pool.map(lambda _: client.classify(images), range(8)))
    assert all(len(results) == 4 for results in answers)
    assert server.figure('clsctl_requests_total{route="/v1/models/{name}:classify",status="503"}')


STRANGE = [b"<html>", b"[]", b"{}", b'{"models": 3}', b'{"models": [{}]}', b'{"error": 3}']


@pytest.mark.parametrize("answer", [status(404), *map(whole, STRANGE)])
def test_a_server_of_another_kind(answer):
    with serving({"/v1/models": answer}) as site, Client(site.url) as client:
        with pytest.raises(NetworkError) as caught:
            client.model_names()
        assert caught.value.code == "E_SERVER_ANSWER"


@pytest.mark.parametrize("url", ["http://xn--", f"http://{'a' * 64}", "http://a.invalid"])
def test_a_host_that_cannot_be_one(url):
    with Client(url) as client, pytest.raises(NetworkError) as caught:
        client.model_names()
    assert caught.value.code == "E_SERVER_UNREACHABLE"


URLS = ["", "127.0.0.1:8080", "http://", "http://[", "ftp://host", "http://h:x", "http://h:99999"]


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_is_none(url):
    with pytest.raises(UsageError) as caught:
        Client(url)
    assert caught.value.code == "E_SERVER_URL"


def test_an_app_for_another_server(ready, photo):
    """Its lifespan loads the models, as any ASGI server runs it."""
    app = create_app(model_dirs=(str(ready),), topk=2)

    async def ask():
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://app") as client,
        ):
            return await client.post(f"/v1/models/{NAME}:classify", content=photo)

    answer = asyncio.run(ask()).json()
    assert len(answer["results"][0]["class_ids"]) == 2
