"""`--backend auto` measures once, remembers what it found, and says so."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import models
import pictures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl import create_model
from clsctl.inference.backend_benchmark import MARGIN, load_cached, preferred
from clsctl.models.directory import read_model_dir
from clsctl.plugin.registry import default_registry
from clsctl.system.cpu import multiplies_bf16, multiplies_int8
from clsctl.values import DeviceId, Placement

ON_CPU = Placement(DeviceId("cpu"))
SAID = re.compile(
    rf"note: {models.NAME}: (?:\w+ [\d.]+ ms(?:, )?)+ an image; "
    r"taking (onnxruntime|openvino|paddle)\n"
)


@pytest.fixture(autouse=True)
def automatic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLSCTL_BACKEND")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    content = pictures.encoded(pictures.photo(), "PNG")
    pictures.write(tmp_path / "photos", {"one.png": content, "two.png": content})
    return tmp_path / "photos"


@pytest.fixture
def own_cache(ready: Path, tiny_cache: Path, home: Path) -> Path:
    """A cache of this test's own, with the forms that there are already."""
    (home / "cache").unlink()
    (home / "cache").mkdir()
    for folder in ("onnxruntime", "openvino"):
        if (tiny_cache / folder).exists():
            (home / "cache" / folder).symlink_to(tiny_cache / folder)
    return home / "cache"


def kept(cache: Path, precision: str = "fp32") -> Path:
    [path] = (cache / "timings").glob(f"*-cpu-{precision}.json")
    return path


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.skipif(not find_spec("paddle2onnx"), reason="there is one backend on Python 3.13")
def test_many_images_are_worth_a_measurement_and_one_is_not(ready, own_cache, photos, call):
    one = call("predict", photos / "one.png", "--model-dir", ready, "--format", "csv")
    assert (one.stderr, (own_cache / "timings").exists()) == ("", False)

    first = call("predict", photos, "--model-dir", ready, "--format", "csv")
    found = SAID.search(first.stderr)
    assert found, first.stderr
    choice = json.loads(kept(own_cache).read_text())
    assert choice["backend"] == found[1]
    assert {"onnxruntime", "paddle"} <= set(choice["ms"])

    again = call("predict", photos, "--model-dir", ready)
    assert again.stderr == f"{models.NAME} on cpu with {choice['backend']}\n"
    assert f"taking {choice['backend']}" in call("doctor", "--offline").stdout

    rewrite(kept(own_cache), backend="paddle")
    other = call("predict", photos, "--model-dir", ready)
    assert other.stderr == f"{models.NAME} on cpu with paddle\n"

    spec, registry = read_model_dir(ready), default_registry()
    assert load_cached(spec, ON_CPU, registry).backend == "paddle"
    rewrite(kept(own_cache), machine=choice["machine"] | {"onnxruntime": "0.1"})
    assert load_cached(spec, ON_CPU, registry) is None
    kept(own_cache).write_text("{")
    assert load_cached(spec, ON_CPU, registry) is None


def test_hpi_takes_a_lower_precision_where_it_was_checked(ready, own_cache, photos, call, capsys):
    pytest.importorskip("openvino")
    pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    if not multiplies_bf16():
        pytest.skip("this processor has no bf16 instructions")
    arguments = ["predict", photos / "one.png", "--model-dir", ready, "--hpi"]
    first = call(*arguments)
    assert re.search(r"note: \w+: in bf16 openvino [\d.]+ ms an image; taking", first.stderr)
    bf16 = kept(own_cache, "bf16")
    fast = {"openvino": 1e-3}
    rewrite(kept(own_cache, "fp32"), ms={"openvino": 2e-3}, backend="openvino")

    rewrite(bf16, ms=fast, agreement=1.0)
    assert call(*arguments).stderr == (
        f"note: {models.NAME} runs in bf16, which keeps its answers here and is 2.00 times as fast "
        f"as fp32\n{models.NAME} on cpu in bf16 with openvino\n"
    )
    model = create_model(model_dir=ready, use_hpip=True)
    assert (model.backend, model.precision) == ("openvino", "bf16")
    assert capsys.readouterr().err.startswith(f"note: {models.NAME} runs in bf16")

    rewrite(bf16, ms=fast, agreement=0.9)
    assert call(*arguments).stderr == (
        f"note: {models.NAME} runs in fp32, since nothing that keeps its answers is faster here\n"
        f"{models.NAME} on cpu with onnxruntime\n"
    )
    assert create_model(model_dir=ready, use_hpip=True).precision == "fp32"
    assert capsys.readouterr().err.startswith(f"note: {models.NAME} runs in fp32")

    asked = call(*arguments[:-1], "--precision", "bf16", "--backend", "openvino", "-k1")
    assert asked.stderr == f"{models.NAME} on cpu in bf16 with openvino\n"
    assert asked.stdout.split()[1:3] == first.stdout.split()[1:3]


@pytest.mark.skipif(not multiplies_int8(), reason="this processor multiplies no 8-bit integers")
def test_int8_has_to_be_made_first(ready, photos, call):
    done = call("predict", photos, "--model-dir", ready, "--precision", "int8")
    assert (done.returncode, done.stdout) == (4, "")
    assert "was not quantised to int8 on this machine [E_PRECISION_MISSING]\n" in done.stderr
    assert "hint: `clsctl quantize --model-dir" in done.stderr


@given(st.dictionaries(st.text(), st.floats(1e-3, 1e6), min_size=1))
def test_the_first_of_those_that_are_nearly_as_fast_is_preferred(ms):
    taken = preferred(ms)
    assert ms[taken] <= MARGIN * min(ms.values())
    before = list(ms)[: list(ms).index(taken)]
    assert all(ms[name] > MARGIN * min(ms.values()) for name in before)
