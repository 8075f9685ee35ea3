"""Read `.pdparams` files safely, and load them into a network strictly."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from clsctl.errors import ModelError
from clsctl.models.locate import BEST, run_weights
from clsctl.networks.safe_pickle import PickledArray, load_arrays
from clsctl.paths import is_file, open_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import Tensor, nn

# Paddle's own entry beside the tensors: structured name -> parameter name.
NAME_TABLE = "StructuredToParameterName@@"
LISTED = 8
LONGEST_NAME = 500

# Shape and type of a tensor.
ShapeAndType = tuple[tuple[int, ...], str]


def weights_file(path: Path) -> Path:
    """Find the `.pdparams` file that a path means: itself, or a run's best.

    Args:
        path: A file, a run's folder, or a folder inside it, which calls its weights by its name.

    Raises:
        ModelError: There is none (`E_WEIGHTS_NOT_FOUND`).
    """
    found = path if is_file(path) else run_weights(path)
    if found is not None:
        return found
    raise ModelError(
        f"there are no weights at '{path}'",
        code="E_WEIGHTS_NOT_FOUND",
        hint=f"give a .pdparams file, or a run's folder that holds {BEST}/{BEST}.pdparams",
    )


def read_pdparams(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of a `.pdparams` file, by name.

    Raises:
        ModelError: The file is missing or unreadable, is no such file, or names anything but
            arrays and plain containers (`E_CHECKPOINT`). Nothing of it is ever executed.
    """
    try:
        with open_regular(path) as file:
            content = load_arrays(file)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    except UnpicklingError as error:
        raise _unusable(path, str(error)) from None
    except Exception:  # noqa: BLE001 - a hostile or broken pickle may end in any exception
        raise _unusable(path, "it is not a file that paddle.save wrote") from None
    if not isinstance(content, dict):
        raise _unusable(path, "it holds no mapping of names to arrays")
    arrays = {
        name: _checked(path, name, _values(value))
        for name, value in content.items()
        if name != NAME_TABLE
    }
    if sum(array.nbytes for array in arrays.values()) > size:
        raise _unusable(path, "it makes more of itself than it holds")
    return arrays


def load_weights(
    network: nn.Layer, arrays: dict[str, NDArray[np.generic]], origin: str
) -> list[str]:
    """Move arrays into the network by name; returns the names that were left as they were.

    Only the classifier's own tensors may be left, where they were trained for another number of
    classes. Anything else that does not fit is refused and the network is not touched.

    Args:
        network: The network; built under `paddle.LazyGuard`, it gets its memory here.
        arrays: Emptied on the way, so that memory holds the weights once and not twice.
        origin: What an error calls the weights.

    Raises:
        ModelError: Names are missing or unexpected, or shapes or types differ
            (`E_CHECKPOINT_MISMATCH`).
    """
    state = network.state_dict()
    expected = {name: (tuple(tensor.shape), _dtype(tensor)) for name, tensor in state.items()}
    found = {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}
    head = f"{getattr(network, 'head_name', '')}."
    fresh = {
        name
        for name in expected.keys() & found.keys()
        if name.startswith(head) and len(head) > 1 and found[name][0] != expected[name][0]
    }
    faults = _faults(expected, found, fresh)
    if faults:
        raise ModelError(
            f"{origin} does not fit this network: "
            + "; ".join(_listed(kind, names) for kind, names in faults.items()),
            code="E_CHECKPOINT_MISMATCH",
            hint="name the architecture that the weights were trained with",
        )
    for name in expected.keys() - fresh:
        state[name].set_value(arrays.pop(name))
    return sorted(fresh)


def _faults(
    expected: Mapping[str, ShapeAndType], found: Mapping[str, ShapeAndType], fresh: Set[str]
) -> dict[str, list[str]]:
    """What does not fit, by kind of fault; `fresh` is let through."""
    common = sorted((expected.keys() & found.keys()) - fresh)
    faults = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
    }
    for part, kind in enumerate(("shape", "type")):
        faults[f"of another {kind}"] = [
            f"{name} {found[name][part]} instead of {expected[name][part]}"
            for name in common
            if found[name][part] != expected[name][part]
        ]
    return {kind: names for kind, names in faults.items() if names}


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("paddle.")


def _values(value: Any) -> Any:
    """The array in what paddle.save wrote for one tensor: an array, or (name, array)."""
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    return getattr(value, "values", None) if isinstance(value, PickledArray) else value


def _checked(path: Path, name: str, values: Any) -> NDArray[np.generic]:
    import numpy as np

    if len(name) > LONGEST_NAME:
        raise _unusable(path, f"one of its names has {len(name):,} characters")
    if not isinstance(values, np.ndarray):
        raise _unusable(path, f"its entry '{name}' is not an array")
    return values


def _listed(kind: str, names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{len(names)} {kind} ({', '.join(names[:LISTED])}{more})"


def _unusable(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"the weights '{path}' cannot be used: {reason}",
        code="E_CHECKPOINT",
        hint="weights are .pdparams files, as paddle.save writes a state_dict",
    )
