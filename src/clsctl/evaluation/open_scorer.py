"""Open what can be evaluated: training weights and exported models."""

from __future__ import annotations

from pathlib import Path

from clsctl.errors import UsageError
from clsctl.evaluation.exported_scorer import ExportedScorer
from clsctl.evaluation.network_scorer import NetworkScorer
from clsctl.evaluation.scorer import Scorer, ScoringSetup
from clsctl.models.inference_yml import SETTINGS
from clsctl.models.locate import find_model, resolve_model
from clsctl.networks import trained_weights
from clsctl.paths import exists, is_file


def open_scorer(
    name: str | None,
    weights: str | Path | None,
    model_dir: str | Path | None,
    setup: ScoringSetup,
) -> Scorer:
    """Open the model that these options stand for.

    Args:
        name: What `clsctl.models.locate.resolve_model` accepts; with `weights`, the architecture
            they are for.
        weights: A .pdparams file or a run's folder, scored by the training network.
        model_dir: An exported model, scored by a backend, as is a model of the catalog.

    Raises:
        UsageError: There is nothing to load, or too much; or training weights are to run where
            only exported models can (`E_MODEL_CHOICE`).
        ModelError: The model or its weights cannot be used.
    """
    if weights is not None and model_dir is not None:
        raise _choice("both weights and a model directory are given")
    if weights is not None:
        return NetworkScorer.open(trained_weights.load(Path(weights), name), setup)
    if name is None and model_dir is None:
        raise _choice("no model is given")
    found = resolve_model(name) if name is not None and model_dir is None else None
    if found is not None and found.weights is not None and found.exported is None:
        return NetworkScorer.open(trained_weights.load(found.weights), setup)
    return ExportedScorer.open(find_model(name, model_dir, setup.settings), setup)


def open_named(text: str, setup: ScoringSetup) -> Scorer:
    """Open the model that one word stands for: a folder, weights, a run, or a catalog name."""
    path = Path(text)
    if is_file(path / SETTINGS):
        return open_scorer(None, None, path, setup)
    if exists(path):
        return open_scorer(None, path, None, setup)
    return open_scorer(text, None, None, setup)


def _choice(reason: str) -> UsageError:
    return UsageError(
        f"cannot tell which model to use: {reason}",
        code="E_MODEL_CHOICE",
        hint="give one of -m NAME, --weights FILE and --model-dir DIR",
    )
