"""Images -> pooled embeddings, by a trainable network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import ClsctlError, DataError, UsageError
from clsctl.inputs import expand, read
from clsctl.pipeline import batched
from clsctl.preprocess import compile_transforms, describe
from clsctl.types import ModelEntry, Preprocessing, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn

    from clsctl.config import Settings


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
    errors: list[Sample]


def load_network(entry: ModelEntry, weights: Path | None = None) -> nn.Layer:
    """The entry's network in evaluation mode, with published weights or a .pdparams of your own."""
    from clsctl.building import build, classes_in

    if weights is None:
        network = build(entry.name, pretrained=True)
    else:
        network = build(entry.name, classes_in(entry.name, weights), pretrained=weights)
    network.eval()
    return network


def embed(
    network: nn.Layer,
    preprocessing: Preprocessing,
    inputs: Iterable[object],
    settings: Settings,
    batch_size: int = 16,
) -> Embeddings:
    """Embed images with a network in evaluation mode.

    Args:
        inputs: What `clsctl.inputs.expand` accepts.
        batch_size: Images in one run of the network.
    """
    import numpy as np
    import paddle

    vectors: list[NDArray[np.float32]] = []
    kept: list[Sample] = []
    errors: list[Sample] = []
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


def save(embeddings: Embeddings, path: Path) -> None:
    """Write a .npz (arrays `vectors`, `input_path`, `page_index`) or a .parquet of the same names.

    Raises:
        UsageError: The suffix is neither (`E_OUTPUT`).
    """
    writers = {".npz": _save_npz, ".parquet": _save_parquet}
    if path.suffix.lower() not in writers:
        raise UsageError(f"embeddings go to .npz or .parquet, not '{path.name}'", code="E_OUTPUT")
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        writers[path.suffix.lower()](embeddings, part)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", code="E_OUTPUT") from None


def _prepared(
    preprocessing: Preprocessing, inputs: Iterable[object], settings: Settings
) -> Iterator[tuple[Sample, Any]]:
    preprocess = compile_transforms(describe(preprocessing))
    for source in expand(inputs):
        for sample in read(source, settings):
            if sample.pixels is None:
                yield sample, None
                continue
            try:
                tensor = preprocess(sample.pixels)
            except ClsctlError as error:
                yield Sample(sample.source, sample.page, error=error), None
            else:
                # The pixels are not needed any more; a batch of them would fill the memory.
                yield Sample(sample.source, sample.page), tensor


def _save_npz(embeddings: Embeddings, path: Path) -> None:
    import numpy as np

    np.savez(
        path,
        vectors=embeddings.vectors,
        input_path=np.array(embeddings.sources, dtype=np.str_),
        page_index=np.array(embeddings.pages, dtype=np.int32),
    )


def _save_parquet(embeddings: Embeddings, path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            "writing Parquet needs pyarrow, which is not installed",
            code="E_EXTRA_MISSING",
            hint="pip install 'clsctl[parquet]', or write a .npz",
        ) from None
    columns = {
        "input_path": embeddings.sources,
        "page_index": embeddings.pages,
        "vectors": list(embeddings.vectors),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
