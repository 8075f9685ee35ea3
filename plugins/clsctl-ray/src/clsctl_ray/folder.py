"""Fill the output folder: a file for each shard, and a record of them.

    part-00000.jsonl, part-00001.jsonl ...   results in input order, also over the files
    progress.jsonl     the job, then a line for each file, written when that file is complete
    manifest.json      the same and the totals; there as soon as all files are

Only the driver writes here, file by file, each under its name only when it is whole, so
that every input is in exactly one file whoever is killed when.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

from clsctl.errors import DataError, UsageError
from clsctl.paths import exists, is_dir, is_file
from clsctl.system.files import atomic_output, open_output
from clsctl_ray.shards import Shard
from clsctl_ray.worker import Encoded

PROGRESS, MANIFEST = "progress.jsonl", "manifest.json"


class Part(TypedDict):
    """What is recorded of a file.

    Attributes:
        inputs: How many inputs it covers, from the one called `first` to the one called `last`.
        names: SHA256 of the names of these inputs; see `Shard.fingerprint`.
        results: Its rows, of which there may be more than inputs: a PDF has one for each page.
        errors: How many of these are error records.
    """

    file: str
    inputs: int
    first: str
    last: str
    names: str
    results: int
    errors: int
    size: int
    sha256: str


class OutputFolder:
    """An output folder that is being filled.

    Attributes:
        parts: The files that are complete, in order.
        results: Rows of all these files.
        errors: How many of the rows are error records.
    """

    def __init__(self, path: Path, job: Mapping[str, Any], parts: list[Part]) -> None:
        self.path, self.job, self.parts = path, job, parts
        self.results = sum(part["results"] for part in parts)
        self.errors = sum(part["errors"] for part in parts)

    def missing(self, shards: Iterable[Shard]) -> Iterator[Shard]:
        """Yield the shards that have no file yet.

        Raises:
            UsageError: The inputs are not those that the files were made of (`E_RESUME`).
        """
        known = [part["names"] for part in self.parts]
        for shard in shards:
            if shard.number >= len(known):
                yield shard
            elif shard.fingerprint() != known[shard.number]:
                raise _other_job(self.path, f"the inputs of {self.parts[shard.number]['file']}")

    def add(self, shard: Shard, encoded: Encoded) -> None:
        """Write the file of the next shard."""
        name = f"part-{shard.number:05}.{self.job['format']}"
        with atomic_output(self.path / name) as part:
            part.write_bytes(encoded.content)
        self.parts.append(
            Part(
                file=name,
                inputs=len(shard.sources),
                first=shard.sources[0].name,
                last=shard.sources[-1].name,
                names=shard.fingerprint(),
                results=encoded.results,
                errors=encoded.errors,
                size=len(encoded.content),
                sha256=hashlib.sha256(encoded.content).hexdigest(),
            )
        )
        self.results += encoded.results
        self.errors += encoded.errors
        _append(self.path / PROGRESS, self.parts[-1])

    def finish(self) -> None:
        """Write the manifest, which says that the folder is complete."""
        facts = {
            **self.job,
            "results": self.results,
            "errors": self.errors,
            "shards": self.parts,
        }
        with open_output(self.path / MANIFEST) as stream:
            stream.write(json.dumps(facts, indent=1) + "\n")


@contextmanager
def open_folder(path: Path, job: Mapping[str, Any], resume: bool) -> Iterator[OutputFolder]:
    """Fill a folder, alone.

    Args:
        job: What decides the results; plain values, the writer's name as `format` among them.
        resume: Keep what is there, if anything is.

    Raises:
        DataError: It holds something, and is not to be resumed (`E_EXISTS`).
        UsageError: It was begun by another job, or its files were changed since (`E_RESUME`);
            another process fills it (`E_OUTPUT_BUSY`), or it cannot be written (`E_OUTPUT`).
    """
    if not resume and exists(path) and (not is_dir(path) or any(path.iterdir())):
        raise DataError(
            f"'{path}' exists, and is never overwritten",
            code="E_EXISTS",
            hint="--resume does the rest of an unfinished job; or choose another folder for -o",
        )
    with _exclusive(path):
        earlier = _read_progress(path)
        if not earlier:
            _append(path / PROGRESS, job)
        elif earlier[0] != job:
            raise _other_job(path, _first_difference(earlier[0], job))
        for part in earlier[1:]:
            _require_whole(path, part)
        (path / MANIFEST).unlink(missing_ok=True)
        yield OutputFolder(path, job, earlier[1:])


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        path.mkdir(parents=True, exist_ok=True)
        with FileLock(path / ".lock", blocking=False):
            yield
    except Timeout:
        raise UsageError(f"another process writes to {path}", code="E_OUTPUT_BUSY") from None
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}", code="E_OUTPUT"
        ) from None


def _append(path: Path, facts: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(facts) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _read_progress(folder: Path) -> list[Any]:
    """Read the lines that are whole; one that was cut short is removed."""
    path = folder / PROGRESS
    if not exists(path):
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    os.truncate(path, len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def _require_whole(folder: Path, part: Part) -> None:
    path = folder / part["file"]
    if not is_file(path) or path.stat().st_size != part["size"]:
        raise UsageError(
            f"'{path}' is not the file that was written there",
            code="E_RESUME",
            hint="delete the folder to start again",
        )


def _first_difference(earlier: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    key = next(key for key in [*job, *earlier] if earlier.get(key) != job.get(key))
    return f"{key} ({earlier.get(key)}, now {job.get(key)})"


def _other_job(path: Path, difference: str) -> UsageError:
    return UsageError(
        f"'{path}' was begun by a job that differs in {difference}",
        code="E_RESUME",
        hint="resume with the command that began it, or choose another folder for -o",
    )
