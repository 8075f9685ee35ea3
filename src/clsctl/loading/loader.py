"""Load batches of samples, decoded and augmented in threads, the same however many there are.

What a batch holds depends on the seed, the epoch and the batch's place in it alone: not on the
number of threads or their timing, nor on the batch from which an interrupted epoch is resumed.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.datasets.samples import Sample, located
from clsctl.errors import ClsctlError
from clsctl.images.preprocess import compile_transforms, image_settings
from clsctl.images.read import read_pixels
from clsctl.loading.cache import Read
from clsctl.loading.sampling import Stream, epoch_order, generator, split_batch
from clsctl.settings import Settings
from clsctl.system.cpu import available_cores
from clsctl.system.threads import one_opencv_thread

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

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Load the batches `start`, `start` + 1, ... of an epoch.

        Raises:
            DataError: An image cannot be read; the message names it and where it is listed.
        """
        order = epoch_order(len(self.samples), self.seed, epoch, self.shuffle, self.weights)
        ahead = max(BATCHES_AHEAD, math.ceil(2 * self.workers / self.batch_size))
        pending: deque[_Pending] = deque()
        with one_opencv_thread(), ThreadPoolExecutor(self.workers, "clsctl-loader") as pool:
            try:
                for number in range(start, len(self)):
                    pending.append(self._submit(pool, epoch, order, number))
                    if len(pending) > ahead:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _submit(
        self, pool: ThreadPoolExecutor, epoch: int, order: NDArray[np.int64], number: int
    ) -> _Pending:
        size = self.batch_size * self.part[1]
        whole = range(len(order))[number * size : (number + 1) * size]
        # Batch normalisation cannot learn from a single image.
        places = split_batch(whole, *self.part, least=min(2, self.batch_size))
        pending = _Pending(self.samples, order[places.start : places.stop], len(whole))
        for row, (place, index) in enumerate(zip(places, pending.indices, strict=True)):
            load = functools.partial(self._load, epoch, place, self.samples[index])
            pending.futures.append(pool.submit(pending.fill, row, load))
        return pending

    def _load(self, epoch: int, place: int, sample: Sample) -> NDArray[np.float32]:
        """Keyed by the place in the epoch, not by the sample: one drawn twice is varied twice."""
        try:
            pixels = self.read(self.root / sample.path)
            return self.transform(pixels, generator(self.seed, Stream.AUGMENT, epoch, place))
        except ClsctlError as error:
            raise located(error, sample) from None


def open_loader(
    samples: Sequence[Sample],
    root: Path,
    transforms: Sequence[Mapping[str, Any]],
    settings: Settings,
    batch_size: int,
    workers: int = 0,
) -> Loader:
    """Open a loader that gives each sample once, in order, preprocessed as for prediction.

    Args:
        workers: Threads that decode images; 0 is as many as the settings say.
    """
    preprocess = compile_transforms(transforms)
    return Loader(
        samples,
        root,
        lambda pixels, rng: preprocess(pixels),
        batch_size=batch_size,
        workers=workers or settings.threads or available_cores(),
        read=functools.partial(read_pixels, settings=image_settings(transforms, settings)),
    )


class _Pending:
    """A batch in the making; memory is taken once its first image shows the size."""

    def __init__(self, samples: Sequence[Sample], indices: NDArray[np.int64], whole: int) -> None:
        self.samples, self.indices, self.whole = samples, indices, whole
        self.futures: list[Future[NDArray[np.float32]]] = []
        self._images: NDArray[np.float32] | None = None
        self._lock = threading.Lock()

    def fill(self, row: int, load: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Load one image into its row of all of them, which are returned."""
        import numpy as np

        image = load()
        with self._lock:
            if self._images is None:
                self._images = np.empty((len(self.indices), *image.shape), np.float32)
        self._images[row] = image
        return self._images

    def result(self) -> Batch:
        import numpy as np

        images = np.empty((0, 3, 0, 0), np.float32)
        for future in self.futures:
            images = future.result()
        labels = np.array([self.samples[index].label for index in self.indices], np.int64)
        return Batch(images, labels, self.indices, self.whole)
