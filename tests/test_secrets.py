"""A URL's user name, password and token are in nothing that is printed or written."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import image_datasets
import made_plugins
import pytest
import servers

SECRET = "5ec2e7"
PLUGIN = """
from clsctl.plugin import Catalog, hookimpl
from clsctl.values import Artifact, ModelEntry, Preprocessing

@hookimpl
def clsctl_catalogs():
    shape = Preprocessing(resize_short=256, crop=224)
    url = "{site}/models/MobileNetV1_x0_25_infer.tar?token=5ec2e7"
    entry = ModelEntry(
        "Signed", "Plain", "A signed one.", "signed", shape, shape,
        inference=Artifact(url), training=Artifact(url.replace("_infer.tar", ".pdparams")),
    )
    return [Catalog("signed", "Behind a token.", lambda: [entry])]
"""


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> bytes:
    path = image_datasets.save(
        tmp_path_factory.mktemp("picture") / "a.jpg", image_datasets.picture(1)
    )
    return path.read_bytes()


@pytest.fixture
def site(picture, tiny):
    """An image behind a token, behind a redirect, and a model."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(tiny, "MobileNetV1_x0_25_infer")
    model = servers.whole(stream.getvalue())
    answers = {
        f"/a.jpg?token={SECRET}": servers.whole(picture),
        f"/bad.jpg?token={SECRET}": servers.whole(b"no image"),
        f"/loop.jpg?token={SECRET}": servers.redirect(f"/loop.jpg?token={SECRET}"),
        f"/away.jpg?token={SECRET}": servers.redirect(f"ftp://u:{SECRET}@host/?token={SECRET}"),
        f"/models/MobileNetV1_x0_25_infer.tar?token={SECRET}": model,
        "/models/MobileNetV1_x0_25_infer.tar": model,
    }
    with servers.serving(answers) as running:
        yield running


def secret(url: str) -> str:
    return url.replace("http://", f"http://user:{SECRET}@")


def require_no_secret(done, *folders: Path) -> None:
    assert SECRET not in done.stdout + done.stderr
    for folder in folders:
        for path in folder.rglob("*"):
            assert SECRET not in path.name
            if path.is_file() and path.name != "list.txt":
                assert SECRET.encode() not in path.read_bytes(), path


def test_an_image(ready, call, site, home, tmp_path):
    base = secret(site.url)
    names = ("a", "bad", "loop", "away", "none")
    urls = [f"{base}/{name}.jpg?token={SECRET}" for name in names]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    for format_ in ("table", "json", "jsonl", "csv"):
        output = ("-o", f"out.{format_}") if format_ != "table" else ()
        done = call("predict", *urls, "--model-dir", ready, "--format", format_, *output)
        assert done.returncode == 7
        require_no_secret(done, home, tmp_path)
    saving = ("--save-json", "j", "--save-img", "i")
    require_no_secret(call("predict", "@list.txt", "--model-dir", ready, *saving), home, tmp_path)
    sorting = ("--sort-into", "sorted", "--resume", "-o", "out.jsonl")
    done = call("predict", "@list.txt", "--model-dir", ready, *sorting)
    require_no_secret(done, home, tmp_path)


def test_an_image_whose_host_is_none(ready, call, home, tmp_path):
    for host in ("xn--", "a" * 70, "[", "h:port", "h:99999"):
        url = f"http://user:{SECRET}@{host}/a.jpg?token={SECRET}"
        done = call("predict", url, "--model-dir", ready, "--format", "json")
        assert done.returncode == 7
        require_no_secret(done, home, tmp_path)


def test_a_proxy(ready, clsctl, home, tmp_path):
    env = {"HTTP_PROXY": f"http://user:{SECRET}@127.0.0.1:1", "NO_PROXY": "", "no_proxy": ""}
    for proxy in (env, env | {"HTTP_PROXY": f"http://user:{SECRET}@xn--:1"}):
        done = clsctl("predict", "http://host.example/a.jpg", "--model-dir", ready, env=proxy)
        require_no_secret(done, home, tmp_path)
        done = clsctl("models", "pull", "MobileNetV1_x0_25", env=proxy)
        require_no_secret(done, home, tmp_path)


@pytest.mark.parametrize("place", ["option", "variable", "config"])
def test_a_mirror(call, site, home, tmp_path, monkeypatch, place):
    for mirror in (f"{secret(site.url)}/models", f"{secret(site.url)}/none?token={SECRET}"):
        option = ("--mirror", mirror) if place == "option" else ()
        if place == "variable":
            monkeypatch.setenv("CLSCTL_MIRRORS", mirror)
        if place == "config":
            (home / "config.toml").write_text(f'mirrors = ["{mirror}"]\n')
        for command in (
            ("config", "show"),
            ("doctor",),
            ("models", "pull", "MobileNetV1_x0_25", *option),
            ("models", "show", "MobileNetV1_x0_25", "--format", "json"),
            ("dataset", "pull", "cls_flowers_examples", *option),
        ):
            if "pull" not in command and place == "option":
                continue
            done = call(*command)
            assert SECRET not in done.stdout + done.stderr, command
    (home / "config.toml").unlink(missing_ok=True)
    require_no_secret(done, home, tmp_path)


def test_a_setting_that_is_wrong(call, monkeypatch):
    monkeypatch.setenv("CLSCTL_TIMEOUT", f"http://user:{SECRET}@host?token={SECRET}")
    for command in (("config", "show"), ("doctor",)):
        require_no_secret(call(*command))


def test_a_catalog(clsctl, site, home, tmp_path):
    env = made_plugins.install(tmp_path / "site", "signed", PLUGIN.format(site=secret(site.url)))
    for command in (
        ("models", "list"),
        ("models", "list", "--format", "csv"),
        ("models", "list", "--format", "json"),
        ("models", "show", "Signed"),
        ("models", "show", "Signed", "--format", "json"),
        ("doctor", "--format", "json"),
        ("models", "pull", "Signed"),
        ("models", "verify", "Signed"),
        ("models", "bundle", "Signed", "-o", "a.tar"),
        ("models", "pull", "Signed", "--kind", "training"),
    ):
        done = clsctl(*command, env=env)
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stdout + done.stderr, command
    (tmp_path / "site" / "signed.py").unlink()
    for cached in (tmp_path / "site").rglob("*.pyc"):
        cached.unlink()
    require_no_secret(done, home, tmp_path)


@pytest.mark.parametrize("command", ["explain", "embed"])
def test_other_commands_that_take_images(call, site, home, tmp_path, command):
    url = f"{secret(site.url)}/bad.jpg?token={SECRET}"
    output = ("-o", "out.npz" if command == "embed" else "out.png")
    done = call(command, url, "-m", "MobileNetV1_x0_25", *output)
    assert done.returncode != 0
    require_no_secret(done, home, tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("dataset", "check", "URL"),
        ("dataset", "import", "URL", "made"),
        ("models", "import", "URL"),
        ("train", "-c", "URL"),
        ("train", "-d", "URL", "-m", "MobileNetV1_x0_25"),
        ("eval", "-d", "URL", "-m", "MobileNetV1_x0_25"),
        ("export", "-m", "URL", "-o", "made"),
        ("predict", "x.jpg", "-m", "URL"),
        ("predict", "x.jpg", "--model-dir", "URL"),
        ("predict", "URL", "--format", "URL"),
        ("predict", "x.jpg", "--server", "URL"),
        ("URL",),
    ],
)
def test_where_a_url_has_no_place(clsctl, home, tmp_path, arguments):
    url = f"http://user:{SECRET}@127.0.0.1:1/a?token={SECRET}"
    done = clsctl(*(url if word == "URL" else word for word in arguments))
    assert done.returncode != 0
    require_no_secret(done, home, tmp_path)
