"""The configuration of a training run: one typed tree, every key documented where it is defined.

`clsctl.training.config.sources` fills it from recipes, files and options; a run's own `config.yaml`
is it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from clsctl.loading.augment import AugmentConfig
from clsctl.schema.constraints import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Range,
    Word,
)
from clsctl.schema.layers import key
from clsctl.settings import Threads

ValueRangeChoice: TypeAlias = Literal["auto", "off"] | tuple[float, float]

AUTO = Word("auto", 0)
"""What is found out when the run starts."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    path: str = key("", "The dataset: a folder with label.txt, class folders, or a table")
    layout: Literal["auto", "folders", "lists", "table"] = key(
        "auto", "The only layout that is read; auto takes what is there"
    )
    num_classes: PositiveInt | None = key(None, "Where given, the dataset must have as many")
    image_size: NonNegativeInt | tuple[PositiveInt, PositiveInt] = key(
        0, "Side of the network's input in pixels, or its height and width; 0 is the model's own"
    )
    first_size: NonNegativeInt = key(
        0, "Side of the first epoch's training images, which grow to image_size; 0: all have that"
    )
    resize_short: NonNegativeInt = key(
        0, "Short side from which the input is cut in prediction; 0 is in the model's proportion"
    )
    value_range: ValueRangeChoice = key(
        "auto",
        "Values of 16-bit and float images that are black and white; off takes the upper 8 bits",
    )
    workers: Threads = key(0, "Threads that decode images; 0 is one a core")
    cache: Literal["auto", "none", "ram", "disk"] = key(
        "auto",
        "Keep decoded images, shrunk, between epochs; auto: in memory where they are large",
    )
    balanced: bool = key(False, "Draw every class equally often")


@dataclass(frozen=True, slots=True)
class StartConfig:
    fit: bool = key(False, "Start from a classifier that is fitted to the published features")
    penalty: Annotated[PositiveFloat, AUTO] = key(
        0, "Of its weights, relative to the features' variance; auto is by cross-validation"
    )
    statistics: Literal["auto", "published", "reestimated"] = key(
        "auto", "Batch norm's statistics at the start; auto is by cross-validation"
    )


@dataclass(frozen=True, slots=True)
class MixConfig:
    mixup: NonNegativeFloat = key(0.0, "Alpha of mixup; 0 is off")
    cutmix: NonNegativeFloat = key(0.0, "Alpha of CutMix; 0 is off")
    probability: Fraction = key(1.0, "Share of the batches that are mixed")


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    name: Literal["Momentum", "AdamW"] = key("Momentum", "Momentum or AdamW")
    learning_rate: Annotated[PositiveFloat, AUTO] | None = key(
        None, "Peak rate, used as it is, or auto; else the recipe's, scaled"
    )
    base_learning_rate: NonNegativeFloat = key(
        0.1, "The recipe's rate, for a batch of base_batch_size"
    )
    base_batch_size: PositiveInt = key(
        256, "Images in a step for which base_learning_rate is meant"
    )
    scaling: Literal["linear", "sqrt"] = key("linear", "How the rate grows with the batch")
    momentum: Fraction = key(0.9, "Momentum's coefficient")
    weight_decay: NonNegativeFloat = key(3e-5, "L2 for Momentum, decoupled for AdamW")
    head_rate: NonNegativeFloat = key(1.0, "The classifier learns this much faster than the rest")
    layer_decay: Fraction = key(1.0, "Each stage learns this much slower than the next")
    clip_norm: NonNegativeFloat = key(0.0, "Largest norm of all gradients together; 0 is no limit")
    accumulate: PositiveInt = key(1, "Batches whose gradients make one step")


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    warmup_epochs: NonNegativeFloat = key(5.0, "Epochs of linear warm-up from 0")
    min_rate: Fraction = key(0.0, "Where the cosine ends, as a share of the peak rate")


@dataclass(frozen=True, slots=True)
class LossConfig:
    label_smoothing: Fraction = key(0.1, "Share of each label spread over all classes")
    focal_gamma: NonNegativeFloat = key(0.0, "Focal loss's exponent; 0 is plain cross-entropy")
    logit_adjustment: NonNegativeFloat = key(
        0.0, "Against long tails: how much of the classes' frequency is taken out, 1 for all"
    )
    balanced: bool = key(False, "Weight each class by the inverse of its frequency")


@dataclass(frozen=True, slots=True)
class DistillConfig:
    teacher: str = key("", "A model whose scores are learnt too; none where empty")
    weights: str = key("", "The teacher's run or .pdparams; its published weights where empty")
    share: Fraction = key(0.5, "The teacher's share of the loss")
    temperature: Annotated[float, Range(0.1)] = key(2.0, "Softens both score distributions")


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    save_every: NonNegativeInt = key(0, "Keep epoch_N every so many epochs; 0 keeps none")
    keep: PositiveInt = key(5, "How many epoch_N folders are kept, the newest ones")
    minutes: NonNegativeFloat = key(10.0, "Minutes between checkpoints inside an epoch; 0 is none")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    model: str = key("", "Architecture: a model of the catalog")
    output: str = key("output", "The run's folder")
    recipe: Literal["auto", "finetune", "family"] = key(
        "auto", "Defaults for fine-tuning, or the family's published ones; auto is by `pretrained`"
    )
    pretrained: bool = key(True, "Start from published weights")
    weights: str = key("", "Start from this run or .pdparams instead")
    batch_norm: Literal["adapt", "frozen"] = key(
        "adapt", "Let batch norm's statistics follow the training images, or keep them"
    )
    freeze_until: str = key("", "Stages before this one keep their weights; `head` is a probe")
    drop_path: Fraction | None = key(None, "Stochastic depth; the model's own by default")
    epochs: PositiveInt = key(20, "Epochs: passes over the training images")
    steps_per_epoch: NonNegativeInt = key(
        0, "An epoch ends after so many steps; 0 is after all training images"
    )
    time_limit: NonNegativeFloat = key(
        0.0, "Minutes that the run may take, into which its epochs are fitted; 0 is no limit"
    )
    batch_size: Annotated[PositiveInt, AUTO] = key(
        64, "Images in a batch, for each process; or auto"
    )
    device: str = key("auto", "auto, cpu, gpu[:N[,N...]] or npu[:N[,N...]]")
    processes: NonNegativeInt = key(
        0, "Processes that train together, on all machines; 0 is one a device"
    )
    amp: Literal["off", "O1"] = key("off", "Mixed precision, not on CPU: float16 where safe")
    accelerate: Literal["auto", "on", "off"] = key(
        "auto", "Train with oneDNN on a processor: where it works, or else fail, or never"
    )
    seed: NonNegativeInt = key(0, "Random seed of initialisation, order and augmentation")
    ema: Fraction = key(0.0, "Decay of the averaged weights that are then used; 0 is off")
    best_by: Literal["calibrated_loss", "top1", "balanced_loss"] = key(
        "calibrated_loss",
        "What makes an epoch the best: the validation loss, once calibrated or with each class "
        "alike, or top-1",
    )
    patience: NonNegativeInt = key(0, "Stop after so many epochs without a new best; 0 never stops")
    on_nan: Literal["stop", "rollback"] = key(
        "stop", "A loss that is no number: stop, or go back and halve the rate"
    )
    on_setback: Literal["continue", "stop", "back"] = key(
        "continue",
        "An epoch of the second half surely worse than the start: continue, stop, or go back at a "
        "third of the rate",
    )
    calibrate: bool = key(
        True, "Calibrate the best model on the validation images, where there are 100 or more"
    )
    data: DataConfig = field(default_factory=DataConfig)
    start: StartConfig = field(default_factory=StartConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
