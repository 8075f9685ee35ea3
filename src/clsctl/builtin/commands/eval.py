"""`clsctl eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clsctl.builtin.commands._completion import complete_models
from clsctl.builtin.commands._executors import (
    WithExecutorOptions,
    executor_option,
    executor_options,
)
from clsctl.builtin.commands._options import (
    MODEL,
    OUTPUT,
    AnyModel,
    Backend,
    Batch,
    Dataset,
    Device,
    Layout,
    ModelDir,
    Offline,
    Precision,
    RunWeights,
    Split,
)
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.evaluation.result import Evaluation
    from clsctl.evaluation.scorer import Scorer


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "eval",
            "Measure how good a model is on a dataset.",
            WithExecutorOptions(evaluate),
            examples=(
                "clsctl eval -m run -d flowers",
                "clsctl eval -d flowers --compare run other-run",
            ),
        )
    ]


def evaluate(
    dataset: Dataset,
    model: AnyModel = None,
    weights: RunWeights = None,
    model_dir: ModelDir = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            rich_help_panel=MODEL,
            help="Two models instead, each as for -m.",
            autocompletion=complete_models,
        ),
    ] = None,
    layout: Layout = None,
    split: Split = "val",
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="Where evaluate_result.json and the rest go.",
        ),
    ] = Path("output"),
    device: Device = None,
    backend: Backend = None,
    precision: Precision = None,
    batch: Batch = "auto",
    executor: Annotated[str | None, executor_option("Where an exported model runs")] = None,
    offline: Offline = None,
    **own_options: Any,
) -> None:
    """Measure accuracy, per class too, and calibration; show mistakes and suspected labels.

    With --compare, two models are measured on the same images and told apart by McNemar's test.
    """
    from clsctl.console.progress import count_bar
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.datasets.printing import print_notes
    from clsctl.evaluation.class_mapping import samples_of
    from clsctl.evaluation.evaluate import evaluate_scorer
    from clsctl.evaluation.open_scorer import open_named, open_scorer
    from clsctl.evaluation.scorer import ScoringSetup
    from clsctl.inference.batch_size import parse_batch
    from clsctl.prediction.executors import find_executor
    from clsctl.settings import load_settings
    from clsctl.system.files import require_output_folder
    from clsctl.system.memory import reuse_memory

    settings = load_settings(device=device, backend=backend, precision=precision, offline=offline)
    options = executor_options(executor, own_options)
    setup = ScoringSetup(settings, parse_batch(batch), find_executor(executor), options)
    reuse_memory()
    require_output_folder(output)
    found = read_valid_dataset(dataset, layout=layout)
    print_notes(found)
    samples_of(found, split)  # before a model is loaded or even pulled

    def run(scorer: Scorer) -> Evaluation:
        with count_bar(scorer.name) as progress:
            return evaluate_scorer(scorer, found, split, progress)

    if compare:
        _require_alone(model, weights, model_dir)
        first, second = (run(open_named(name, setup)) for name in compare)
        _compare(compare, first, second, output)
    else:
        _show(run(open_scorer(model, weights, model_dir, setup)), output)


def _show(evaluation: Evaluation, output: Path) -> None:
    from clsctl.evaluation.files import save_evaluation
    from clsctl.evaluation.report import print_evaluation

    print_evaluation(evaluation)
    save_evaluation(evaluation, output)
    print_line()
    print_line(f"Files: {output}/evaluate_result.json and {output}/evaluation")


def _compare(names: tuple[str, str], first: Evaluation, second: Evaluation, output: Path) -> None:
    from clsctl.evaluation.files import save_comparison
    from clsctl.evaluation.report import print_comparison
    from clsctl.evaluation.result import compare

    comparison = compare(first, second)
    print_comparison(names, first, second, comparison)
    save_comparison(names, first, second, comparison, output)
    print_line()
    print_line(f"Files: {output}/compare_result.json and {output}/comparison.csv")


def _require_alone(*choices: object) -> None:
    from clsctl.errors import UsageError

    if any(choice is not None for choice in choices):
        raise UsageError(
            "--compare names both models, so -m, --weights and --model-dir have no place",
            code="E_MODEL_CHOICE",
            hint="leave them out: clsctl eval -d DIR --compare A B",
        )
