from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import hostile
import numpy as np
import pictures
import pytest
from dataset_builders import lists
from image_datasets import append, clean, picture, save, tree
from paths import DOCS, ROOT

from clsctl.datasets.check.check import CheckReport, check_dataset
from clsctl.datasets.problems import CODES
from clsctl.errors import DataError, UsageError
from clsctl.images.read import read_pixels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return clean(tmp_path / "pets")


def check(root: Path, **options) -> CheckReport:
    return check_dataset(root, workers=2, **options)


def found(report: CheckReport) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in report.problems]


# ---- nothing wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("fast", [False, True])
def test_clean_dataset(root, fast):
    report = check(root, fast=fast, strict=True)
    assert report.problems == ()
    assert report.passed
    assert report.counts == {"error": 0, "warning": 0, "note": 0}


def test_clean_dataset_with_awkward_names(tmp_path):
    root = clean(tmp_path / "my pets 照片", classes=("tabby cat", "狗"))
    assert check(root, strict=True).problems == ()


def test_clean_folders_and_tables(tmp_path):
    tree(tmp_path / "folders", {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    assert check(tmp_path / "folders", strict=True).problems == ()
    root = clean(tmp_path / "pets")
    rows = ["path,label,split"]
    for split in ("train", "val"):
        for line in (root / f"{split}.txt").read_text().splitlines():
            path, label = line.rsplit(" ", 1)
            rows.append(f"{path},{label},{split}")
        (root / f"{split}.txt").unlink()
    (root / "table.csv").write_text("\n".join(rows))
    report = check(root, strict=True)
    assert report.problems == ()
    assert report.statistics.samples == {"train": 6, "val": 2}


@pytest.mark.parametrize(("dtype", "factor"), [("f4", 30), ("u2", 1)])
def test_images_of_more_than_8_bits_are_seen_by_the_range_of_their_values(tmp_path, dtype, factor):
    """Floats beyond 255 are no damage, and dark 16 bits no duplicates of one another."""
    rng = np.random.default_rng(0)
    names = [f"{split}/{name}/1.tiff" for split in ("train", "val") for name in ("cat", "dog")]
    for name in names:
        blocks = rng.integers(0, 256, (8, 8, 3)).repeat(30, axis=0).repeat(30, axis=1)
        pictures.write(tmp_path, {name: pictures.tiff((blocks * factor).astype(dtype))})
    assert check(tmp_path, strict=True).problems == ()


def test_blank_and_recoloured_images_are_no_near_duplicates(tmp_path):
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (90, 90, 90)]
    for number, colour in enumerate(colours):
        save(tmp_path / f"blank-{number}.png", np.full((240, 240, 3), colour, np.uint8))
        disc = np.full((240, 240, 3), 255, np.uint8)
        cv2.circle(disc, (120, 120), 90, colour, -1)
        save(tmp_path / f"disc-{number}.png", disc)
    names = [[(f"{kind}-{n}.png", k) for k, kind in enumerate(("blank", "disc"))] for n in range(4)]
    lists(
        tmp_path,
        ("blank", "disc"),
        images=False,
        train=[*names[0], *names[1]],
        val=[*names[2], *names[3]],
    )
    assert check(tmp_path).problems == ()


# ---- one thing wrong ---------------------------------------------------------------------------

# Each breaks a clean dataset and returns the only places where a problem of its code may be.
Break = Callable[[Path], list[str]]


def added(root: Path, path: str, label: int = 0, split: str = "train") -> list[str]:
    return [f"{split}.txt:{append(root / f'{split}.txt', f'{path} {label}')}"]


def missing_file(root):
    return added(root, "images/nowhere.jpg")


def folder_for_a_file(root):
    return added(root, "images/cat")


def empty_image(root):
    (root / "empty.jpg").write_bytes(b"")
    return added(root, "empty.jpg")


def truncated_image(root):
    content = (root / "images/cat/0.jpg").read_bytes()
    (root / "cut.jpg").write_bytes(content[: len(content) // 2])
    return added(root, "cut.jpg")


def damaged_image(root):
    (root / "scratched.png").write_bytes(pictures.damaged()["scratched.png"][0])
    return added(root, "scratched.png")


def text_for_an_image(root):
    (root / "text.jpg").write_text("no image")
    return added(root, "text.jpg")


def decompression_bomb(root):
    (root / "bomb.png").write_bytes(pictures.damaged()["bomb.png"][0])
    return added(root, "bomb.png")


def repeated_line(root):
    return added(root, "images/cat/0.jpg")


def image_with_a_hole(root):
    content = (root / "images/cat/0.jpg").read_bytes()
    at = len(content) // 2
    (root / "hole.jpg").write_bytes(content[:at] + bytes(1000) + content[at + 1000 :])
    return added(root, "hole.jpg")


def repeated_under_another_spelling(root):
    return added(root, "./images//cat/0.jpg")


def two_labels(root):
    return added(root, "images/cat/0.jpg", label=1)


def in_both_splits(root):
    return added(root, "images/cat/0.jpg", split="val")


def copy_in_both_splits(root):
    shutil.copy(root / "images/cat/0.jpg", root / "copy.jpg")
    return added(root, "copy.jpg", split="val")


def copy_in_one_split(root):
    shutil.copy(root / "images/cat/0.jpg", root / "same.jpg")
    return added(root, "same.jpg")


def copy_with_another_label(root):
    shutil.copy(root / "images/cat/0.jpg", root / "other.jpg")
    return added(root, "other.jpg", label=1)


def nearly_in_both_splits(root):
    pixels = cv2.imread(str(root / "images/cat/0.jpg"))
    save(root / "again.webp", cv2.resize(pixels, (300, 281)))
    return added(root, "again.webp", split="val")


def small_image(root):
    save(root / "small.png", picture(7, 223, 400))
    return added(root, "small.png")


def long_image(root):
    save(root / "long.png", picture(7, 240, 720))
    return added(root, "long.png")


def imbalance(root):
    for number in range(27):
        save(root / f"more/{number}.jpg", picture(500 + number))
        added(root, f"more/{number}.jpg")
    return ["train.txt"]


def turned_image(root):
    exif = pictures.Image.Exif()
    exif[0x0112] = 6
    image = pictures.Image.fromarray(picture(7))
    (root / "turned.jpg").write_bytes(pictures.encoded(image, "JPEG", exif=exif))
    return added(root, "turned.jpg")


def grey_image(root):
    save(root / "grey.jpg", picture(7)[:, :, 0])
    return added(root, "grey.jpg")


def class_without_validation(root):
    lines = (root / "val.txt").read_text().splitlines()
    (root / "val.txt").write_text(lines[0])
    return ["label.txt:2"]


def class_without_samples(root):
    append(root / "label.txt", "2 bird")
    return ["label.txt:3"]


def no_validation_folder(root):
    for path in root.glob("*.txt"):
        path.unlink()
    for folder in (root / "images").iterdir():
        folder.rename(root / folder.name)
    (root / "images").rmdir()
    return ["."]


BROKEN = {
    missing_file: "D_FILE_MISSING",
    folder_for_a_file: "D_IMAGE_UNREADABLE",
    empty_image: "D_IMAGE_EMPTY",
    truncated_image: "D_IMAGE_TRUNCATED",
    damaged_image: "D_IMAGE_UNREADABLE",
    text_for_an_image: "D_IMAGE_UNREADABLE",
    decompression_bomb: "D_IMAGE_TOO_LARGE",
    repeated_line: "D_SAMPLE_REPEATED",
    repeated_under_another_spelling: "D_SAMPLE_REPEATED",
    two_labels: "D_SAMPLE_TWO_LABELS",
    in_both_splits: "D_SPLIT_OVERLAP",
    copy_in_both_splits: "D_LEAK",
    copy_in_one_split: "D_DUPLICATE",
    copy_with_another_label: "D_DUPLICATE_TWO_LABELS",
    nearly_in_both_splits: "D_NEAR_LEAK",
    image_with_a_hole: "D_IMAGE_DAMAGED",
    small_image: "D_IMAGE_SMALL",
    long_image: "D_ASPECT_RATIO",
    imbalance: "D_IMBALANCE",
    turned_image: "D_EXIF_ROTATED",
    grey_image: "D_NOT_RGB",
    class_without_validation: "D_CLASS_NO_VAL",
    class_without_samples: "D_CLASS_NO_TRAIN",
    no_validation_folder: "D_NOT_SPLIT",
}
NOTICED_IN_PIXELS = {damaged_image, image_with_a_hole, decompression_bomb, nearly_in_both_splits}


@pytest.mark.parametrize("spoil", BROKEN, ids=lambda spoil: spoil.__name__)
def test_planted_defect(root, spoil):
    places = spoil(root)
    report = check(root)
    code = BROKEN[spoil]
    others = {"D_CLASS_NO_VAL"} if code == "D_CLASS_NO_TRAIN" else set()
    assert [one for one in found(report) if one[0] not in others] == [(code, p) for p in places]
    assert report.problems[0].severity == CODES[code].severity
    assert report.problems[0].hint
    assert report.passed == (CODES[code].severity != "error")


@pytest.mark.parametrize(
    "spoil",
    [spoil for spoil in BROKEN if spoil not in NOTICED_IN_PIXELS],
    ids=lambda spoil: spoil.__name__,
)
def test_planted_defect_in_a_fast_check(root, spoil):
    spoil(root)
    assert BROKEN[spoil] in {code for code, _ in found(check(root, fast=True))}


def test_every_code_is_tested():
    files = ("datasets/layouts/test_detect.py", "builtin/commands/dataset/test_layouts.py")
    layouts = "".join((ROOT / "tests" / file).read_text() for file in files)
    assert [code for code in CODES if code not in {*BROKEN.values()} and code not in layouts] == []


def test_every_code_is_documented():
    page = DOCS / "reference/dataset-problems.md"
    rows = [
        f"| `{code}` | {known.severity} | {known.title} | {known.hint} |"
        for code, known in CODES.items()
    ]
    assert "\n".join(rows) in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt", b"tEXt", b"eXIf"])
@pytest.mark.parametrize("fast", [False, True])
def test_large_chunks_of_a_png_are_no_damage_by_any_path(root, kind, fast):
    """Three megabytes, compressed where the chunk says so."""
    content = (root / "images/cat/0.jpg").read_bytes()
    png = cv2.imencode(".png", cv2.imdecode(np.frombuffer(content, np.uint8), 1))[1].tobytes()
    filling = bytes(3 << 20)
    chunks = {
        b"zTXt": b"a\0\0" + zlib.compress(filling),
        b"iCCP": b"a\0\0" + zlib.compress(filling),
        b"iTXt": b"a\0\1\0\0\0" + zlib.compress(filling),
        b"tEXt": b"a\0" + b"x" * len(filling),
        b"eXIf": b"MM\0*\0\0\0\x08\0\0" + filling,
    }
    chunk = hostile.png_chunk(kind, chunks[kind])
    (root / "large.png").write_bytes(png[:33] + chunk + png[33:])
    places = added(root, "large.png")
    found_here = found(check(root, fast=fast))
    assert [one for one in found_here if one[1] in places and "DUPLICATE" not in one[0]] == []
    assert read_pixels(root / "large.png").shape[2] == 3


def test_a_jpeg_without_its_end_is_the_same_by_any_path(root):
    content = (root / "images/cat/0.jpg").read_bytes()
    assert content.endswith(b"\xff\xd9")
    (root / "open.jpg").write_bytes(content[:-2])
    (place,) = added(root, "open.jpg")
    for fast in (False, True):
        assert ("D_IMAGE_DAMAGED", place) in found(check(root, fast=fast))


# ---- many things wrong -------------------------------------------------------------------------


def test_nothing_stops_the_check(root):
    once = {no_validation_folder, class_without_validation, imbalance}
    defects = [spoil for spoil in BROKEN if spoil not in once]
    expected = [(BROKEN[spoil], place) for spoil in defects for place in spoil(root)]
    expected.append(("D_LABEL_INVALID", f"train.txt:{append(root / 'train.txt', '1.jpg x')}"))
    report = check(root)
    counted = {"D_NOT_RGB"}  # one note for all such images
    assert {one for one in expected if one[0] not in counted} <= set(found(report))
    severities = [problem.severity for problem in report.problems]
    assert severities == sorted(severities, key=("error", "warning", "note").index)


def test_messages_name_both_sides(root):
    copy_in_both_splits(root)
    nearly_in_both_splits(root)
    leak, near = check(root).problems
    assert leak.message == (
        "copy.jpg in val equals images/cat/0.jpg (train.txt:1) in train byte for byte"
    )
    assert near.message.startswith("again.webp in val is nearly images/cat/0.jpg in train")
    assert "of 64 hash bits differ (reported up to 6)" in near.message


@pytest.mark.parametrize(
    ("listed", "hint"),
    [
        (r"images\cat\0.jpg", "write / instead of \\ in paths"),
        ("images/cat/0.JPG", "there is 0.jpg: letters in the path must be large or small"),
    ],
)
def test_hint_for_a_misspelt_path(root, listed, hint):
    added(root, listed)
    assert check(root).problems[0].hint.startswith(hint)


def test_path_that_no_file_can_have(root):
    place = added(root, "images/\0.jpg")[0]
    assert found(check(root)) == [("D_IMAGE_UNREADABLE", place)]


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_file_without_permission(root):
    (root / "images/cat/0.jpg").chmod(0)
    assert found(check(root)) == [("D_IMAGE_UNREADABLE", "train.txt:1")]


# ---- options -----------------------------------------------------------------------------------


def test_strict_makes_errors_of_warnings(root):
    small_image(root)
    grey_image(root)
    assert check(root).passed
    report = check(root, strict=True)
    assert [problem.severity for problem in report.problems] == ["error", "note"]


def test_ignored_codes_are_counted(root):
    missing_file(root)
    missing_file(root)
    report = check(root, ignore=["D_FILE_MISSING", "D_SAMPLE_REPEATED"])
    assert report.passed
    assert report.ignored == {"D_FILE_MISSING": 1, "D_SAMPLE_REPEATED": 1}


def test_unknown_code(root):
    with pytest.raises(UsageError, match="Did you mean D_FILE_MISSING"):
        check(root, ignore=["D_FILES_MISSING"])


def test_progress_ends_at_all_images(root):
    reports = []
    check(root, progress=lambda done, total: reports.append((done, total)))
    assert reports[-1] == (8, 8)


def test_nothing_to_check(tmp_path):
    with pytest.raises(DataError) as caught:
        check(tmp_path)
    assert caught.value.code == "E_DATASET_LAYOUT"


def test_lists_of_which_no_line_can_be_read(root):
    (root / "train.txt").write_text("?\n")
    (root / "val.txt").unlink()
    report = check(root)
    assert ("D_LINE_FORMAT", "train.txt:1") in found(report)
    assert report.statistics.width is None


def test_dataset_of_which_no_image_can_be_read(root):
    shutil.rmtree(root / "images")
    report = check(root)
    assert {code for code, _ in found(report)} == {"D_FILE_MISSING"}
    assert report.statistics.mean is None
    assert report.statistics.unreadable == 8


# ---- figures -----------------------------------------------------------------------------------


def test_figures(root):
    grey_image(root)
    turned_image(root)
    save(root / "wide.png", picture(8, 240, 360))
    added(root, "wide.png", label=1)
    found = check(root).statistics
    assert found.samples == {"train": 9, "val": 2}
    assert [(one.name, one.samples) for one in found.classes] == [
        ("cat", {"train": 5, "val": 1}),
        ("dog", {"train": 4, "val": 1}),
    ]
    assert found.imbalance == pytest.approx(5 / 4)
    assert (found.images, found.unreadable, found.rotated) == (11, 0, 1)
    assert found.modes == {"RGB": 10, "L": 1}
    assert found.width == (256, 256, 360)
    assert found.height == (240, 240, 240)
    assert found.aspect_ratio == pytest.approx((256 / 240, 256 / 240, 1.5), abs=1e-3)


def test_mean_and_deviation(tmp_path):
    root = clean(tmp_path / "pets", train=20)
    noisy = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    save(root / "noise.png", noisy)
    added(root, "noise.png")
    files = [*root.glob("images/*/*.jpg"), root / "noise.png"]
    pixels = [cv2.imread(str(path))[:, :, ::-1].reshape(-1, 3) / 255 for path in files]
    mean = np.mean([values.mean(0) for values in pixels], axis=0)
    square = np.mean([(values**2).mean(0) for values in pixels], axis=0)
    found = check(root).statistics
    assert found.mean == pytest.approx(mean, abs=2e-3)
    assert found.std == pytest.approx(np.sqrt(square - mean**2), abs=2e-3)


def test_threads_and_limits_of_the_caller_are_left_alone(root):
    before = cv2.getNumThreads(), pictures.Image.MAX_IMAGE_PIXELS
    check(root)
    assert (cv2.getNumThreads(), pictures.Image.MAX_IMAGE_PIXELS) == before


@pytest.mark.parametrize("fast", [False, True])
def test_every_readable_format(tmp_path, fast):
    good = pictures.lossless() | pictures.lossless_grey() | pictures.lossy()
    pictures.write(tmp_path, good)
    lines = [(name, 0) for name in good]
    lists(tmp_path, ["all"], images=False, train=lines[1:], val=lines[:1])
    report = check(tmp_path, fast=fast)
    assert report.statistics.unreadable == 0
    assert report.statistics.width == (pictures.WIDTH,) * 3


def test_every_damaged_file(tmp_path):
    damaged = pictures.damaged()
    pictures.write(tmp_path, {name: content for name, (content, _) in damaged.items()})
    lists(tmp_path, ["all"], images=False, train=[(name, 0) for name in damaged])
    report = check(tmp_path)
    codes = {
        "E_IMAGE_EMPTY": "D_IMAGE_EMPTY",
        "E_IMAGE_TRUNCATED": "D_IMAGE_TRUNCATED",
        "E_IMAGE_TOO_LARGE": "D_IMAGE_TOO_LARGE",
    }
    expected = {
        (codes.get(code, "D_IMAGE_UNREADABLE"), f"train.txt:{line}")
        for line, (_, code) in enumerate(damaged.values(), 1)
    }
    assert {one for one in found(report) if one[0].startswith("D_IMAGE")} == expected
