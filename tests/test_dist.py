"""The built packages hold what an index asks for and what their users need."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from distributions import OURS, PROJECTS, build_all
from paths import ROOT

from clsctl.values import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_all(tmp_path_factory.mktemp("dist"))


def wheel_of(dist: Path, name: str) -> Path:
    return dist / f"{name.replace('-', '_')}-{__version__}-py3-none-any.whl"


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def test_an_index_takes_them(dist):
    files = sorted(map(str, dist.iterdir()))
    assert len(files) == 2 * len(OURS)
    check = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", OURS)
def test_the_metadata_is_complete(dist, name):
    metadata = metadata_of(wheel_of(dist, name))
    assert metadata["Version"] == __version__
    assert metadata["Summary"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Requires-Python"].replace(" ", "") in ("<3.14,>=3.10", ">=3.10,<3.14")
    assert "Typing :: Typed" in metadata.get_all("Classifier")


@pytest.mark.parametrize("name", OURS)
def test_no_requirement_is_a_place(dist, name):
    """An index refuses a requirement that names a folder or a URL instead of a version."""
    requirements = metadata_of(wheel_of(dist, name)).get_all("Requires-Dist")
    assert [line for line in requirements if " @ " in line] == []


def test_the_versions_are_in_step(dist):
    """clsctl's extras ask for the plugins' version, and the plugins for clsctl's."""
    wheels = {name: metadata_of(wheel_of(dist, name)) for name in OURS}
    asked = {
        re.split(r"[ ;]", line)[0]
        for metadata in wheels.values()
        for line in metadata.get_all("Requires-Dist")
        if line.startswith("clsctl")
    }
    assert asked == {f"{name}=={__version__}" for name in OURS}


@pytest.mark.parametrize("name", OURS)
def test_the_page_of_an_index_has_no_link_into_the_source_tree(dist, name):
    text = metadata_of(wheel_of(dist, name)).get_payload()
    assert re.findall(r"\]\((?!https://)[^)]*\)", text) == []


@pytest.mark.parametrize("name", OURS)
def test_the_licence_is_inside(dist, name):
    licence = (ROOT / "LICENSE").read_bytes()
    with zipfile.ZipFile(wheel_of(dist, name)) as archive:
        (inside,) = [n for n in archive.namelist() if n.endswith("/licenses/LICENSE")]
        assert archive.read(inside) == licence
    stem = f"{name.replace('-', '_')}-{__version__}"
    with tarfile.open(dist / f"{stem}.tar.gz") as archive:
        member = archive.extractfile(f"{stem}/LICENSE")
        assert member is not None
        assert member.read() == licence


def test_the_sdist_alone_holds_the_sources_and_the_catalog(dist):
    with tarfile.open(dist / f"clsctl-{__version__}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"PKG-INFO", "README.md", "CHANGELOG.md", "model_catalog.toml"} <= names
    assert "src/clsctl/values.py" in names
    assert not any(name.startswith(("tests/", "plugins/", "docs/")) for name in names)


def test_every_project_says_the_same_of_pythons():
    """What one environment holds must admit the same interpreters."""
    tables = [tomllib.loads((p / "pyproject.toml").read_text("utf-8")) for p in PROJECTS]
    assert len({table["project"]["requires-python"] for table in tables}) == 1
