from __future__ import annotations

import threading
from pathlib import Path

import pytest
from killing import killed_at

from clsctl.datasets.atomic_lists import recover, replace_lists
from clsctl.errors import DataError

OLD = {"train.txt": "a 0\nb 0\n", "test.txt": "c 1\n"}
CHANGE = {"train.txt": "c 1\n", "val.txt": "a 0\n", "test.txt": None}
NEW = {
    "train.txt": "c 1\n",
    "val.txt": "a 0\n",
    "train.txt.bak": OLD["train.txt"],
    "test.txt.bak": OLD["test.txt"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fresh(tmp_path / "data")


def fresh(folder: Path) -> Path:
    folder.mkdir()
    for name, content in OLD.items():
        (folder / name).write_text(content)
    return folder


def seen(root: Path) -> dict[str, str]:
    """What a reader that knows nothing of updates finds in the folder."""
    return {path.name: path.read_text() for path in root.iterdir() if path.is_file()}


def test_lists_are_replaced_and_the_old_ones_kept(root):
    backups = replace_lists(root, CHANGE)
    assert backups == {"train.txt": "train.txt.bak", "test.txt": "test.txt.bak"}
    assert seen(root) == NEW
    assert not any(path.is_symlink() or path.is_dir() for path in root.iterdir())


def test_backups_are_numbered_and_never_replaced(root):
    for number in range(3):
        replace_lists(root, {"train.txt": f"{number}\n"})
    assert seen(root) == {
        "train.txt": "2\n",
        "train.txt.bak": OLD["train.txt"],
        "train.txt.bak1": "0\n",
        "train.txt.bak2": "1\n",
        "test.txt": OLD["test.txt"],
    }


def test_killed_anywhere_leaves_the_old_lists_or_the_new_ones(tmp_path):
    replace_lists(fresh(tmp_path / "warm"), CHANGE)  # so that no child imports anything
    outcomes = []
    for step in range(1, 1000):
        root = fresh(tmp_path / str(step))
        killed = killed_at(step, lambda root=root: replace_lists(root, CHANGE))
        found = seen(root)
        assert found in (OLD, NEW)
        recover(root)
        assert seen(root) == found
        assert not any(path.is_symlink() or path.is_dir() for path in root.iterdir())
        outcomes.append(found == NEW)
        if not killed:
            break
    # Old up to the switch and new ever after, with many steps on either side.
    assert outcomes == sorted(outcomes)
    assert 10 < outcomes.index(True) < len(outcomes) - 10


@pytest.mark.long
def test_killed_while_tidying_up_changes_nothing(tmp_path):
    switch = first_step_that_switches(tmp_path / "probe")
    for step in range(1, 1000):
        root = fresh(tmp_path / str(step))
        assert killed_at(switch, lambda root=root: replace_lists(root, CHANGE))
        killed = killed_at(step, lambda root=root: recover(root))
        assert seen(root) == NEW
        if not killed:
            break
    assert step > 10


def first_step_that_switches(folder: Path) -> int:
    folder.mkdir()
    for step in range(1, 1000):
        root = fresh(folder / str(step))
        killed_at(step, lambda root=root: replace_lists(root, CHANGE))
        if seen(root) == NEW:
            return step
    raise AssertionError("nothing was ever replaced")


def test_after_a_kill_the_next_replacement_starts_afresh(tmp_path):
    for step in (12, 20, 28):
        root = fresh(tmp_path / str(step))
        assert killed_at(step, lambda root=root: replace_lists(root, CHANGE))
        assert seen(root) == OLD
        replace_lists(root, CHANGE)
        assert seen(root) == NEW


def test_a_list_that_is_a_link_is_replaced_and_its_target_kept(root):
    (root / "lists").mkdir()
    (root / "train.txt").rename(root / "lists" / "train.txt")
    (root / "train.txt").symlink_to("lists/train.txt")
    replace_lists(root, CHANGE)
    assert seen(root) == NEW
    assert (root / "lists" / "train.txt").read_text() == OLD["train.txt"]


def test_a_folder_in_the_way_of_a_list_leaves_everything_as_it_was(root):
    (root / "val.txt").mkdir()
    with pytest.raises(DataError) as caught:
        replace_lists(root, CHANGE)
    assert caught.value.code == "E_DATASET_WRITE"
    assert caught.value.message == f"cannot write {root}: Is a directory"
    assert seen(root) == OLD
    assert sorted(path.name for path in root.iterdir()) == ["test.txt", "train.txt", "val.txt"]


def test_two_at_once_do_not_disturb_each_other(root):
    changes = [{"train.txt": f"{n}\n", "val.txt": f"{n}\n"} for n in range(8)]
    threads = [threading.Thread(target=replace_lists, args=(root, change)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = seen(root)
    assert found["train.txt"] == found["val.txt"]
    kept = [content for name, content in found.items() if name.startswith("train.txt")]
    assert sorted(kept) == sorted([OLD["train.txt"], *(f"{n}\n" for n in range(8))])
