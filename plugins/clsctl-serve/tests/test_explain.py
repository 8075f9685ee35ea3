"""What speaks for a class: of models whose training weights are there, in a process of its own."""

import base64
import io
import os
import select

import evaluating
import pytest
from gates import ancestors, processes
from PIL import Image


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The exported model of a training run, beside its weights."""
    return evaluating.run(tmp_path_factory) / "best_model" / "inference"


@pytest.fixture
def name(server_of_run):
    return server_of_run.get("/v1/models").json()["models"][0]["name"]


@pytest.fixture
def server_of_run(start, trained):
    return start("--model-dir", trained)


def test_a_map_of_the_best_class_or_of_another(server_of_run, name, photo):
    facts = server_of_run.get(f"/v1/models/{name}").json()
    assert facts["explains"] is True
    best = server_of_run.classify(content=photo, model=name).json()["results"][0]
    for query, class_id in (("", best["class_ids"][0]), ("?class_id=0", 0)):
        found = server_of_run.post(f"/v1/models/{name}:explain{query}", content=photo).json()
        assert found["class_id"] == class_id
        assert found["label_name"] == facts["labels"][class_id]
        # The training network and its exported form agree within the parity gate's 1e-3.
        scores = dict(zip(best["class_ids"], best["scores"], strict=True))
        assert found["score"] == pytest.approx(scores[class_id], abs=2e-3)
        with Image.open(io.BytesIO(base64.b64decode(found["image"]))) as image:
            assert (image.format, image.size) == ("JPEG", (448, 448))


@pytest.mark.parametrize(
    ("query", "content", "code"),
    [("?class_id=3", None, "E_CLASS_UNKNOWN"), ("", b"hello", "E_IMAGE_UNSUPPORTED")],
)
def test_what_cannot_be_explained(server_of_run, name, photo, query, content, code):
    refused = server_of_run.post(f"/v1/models/{name}:explain{query}", content=content or photo)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, code)


def test_a_model_without_its_weights(server, photo):
    assert server.get("/v1/models/MobileNetV1_x0_25").json()["explains"] is False
    refused = server.post("/v1/models/MobileNetV1_x0_25:explain", content=photo)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "E_NOT_EXPLAINABLE")


def test_nothing_is_left_of_it_when_the_server_ends(server_of_run, name, photo):
    assert server_of_run.post(f"/v1/models/{name}:explain", content=photo).status_code == 200
    server = server_of_run.process.pid
    ours = [pid for pid in processes() if pid != server and server in ancestors(pid)]
    assert ours
    alive = [os.pidfd_open(pid) for pid in ours]
    assert server_of_run.stop() == 0
    for process in alive:
        assert select.select([process], [], [], 60)[0]
        os.close(process)
