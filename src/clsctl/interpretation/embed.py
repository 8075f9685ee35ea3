"""Compute the pooled embeddings of images with a trainable network, and save them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from clsctl.console.progress import no_progress
from clsctl.errors import DataError, UsageError
from clsctl.images.preprocess import compile_transforms, image_settings
from clsctl.images.read import InputImage, read_tensors
from clsctl.images.sources import iter_sources
from clsctl.installation import install_hint
from clsctl.onednn.choice import evaluating
from clsctl.system.cpu import available_cores
from clsctl.system.files import atomic_output
from clsctl.system.iteration import batched
from clsctl.system.threads import one_opencv_thread, ordered_flat_map
from clsctl.values import HOST, DeviceId, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.networks.base import Network
    from clsctl.settings import Settings


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of those inputs that could be read, in input order.

    Attributes:
        vectors: float32 [N, features].
        sources: N paths or URLs, as they were passed.
        pages: N page numbers; -1 for a single image.
        errors: The inputs that could not be read, with the reason.
    """

    vectors: NDArray[np.float32]
    sources: list[str]
    pages: list[int]
    errors: list[InputImage]


def compute_embeddings(
    network: Network,
    transforms: Sequence[Mapping[str, Any]],
    inputs: Iterable[object],
    settings: Settings,
    batch_size: int = 16,
    device: DeviceId = HOST,
    progress: Progress = no_progress,
) -> Embeddings:
    """Compute embeddings with a network in evaluation mode.

    Args:
        transforms: Preprocessing, as `PreProcess.transform_ops` of inference.yml.
        inputs: What `clsctl.images.sources.iter_sources` accepts.
        settings: Those for reading images, and `threads`.
        batch_size: Images in one run of the network.
        device: Where the network runs.
        progress: Is told how many images are done.
    """
    import numpy as np

    threads = settings.threads or available_cores()
    settings = image_settings(transforms, settings)
    read = functools.partial(
        read_tensors, settings=settings, preprocess=compile_transforms(transforms)
    )
    vectors: list[NDArray[np.float32]] = []
    kept: list[InputImage] = []
    errors: list[InputImage] = []
    with (
        one_opencv_thread(),
        ordered_flat_map(read, iter_sources(inputs), threads, 2 * batch_size) as tensors,
        evaluating(network, device, threads),
    ):
        for group in batched(tensors, batch_size):
            errors += [image for image, tensor in group if tensor is None]
            good = [(image, tensor) for image, tensor in group if tensor is not None]
            if good:
                vectors.append(_features(network, [tensor for _, tensor in good]))
                kept += [image for image, _ in good]
            progress(len(kept) + len(errors), None)
    stacked = np.concatenate(vectors) if vectors else np.empty((0, network.num_features), "f4")
    pages = [-1 if image.page_index is None else image.page_index for image in kept]
    return Embeddings(stacked, [image.input_path for image in kept], pages, errors)


def _features(network: Network, tensors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    import numpy as np
    import paddle

    features: NDArray[np.float32] = network.features(paddle.to_tensor(np.stack(tensors))).numpy()
    return features


def check_output(path: Path) -> None:
    """Check before the work what `save_embeddings` needs after it.

    Raises:
        UsageError: The suffix is neither .npz nor .parquet (`E_OUTPUT`).
        DataError: Parquet needs a package that is missing (`E_EXTRA_MISSING`).
    """
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(
            f"embeddings are written as .npz or .parquet, not as '{path.name}'", code="E_OUTPUT"
        )
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise DataError(
            "writing Parquet needs pyarrow, which is not installed",
            code="E_EXTRA_MISSING",
            hint=f"{install_hint('pyarrow')}, or write a .npz",
        )


def save_embeddings(embeddings: Embeddings, path: Path) -> None:
    """Write a .npz (arrays `vectors`, `input_path`, `page_index`) or a .parquet of the same names.

    Raises:
        UsageError: The file cannot be written (`E_OUTPUT`); see also `check_output`.
    """
    check_output(path)
    with atomic_output(path) as part, part.open("wb") as stream:
        _WRITERS[path.suffix.lower()](embeddings, stream)


def _save_npz(embeddings: Embeddings, stream: BinaryIO) -> None:
    import numpy as np

    np.savez(
        stream,
        vectors=embeddings.vectors,
        input_path=np.array(embeddings.sources, dtype=np.str_),
        page_index=np.array(embeddings.pages, dtype=np.int32),
    )


def _save_parquet(embeddings: Embeddings, stream: BinaryIO) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {
        "input_path": embeddings.sources,
        "page_index": embeddings.pages,
        "vectors": list(embeddings.vectors),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), stream)


_WRITERS: Mapping[str, Callable[[Embeddings, BinaryIO], None]] = {
    ".npz": _save_npz,
    ".parquet": _save_parquet,
}
