"""oneDNN's C API, as far as training needs it, called in the library that Paddle's wheel brings.

A *descriptor* says which shapes and layouts something works on; a `Primitive` is machine code made
for one descriptor, and is run on the memory of tensors. Everything here is float32 unless it says
otherwise, and for calls from one thread only; oneDNN itself uses every core.

API and numbers: https://uxlfoundation.github.io/oneDNN, version 3.
"""

from __future__ import annotations

import ctypes
import enum
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from paddle import Tensor

Handle = ctypes.c_void_p

LIBRARY = "libdnnl.so.3"
THREADING = "libiomp5.so"

_CPU = 1
_IN_ORDER = 1
_FLOAT32 = 3
FLOAT_BYTES = 4
_ANY_LAYOUT = 1
_QUERY_ARGUMENT = 255


class Prop(enum.IntEnum):
    """What a primitive is for."""

    FORWARD = 64
    BACKWARD = 128


class Arg(enum.IntEnum):
    """The role of a memory in a primitive."""

    SRC = 1
    SRC_1 = 2
    DST = 17
    WEIGHTS = 33
    BIAS = 41
    MEAN = 49
    VARIANCE = 50
    SCALE = 51
    SHIFT = 52
    WORKSPACE = 64
    DIFF_SRC = 129
    DIFF_DST = 145
    DIFF_WEIGHTS = 161
    DIFF_BIAS = 169
    DIFF_SCALE = 255
    DIFF_SHIFT = 256


class OneDnnError(Exception):
    """oneDNN is not there, or refused a call."""


class _ExecArg(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_int), ("memory", Handle))


# ---- the library -------------------------------------------------------------------------------


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Let oneDNN run on so many threads where this thread calls it; Paddle gives it one.

    Raises:
        OneDnnError: The library that starts threads is not there.
    """
    library = _load(THREADING)
    before = library.omp_get_max_threads()
    library.omp_set_num_threads(count)
    try:
        yield
    finally:
        library.omp_set_num_threads(before)


@functools.cache
def _library() -> ctypes.CDLL:
    library = _load(LIBRARY)
    library.dnnl_primitive_desc_query_md.restype = Handle
    library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    # This one runs for every tensor of every call.
    library.dnnl_memory_set_data_handle.argtypes = [Handle, Handle]
    return library


def _load(name: str) -> ctypes.CDLL:
    import paddle

    try:
        return ctypes.CDLL(str(Path(paddle.__file__).with_name("libs") / name))
    except OSError as error:
        raise OneDnnError(f"Paddle's {name} cannot be loaded: {error}") from None


@functools.cache
def _engine() -> Handle:
    return create("engine_create", _CPU, ctypes.c_size_t(0))


@functools.cache
def _stream() -> Handle:
    return create("stream_create", _engine(), _IN_ORDER)


def create(function: str, *arguments: object) -> Handle:
    """Call a function `dnnl_...` that makes something, and return it.

    Raises:
        OneDnnError: It refused.
    """
    made = Handle()
    _call(function, ctypes.byref(made), *arguments)
    return made


def describe(operation: str, *arguments: object, hint: Handle | None = None) -> Handle:
    """A descriptor of a primitive.

    Args:
        operation: Such as `convolution_forward`.
        arguments: As in oneDNN's `dnnl_<operation>_primitive_desc_create`, without the engine.
        hint: The forward descriptor that a backward one belongs to.
    """
    plain = [ctypes.c_float(a) if isinstance(a, float) else a for a in arguments]
    hints = [] if hint is None else [hint]
    return create(f"{operation}_primitive_desc_create", _engine(), *plain, *hints, None)


def _call(function: str, *arguments: object) -> None:
    status = getattr(_library(), f"dnnl_{function}")(*arguments)
    if status:
        raise OneDnnError(f"dnnl_{function} failed with status {status}")


# ---- memory ------------------------------------------------------------------------------------


def numbers(values: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    """Sizes as oneDNN takes them."""
    return (ctypes.c_int64 * 12)(*values)


def layout(sizes: Sequence[int], strides: Sequence[int] | None = None) -> Handle:
    """A descriptor of a tensor in memory, row by row where no strides are given."""
    if strides is None:
        strides = [1]
        for size in reversed(sizes[1:]):
            strides = [size * strides[0], *strides]
    dims, steps = numbers(sizes), numbers(strides)
    return create("memory_desc_create_with_strides", len(sizes), dims, _FLOAT32, steps)


def channels_last(sizes: Sequence[int]) -> Handle:
    """A descriptor of a map, given as [N, H, W, C] and so in memory; oneDNN says (N, C, H, W)."""
    n, h, w, c = sizes
    return layout((n, c, h, w), (h * w * c, 1, w * c, c))


def any_layout(sizes: Sequence[int]) -> Handle:
    """A descriptor that leaves it to a primitive how it wants its weights in memory."""
    dims = numbers(sizes)
    return create("memory_desc_create_with_tag", len(sizes), dims, _FLOAT32, _ANY_LAYOUT)


# ---- primitives --------------------------------------------------------------------------------


class Part(NamedTuple):
    """The numbers of a tensor from one on, for a primitive."""

    tensor: Tensor
    start: int

    def data_ptr(self) -> int:
        """Where they begin in memory."""
        return int(self.tensor.data_ptr()) + FLOAT_BYTES * self.start


class Primitive:
    """Machine code for one descriptor.

    Args:
        descriptor: What `describe` returned.
        arguments: The roles of the tensors that a call will give, in that order.
    """

    def __init__(self, descriptor: Handle, *arguments: Arg) -> None:
        self.descriptor = descriptor
        self._primitive = create("primitive_create", descriptor)
        memories = [
            create("memory_create", self.layout(argument), _engine(), Handle(0))
            for argument in arguments
        ]
        self._memories = memories
        pairs = map(_ExecArg, arguments, memories)
        self._arguments = (_ExecArg * len(arguments))(*pairs)

    def layout(self, argument: Arg) -> Handle:
        """How the tensor of a role lies in memory."""
        query = _library().dnnl_primitive_desc_query_md
        return Handle(query(self.descriptor, _QUERY_ARGUMENT, int(argument)))

    def __call__(self, *tensors: Tensor | Part) -> None:
        """Run on contiguous tensors, given by their roles' order; those written to as well."""
        library = _library()
        for memory, tensor in zip(self._memories, tensors, strict=True):
            library.dnnl_memory_set_data_handle(memory, tensor.data_ptr())
        count = len(self._memories)
        _call("primitive_execute", self._primitive, _stream(), count, self._arguments)
        _call("stream_wait", _stream())


def reorder(source: Handle, target: Handle) -> Primitive:
    """Brings a tensor (SRC) from one layout into another (DST)."""
    engine = _engine()
    descriptor = create("reorder_primitive_desc_create", source, engine, target, engine, None)
    return Primitive(descriptor, Arg.SRC, Arg.DST)


def equal(one: Handle, other: Handle) -> bool:
    """Whether two descriptors of tensors say the same."""
    return bool(_library().dnnl_memory_desc_equal(one, other))


def byte_size(descriptor: Handle) -> int:
    """Of a tensor in memory."""
    return int(_library().dnnl_memory_desc_get_size(descriptor))
