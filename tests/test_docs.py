"""What the documentation tells people to type does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from paths import DOCS

# Builds the page's network and holds it to what every network in the box promises.
USE = """
import paddle, clsctl
from clsctl.networks.param_groups import freeze_until, parameter_groups
exec(open("use.py").read())
images = paddle.rand([2, 3, 64, 64])
assert network(images).shape == [2, 5]
assert network.eval().features(images).shape == [2, network.num_features]
with paddle.no_grad():
    embedding = network.features(images)
    assert paddle.equal_all(network.fc(embedding), network(images))
paddle.save(network.state_dict(), "pebble.pdparams")
tuned = clsctl.build("Pebble", num_classes=7, width=32, pretrained="pebble.pdparams")
freeze_until(tuned, "head")
(group,) = parameter_groups(tuned, 0.1)
assert [p.shape for p in group["params"]] == [[128, 7], [7]]
prefixes = [p for stage in tuned.stage_prefixes().values() for p in stage]
owners = [[p for p in prefixes if f"{name}.".startswith(f"{p}.")] for name in tuned.state_dict()]
assert all(len(found) == 1 for found in owners)
"""


def blocks(page: Path) -> dict[str, str]:
    """The page's code, by the file's name in its first line; `use.py` has none."""
    found = re.findall(r"```(?:python|toml)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names = (re.match(r"# (\S+\.\w+)\n", block) for block in found)
    return {name[1] if name else "use.py": block for name, block in zip(names, found, strict=True)}


@pytest.fixture
def pebble(tmp_path: Path) -> Path:
    """A folder where the page's package is installed."""
    site = tmp_path / "site"
    files = blocks(DOCS / "how-to" / "add-an-architecture.md")
    for name, content in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(content, encoding="utf-8")
    info = site / "clsctl_pebble-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clsctl-pebble\nVersion: 1.0\n")
    _, entry_points = files["pyproject.toml"].split("[project.entry-points.clsctl]\n")
    (info / "entry_points.txt").write_text("[clsctl]\n" + entry_points.replace('"', ""))
    return site


def test_adding_an_architecture(clsctl, pebble, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pebble))
    listed = clsctl("plugins", "list").stdout
    row = next(line for line in listed.splitlines() if line.startswith("pebble "))
    assert "clsctl-pebble 1.0" in row
    assert "architectures: Pebble" in row
    assert clsctl("plugins", "check").returncode == 0
    done = subprocess.run(
        [sys.executable, "-c", USE], cwd=pebble, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "classifier re-initialised: fc.bias, fc.weight" in done.stderr


def test_the_new_plugin_does_not_slow_the_start(pebble):
    start = "import sys; from clsctl.main import run; run(['--version'])"
    done = subprocess.run(
        [sys.executable, "-c", f"{start}; print('paddle' in sys.modules)"],
        env={"PYTHONPATH": str(pebble), "HOME": str(pebble)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_the_example_is_as_short_as_it_says():
    files = blocks(DOCS / "how-to" / "add-an-architecture.md")
    code = files["clsctl_pebble/network.py"] + files["clsctl_pebble/__init__.py"]
    lines = [line for line in code.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 32
