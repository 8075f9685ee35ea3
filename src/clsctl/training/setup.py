"""Prepare everything that a run works on and that never changes while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.datasets.check.listing import read_training_dataset
from clsctl.datasets.printing import print_notes
from clsctl.datasets.samples import Dataset, Sample
from clsctl.errors import DataError, DeviceError, UsageError
from clsctl.images.preprocess import image_settings, transform_ops
from clsctl.inference.devices import get_device
from clsctl.loading.augment import train_transform
from clsctl.loading.cache import Read, open_reader
from clsctl.loading.loader import Loader, open_loader
from clsctl.loading.mix import Mixer
from clsctl.loading.sampling import balanced_weights, class_weights, log_frequencies
from clsctl.models.catalog import get_entry
from clsctl.networks.build import build_lazy
from clsctl.onednn.choice import choose_acceleration
from clsctl.plugin.registry import default_registry
from clsctl.settings import folders, load_settings
from clsctl.system.cpu import available_cores
from clsctl.training.batch_size import fitting_batch
from clsctl.training.distributed import environment
from clsctl.training.distributed.devices import device_of
from clsctl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from clsctl.training.distributed.ranks import Rank
from clsctl.training.images.kept import choose_cache, room, room_to_train, shrinking
from clsctl.training.images.value_range import find_value_range
from clsctl.training.job import TrainJob
from clsctl.values import DeviceId, Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.training.config.train_config import TrainConfig


def prepare(config: TrainConfig, group: ProcessGroup = SINGLE_PROCESS) -> TrainJob:
    """Read the dataset and set up everything around it; no network yet.

    Raises:
        DataError: The dataset is not valid, or has no training or validation images.
        UsageError: The configuration does not fit it (`E_NUM_CLASSES`).
        DeviceError: The device is not there, or training cannot be accelerated as requested.
    """
    device = _device(config, group.rank)
    layout = None if config.data.layout == "auto" else config.data.layout
    dataset = read_training_dataset(Path(config.data.path), layout)
    if group.is_rank_zero:
        print_notes(dataset)
    train, val = (_split(dataset, name) for name in ("train", "val"))
    classes = _classes(dataset, config)
    preprocessing = _preprocessing(config)
    deep = group.broadcast(
        lambda: find_value_range(train, dataset.root, load_settings(), config.data.value_range)
    )
    preprocessing = replace(preprocessing, value_range=deep)
    if not config.batch_size:
        size = preprocessing.input_size
        batch = group.broadcast(lambda: fitting_batch(config, len(train), classes, size, device))
        config = replace(config, batch_size=batch)
    side = shrinking(preprocessing).side
    cache = group.broadcast(
        lambda: choose_cache(config.data.cache, train, dataset.root, load_settings(), side)
    )
    config = replace(config, data=replace(config.data, cache=cache))
    targets = [sample.label for sample in train]
    return TrainJob(
        config=config,
        dataset=dataset,
        labels=tuple(dataset.class_names.get(label, str(label)) for label in range(classes)),
        device=device,
        preprocessing=preprocessing,
        train=_train_loader(config, dataset, train, preprocessing, group.rank),
        val=_val_loader(config, dataset, val, preprocessing, group.rank),
        mixer=_mixer(config, classes),
        class_weights=class_weights(targets, classes) if config.loss.balanced else None,
        logit_adjustment=_logit_adjustment(config, targets, classes),
        group=group,
        accelerate=choose_acceleration(
            config.accelerate, device, environment.threads(group.rank.local_size)
        ),
    )


def with_augmentation(job: TrainJob, config: TrainConfig) -> TrainJob:
    """The same with another configuration, by which the training images are varied."""
    transform = train_transform(job.preprocessing, config.augment)
    return replace(job, config=config, train=job.train.with_transform(transform))


def with_loss(job: TrainJob, config: TrainConfig) -> TrainJob:
    """The same with another configuration, by which the loss adjusts the logits."""
    targets = [sample.label for sample in job.dataset.splits["train"]]
    adjustment = _logit_adjustment(config, targets, len(job.labels))
    return replace(job, config=config, logit_adjustment=adjustment)


# ---- parts -------------------------------------------------------------------------------------


def _device(config: TrainConfig, rank: Rank) -> DeviceId:
    device = device_of(config.device, rank.local)
    if config.amp != "off" and not get_device(device).accelerator:
        raise DeviceError(
            "mixed precision needs an accelerator; a CPU would compute in float32 all the same",
            code="E_AMP_DEVICE",
            hint="leave amp out, or choose another --device",
        )
    return device


def _split(dataset: Dataset, name: str) -> tuple[Sample, ...]:
    samples = dataset.splits.get(name, ())
    if not samples:
        raise DataError(
            f"{dataset.root} has no images to {'train' if name == 'train' else 'validate'} with: "
            f"its split '{name}' is missing or empty",
            code="E_SPLIT_MISSING",
            hint=f"`clsctl dataset split {dataset.root}` divides it into train and val",
        )
    return samples


def _classes(dataset: Dataset, config: TrainConfig) -> int:
    asked, found = config.data.num_classes, dataset.num_classes
    if asked is not None and asked != found:
        raise UsageError(
            f"the configuration says {asked} classes, but {dataset.root} has {found}: "
            f"{_listed(list(dataset.class_names.values()))}",
            code="E_NUM_CLASSES",
            hint="leave data.num_classes out (Train.num_classes in a PaddleX file), or set it to "
            f"{found}; the dataset decides",
        )
    return found


def _listed(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def _preprocessing(config: TrainConfig) -> Preprocessing:
    published = get_entry(config.model).preprocessing
    size = config.data.image_size or published.input_size
    height, width = (size, size) if isinstance(size, int) else size
    least, short = min(height, width), config.data.resize_short
    if 0 < short < least:
        raise UsageError(
            f"data.resize_short is {short}, of which no input of {least} pixels can be cut",
            code="E_CONFIG",
            hint=f"set it to {least} or more, or leave it out",
        )
    if config.data.first_size > least:
        raise UsageError(
            f"data.first_size is {config.data.first_size}, more than the {least} pixels "
            "that images are to grow to",
            code="E_CONFIG",
            hint=f"set it to less than {least}, or leave it out",
        )
    if height == width:
        short = short or round(published.resize_short * least / published.input_size[0])
        return replace(published, crop=least, resize_short=short)
    _require_any_shape(config.model, height, width)
    # Of a fraction that is cut out, the same part is left of the whole.
    larger = 1 / published.crop_fraction if published.crop_fraction else _margin(published)
    short = short or round(least * larger)
    return replace(published, crop=(height, width), resize_short=short, crop_fraction=0.0)


def _margin(published: Preprocessing) -> float:
    """How much larger than the network's input the resized image is."""
    return max(published.resize_short / min(published.input_size), 1)


def _require_any_shape(model: str, height: int, width: int) -> None:
    network = build_lazy(default_registry().get("architectures", model).build)
    if getattr(network, "square_input", False):
        raise UsageError(
            f"{model} takes square images alone, not {height} x {width} pixels",
            code="E_CONFIG",
            hint="give --image-size one number, or choose a convolutional network",
        )


def _logit_adjustment(
    config: TrainConfig, labels: Sequence[int], classes: int
) -> NDArray[np.float32] | None:
    if not config.loss.logit_adjustment:
        return None
    if config.data.balanced or config.loss.balanced:
        raise UsageError(
            "loss.logit_adjustment makes up for classes that are rare, which data.balanced and "
            "loss.balanced do in another way",
            code="E_CONFIG",
            hint="set one of them",
        )
    return config.loss.logit_adjustment * log_frequencies(labels, classes)


def _mixer(config: TrainConfig, classes: int) -> Mixer:
    mix = config.mix
    mixed = mix.probability if mix.mixup or mix.cutmix else 0.0
    return Mixer(classes, mix.mixup, mix.cutmix, mixed, config.seed)


def _train_loader(
    config: TrainConfig,
    dataset: Dataset,
    samples: Sequence[Sample],
    preprocessing: Preprocessing,
    rank: Rank,
) -> Loader:
    weights = balanced_weights([s.label for s in samples]) if config.data.balanced else None
    return Loader(
        samples,
        dataset.root,
        train_transform(preprocessing, config.augment),
        batch_size=config.batch_size,
        seed=config.seed,
        shuffle=True,
        # Batch normalisation cannot learn from a single image.
        drop_last=len(samples) % (config.batch_size * rank.size) == 1 and len(samples) > 1,
        workers=_workers(config, rank),
        read=_reader(config, preprocessing, rank),
        weights=weights,
        part=(rank.number, rank.size),
    )


def _val_loader(
    config: TrainConfig,
    dataset: Dataset,
    samples: Sequence[Sample],
    preprocessing: Preprocessing,
    rank: Rank,
) -> Loader:
    """What is measured is what a prediction would give, whatever is kept."""
    return open_loader(
        samples[rank.number :: rank.size],
        dataset.root,
        transform_ops(preprocessing),
        load_settings(),
        config.batch_size,
        _workers(config, rank),
        keep=room(rank),
    )


def _workers(config: TrainConfig, rank: Rank) -> int:
    return config.data.workers or max(available_cores() // rank.local_size, 1)


def _reader(config: TrainConfig, preprocessing: Preprocessing, rank: Rank) -> Read:
    settings = image_settings(transform_ops(preprocessing), load_settings())
    small, folder = shrinking(preprocessing), folders().cache / "images"
    cache = config.data.cache
    assert cache != "auto"  # it is chosen by now
    return open_reader(cache, small, room_to_train(rank), folder, settings)
