"""Figures of training: its curves and the learning-rate range test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.plotting import BLUE, GREEN, GREY, ORANGE, new_figure, save_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clsctl.plugin.train_callbacks import EpochInfo, StepInfo


def plot_training_curves(
    steps: Sequence[StepInfo], epochs: Sequence[EpochInfo], path: Path
) -> None:
    """Draw loss, accuracy and learning rate over the epochs.

    Args:
        steps: In order; some may be missing.
        epochs: In order.
    """
    figure = new_figure(12, 3.6)
    loss, accuracy, rate = figure.subplots(1, 3)
    per_epoch = max((step.batch for step in steps), default=1)
    moments = [step.epoch - 1 + step.batch / per_epoch for step in steps]
    loss.plot(
        moments, [step.loss for step in steps], color=GREY, lw=0.7, label="training, of a step"
    )
    means = {e.epoch - 0.5: e.train_loss for e in epochs if e.train_loss is not None}
    loss.plot(means.keys(), means.values(), ".-", color=BLUE, label="training, of an epoch")
    _plot(loss, epochs, "val_loss", ORANGE, "validation")
    _plot(loss, epochs, "calibrated_loss", GREEN, "validation, calibrated")
    _plot(accuracy, epochs, "top1", BLUE, "top-1", percent=True)
    _plot(accuracy, epochs, "top5", ORANGE, "top-5", percent=True)
    _plot(accuracy, epochs, "balanced_accuracy", GREEN, "balanced", percent=True)
    rate.plot(moments, [step.learning_rate for step in steps], color=GREEN)
    style_axes(loss, "Loss", "epoch")
    style_axes(accuracy, "Validation accuracy, %", "epoch")
    style_axes(rate, "Learning rate", "epoch")
    _mark_best(accuracy, epochs)
    for axes in (loss, accuracy):
        axes.legend(frameon=False)
    for axes in (loss, accuracy, rate):
        axes.locator_params("x", integer=True)
    save_figure(figure, path)


def plot_rate_range(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    chosen: float,
    path: Path,
) -> None:
    """Draw a learning-rate range test: the loss over the rate, and the rate that was chosen."""
    figure = new_figure(6, 3.6)
    axes = figure.subplots()
    axes.plot(rates, losses, color=GREY, lw=0.7, label="of a step")
    axes.plot(rates, smoothed, color=BLUE, label="smoothed")
    axes.axvline(chosen, color=GREEN, ls="--", label=f"chosen: {chosen:.3g}")
    axes.set_xscale("log")
    axes.legend(frameon=False)
    style_axes(axes, "Training loss", "learning rate")
    save_figure(figure, path)


def _plot(
    axes: Axes,
    epochs: Sequence[EpochInfo],
    figure: str,
    color: str,
    label: str,
    percent: bool = False,
) -> None:
    """Plot one figure of the epochs that have it."""
    known = {epoch.epoch: getattr(epoch, figure) for epoch in epochs}
    known = {number: value for number, value in known.items() if value is not None}
    if known:
        shown = [100 * value if percent else value for value in known.values()]
        axes.plot(list(known), shown, ".-", color=color, label=label)


def _mark_best(axes: Axes, epochs: Sequence[EpochInfo]) -> None:
    if epochs:
        last = epochs[-1]
        text = f"best {last.best:.2%}, epoch {last.best_epoch}"
        axes.axhline(100 * last.best, color=BLUE, lw=0.7, ls=":", label=text)
