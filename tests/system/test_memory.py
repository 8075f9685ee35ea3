"""What memory there is, on the machine or in the container on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clsctl.system.memory import machine_memory

pytestmark = pytest.mark.skipif("sys.platform == 'win32'", reason="control groups are Linux'")

GROUPS = {
    "the second version": {
        "memory.max": "1000000\n",
        "memory.current": "700000\n",
        "memory.stat": "anon 300000\ninactive_file 200000\n",
    },
    "the first version": {
        "memory/memory.limit_in_bytes": "1000000\n",
        "memory/memory.usage_in_bytes": "700000\n",
        "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 200000\n",
    },
}


@pytest.mark.parametrize("files", GROUPS.values(), ids=GROUPS)
def test_a_container_has_what_its_group_may_take(tmp_path: Path, files: dict[str, str]):
    """Files that are kept in memory make room, and what is taken otherwise does not."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="ascii")
    assert machine_memory(tmp_path) == (1_000_000, 500_000)


def test_without_limit_the_machine_counts(tmp_path: Path):
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    (tmp_path / "memory.current").write_text("700000\n", encoding="ascii")
    memory = machine_memory(tmp_path)
    assert memory.total == machine_memory(tmp_path / "none").total
    assert 0 < memory.free <= memory.total
