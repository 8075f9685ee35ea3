from __future__ import annotations

import random
from collections import Counter

import pytest
from dataset_builders import contents, listed, lists, put, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killing import killed_at

from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.datasets.split.split import make_folds, split_dataset
from clsctl.errors import DataError, UsageError

CLASSES = ("cat", "tabby dog")


@pytest.fixture
def root(tmp_path):
    """60 cats and 40 dogs, split before; no image is needed."""
    train = [*listed(50, 0), *listed(30, 1)]
    val = [*listed(10, 0, 50), *listed(10, 1, 30)]
    return lists(tmp_path / "data", CLASSES, images=False, train=train, val=val)


def everything(root):
    return sorted([*read(root, "train.txt"), *read(root, "val.txt")])


def codes(split):
    return [warning.code for warning in split.warnings]


def refused(error, *arguments, **options):
    with pytest.raises(error) as caught:
        split_dataset(*arguments, **options)
    return caught.value


def test_a_split_writes_lists_and_keeps_the_old_ones(root):
    old, before = contents(root), everything(root)
    done = split_dataset(root, train=90, val=10)
    assert everything(root) == before
    assert Counter(label for _, label in read(root, "train.txt")) == {0: 54, 1: 36}
    assert done.backups == {"train.txt": "train.txt.bak", "val.txt": "val.txt.bak"}
    assert {name: (root / backup).read_bytes() for name, backup in done.backups.items()} == {
        name: old[name] for name in ("train.txt", "val.txt")
    }
    assert {name: len(lines) for name, lines in done.splits.items()} == {"train": 90, "val": 10}
    assert done.warnings == ()
    assert read_valid_dataset(root).problems == ()


def test_backups_of_every_split_are_kept(root):
    states = []
    for seed in range(3):
        states.append((root / "train.txt").read_bytes())
        split_dataset(root, seed=seed)
    backups = ["train.txt.bak", "train.txt.bak1", "train.txt.bak2"]
    assert [(root / name).read_bytes() for name in backups] == states


@given(st.randoms(), st.integers(0, 2**63))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_seed_gives_the_same_bytes_whatever_the_order(tmp_path_factory, shuffler, seed):
    lines = [*listed(23, 0), *listed(9, 1), ("照片/a b.jpg", 1)]
    written = []
    for _ in range(2):
        shuffler.shuffle(lines)
        cut = shuffler.randrange(1, len(lines))
        root = tmp_path_factory.mktemp("data")
        lists(root, CLASSES, images=False, train=lines[:cut], val=lines[cut:])
        split_dataset(root, val=20, seed=seed)
        written.append((root / "train.txt").read_bytes() + (root / "val.txt").read_bytes())
    assert written[0] == written[1]


def test_another_seed_gives_another_split(root):
    splits = {split_dataset(root, seed=seed, dry_run=True).splits["val"] for seed in range(5)}
    assert len(splits) == 5


def test_a_dry_run_writes_nothing(root):
    before = contents(root)
    done = split_dataset(root, train=80, dry_run=True)
    assert contents(root) == before
    assert len(done.splits["val"]) == 20
    assert done.backups == {}


def test_three_splits(root):
    split_dataset(root, train=70, val=20, test=10)
    sizes = {name: Counter(y for _, y in read(root, f"{name}.txt")) for name in ("val", "test")}
    assert sizes == {"val": {0: 12, 1: 8}, "test": {0: 6, 1: 4}}


def test_a_test_list_stays_as_it_is(root):
    split_dataset(root, test=20)
    held_out = (root / "test.txt").read_bytes()
    done = split_dataset(root, val=25, seed=1)
    assert (root / "test.txt").read_bytes() == held_out
    assert len(done.held_out) == 20
    assert len(read(root, "val.txt")) == 20
    assert not {*read(root, "test.txt")} & {*everything(root)}


def test_a_test_list_is_split_as_well_where_that_is_asked_for(root):
    whole = everything(root)
    split_dataset(root, test=20)
    done = split_dataset(root, test=0)
    assert everything(root) == whole
    assert not (root / "test.txt").exists()
    assert done.backups["test.txt"] == "test.txt.bak"
    assert len(read(root, "test.txt.bak")) == 20


@pytest.mark.parametrize(
    ("asked", "shares"),
    [
        ({}, {"train": 90, "val": 10}),
        ({"train": 75}, {"train": 75, "val": 25}),
        ({"val": 20}, {"train": 80, "val": 20}),
        ({"test": 15}, {"train": 75, "val": 10, "test": 15}),
        ({"train": 60, "test": 15}, {"train": 60, "val": 25, "test": 15}),
        ({"train": 33.3, "val": 33.3, "test": 33.4}, {"train": 33.3, "val": 33.3, "test": 33.4}),
    ],
)
def test_percentages_that_are_left_out(root, asked, shares):
    assert split_dataset(root, **asked, dry_run=True).shares == shares


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"train": 90, "val": 20}, "the percentages sum to 110: train 90, val 20"),
        ({"val": 20, "train": 60, "test": 10},
         "the percentages sum to 90: train 60, val 20, test 10"),
        ({"train": 120}, "--train 120 is no percentage from 0 to 100"),
        ({"val": float("nan")}, "--val nan is no percentage from 0 to 100"),
        ({"train": 100}, "training needs samples in train and in val, but this is train 100"),
        ({"val": 60, "test": 40},
         "training needs samples in train and in val, but this is val 60, test 40"),
    ],
)  # fmt: skip
def test_percentages_that_are_wrong(root, asked, message):
    before = contents(root)
    error = refused(UsageError, root, **asked)
    assert (error.code, error.message) == ("E_SPLIT_PERCENT", message)
    assert "--train 80 --val 10 --test 10" in error.hint
    assert contents(root) == before


def test_a_class_too_small_for_every_split(tmp_path):
    root = lists(tmp_path, ("a", "b"), images=False, train=[*listed(30, 0), *listed(1, 1)])
    done = split_dataset(root)
    (warning,) = done.warnings
    assert warning.code == "E_SPLIT_EMPTY_CLASS"
    assert warning.message == "val has no sample of class 'b'"
    assert warning.hint == (
        "at 10 % a class needs about 10 samples to be sure of one: add some, or give val a larger "
        "share"
    )


def test_a_split_that_would_be_empty(tmp_path):
    root = lists(tmp_path, ("a",), images=False, train=listed(4, 0))
    before = contents(root)
    error = refused(DataError, root)
    assert error.code == "E_SPLIT_EMPTY_SIDE"
    assert error.message == "val would be empty: 10 % of 4 samples is too little"
    assert contents(root) == before


def test_a_sample_that_is_listed_several_times_is_kept_once(tmp_path):
    lines = listed(20, 0)
    again = [lines[0], (f"./{lines[1][0]}", 0), lines[2]]
    root = lists(tmp_path, ("a",), images=False, train=lines, val=again)
    done = split_dataset(root)
    assert everything(root) == sorted([*lines[:1], again[1], *lines[2:]])
    assert done.repeated == 3


def test_a_sample_with_two_labels_is_an_error(tmp_path):
    root = lists(tmp_path, CLASSES, images=False, train=[("a.jpg", 0)], val=[("a.jpg", 1)])
    error = refused(DataError, root)
    assert error.code == "E_TWO_LABELS"
    assert error.message == "a.jpg has two labels: 0 and 1 in train.txt:1 and val.txt:1"


def test_lists_with_errors_are_not_split(root):
    with (root / "val.txt").open("a", encoding="utf-8") as stream:
        stream.write("images/without-a-label.jpg\n")
    before = contents(root)
    error = refused(DataError, root)
    assert error.code == "E_DATASET_INVALID"
    assert "val.txt:21" in error.message
    assert contents(root) == before


def test_lists_that_are_hard_to_read(tmp_path):
    """BOM, CRLF, tabs, blank lines, no newline at the end: nothing is lost, nothing glued."""
    (tmp_path / "label.txt").write_bytes("\ufeff0 猫\r\n1\tdog\r\n".encode())
    first = "\ufeffimages/a b.jpg 0\r\n\r\n照片/猫.jpg\t0\r\n"
    (tmp_path / "train.txt").write_bytes(first.encode() + b"c.jpg 1\nd.jpg 1")
    (tmp_path / "val.txt").write_bytes(b"e.jpg 0")
    label_file = (tmp_path / "label.txt").read_bytes()
    split_dataset(tmp_path, val=40)
    assert everything(tmp_path) == sorted(
        [("images/a b.jpg", 0), ("照片/猫.jpg", 0), ("c.jpg", 1), ("d.jpg", 1), ("e.jpg", 0)]
    )
    assert (tmp_path / "label.txt").read_bytes() == label_file


def test_class_folders_get_lists(tmp_path):
    names = [f"{kind}/{number}.jpg" for kind in ("cat", "黄 狗") for number in range(10)]
    root = put(tmp_path / "data", names)
    split_dataset(root, val=30)
    assert (root / "label.txt").read_text(encoding="utf-8") == "0 cat\n1 黄 狗\n"
    assert [path for path, _ in everything(root)] == sorted(names)
    assert Counter(label for _, label in read(root, "val.txt")) == {0: 3, 1: 3}
    assert read_valid_dataset(root).layout == "lists"


def test_class_folders_with_a_test_folder_keep_it(tmp_path):
    names = [f"{split}/cat/{n}.jpg" for split in ("train", "val", "test") for n in range(10)]
    root = put(tmp_path / "data", [*names, "train/dog/1.jpg", "val/dog/2.jpg"])
    split_dataset(root, val=50)
    assert [path for path, _ in read(root, "test.txt")] == sorted(names[20:])
    assert len(everything(root)) == 22


def test_a_table_gets_lists(tmp_path):
    rows = [f"photos/{number}.jpg,{'ab'[number % 2]}" for number in range(20)]
    table = tmp_path / "all.csv"
    table.write_text("path,label\n" + "\n".join(rows), encoding="utf-8")
    split_dataset(table, val=20)
    assert (tmp_path / "label.txt").read_text() == "0 a\n1 b\n"
    assert Counter(label for _, label in read(tmp_path, "val.txt")) == {0: 2, 1: 2}
    assert len(everything(tmp_path)) == 20


# ---- groups ------------------------------------------------------------------------------------


def views(objects, of_each, label=0):
    names = [f"images/{n:03}_{view}.jpg" for n in range(objects) for view in range(of_each)]
    return [(name, label) for name in names]


@pytest.mark.parametrize("kind", ["expression", "file", "mapping"])
def test_what_shows_one_object_stays_in_one_split(tmp_path, kind):
    lines = views(30, 4)
    root = lists(tmp_path / "data", ("a",), images=False, train=lines)
    objects = {path: path[7:10] for path, _ in lines}
    table = tmp_path / "objects.csv"
    table.write_text(
        "path,group\n" + "".join(f"./{p},{name}\n" for p, name in objects.items()), "utf-8-sig"
    )
    group = {"expression": r"/(\d+)_\d+", "file": table, "mapping": objects}[kind]
    done = split_dataset(root, val=20, group=group)
    shown = {name: {path[7:10] for path, _ in lines} for name, lines in done.splits.items()}
    assert not shown["train"] & shown["val"]
    assert (len(shown["train"]), len(shown["val"])) == (24, 6)
    assert done.warnings == ()


def test_the_whole_match_counts_where_the_expression_has_no_group(tmp_path):
    root = lists(tmp_path, ("a",), images=False, train=views(10, 2))
    done = split_dataset(root, val=50, group=r"\d+(?=_)")
    assert not {path[7:10] for path, _ in done.splits["train"]} & {
        path[7:10] for path, _ in done.splits["val"]
    }


def test_groups_that_do_not_fit_are_reported(tmp_path):
    lines = [*views(3, 10), *listed(10, 1)]
    root = lists(tmp_path, CLASSES, images=False, train=lines)
    done = split_dataset(root, val=20, group=r"/(\d+)_")
    uneven, ungrouped = done.warnings
    assert uneven.code == "E_SPLIT_UNEVEN"
    assert uneven.message == (
        "because groups stay together, train has 70.0 % instead of 80 %, val has 30.0 % instead "
        "of 20 %; furthest off is 'cat' in train, 20 samples instead of 24.0"
    )
    assert ungrouped.code == "E_SPLIT_UNGROUPED"
    assert ungrouped.message == (
        "--group says nothing of 10 of 40 samples; each of them is on its own"
    )


def test_groups_that_leave_nothing_for_a_split(tmp_path):
    root = lists(tmp_path, ("a",), images=False, train=views(1, 10))
    error = refused(DataError, root, group=r"/(\d+)_")
    assert error.message == (
        "val would be empty: 10 % of 10 samples is too little, or the groups that stay together "
        "are too large"
    )


def test_groups_that_the_test_list_shares(tmp_path):
    lines = views(10, 2)
    root = lists(tmp_path, ("a",), images=False, train=lines[1:], test=lines[:1])
    assert codes(split_dataset(root, val=20, group=r"/(\d+)_")) == ["E_SPLIT_GROUP_IN_TEST"]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("nothing(like)this", "the --group expression matches none of the paths in the lists"),
        ("(", "--group '(' is neither a file nor a regular expression: "
              "missing ), unterminated subpattern at position 0"),
        ({"elsewhere.jpg": "x"}, "--group names none of the paths in the lists"),
    ],
)  # fmt: skip
def test_groups_that_are_of_no_use(root, group, message):
    error = refused(UsageError, root, group=group)
    assert (error.code, error.message) == ("E_SPLIT_GROUP", message)


def test_a_group_file_that_lacks_a_field(root, tmp_path):
    table = tmp_path / "objects.csv"
    table.write_text("path,group\nimages/0-001.jpg,x\nimages/0-002.jpg\n")
    error = refused(DataError, root, group=table)
    assert error.message == f"{table}:3: there is no group"


def test_near_duplicates_stay_in_one_split(tmp_path):
    """Each photo is there three times: as it is, smaller, and in poorer quality."""
    names = photos(tmp_path / "images", originals=12)
    lines = [(f"images/{name}", 0) for name in names]
    root = lists(tmp_path, ("a",), images=False, train=lines)
    done = split_dataset(root, val=25, dedupe_groups=True)
    train, val = ({path.split("-")[0] for path, _ in lines} for lines in done.splits.values())
    assert (len(train), len(val)) == (9, 3)
    assert not train & val


def photos(folder, originals):
    """Blots that a perceptual hash tells apart, in three versions each."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    names = []
    for number in range(originals):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        image = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
        versions = {"a.png": image, "b.png": image.resize((160, 120)), "c.jpg": image}
        for ending, version in versions.items():
            names.append(f"{number:02}-{ending}")
            options = {"quality": 60} if ending == "c.jpg" else {}
            version.save(folder / names[-1], **options)
    return names


# ---- folds -------------------------------------------------------------------------------------


def test_folds_are_datasets_of_their_own(tmp_path):
    root = lists(
        tmp_path / "data",
        CLASSES,
        train=[*listed(20, 0), *listed(11, 1)],
        val=listed(5, 1, 11),
        test=listed(3, 0, 20),
    )
    before = contents(root)
    done = make_folds(root, tmp_path / "folds", folds=3)
    assert contents(root) == before
    folds = [read_valid_dataset(done.root / name) for name in ("fold_1", "fold_2", "fold_3")]
    vals = [{sample.path for sample in fold.splits["val"]} for fold in folds]
    assert sum(map(len, vals)) == len(set.union(*vals)) == 36
    for fold in folds:
        assert {split: len(items) for split, items in fold.splits.items()} == {
            "train": 24,
            "val": 12,
            "test": 3,
        }
        assert all(fold.image_path(sample).is_file() for _, sample in fold.samples())
        paths = [{sample.path for sample in items} for items in fold.splits.values()]
        assert len(set.union(*paths)) == 39


def test_folds_follow_when_the_dataset_moves_with_them(tmp_path):
    root = lists(tmp_path / "here" / "data", ("a",), train=listed(6, 0))
    done = make_folds(root, folds=2)
    assert done.root == tmp_path / "here" / "data-folds"
    (tmp_path / "here").rename(tmp_path / "there")
    fold = read_valid_dataset(tmp_path / "there" / "data-folds" / "fold_2")
    assert all(fold.image_path(sample).is_file() for _, sample in fold.samples())


def test_folds_replace_nothing(root):
    make_folds(root, folds=2)
    with pytest.raises(DataError) as caught:
        make_folds(root, folds=4)
    assert caught.value.code == "E_EXISTS"


def test_one_fold_is_none(root):
    with pytest.raises(UsageError) as caught:
        make_folds(root, folds=1)
    assert caught.value.code == "E_SPLIT_FOLDS"


def test_more_folds_than_samples(tmp_path):
    root = lists(tmp_path / "data", ("a",), images=False, train=listed(3, 0))
    with pytest.raises(DataError) as caught:
        make_folds(root, folds=4)
    assert caught.value.code == "E_SPLIT_EMPTY_SIDE"


# ---- killed ------------------------------------------------------------------------------------


def test_killed_anywhere_leaves_the_old_lists_or_the_new_ones(tmp_path):
    """The whole command, from reading the lists to the last file that is tidied away."""
    lines = [*listed(12, 0), *listed(8, 1)]
    numbers = random.Random(0)
    outcomes = set()
    for step in range(1, 400):
        numbers.shuffle(lines)
        root = lists(tmp_path / str(step), CLASSES, images=False, train=lines[:15], val=lines[15:])
        old = read(root, "train.txt"), read(root, "val.txt")
        if step == 1:
            split_dataset(root, val=40, dry_run=True)  # so that no child imports anything
        done = split_dataset(root, val=40, dry_run=True)
        new = list(done.splits["train"]), list(done.splits["val"])
        killed = killed_at(step, lambda root=root: split_dataset(root, val=40))
        found = read(root, "train.txt"), read(root, "val.txt")
        assert found in (old, new)
        outcomes.add(found == new)
        backups = sorted(path.name for path in root.glob("*.bak") if path.is_file())
        assert backups == (["train.txt.bak", "val.txt.bak"] if found == new else [])
        assert read_valid_dataset(root).problems == ()
        if not killed:
            break
    assert not killed
    assert outcomes == {False, True}
