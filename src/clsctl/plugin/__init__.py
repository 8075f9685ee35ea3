"""Everything that a plugin is written with: `hookimpl`, the descriptors, and the values they use.

Built-in plugins import from here as third-party ones do. Other modules that plugins may rely on
are listed in docs/how-to/write-a-plugin.md.
"""

from clsctl.plugin.descriptors import (
    Architecture,
    Backend,
    Catalog,
    Command,
    CompiledModel,
    Device,
    Executor,
    Exporter,
    ExportRequest,
    FetchRequest,
    PredictJob,
    RecordWriter,
    RunTo,
    StoredResult,
    WeightSource,
    Writer,
)
from clsctl.plugin.hookspecs import hookimpl
from clsctl.plugin.train_callbacks import Callback, EpochInfo, StepInfo, TrainCallback
from clsctl.values import (
    Artifact,
    DeviceId,
    Memory,
    ModelEntry,
    ModelSpec,
    Placement,
    Preprocessing,
    Progress,
    Session,
)

__all__ = [
    "Architecture",
    "Artifact",
    "Backend",
    "Callback",
    "Catalog",
    "Command",
    "CompiledModel",
    "Device",
    "DeviceId",
    "EpochInfo",
    "Executor",
    "ExportRequest",
    "Exporter",
    "FetchRequest",
    "Memory",
    "ModelEntry",
    "ModelSpec",
    "Placement",
    "PredictJob",
    "Preprocessing",
    "Progress",
    "RecordWriter",
    "RunTo",
    "Session",
    "StepInfo",
    "StoredResult",
    "TrainCallback",
    "WeightSource",
    "Writer",
    "hookimpl",
]
