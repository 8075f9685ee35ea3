"""The plain protocol: images as they are, several in one request, and what a model is."""

import base64
import json
import re

import pictures
import pytest
from models import LABELS
from serve_process import NAME, rows


@pytest.fixture
def files(tmp_path):
    """Three images and something that is none, by name."""
    contents = {
        f"{seed}.png": pictures.encoded(pictures.photo(seed=seed), "PNG") for seed in (1, 2)
    }
    contents |= {"bad.jpg": b"no image", "3.jpg": pictures.encoded(pictures.photo(seed=3), "JPEG")}
    pictures.write(tmp_path, contents)
    return contents


@pytest.fixture
def predicted(clsctl, ready, files):
    """What `clsctl predict` says of the files."""
    done = clsctl("predict", *files, "--model-dir", ready, "--format", "jsonl")
    assert done.returncode == 7, done.stderr
    return rows(done.stdout)


def without_hints(response):
    """The results, as jsonl has them."""
    results = response.json()["results"]
    for result in results:
        result.get("error", {}).pop("hint", None)
    return results


def test_one_image_as_the_body(server, photo):
    content = server.classify(content=photo, headers={"Content-Type": "image/jpeg"}).json()
    (result,) = content["results"]
    assert content["model"] == NAME
    assert content["precision"] == "fp32"
    assert re.fullmatch("[0-9a-f]{64}", content["version"])
    assert result["label_names"][0] == LABELS[result["class_ids"][0]]
    assert content["ms"].keys() == {"wait", "decode", "run"}
    assert content["ms"]["run"] > 0


def test_files_of_a_form_are_answered_as_predict_does(server, files, predicted):
    form = [("image", (name, content)) for name, content in files.items()]
    response = server.classify(files=form)
    assert response.status_code == 200
    assert without_hints(response) == predicted


def test_images_in_json_are_answered_as_predict_does(server, files, predicted):
    images = [
        {"name": name, "image": base64.b64encode(content).decode()}
        for name, content in files.items()
    ]
    assert without_hints(server.classify(json={"images": images})) == predicted


def test_names_may_be_left_out(server, photo):
    text = base64.b64encode(photo).decode()
    results = server.classify(json={"images": [text, {"image": text}]}).json()["results"]
    assert [result["input_path"] for result in results] == ["image[0]", "image[1]"]


@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
def test_a_document_gives_a_result_a_page(server, kind, clsctl, ready, tmp_path):
    pages = [pictures.photo(seed=seed) for seed in range(5)]
    first, *others = (pictures.Image.fromarray(page) for page in pages)
    document = pictures.encoded(first, kind, save_all=True, append_images=others)
    (tmp_path / "document").write_bytes(document)
    done = clsctl("predict", "document", "--model-dir", ready, "--format", "jsonl")
    results = server.classify(files={"image": ("document", document)}).json()["results"]
    assert [result["page_index"] for result in results] == [0, 1, 2, 3, 4]
    assert results == rows(done.stdout)


def test_batches_and_every_digit(server, files, call, ready, tmp_path):
    import clsctl
    from clsctl.settings import load_settings

    names = [name for name in files if name != "bad.jpg"]
    form = [("image", (name, files[name])) for name in names]
    results = server.classify("?batch=3&exact=1&topk=10", files=form).json()["results"]
    model = clsctl.create_model(model_dir=ready, topk=10, backend=load_settings().backend)
    local = model.predict([str(tmp_path / name) for name in names], batch_size=3)
    for remote, result in zip(results, local, strict=True):
        assert remote["class_ids"] == result.class_ids.tolist()
        assert [round(score, 5) for score in remote["scores"]] == result.as_dict()["scores"]
    assert results[0]["scores"] != [round(score, 5) for score in results[0]["scores"]]


def test_the_status_says_that_nothing_could_be_read(server):
    response = server.classify(content=b"no image")
    assert response.status_code == 422
    (result,) = response.json()["results"]
    assert result["error"]["code"] == "E_IMAGE_UNSUPPORTED"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"json": {}}, "images"),
        ({"json": {"images": []}}, "images"),
        ({"json": {"images": [5]}}, "images.0"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "JSON"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            "multipart",
        ),
        ({"files": {"field": (None, "no file")}}, "no file"),
    ],
)
def test_a_request_that_cannot_be_understood(server, options, reason):
    response = server.classify(**options)
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["code"] == "E_REQUEST"
    assert reason in error["message"]


@pytest.mark.parametrize("query", ["?topk=0", "?topk=x", "?batch=-1", "?exact=perhaps"])
def test_a_wrong_parameter_is_named(server, photo, query):
    response = server.classify(query, content=photo)
    assert response.status_code == 422
    assert query[1:].partition("=")[0] in response.json()["error"]["message"]


def test_an_unknown_model(server, photo):
    response = server.classify(model="other", content=photo)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "E_MODEL_UNKNOWN"
    assert NAME in response.json()["error"]["hint"]


def test_an_unknown_path_and_method(server):
    assert server.get("/nothing").json()["error"]["code"] == "E_PATH_UNKNOWN"
    response = server.get(f"/v1/models/{NAME}/x")
    assert response.status_code == 404
    response = server.get("/image-classification")
    assert response.status_code == 405
    assert response.json()["errorCode"] == 405


def test_what_a_model_is(server, ready):
    (listed,) = server.get("/v1/models").json()["models"]
    assert listed == {"name": NAME, "default": True, "ready": True}
    response = server.get(f"/v1/models/{NAME}")
    facts = response.json()
    assert facts["labels"] == list(LABELS)
    assert facts["preprocessing"][0] == {"ResizeImage": {"resize_short": 256}}
    assert (facts["precision"], facts["topk"], facts["temperature"]) == ("fp32", 5, 1)
    assert str(ready) not in response.text


def test_the_api_describes_itself(server):
    described = server.get("/openapi.json").json()
    assert {"/image-classification", "/v1/models/{name}:classify"} <= described["paths"].keys()
    schemas = json.dumps(described)
    assert "multipart/form-data" in schemas
    page = server.get("/docs").text
    assert "<script" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
