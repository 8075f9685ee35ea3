"""`clsctl calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.builtin.commands._completion import complete_splits
from clsctl.builtin.commands._options import (
    INPUT,
    OUTPUT,
    AnyModel,
    Backend,
    Batch,
    Dataset,
    Device,
    Layout,
    ModelDir,
    renamed_option,
)
from clsctl.console.text import print_line
from clsctl.errors import DataError
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.evaluation.calibration import Calibration


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "calibrate",
            "Calibrate a model's probabilities on a dataset.",
            calibrate,
            examples=(
                "clsctl calibrate -m model -d flowers",
                "clsctl calibrate -m model -d flowers --target-precision 0.95",
            ),
        )
    ]


def calibrate(
    dataset: Dataset,
    model: AnyModel = None,
    model_dir: ModelDir = None,
    target_precision: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0.0,
            max=1.0,
            rich_help_panel=OUTPUT,
            help="Find the lowest threshold that reaches this precision.",
        ),
    ] = None,
    old_precision: Annotated[
        str | None, renamed_option("--precision", "--target-precision")
    ] = None,
    layout: Layout = None,
    split: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            rich_help_panel=INPUT,
            help="train, val or test; not what the model was trained on.",
            autocompletion=complete_splits,
        ),
    ] = "val",
    device: Device = None,
    backend: Backend = None,
    batch: Batch = "auto",
) -> None:
    """Fit a temperature, and a threshold for a target precision, and store them with the model.

    `clsctl predict --calibrated` applies them. The model's files stay as they are. Where no
    threshold reaches the target, the temperature is stored alone, and the exit status is 3.
    """
    from clsctl.console.progress import count_bar
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.datasets.printing import print_notes
    from clsctl.evaluation.calibration import calibrate as fit
    from clsctl.evaluation.calibration import save_calibration
    from clsctl.evaluation.class_mapping import samples_of
    from clsctl.evaluation.evaluate import evaluate_scorer
    from clsctl.evaluation.open_scorer import open_scorer
    from clsctl.evaluation.scorer import ScoringSetup
    from clsctl.inference.batch_size import parse_batch
    from clsctl.settings import load_settings

    settings = load_settings(device=device, backend=backend)
    found = read_valid_dataset(dataset, layout=layout)
    print_notes(found)
    samples_of(found, split)  # before a model is loaded or even pulled
    scorer = open_scorer(model, None, model_dir, ScoringSetup(settings, parse_batch(batch)))
    with count_bar(scorer.name) as progress:
        evaluation = evaluate_scorer(scorer, found, split, progress)
    scored, failure = (evaluation.scores, evaluation.labels), None
    try:
        fitted = fit(*scored, target_precision)
    except DataError as error:
        # The temperature helps although no threshold is high enough.
        fitted, failure = fit(*scored), error
    facts = {"dataset": found.root.resolve().name, "split": split}
    save_calibration(scorer.source, fitted, facts)
    _show(fitted)
    print_line(f"Stored in {scorer.source}/clsctl.json; `clsctl predict --calibrated` applies it.")
    if failure is not None:
        raise failure


def _show(fitted: Calibration) -> None:
    (nll, nll_after), (ece, ece_after) = fitted.nll, fitted.ece
    sure = "less" if fitted.temperature > 1 else "more"
    print_line(f"temperature  {fitted.temperature:.4f}  ({sure} sure than before)")
    print_line(f"NLL          {nll:.4f} -> {nll_after:.4f}")
    print_line(f"ECE          {ece:.4f} -> {ece_after:.4f}")
    if fitted.threshold is not None:
        cut = fitted.threshold
        low, high = cut.interval
        print_line(
            f"threshold    {cut.score:.5f}  precision {cut.precision:.4f} "
            f"(95 % {low:.4f} to {high:.4f}) on {cut.coverage:.1%} of the images"
        )
