"""Specify the hooks that a plugin may implement, one a kind.

A plugin is a module (or object) named by an entry point of the group `clsctl`. It implements any
of these hooks with `clsctl.plugin.hookimpl` and returns descriptors, which `clsctl.plugin` holds
too. What ships in the box is registered in exactly the same way.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from clsctl.plugin.descriptors import (
    Architecture,
    Backend,
    Catalog,
    Command,
    Device,
    Executor,
    Exporter,
    WeightSource,
    Writer,
)
from clsctl.plugin.train_callbacks import TrainCallback

hookspec = pluggy.HookspecMarker("clsctl")
hookimpl = pluggy.HookimplMarker("clsctl")
"""Marks a function of a plugin as the implementation of a hook."""


@hookspec
def clsctl_commands() -> Iterable[Command]:
    """Commands of the command line, such as `predict` or `models list`."""


@hookspec
def clsctl_devices() -> Iterable[Device]:
    """Kinds of device, such as `gpu`."""


@hookspec
def clsctl_backends() -> Iterable[Backend]:
    """Libraries that run exported models, such as `onnxruntime`."""


@hookspec
def clsctl_architectures() -> Iterable[Architecture]:
    """Trainable networks, such as `ResNet50`."""


@hookspec
def clsctl_catalogs() -> Iterable[Catalog]:
    """Lists of models with their published figures and where their weights are."""


@hookspec
def clsctl_weight_sources() -> Iterable[WeightSource]:
    """Ways to obtain weights, by URL scheme."""


@hookspec
def clsctl_writers() -> Iterable[Writer]:
    """Formats for prediction results, such as `jsonl`."""


@hookspec
def clsctl_executors() -> Iterable[Executor]:
    """Places where prediction runs, such as `local`."""


@hookspec
def clsctl_exporters() -> Iterable[Exporter]:
    """Formats that trained models are written in, such as `onnx`."""


@hookspec
def clsctl_train_callbacks() -> Iterable[TrainCallback]:
    """Observers of training, such as a TensorBoard log."""
