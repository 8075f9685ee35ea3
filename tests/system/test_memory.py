"""What memory there is, on the machine or in the container on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clsctl.system.memory import machine_memory

pytestmark = pytest.mark.skipif("sys.platform == 'win32'", reason="control groups are Linux'")

SECOND = {
    "memory.max": "1000000\n",
    "memory.current": "700000\n",
    "memory.stat": "anon 300000\ninactive_file 200000\n",
}
FIRST = {
    "memory.limit_in_bytes": "1000000\n",
    "memory.usage_in_bytes": "700000\n",
    "memory.stat": "inactive_file 1\ntotal_inactive_file 200000\n",
}


@pytest.mark.parametrize(
    ("own", "folder", "files"),
    [
        ("0::/\n", "", SECOND),
        ("0::/system.slice/clsctl.service\n", "system.slice/clsctl.service", SECOND),
        ("0::/system.slice/clsctl.service\n", "system.slice", SECOND),
        ("7:memory:/\n0::/\n", "memory", FIRST),
        ("7:cpu,memory:/docker/1a\n", "memory/docker/1a", FIRST),
        ("7:memory:/docker/1a\n", "memory", FIRST),  # As it is mounted inside the container.
    ],
)
def test_a_container_has_what_its_group_may_take(
    tmp_path: Path, own: str, folder: str, files: dict[str, str]
):
    """Files that are kept in memory make room, and what is taken otherwise does not."""
    write(tmp_path / folder, files)
    (tmp_path / "own").write_text(own, encoding="ascii")
    assert machine_memory(tmp_path, tmp_path / "own") == (1_000_000, 500_000)


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")


def test_without_limit_the_machine_counts(tmp_path: Path):
    write(tmp_path, SECOND | {"memory.max": "max\n"})
    memory = machine_memory(tmp_path, tmp_path / "none")
    assert memory.total == machine_memory(tmp_path / "none", tmp_path / "none").total
    assert 0 < memory.free <= memory.total
