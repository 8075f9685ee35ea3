"""Images -> pooled embeddings, by a trainable network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from clsctl.errors import ClsctlError, DataError, ModelError, UsageError
from clsctl.images.preprocess import compile_transforms, describe
from clsctl.images.sources import InputImage, expand, read
from clsctl.prediction.pipeline import batched
from clsctl.system.files import atomic_output
from clsctl.values import ModelEntry, Preprocessing

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


def load_network(entry: ModelEntry, weights: Path | None = None) -> Network:
    """The entry's network in evaluation mode, with published weights or a .pdparams of your own.

    Raises:
        ModelError: A plugin's network is none of `clsctl.networks.base.Network`
            (`E_NETWORK_PLAIN`), or there is no network or there are no weights.
    """
    from clsctl.networks.base import Network
    from clsctl.networks.build import build

    network = build(entry.name, num_classes=None, pretrained=weights or True)
    if not isinstance(network, Network):
        raise ModelError(
            f"the network of {entry.name} shows no features: it is no clsctl.networks.base.Network",
            code="E_NETWORK_PLAIN",
        )
    network.eval()
    return network


def embed(
    network: Network,
    preprocessing: Preprocessing,
    inputs: Iterable[object],
    settings: Settings,
    batch_size: int = 16,
) -> Embeddings:
    """Embed images with a network in evaluation mode.

    Args:
        inputs: What `clsctl.images.sources.expand` accepts.
        batch_size: Images in one run of the network.
    """
    import numpy as np
    import paddle

    vectors: list[NDArray[np.float32]] = []
    kept: list[InputImage] = []
    errors: list[InputImage] = []
    for group in batched(_prepared(preprocessing, inputs, settings), batch_size):
        errors += [sample for sample, tensor in group if tensor is None]
        good = [(sample, tensor) for sample, tensor in group if tensor is not None]
        if good:
            with paddle.no_grad():
                batch = paddle.to_tensor(np.stack([tensor for _, tensor in good]))
                vectors.append(network.features(batch).numpy())
            kept += [sample for sample, _ in good]
    stacked = np.concatenate(vectors) if vectors else np.empty((0, network.num_features), "f4")
    pages = [-1 if sample.page is None else sample.page for sample in kept]
    return Embeddings(stacked, [sample.source for sample in kept], pages, errors)


def check_output(path: Path) -> None:
    """Raise now what `save` would raise after the work.

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
            hint="pip install 'clsctl[parquet]', or write a .npz",
        )


def save(embeddings: Embeddings, path: Path) -> None:
    """Write a .npz (arrays `vectors`, `input_path`, `page_index`) or a .parquet of the same names.

    Raises:
        UsageError: The file cannot be written (`E_OUTPUT`); see also `check_output`.
    """
    check_output(path)
    with atomic_output(path) as part, part.open("wb") as stream:
        _WRITERS[path.suffix.lower()](embeddings, stream)


def _prepared(
    preprocessing: Preprocessing, inputs: Iterable[object], settings: Settings
) -> Iterator[tuple[InputImage, Any]]:
    preprocess = compile_transforms(describe(preprocessing))
    for source in expand(inputs):
        for sample in read(source, settings):
            if sample.pixels is None:
                yield sample, None
                continue
            try:
                tensor = preprocess(sample.pixels)
            except ClsctlError as error:
                error.message = f"{sample.source}: {error.message}"
                yield InputImage(sample.source, sample.page, error=error), None
            else:
                # The pixels are not needed any more; a batch of them would fill the memory.
                yield InputImage(sample.source, sample.page), tensor


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
