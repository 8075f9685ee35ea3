"""Show which part of an image speaks for a class, where the training weights are on this machine.

That takes Paddle, with its memory and its own handling of signals, so it happens in a process of
its own. It is started when a map is first asked for, and computes one at a time.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import os
import signal
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clsctl.interpretation.gradcam import ActivationMap, activation_map, mix_heatmap, network_view
from clsctl_serve.engine import Prepared, ServedModel, Upload
from clsctl_serve.parent import follow_parent
from clsctl_serve.refusal import Refusal, overloaded, too_late

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.networks.base import Network

MOST_WAITING = 8
"""Maps that may be asked for at the same time; beyond that the answer is 503."""

QUALITY = 85
"""Of the JPEG."""


class Explanation(NamedTuple):
    """What spoke for a class.

    Attributes:
        image: A JPEG in base64: what the network saw, in grey, under the heat map.
    """

    class_id: int
    score: float
    image: str


class Explainer:
    """The process that computes maps, and who waits for it."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._pool: ProcessPoolExecutor | None = None
        self._waiting = 0

    async def explain(
        self, model: ServedModel, upload: Upload, class_id: int | None, deadline: float
    ) -> Explanation:
        """Draw what speaks for a class in an image, or in the first page of a document.

        Args:
            class_id: The best class where None.
            deadline: On `time.monotonic`'s clock.

        Raises:
            Refusal: The image cannot be read or the model has no such class (422), its weights are
                not here (404), too many are waiting (503), or it takes too long (504).
        """
        _require_possible(model, class_id)
        if self._waiting >= MOST_WAITING:
            raise overloaded(self._waiting)
        self._waiting += 1
        try:
            explaining = self._explain(model, upload, class_id)
            return await asyncio.wait_for(explaining, deadline - time.monotonic())
        except asyncio.TimeoutError:
            raise too_late(self._timeout) from None
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _explain(
        self, model: ServedModel, upload: Upload, class_id: int | None
    ) -> Explanation:
        prepared = await asyncio.to_thread(_first_page, model, upload)
        found = await self._compute(model, prepared, class_id)
        return await asyncio.to_thread(_draw, model, prepared, found)

    async def _compute(
        self, model: ServedModel, prepared: Prepared, class_id: int | None
    ) -> ActivationMap:
        assert model.trained is not None
        assert prepared.tensor is not None
        if self._pool is None:
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_begin)
        loop = asyncio.get_running_loop()
        work = functools.partial(
            _activation_map, model.trained.name, model.trained.weights, prepared.tensor, class_id
        )
        try:
            return await loop.run_in_executor(self._pool, work)
        except BrokenProcessPool:
            self._pool = None  # the next one who asks starts another
            raise


def _require_possible(model: ServedModel, class_id: int | None) -> None:
    if model.trained is None:
        reason = f"the training weights of {model.name} are not on the server"
        raise Refusal(404, "E_NOT_EXPLAINABLE", reason)
    classes = len(model.job.model.labels)
    if class_id is not None and classes and class_id >= classes:
        reason = f"there is no class {class_id}; the model has {classes}, from 0 to {classes - 1}"
        raise Refusal(422, "E_CLASS_UNKNOWN", reason)


def _first_page(model: ServedModel, upload: Upload) -> Prepared:
    prepared = next(model.read(upload, keep_pixels=True))
    if (error := prepared.image.error) is not None:
        raise Refusal(422, error.code, error.message, error.hint)
    return prepared


def _draw(model: ServedModel, prepared: Prepared, found: ActivationMap) -> Explanation:
    import cv2

    assert prepared.image.pixels is not None
    view = network_view(prepared.image.pixels, model.job.model.transforms)
    mixed = mix_heatmap(view, found.heatmap)[:, :, ::-1]
    _, encoded = cv2.imencode(".jpg", mixed, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    image = base64.b64encode(encoded.tobytes()).decode("ascii")
    return Explanation(found.class_id, found.score, image)


# ---- in the process that computes --------------------------------------------------------------


def _begin() -> None:
    """Leave Ctrl-C to the server, and end with it; Paddle warns of compilers, which is no news."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    follow_parent(lambda: os._exit(0))


def _activation_map(
    name: str, weights: Path, tensor: NDArray[np.float32], class_id: int | None
) -> ActivationMap:
    return activation_map(_network(name, weights, weights.stat().st_mtime_ns), tensor, class_id)


@functools.lru_cache(maxsize=2)
def _network(name: str, weights: Path, version: int) -> Network:
    from clsctl.interpretation.network import load_network
    from clsctl.networks.trained_weights import TrainedModel

    return load_network(TrainedModel(name, weights, (), ()))
