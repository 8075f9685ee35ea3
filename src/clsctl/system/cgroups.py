"""Find the control groups of this process, which bound what a container or a service may take."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def group_folders(controller: str, root: Path = ROOT, own: Path = OWN) -> Iterator[Path]:
    """Yield the folders where limits may stand: of the process's group, and of all groups above.

    They are those of both versions of control groups; not all of them are there.

    Args:
        controller: Such as `memory`.
        root: Where the groups are mounted.
        own: The list of groups that this process is in.
    """
    yield root
    yield root / controller
    with contextlib.suppress(OSError):  # not Linux
        for line in own.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            base, group = root / (controller if controllers else ""), PurePosixPath(path)
            for part in (group, *group.parents)[:-1]:
                yield base.joinpath(*part.parts[1:])
