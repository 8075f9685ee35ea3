"""The configuration of a training run: one typed tree, every key documented where it is defined.

`clsctl.training.config.sources` fills it from recipes, files and options; a run's own `config.yaml`
is it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from clsctl.loading.augment import AugmentConfig


def key(
    default: Any,
    help_text: str,
    low: float | None = None,
    high: float | None = None,
    auto: bool = False,
) -> Any:
    """A key of the tree: its default, what it means, and the bounds of a number.

    Args:
        auto: Whether 0, which may be written `auto`, is found out when the run starts.
    """
    facts = {"help": help_text, "low": low, "high": high, "auto": auto}
    return field(default=default, metadata=facts)


@dataclass(frozen=True, slots=True)
class DataConfig:
    path: str = key("", "The dataset: a folder with label.txt, class folders, or a table")
    num_classes: int | None = key(None, "Where given, the dataset must have as many", low=1)
    image_size: int = key(0, "Side of the network's input in pixels; 0 is the model's own", low=0)
    resize_short: int = key(
        0, "Short side from which the input is cut in prediction; 0 is in the model's proportion", 0
    )
    workers: int = key(0, "Threads that decode images; 0 is one a core", low=0)
    cache: Literal["none", "ram", "disk"] = key("none", "Keep shrunk decoded images between epochs")
    balanced: bool = key(False, "Draw every class equally often")


@dataclass(frozen=True, slots=True)
class MixConfig:
    mixup: float = key(0.0, "Alpha of mixup; 0 is off", low=0)
    cutmix: float = key(0.0, "Alpha of CutMix; 0 is off", low=0)
    probability: float = key(1.0, "Share of the batches that are mixed", low=0, high=1)


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    name: Literal["Momentum", "AdamW"] = key("Momentum", "Momentum or AdamW")
    learning_rate: float | None = key(
        None, "Peak rate, used as it is, or auto; else the recipe's, scaled", low=0, auto=True
    )
    base_learning_rate: float = key(0.1, "The recipe's rate, for a batch of base_batch_size", low=0)
    base_batch_size: int = key(256, "Images in a step for which base_learning_rate is meant", low=1)
    scaling: Literal["linear", "sqrt"] = key("linear", "How the rate grows with the batch")
    momentum: float = key(0.9, "Momentum's coefficient", low=0, high=1)
    weight_decay: float = key(3e-5, "L2 for Momentum, decoupled for AdamW", low=0)
    head_rate: float = key(1.0, "The classifier learns this much faster than the rest", low=0)
    layer_decay: float = key(1.0, "Each stage learns this much slower than the next", low=0, high=1)
    clip_norm: float = key(0.0, "Largest norm of all gradients together; 0 is no limit", low=0)
    accumulate: int = key(1, "Batches whose gradients make one step", low=1)


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    warmup_epochs: float = key(5.0, "Epochs of linear warm-up from 0", low=0)
    min_rate: float = key(0.0, "Where the cosine ends, as a share of the peak rate", low=0, high=1)


@dataclass(frozen=True, slots=True)
class LossConfig:
    label_smoothing: float = key(0.1, "Share of each label spread over all classes", low=0, high=1)
    focal_gamma: float = key(0.0, "Focal loss's exponent; 0 is plain cross-entropy", low=0)
    balanced: bool = key(False, "Weight each class by the inverse of its frequency")


@dataclass(frozen=True, slots=True)
class DistillConfig:
    teacher: str = key("", "A model whose scores are learnt too; none where empty")
    weights: str = key("", "The teacher's .pdparams; its published weights where empty")
    share: float = key(0.5, "The teacher's share of the loss", low=0, high=1)
    temperature: float = key(2.0, "Softens both score distributions", low=0.1)


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    save_every: int = key(0, "Keep epoch_N every so many epochs; 0 keeps none", low=0)
    keep: int = key(5, "How many epoch_N folders are kept, the newest ones", low=1)
    minutes: float = key(10.0, "Minutes between checkpoints inside an epoch; 0 is none", low=0)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    model: str = key("", "Architecture: a model of the catalog")
    output: str = key("output", "The run's folder")
    recipe: Literal["auto", "finetune", "family"] = key(
        "auto", "Defaults for fine-tuning, or the family's published ones; auto is by `pretrained`"
    )
    pretrained: bool = key(True, "Start from published weights")
    weights: str = key("", "Start from this .pdparams instead")
    few_images: int = key(
        0,
        "With fewer, start from a fitted classifier, keep batch norm's statistics, learn slowly",
        0,
    )
    freeze_until: str = key("", "Stages before this one keep their weights; `head` is a probe")
    drop_path: float | None = key(None, "Stochastic depth; the model's own by default", 0, 1)
    epochs: int = key(20, "How often every image is seen", low=1)
    batch_size: int = key(64, "Images in a batch, for each process; or auto", low=0, auto=True)
    device: str = key("auto", "auto, cpu, gpu[:N[,N...]] or npu[:N[,N...]]")
    processes: int = key(
        0, "Processes that train together, on all machines; 0 is one a device", low=0
    )
    amp: Literal["off", "O1"] = key("off", "Mixed precision, not on CPU: float16 where safe")
    accelerate: Literal["auto", "on", "off"] = key(
        "auto", "Train with oneDNN on a processor: where it works, or else fail, or never"
    )
    seed: int = key(0, "Fixes initialisation, order and augmentation", low=0)
    ema: float = key(0.0, "Decay of the averaged weights that are then used; 0 is off", 0, 1)
    patience: int = key(0, "Stop after so many epochs without a new best; 0 never stops", low=0)
    on_nan: Literal["stop", "rollback"] = key(
        "stop", "A loss that is no number: stop, or go back and halve the rate"
    )
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
