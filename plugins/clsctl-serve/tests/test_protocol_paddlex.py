"""PaddleX's protocol, as its documented client speaks it."""

import base64
import io
import json

import pictures
import pytest
from models import LABELS
from PIL import Image

PATH = "/image-classification"


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def test_the_documented_client(server, photo, clsctl, ready, tmp_path):
    """Read a file, send it as base64, save the image of the answer, print the categories."""
    response = server.post(PATH, json={"image": encode(photo)})
    assert response.status_code == 200
    content = response.json()
    assert content.keys() == {"logId", "result", "errorCode", "errorMsg"}
    assert (content["errorCode"], content["errorMsg"]) == (0, "Success")
    drawn = Image.open(io.BytesIO(base64.b64decode(content["result"]["image"])))
    assert (drawn.format, drawn.size) == ("JPEG", (pictures.WIDTH, pictures.HEIGHT))

    (tmp_path / "photo.jpg").write_bytes(photo)
    done = clsctl("predict", "photo.jpg", "--model-dir", ready, "--format", "jsonl")
    line = json.loads(done.stdout)
    assert content["result"]["categories"] == [
        {"id": number, "name": name, "score": score}
        for number, name, score in zip(
            line["class_ids"], line["label_names"], line["scores"], strict=True
        )
    ]


@pytest.mark.parametrize("topk", [1, 3, 99])
def test_topk(server, photo, topk):
    asked = {"image": encode(photo), "topk": topk, "visualize": False}
    result = server.post(PATH, json=asked).json()["result"]
    assert len(result["categories"]) == min(topk, len(LABELS))
    assert result["image"] is None


def test_null_is_the_default(server, photo):
    asked = {"image": encode(photo), "topk": None, "visualize": None}
    result = server.post(PATH, json=asked).json()["result"]
    assert len(result["categories"]) == 5
    assert result["image"]


@pytest.mark.parametrize(
    ("change", "kind", "place"),
    [
        ({"topk": 0}, "greater_than", "body.topk"),
        ({"topk": "many"}, "int_parsing", "body.topk"),
        ({"image": 5}, "string_type", "body.image"),
        ({"image": None}, "string_type", "body.image"),
        ({"visualize": "perhaps"}, "bool_parsing", "body.visualize"),
    ],
)
def test_a_wrong_field_is_named(server, photo, change, kind, place):
    asked = {"image": encode(photo), "logId": "mine"} | change
    response = server.post(PATH, json=asked)
    assert response.status_code == 422
    content = response.json()
    assert content.keys() == {"logId", "errorCode", "errorMsg"}
    assert (content["logId"], content["errorCode"]) == ("mine", 422)
    (found,) = json.loads(content["errorMsg"])
    assert (found["type"], found["loc"]) == (kind, place)
    assert found["msg"]


def test_a_body_that_is_no_json(server):
    content = server.post(PATH, content=b'{"image": "').json()
    assert content["errorCode"] == 422
    assert json.loads(content["errorMsg"])[0]["type"] == "json_invalid"


def test_a_log_id_comes_back_with_results(server, photo):
    asked = {"image": encode(photo), "visualize": False, "logId": "mine"}
    assert server.post(PATH, json=asked).json()["logId"] == "mine"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("no base64!", "not base64"),
        (encode(b"no image"), "not an image"),
        (encode(pictures.encoded(pictures.photo(), "PNG")[:2000]), "cut short"),
        ("", "empty"),
    ],
)
def test_an_image_that_cannot_be_read(server, image, reason):
    response = server.post(PATH, json={"image": image})
    assert response.status_code == 422
    assert reason in response.json()["errorMsg"]


def test_base64_in_lines_and_without_padding(server, photo):
    text = base64.encodebytes(photo).decode("ascii").rstrip("=\n")
    asked = {"image": text, "visualize": False}
    plain = {"image": encode(photo), "visualize": False}
    answers = [server.post(PATH, json=body).json()["result"] for body in (asked, plain)]
    assert answers[0] == answers[1]


def test_urls_are_not_fetched(server):
    response = server.post(PATH, json={"image": f"{server.url}/livez"})
    assert response.status_code == 422
    assert "not fetched" in response.json()["errorMsg"]


def test_health(server):
    content = server.get("/health").json()
    assert (content["errorCode"], content["errorMsg"]) == (0, "Healthy")
    assert content["logId"]
