"""Whatever path a user types, in any option, is answered with a documented status."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fixtures import Run
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from typer.main import get_command

from clsctl.main import build_app
from clsctl.plugin.registry import load_registry

STATUSES = {0, 2, 3, 4, 5, 6, 7}
REGISTRY = load_registry()
COMMANDS = [name for name, command in REGISTRY.items("commands").items() if command.run]

# Not those of serve, which would serve a model that is there.
NAMING = {"inputs", "image", "model", "model_dir", "names", "name", "source", "group", "mirror"}
"""Parameters that may name a path, though the parser takes them for a text."""

INSTEAD = {"model": "model_dir", "model_dir": "model", "weights": "model_dir"}
"""What a parameter cannot be given with."""

OTHERS: Mapping[str, Mapping[str, str]] = {
    "bench": {"model_dirs": "{model}", "images": "1", "rounds": "1", "output": "out"},
    "calibrate": {"model_dir": "{model}", "dataset": "{dataset}"},
    "dataset check": {"path": "{dataset}", "output": "out"},
    "dataset export": {"source": "{dataset}", "target": "out"},
    "dataset import": {"source": "{dataset}", "target": "out"},
    "dataset pull": {"name": "flowers", "output": "out"},
    "dataset split": {"path": "{dataset}", "folds": "2", "output": "out"},
    "embed": {"inputs": "{image}", "model": "{name}", "weights": "{weights}", "output": "o.npz"},
    "eval": {"model_dir": "{model}", "dataset": "{dataset}", "output": "out"},
    "explain": {"image": "{image}", "model": "{name}", "weights": "{weights}", "output": "o.png"},
    "export": {"model": "{run}", "output": "out"},
    "models bundle": {"names": "{name}", "output": "out.clsctl"},
    "plan": {"images": "10"},
    "predict": {"inputs": "{image}", "model_dir": "{model}"},
    "quantize": {"model_dir": "{model}", "dataset": "{dataset}", "images": "2"},
    "serve": {"model": "none"},
    "train": {"model": "{name}", "dataset": "{dataset}", "output": "out", "set_": "epochs=0"},
}
"""What else a command needs to get as far as the path that is tested."""

FLAGS = {"run_folder": ["--resume"]}
SLOW = {"bench", "eval", "export", "predict", "quantize"}
"""Commands that work for seconds before they write."""

FEW, MANY = 10, 50
"""Paths for each parameter, beside those that are always tried; of a slow command none, or 5."""

PLACES = ("", "folder/", "file/", "forbidden/", "loop/", "dangling/")
NAMES = ("", ".", "..", "n" * 300, "data:image/png;base64," + "A" * 5000, "caf\udce9", "two\nlines")
NAMES += ("file", "pipe", "zero", "loop", "dangling", "@file", "*", "[", "~nobody/x")
OUTPUTS = {"output", "target", "save_img", "save_json", "sort_into"}
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/-"), max_size=5)
HARD = st.tuples(st.sampled_from(PLACES), st.sampled_from(NAMES) | ANY).map("".join)


def parameters(name: str) -> list[Any]:
    """What the parser takes for a command."""
    command = get_command(build_app(REGISTRY, REGISTRY.get("commands", name)))
    for word in name.split():
        command = command.get_command(None, word)  # type: ignore[attr-defined]
    return command.params


CASES = [
    (name, parameter.name)
    for name in COMMANDS
    for parameter in parameters(name)
    if "Path" in type(parameter.type).__name__ or (parameter.name in NAMING and name != "serve")
]


@pytest.fixture
def place(
    tmp_path: Path, run: Path, run_ready: None, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """A folder of things that are hard to open, and what commands need beside them."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"no image, list, table or model\n")
    for name, target in {"zero": "/dev/zero", "loop": "loop", "dangling": "nowhere/at-all"}.items():
        (tmp_path / name).symlink_to(target)
    (tmp_path / "folder").mkdir()
    (tmp_path / "forbidden").mkdir(mode=0)
    monkeypatch.setenv("CLSCTL_OFFLINE", "1")
    monkeypatch.setenv("CLSCTL_BACKEND", "paddle")
    monkeypatch.chdir(tmp_path)
    yield {
        "model": str(run / "best_model" / "inference"),
        "weights": str(run / "best_model" / "best_model.pdparams"),
        "run": str(run),
        "dataset": str(dataset),
        "image": str(dataset / "val" / "0-0.png"),
        "name": "MobileNetV1_x0_25",
    }
    (tmp_path / "forbidden").chmod(0o700)


def arguments(command: str, tested: str, path: str, place: Mapping[str, str]) -> list[str]:
    """A command line with this path in the tested parameter, and all that is needed beside it."""
    values = {name: text.format(**place) for name, text in OTHERS.get(command, {}).items()}
    values.pop(INSTEAD.get(tested, ""), None)
    values[tested] = path
    words, positional = command.split() + FLAGS.get(tested, []), []
    for parameter in parameters(command):
        value = values.get(parameter.name)
        if value is None:
            continue
        if parameter.param_type_name == "argument":
            positional.append(value)
        else:
            words += [max(parameter.opts, key=len), value] + [value] * (parameter.nargs - 1)
    return [*words, "--", *positional]


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.parametrize(("command", "tested"), CASES)
def test_any_path_is_answered(
    call: Run, place: dict[str, str], command: str, tested: str, examples: int
) -> None:
    @settings(
        max_examples=examples // 10 if command in SLOW else examples,
        phases=[Phase.explicit] if command in SLOW and examples == FEW else list(Phase),
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @example(path="n" * 300)
    @example(path="forbidden/x")
    @example(path="pipe")
    @given(path=HARD)
    def check(path: str) -> None:
        if not (tested in OUTPUTS and path.endswith("pipe")):  # written to as it is: for a reader
            done = call(*arguments(command, tested, path, place))
            assert done.returncode in STATUSES, done.stderr
            assert "Traceback" not in done.stderr

    check()
