"""Load batches of samples, decoded and augmented in threads, the same however many there are.

What a batch holds depends on the seed, the epoch and the batch's place in it alone: not on the
number of threads or their timing, nor on the batch from which an interrupted epoch is resumed.
"""

from __future__ import annotations

import copy
import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.datasets.samples import Sample, located
from clsctl.errors import ClsctlError
from clsctl.images.preprocess import compile_spatial, compile_transforms, image_settings
from clsctl.images.read import read_pixels
from clsctl.loading.cache import Read, cache_in_memory
from clsctl.loading.sampling import Stream, epoch_order, generator, split_batch
from clsctl.settings import Settings
from clsctl.system.cpu import available_cores
from clsctl.system.threads import one_opencv_thread, ordered_map

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Transform = Callable[["NDArray[np.uint8]", "np.random.Generator"], "NDArray[np.float32]"]

BATCHES_AHEAD = 2
"""How many batches are being prepared while the network is busy with another."""


class Batch(NamedTuple):
    """What the network sees in one step.

    Attributes:
        images: float32 [N, 3, S, S], normalised.
        labels: int64 [N], class ids.
        indices: int64 [N], places in the list of samples.
        whole: Images of the whole batch, of which other processes may have some.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    whole: int


class Loader:
    """Batches of a list of samples, epoch by epoch; `len()` is the number of batches in one.

    Args:
        samples: What to load; labels are used as they are.
        root: What sample paths are relative to.
        transform: Pixels, uint8 [H, W, 3] RGB, and random numbers of their own -> the network's
            input, float32 [3, S, S]. Called from several threads at once.
        batch_size: Images in a batch for each process; the last one of an epoch may be smaller.
        seed: 0 or more.
        shuffle: Take the samples in a new order each epoch.
        drop_last: Leave out a last batch that is smaller.
        workers: Threads that decode and augment; decoders let other threads run.
        read: Where pixels come from; see `clsctl.loading.cache`.
        weights: Probabilities of the samples, float64 [len(samples)], to draw with replacement;
            see `clsctl.loading.sampling`.
        part: Which part of each batch to load, from 0, and of how many; see `split_batch`.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        root: Path,
        transform: Transform,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        workers: int = 1,
        read: Read = read_pixels,
        weights: NDArray[np.float64] | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self.samples, self.root, self.transform = samples, root, transform
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.drop_last, self.workers, self.read, self.weights = drop_last, workers, read, weights
        self.part = part

    def __len__(self) -> int:
        whole, rest = divmod(len(self.samples), self.batch_size * self.part[1])
        return whole + (rest > 0 and not self.drop_last)

    def with_samples(self, samples: Sequence[Sample]) -> Loader:
        """The same with other samples; what is kept of images is shared."""
        other = copy.copy(self)
        other.samples = samples
        return other

    def with_transform(self, transform: Transform) -> Loader:
        """The same with another transform; what is kept of images is shared."""
        other = copy.copy(self)
        other.transform = transform
        return other

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Load the batches `start`, `start` + 1, ... of an epoch.

        Raises:
            DataError: An image cannot be read; the message names it and where it is listed.
        """
        order = epoch_order(len(self.samples), self.seed, epoch, self.shuffle, self.weights)
        numbers = range(start, len(self))
        rows = itertools.chain.from_iterable(self._rows(order, number) for number in numbers)
        load = functools.partial(self._load, epoch)
        ahead = max(BATCHES_AHEAD * self.batch_size, 2 * self.workers)
        with one_opencv_thread(), ordered_map(load, rows, self.workers, ahead) as loaded:
            for number in numbers:
                yield self._batch(order, number, loaded)

    def _batch(
        self, order: NDArray[np.int64], number: int, loaded: Iterator[NDArray[np.float32]]
    ) -> Batch:
        import numpy as np

        places, whole = self._places(order, number)
        images = np.empty((0, 3, 0, 0), np.float32)
        for _ in places:
            images = next(loaded)
        indices = order[places.start : places.stop]
        labels = np.array([self.samples[index].label for index in indices], np.int64)
        return Batch(images, labels, indices, whole)

    def _places(self, order: NDArray[np.int64], number: int) -> tuple[range, int]:
        """Return the places of a batch in the order, and how many the whole of it has."""
        size = self.batch_size * self.part[1]
        whole = range(len(order))[number * size : (number + 1) * size]
        # Batch normalisation cannot learn from a single image.
        return split_batch(whole, *self.part, least=min(2, self.batch_size)), len(whole)

    def _rows(self, order: NDArray[np.int64], number: int) -> Iterator[_Row]:
        places, _ = self._places(order, number)
        images = _Images(len(places))
        for row, place in enumerate(places):
            yield _Row(images, row, place, self.samples[order[place]])

    def _load(self, epoch: int, row: _Row) -> NDArray[np.float32]:
        """Load an image into its batch, and return what the batch has of them.

        Keyed by the place in the epoch, not by the sample: one drawn twice is varied twice.
        """
        try:
            pixels = self.read(self.root / row.sample.path)
            image = self.transform(pixels, generator(self.seed, Stream.AUGMENT, epoch, row.place))
        except ClsctlError as error:
            raise located(error, row.sample) from None
        return row.images.put(row.number, image)


def open_loader(
    samples: Sequence[Sample],
    root: Path,
    transforms: Sequence[Mapping[str, Any]],
    settings: Settings,
    batch_size: int,
    workers: int = 0,
    keep: int = 0,
) -> Loader:
    """Open a loader that gives each sample once, in order, preprocessed as for prediction.

    Args:
        workers: Threads that decode images; 0 is as many as the settings say.
        keep: Bytes of memory for images that will be loaded again, as they are before they are
            normalised.
    """
    read: Read = functools.partial(read_pixels, settings=image_settings(transforms, settings))
    preprocess = compile_transforms(transforms)
    if keep:
        read = cache_in_memory(_resized(read, compile_spatial(transforms)), keep)
        preprocess = compile_transforms(transforms[-2:])
    return Loader(
        samples,
        root,
        lambda pixels, rng: preprocess(pixels),
        batch_size=batch_size,
        workers=workers or settings.threads or available_cores(),
        read=read,
    )


def _resized(read: Read, resize: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Read:
    return lambda path: resize(read(path))


class _Images:
    """The images of a batch; memory is taken once the first of them shows the size."""

    def __init__(self, count: int) -> None:
        self._count, self._lock = count, threading.Lock()
        self._images: NDArray[np.float32] | None = None

    def put(self, row: int, image: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        with self._lock:
            if self._images is None:
                self._images = np.empty((self._count, *image.shape), np.float32)
        self._images[row] = image
        return self._images


class _Row(NamedTuple):
    """What a thread loads: the sample at a place of the epoch, as a row of its batch."""

    images: _Images
    number: int
    place: int
    sample: Sample
