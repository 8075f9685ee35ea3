"""Run the mode that a PaddleX configuration names: `Global.mode` of `clsctl train --config`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from clsctl.console.messages import note
from clsctl.errors import UsageError, unknown_name

_OVERRIDE = re.compile(r"[A-Za-z_]\w*(\.\w+)+=")


class Call(NamedTuple):
    """A command that stands for a mode.

    Attributes:
        words: The command line that does the same.
        run: Runs it.
    """

    words: Sequence[object]
    run: Callable[[], object]


def split_overrides(texts: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Tell the folder of `-o` from overrides, which PaddleX writes `-o Key.Sub=value`."""
    overrides = [text for text in texts if _OVERRIDE.match(text)]
    folders = [text for text in texts if text not in overrides]
    if overrides:
        note(f"-o {overrides[0]} is taken as --set; a folder of that name is -o ./{overrides[0]}")
    return (Path(folders[-1]) if folders else None), overrides


def run_mode(keys: Mapping[str, Any]) -> bool:
    """Run another mode than training, and say by which command.

    Args:
        keys: Of the configuration, dotted.

    Returns:
        False where the mode is to train, or none is named.

    Raises:
        UsageError: There is no such mode, or what it needs is not set (`E_CONFIG`).
    """
    mode = keys.get("Global.mode") or "train"
    if mode == "train":
        return False
    if mode not in _MODES:
        raise UsageError(unknown_name("mode", str(mode), [*_MODES, "train"]), code="E_CONFIG")
    for call in _MODES[mode](keys):
        line = shlex.join(["clsctl", *map(str, call.words)])
        note(f"Global.mode is {mode}: {line}")
        call.run()
    return True


def _check_dataset(keys: Mapping[str, Any]) -> list[Call]:
    from clsctl.builtin.commands.dataset.check import check

    folder, output = _path(keys, "Global.dataset_dir"), _output(keys)
    words = ["dataset", "check", folder, "-o", output]
    before = [_split(keys, folder)] if keys.get("CheckDataset.split.enable") else []
    return [*before, Call(words, lambda: check(folder, output=output))]


def _split(keys: Mapping[str, Any], folder: Path) -> Call:
    from clsctl.builtin.commands.dataset.split import split

    train, val = (
        float(_value(keys, f"CheckDataset.split.{name}_percent")) for name in ("train", "val")
    )
    words = ["dataset", "split", folder, "--train", f"{train:g}", "--val", f"{val:g}"]
    return Call(words, lambda: split(folder, train=train, val=val))


def _evaluate(keys: Mapping[str, Any]) -> list[Call]:
    from clsctl.builtin.commands.eval import evaluate

    folder, output, device = _path(keys, "Global.dataset_dir"), _output(keys), _device(keys)
    weights, model = _path(keys, "Evaluate.weight_path"), _value(keys, "Global.model")
    words = ["eval", "-d", folder, "-m", model, "--weights", weights, "-o", output]

    def run() -> None:
        evaluate(folder, model=model, weights=weights, output=output, device=device)

    return [Call([*words, *_given("--device", device)], run)]


def _export(keys: Mapping[str, Any]) -> list[Call]:
    from clsctl.builtin.commands.export import export

    model, output = _value(keys, "Global.model"), _output(keys) / "export"
    weights = _weights_to_export(model, str(_value(keys, "Export.weight_path")))
    words = ["export", "-m", model, "--weights", weights, "-o", output]
    return [Call(words, lambda: export(output, model=model, weights=weights))]


def _weights_to_export(model: str, text: str) -> Path:
    """Return the file; a URL is where the published weights are, which the catalog knows, too."""
    from clsctl.networks.trained_weights import find
    from clsctl.settings import load_settings
    from clsctl.training.config.paddlex import is_url

    return find(model, None, load_settings()).weights if is_url(text) else Path(text)


def _predict(keys: Mapping[str, Any]) -> list[Call]:
    from clsctl.builtin.commands.predict import predict
    from clsctl.prediction.hpi import backend_of_engine

    image, folder = str(_value(keys, "Predict.input")), _path(keys, "Predict.model_dir")
    output, device, engine = _output(keys), _device(keys), keys.get("Predict.engine")
    hpi = bool(keys.get("Predict.use_hpip")) or engine == "hpi"
    backend, batch = backend_of_engine(engine), str(keys.get("Predict.batch_size") or 1)
    words = ["predict", image, "--model-dir", folder, "--save-json", output, "--save-img", output]
    words += ["-b", batch]
    words += [*(["--hpi"] if hpi else []), *_given("--backend", backend)]

    def run() -> None:
        predict(
            [image],
            model_dir=folder,
            save_json=output,
            save_img=output,
            device=device,
            backend=backend,
            hpi=hpi,
            batch=batch,
        )

    return [Call([*words, *_given("--device", device)], run)]


_MODES: Mapping[str, Callable[[Mapping[str, Any]], list[Call]]] = {
    "check_dataset": _check_dataset,
    "evaluate": _evaluate,
    "export": _export,
    "predict": _predict,
}


def _value(keys: Mapping[str, Any], name: str) -> Any:
    if keys.get(name) in (None, ""):
        raise UsageError(
            f"the mode {keys['Global.mode']} needs {name}",
            code="E_CONFIG",
            hint=f"--set {name}=VALUE sets it",
        )
    return keys[name]


def _device(keys: Mapping[str, Any]) -> str | None:
    """Return the first of the devices that are named for training."""
    named = str(keys.get("Global.device") or "")
    return named.partition(",")[0] or None


def _given(option: str, value: str | None) -> list[str]:
    return [] if value is None else [option, value]


def _path(keys: Mapping[str, Any], name: str) -> Path:
    return Path(str(_value(keys, name)))


def _output(keys: Mapping[str, Any]) -> Path:
    return Path(str(keys.get("Global.output") or "output"))
