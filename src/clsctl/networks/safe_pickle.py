"""Load a pickle of arrays, whoever wrote it, without executing anything of it.

A pickle may name any function to call, in any number. It is looked through first, by
`clsctl.models.pickle_scan`. The unpickler then admits arrays, numbers and plain containers: every
name it knows maps to a harmless stand-in, every other name is refused before anything runs. What
they make together is no larger than the file.
"""

from __future__ import annotations

import os
import reprlib
from pickle import Unpickler, UnpicklingError
from typing import TYPE_CHECKING, Any, BinaryIO

from clsctl.models.pickle_scan import scan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DTYPES = frozenset(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"])


class PickledArray:
    """Stands in for numpy.ndarray while its state is being read."""

    values: NDArray[np.generic]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        import numpy as np

        _, shape, dtype, fortran, content = state
        if any(type(side) is not int or side < 0 for side in shape):
            raise UnpicklingError("the shape of an array is no shape")
        flat = np.frombuffer(content, dtype.order + dtype.code)
        self.values = flat.reshape(shape, order="F" if fortran else "C")


def load_arrays(file: BinaryIO) -> Any:
    """Load the values of a pickle, arrays as `PickledArray`.

    Raises:
        UnpicklingError: It holds anything but arrays, numbers and plain containers, or more than
            its own size of them.
        Exception: It is no pickle, or a broken one.
    """
    stream = _Stream(file)
    scan(stream)
    stream.seek(0)
    return _Unpickler(stream).load()


class _DType:
    """Stands in for numpy.dtype: one of `DTYPES`, little or big endian."""

    def __init__(self, code: str, *_: object) -> None:
        if code not in DTYPES:
            raise UnpicklingError(f"it holds values of type '{_short(code)}'")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise UnpicklingError("it holds values in an order that is none")
        self.order = "<" if state[1] in ("|", "=") else state[1]


def _reconstruct(*_: object) -> PickledArray:
    return PickledArray()


def _ordered_dict() -> dict[str, Any]:
    """Make an empty one, whose items come later: from a list they could have keys of any kind."""
    return {}


def _scalar(dtype: _DType, content: bytes) -> Any:
    import numpy as np

    return np.frombuffer(content, dtype.order + dtype.code)[0]


_STAND_INS = {
    "numpy.ndarray": PickledArray,
    "numpy.dtype": _DType,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
}


class _Stream:
    """A file that never promises more than it holds."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.size = stream, os.fstat(stream.fileno()).st_size
        self.readline, self.tell, self.seek = stream.readline, stream.tell, stream.seek

    def read(self, count: int, /) -> bytes:
        if count > self.size - self.tell():
            raise UnpicklingError("it is cut off")
        return self._stream.read(count)


class _Unpickler(Unpickler):
    def __init__(self, stream: _Stream) -> None:
        super().__init__(stream)
        self._left = stream.size

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        own = {"_codecs.encode": self._encode, "collections.OrderedDict": _ordered_dict}
        if full not in _STAND_INS | own:
            raise UnpicklingError(f"it names {_short(full)}, which no weights need")
        return (_STAND_INS | own)[full]

    def _encode(self, text: str, encoding: str) -> bytes:
        """Make bytes as protocol 2 writes them, text in latin-1, each text once."""
        if encoding != "latin1":
            raise UnpicklingError(f"it asks for the encoding '{_short(encoding)}'")
        self._left -= len(text)
        if self._left < 0:
            raise UnpicklingError("it makes more of itself than it holds")
        return text.encode("latin-1")


def _short(text: str) -> str:
    return reprlib.repr(text).strip("'")
