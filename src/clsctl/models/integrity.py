"""Whether a model's files are whole, and which model they are.

What is derived from a model is kept under the SHA256 of its files, never of what a record beside
them says. A checksum that was computed is remembered in the cache, with the state that each file
was in. It holds as long as inode, size and both times are the same: the time of the last change, to
the nanosecond, is the system's own, and no program can set it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from clsctl.errors import ModelError
from clsctl.models.onnx_metadata import external_data
from clsctl.models.parameters import missing_parameters
from clsctl.models.provenance import recorded_files
from clsctl.paths import exists, is_file
from clsctl.settings import folders
from clsctl.system.files import atomic_replace, file_sha256, require_writable
from clsctl.values import PROVENANCE, ModelSpec

FOLDER = "checksums"
SETTLED_NS = 2_000_000_000
"""A file that changed so shortly before it was read might change again without a trace: the clocks
of some disks are as coarse as that."""

_IR_DATA = re.compile(r'\boffset="(\d{1,18})" size="(\d{1,18})"')
_State = list[int]
"""Both times in nanoseconds, inode and size."""


def weights_sha256(spec: ModelSpec) -> str:
    """Compute the SHA256 over graph and parameters, the key of everything derived from the model.

    The files are read unless all are in the state in which they were read before.

    Raises:
        ModelError: A file is incomplete (`E_WEIGHTS_INVALID`) or cannot be read
            (`E_MODEL_DIR_INVALID`).
    """
    with _readable(spec):
        key = _recall(spec)
        if not key:
            require_complete(spec)
            started = time.time_ns()
            states = {str(path.absolute()): _state(path) for path in model_files(spec)}
            key = _joined(_sha256_of(path, *state) for path, state in states.items())
            if max(max(state[:2]) for state in states.values()) + SETTLED_NS < started:
                _remember(spec, states, key)
        return key


def fresh_weights_sha256(spec: ModelSpec) -> str:
    """Compute the same from the files as they are now, whatever is remembered of them.

    Raises:
        ModelError: A file cannot be read (`E_MODEL_DIR_INVALID`).
    """
    with _readable(spec):
        return _joined(file_sha256(path) for path in model_files(spec))


def model_files(spec: ModelSpec) -> list[Path]:
    """The files that hold graph and parameters, in an order that is always the same."""
    params = [spec.params] if spec.params else []
    external = external_data(spec.graph) if spec.format == "onnx" else {}
    return [spec.graph, *params, *(spec.directory / name for name in sorted(external))]


def require_complete(spec: ModelSpec) -> None:
    """Refuse a model whose files do not hold all that its graph needs, or changed their size.

    Raises:
        ModelError: Something is missing (`E_WEIGHTS_INVALID`), or a file cannot be read
            (`E_MODEL_DIR_INVALID`).
    """
    with _readable(spec):
        try:
            fault = _wrong_size(spec) or _FAULTS[spec.format](spec)
        except ValueError as error:
            fault = str(error)
    if fault:
        raise ModelError(
            f"{spec.name} in '{spec.directory}' is incomplete: {fault}",
            code="E_WEIGHTS_INVALID",
            hint="get the model again; `clsctl models verify` finds damaged files of the store",
        )


def require_written(spec: ModelSpec) -> None:
    """Refuse a model that was not written as a whole: Paddle says nothing about a full disk.

    Raises:
        OSError: There is no room for more.
        ModelError: As `require_complete`.
    """
    try:
        require_complete(spec)
    except ModelError:
        for path in (spec.graph, *([spec.params] if spec.params else [])):
            require_writable(path)
        raise


# ---- what is missing ---------------------------------------------------------------------------


def _wrong_size(spec: ModelSpec) -> str:
    """What differs in size from the record beside it, where there is one that says so."""
    recorded = _recorded_sizes(spec.directory)
    for path in (spec.graph, spec.params):
        size = recorded.get(path.name) if path else None
        if path and size is not None and size != path.stat().st_size:
            return (
                f"{path.name} has {path.stat().st_size:,} bytes, and {PROVENANCE} says that it "
                f"had {size:,}"
            )
    return ""


def _recorded_sizes(directory: Path) -> Mapping[str, int]:
    try:
        return {name: facts["size"] for name, facts in recorded_files(directory).items()}
    except ModelError:
        return {}


def _paddle_fault(spec: ModelSpec) -> str:
    if spec.params is None:
        return ""
    fault = missing_parameters(spec.graph, spec.params)
    return fault and f"{spec.params.name}: {fault}"


def _onnx_fault(spec: ModelSpec) -> str:
    for name, end in external_data(spec.graph).items():
        path = spec.directory / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            return f"{spec.graph.name} takes parameters from outside its folder"
        if not is_file(path) or path.stat().st_size < end:
            return f"{spec.graph.name} needs {end:,} bytes of '{name}'"
    return ""


def _openvino_fault(spec: ModelSpec) -> str:
    """An IR says of each constant where in its .bin it lies."""
    if spec.params is None:
        return ""
    spans = _IR_DATA.findall(spec.graph.read_text(encoding="utf-8", errors="replace"))
    end = max((int(offset) + int(size) for offset, size in spans), default=0)
    short = end > spec.params.stat().st_size
    return f"{spec.params.name} is cut off, {end:,} bytes are needed" if short else ""


_FAULTS = {"paddle": _paddle_fault, "onnx": _onnx_fault, "openvino": _openvino_fault}


# ---- checksums ---------------------------------------------------------------------------------


def _joined(checksums: Iterable[str]) -> str:
    return hashlib.sha256("".join(checksums).encode()).hexdigest()


@functools.lru_cache(maxsize=16)
def _sha256_of(path: str, *state: int) -> str:
    """Several steps of a command ask for it, and a large file takes a while."""
    return file_sha256(Path(path))


def _state(path: Path) -> _State:
    status = path.stat()
    return [status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size]


def _memory(spec: ModelSpec) -> Path:
    name = hashlib.sha256(str(spec.graph.absolute()).encode(errors="surrogateescape")).hexdigest()
    return folders().cache / FOLDER / f"{name[:32]}.json"


def _recall(spec: ModelSpec) -> str:
    """The key that the files had in the state that they are in; empty where none is remembered."""
    try:
        found = json.loads(_memory(spec).read_text(encoding="utf-8"))
        same = all(_state(Path(path)) == state for path, state in found["files"].items())
        return str(found["sha256"]) if same else ""
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


def _remember(spec: ModelSpec, states: Mapping[str, _State], key: str) -> None:
    """Keep a key; forget those of models that are no longer there."""
    memory = _memory(spec)
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        for other in memory.parent.glob("*.json"):
            if not _is_of_a_file(other):
                other.unlink()
        with atomic_replace(memory) as part:
            part.write_text(json.dumps({"sha256": key, "files": states}), encoding="utf-8")


def _is_of_a_file(memory: Path) -> bool:
    try:
        return all(map(exists, json.loads(memory.read_text())["files"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


@contextmanager
def _readable(spec: ModelSpec) -> Iterator[None]:
    """Turn what the system refuses, for instance because the model was removed, into one error."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"the model in '{spec.directory}' cannot be read: {error.strerror or error}",
            code="E_MODEL_DIR_INVALID",
            hint="`clsctl models list --pulled` shows what is there",
        ) from None
