"""`clsctl predict` as a person meets it: every option, every ending."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import models
import pictures
import pytest
from made_plugins import install
from PIL import Image
from servers import in_turn, serving, stalled, status, whole

PHOTO = pictures.encoded(pictures.photo(), "JPEG")
TWO_PAGES = pictures.encoded(
    pictures.photo(), "TIFF", save_all=True, append_images=[Image.fromarray(pictures.photo(seed=1))]
)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Photos with something wrong in between, and what gives two results."""
    pictures.write(
        tmp_path / "album",
        {
            "1/photo.jpg": PHOTO,
            "2/broken.jpg": PHOTO[: len(PHOTO) // 2],
            "2/photo.jpg": pictures.encoded(pictures.photo(seed=2), "JPEG"),
            "2/photo.png": pictures.encoded(pictures.photo(seed=3), "PNG"),
            "3/empty.png": b"",
            "3/pages.tif": TWO_PAGES,
            "3/猫 1.webp": pictures.encoded(pictures.photo(seed=4), "WEBP"),
        },
    )
    return tmp_path / "album"


IN_ORDER = [
    ("album/1/photo.jpg", None),
    ("album/2/broken.jpg", None),
    ("album/2/photo.jpg", None),
    ("album/2/photo.png", None),
    ("album/3/empty.png", None),
    ("album/3/pages.tif", 0),
    ("album/3/pages.tif", 1),
    ("album/3/猫 1.webp", None),
]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return pictures.write(tmp_path, {"photo.jpg": PHOTO})["photo.jpg"]


CHOSEN = f"{models.NAME} on cpu with {models.BACKEND}\n"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "clsctl", "predict", *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Unbuffered, or what `readline` took ahead would be lost to `communicate`.
    return subprocess.Popen(command, bufsize=0, **(pipes | options))


# ---- formats -----------------------------------------------------------------------------------


def test_jsonl_holds_one_flat_object_for_each_image_and_page(call, ready, album):
    done = call("predict", "album", "--model-dir", ready, "--format", "jsonl", "-k", 3)
    records = lines(done.stdout)
    assert [(record["input_path"], record["page_index"]) for record in records] == IN_ORDER
    for record in records:
        where, rest = list(record)[:2], list(record)[2:]
        assert where == ["input_path", "page_index"]
        assert rest in (["class_ids", "scores", "label_names"], ["error"])
        if rest == ["error"]:
            assert list(record["error"]) == ["code", "message"]
        else:
            assert record["scores"] == sorted(record["scores"], reverse=True)
            assert record["label_names"] == [models.LABELS[i] for i in record["class_ids"]]
    errors = {record["input_path"]: record["error"] for record in records if "error" in record}
    assert {path: error["code"] for path, error in errors.items()} == {
        "album/2/broken.jpg": "E_IMAGE_TRUNCATED",
        "album/3/empty.png": "E_IMAGE_EMPTY",
    }
    assert done.returncode == 7
    assert lines(done.stderr) == [
        {"error": {"code": "E_SOME_INPUTS_FAILED", "message": "2 of 8 inputs failed"}}
    ]


def test_every_format_says_the_same(call, ready, album):
    def run(name: str) -> str:
        return call("predict", "album", "--model-dir", ready, "--format", name, "-k", 2).stdout

    records = lines(run("jsonl"))
    assert json.loads(run("json")) == records
    table = run("table").splitlines()
    expected_rows, expected_table = [], []
    for record in records:
        path, page = record["input_path"], record["page_index"]
        where = {"input_path": path, "page_index": "" if page is None else str(page)}
        if "error" in record:
            error = record["error"]
            expected_rows.append(
                where | {"error_code": error["code"], "error_message": error["message"]}
            )
            expected_table.append(f"{error['message']} [{error['code']}]")
            continue
        expected_table.append(path if page is None else f"{path}  page {page}")
        classes = zip(record["class_ids"], record["scores"], record["label_names"], strict=True)
        for rank, (class_id, score, name) in enumerate(classes, start=1):
            rest = {"rank": rank, "class_id": class_id, "score": score, "label_name": name}
            expected_rows.append(where | {key: str(value) for key, value in rest.items()})
            expected_table.append(f" {rank}  {name}  {score:.5f}")
    found = [{key: text for key, text in row.items() if text} for row in rows(run("csv"))]
    assert found == [{key: text for key, text in row.items() if text} for row in expected_rows]
    # The width of the columns and the bars are the matter of tests/writers/test_table.py.
    shown = [re.sub(r"(?<=\S)  +", "  ", line.rstrip(" █")) for line in table]
    assert shown == expected_table


def test_the_table_says_on_standard_error_what_auto_chose(call, ready, photo):
    done = call("predict", "photo.jpg", "--model-dir", ready)
    assert done.stderr == CHOSEN


def test_nothing_but_results_leaves_a_quiet_run(clsctl, ready, photo):
    done = clsctl("predict", "photo.jpg", "--model-dir", ready, "--format", "jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    paddle = clsctl(
        "predict", "photo.jpg", "--model-dir", ready, "--format", "jsonl", "--backend", "paddle"
    )
    assert (paddle.returncode, paddle.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    [mine], [reference] = lines(done.stdout), lines(paddle.stdout)
    assert mine["class_ids"] == reference["class_ids"]
    assert mine["scores"] == pytest.approx(reference["scores"], abs=2e-5)


@pytest.mark.parametrize(
    ("options", "parse"),
    [
        (["-o", "out.json"], json.loads),
        (["-o", "out.JSONL"], lines),
        (["-o", "out.csv"], rows),
        (["-o", "out.txt", "--format", "json"], json.loads),
        (["-o", "deep/er/out.json"], json.loads),
    ],
)
def test_the_suffix_of_the_output_decides_the_format(call, ready, photo, options, parse):
    done = call("predict", "photo.jpg", "--model-dir", ready, "-k", 1, *options)
    assert (done.returncode, done.stdout) == (0, "")
    [record] = parse(Path(options[1]).read_text(encoding="utf-8"))
    assert record["input_path"] == "photo.jpg"


def test_a_table_is_written_where_that_is_said(call, ready, photo):
    options = ["--model-dir", ready, "-k", 1, "-o", "out.txt", "--format", "table"]
    assert call("predict", "photo.jpg", *options).returncode == 0
    assert Path("out.txt").read_text(encoding="utf-8").startswith("photo.jpg\n 1  ")


@pytest.mark.parametrize("name", ["x.xlsx", "out.txt", "results", "folder/"])
def test_an_output_that_says_no_format_is_refused(call, ready, photo, name):
    Path("folder").mkdir()
    done = call("predict", "photo.jpg", "--model-dir", ready, "-o", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "[E_OUTPUT_FORMAT]" in done.stderr
    assert ".csv, .json, .jsonl, .parquet, .table" in done.stderr
    assert sorted(path.name for path in Path().iterdir() if path.name != "home") == [
        "folder",
        "photo.jpg",
    ]


def test_a_written_file_is_followed_by_how_many_and_how_fast(call, ready, album):
    done = call("predict", "album", "--model-dir", ready, "-o", "out.jsonl")
    said = r"8 results in out\.jsonl: 8 in [\d.]+ s, [\d.e+]+ images/s"
    assert any(re.fullmatch(said, line) for line in done.stderr.splitlines())


def test_fewer_classes_than_k_are_all_of_them(call, ready, photo):
    done = call("predict", "photo.jpg", "--model-dir", ready, "-k", 50, "--format", "jsonl")
    [record] = lines(done.stdout)
    assert sorted(record["class_ids"]) == list(range(10))
    assert sum(record["scores"]) == pytest.approx(1, abs=1e-4)


def test_a_threshold_hides_classes_and_never_inputs(call, ready, album):
    def run(*options: object) -> list[dict[str, Any]]:
        arguments = ["album", "--model-dir", ready, "--format", "jsonl", "-k", 10, *options]
        return lines(call("predict", *arguments).stdout)

    everything, some = run(), run("--threshold", 0.2)
    assert len(everything) == len(some)
    for before, after in zip(everything, some, strict=True):
        kept = [score for score in before.get("scores", []) if score >= 0.2]
        assert after.get("scores", []) == kept
        assert after.get("class_ids", []) == before.get("class_ids", [])[: len(kept)]
        assert len(after.get("label_names", [])) == len(kept)
    assert any(0 < len(record.get("scores", [])) < 10 for record in some)


def test_a_table_says_where_no_class_is_above_the_threshold(call, ready, photo):
    done = call("predict", "photo.jpg", "--model-dir", ready, "--threshold", 1)
    assert done.stdout == "photo.jpg\n  no class above the threshold\n"


@pytest.mark.parametrize("batch", [3, 8])
def test_the_batch_size_changes_nothing(call, ready, album, batch):
    def run(size: int) -> str:
        arguments = ["album", "album", "--model-dir", ready, "--format", "csv", "-b", size]
        return call("predict", *arguments).stdout

    assert run(batch) == run(1)


# ---- inputs ------------------------------------------------------------------------------------


def test_an_image_on_standard_input(clsctl, ready):
    done = clsctl("predict", "-", "--model-dir", ready, "--format", "jsonl", stdin=PHOTO)
    [record] = lines(done.stdout)
    assert (done.returncode, record["input_path"]) == (0, "-")


def test_lists_globs_and_names_mixed(call, clsctl, ready, album):
    listing = "album/2/photo.jpg\nalbum/3/*.webp\n"
    Path(album.parent / "list.txt").write_text(listing, encoding="utf-8")
    arguments = ["--model-dir", ready, "--format", "jsonl"]
    done = call("predict", "@list.txt", "album/1", "album/*/photo.png", *arguments)
    paths = [record["input_path"] for record in lines(done.stdout)]
    listed = ["album/2/photo.jpg", "album/3/猫 1.webp"]
    assert paths == [*listed, "album/1/photo.jpg", "album/2/photo.png"]
    piped = clsctl("predict", "-", *arguments, stdin=listing.encode())
    assert [record["input_path"] for record in lines(piped.stdout)] == listed


def test_urls_with_an_answer_and_without(call, ready):
    answers = {"/a.jpg?size=1": whole(PHOTO), "/b.jpg": whole(PHOTO)}
    with serving(answers) as site:
        urls = [f"{site.url}/a.jpg?size=1", f"{site.url}/none.jpg", f"{site.url}/b.jpg"]
        done = call("predict", *urls, "--model-dir", ready, "--format", "jsonl")
    first, second, third = lines(done.stdout)
    assert first["class_ids"] == third["class_ids"]
    assert second["error"]["code"] == "E_URL_STATUS"
    assert done.returncode == 7


def test_offline_asks_no_server(call, ready, photo):
    with serving({"/a.jpg": whole(PHOTO)}) as site:
        arguments = [f"{site.url}/a.jpg", "photo.jpg", "--model-dir", ready, "--format", "jsonl"]
        done = call("predict", *arguments, "--offline")
        assert site.requests == []
    first, second = lines(done.stdout)
    assert first["error"]["code"] == "E_OFFLINE"
    assert second["class_ids"]


def test_a_folder_without_images_and_a_missing_file_are_records(call, ready, tmp_path):
    (tmp_path / "bare").mkdir()
    done = call("predict", "bare", "none.jpg", "*.gif", "--model-dir", ready, "--format", "jsonl")
    codes = [record["error"]["code"] for record in lines(done.stdout)]
    assert codes == ["E_NO_IMAGES", "E_INPUT_MISSING", "E_NO_IMAGES"]
    assert done.returncode == 7


def test_the_table_gives_the_hint_of_an_error(call, ready):
    done = call("predict", "none.jpg", "--model-dir", ready)
    assert done.stdout == (
        "none.jpg: there is no such file [E_INPUT_MISSING]\n"
        "  hint: check the spelling; a relative path starts at the folder you are in\n"
    )
    assert done.stderr == f"{CHOSEN}error: 1 of 1 inputs failed [E_SOME_INPUTS_FAILED]\n"


# ---- a file for each image ---------------------------------------------------------------------


def test_saved_files_never_overwrite_each_other(call, ready, album):
    options = ["--save-json", "json", "--save-img", "img", "--format", "jsonl"]
    done = call("predict", "album", "--model-dir", ready, *options)
    assert sorted(path.name for path in Path("img").iterdir()) == [
        "pages_0_res.png",
        "pages_1_res.png",
        "photo-2_res.jpg",
        "photo_res.jpg",
        "photo_res.png",
        "猫 1_res.webp",
    ]
    saved = {path.name: json.loads(path.read_text("utf-8")) for path in Path("json").iterdir()}
    assert sorted(saved) == [
        "broken_res.json",
        "empty_res.json",
        "pages_0_res.json",
        "pages_1_res.json",
        "photo-2_res.json",
        "photo-3_res.json",
        "photo_res.json",
        "猫 1_res.json",
    ]
    by_input = {(record["input_path"], record["page_index"]): record for record in saved.values()}
    assert [by_input[key] for key in IN_ORDER] == lines(done.stdout)


def test_a_saved_image_has_the_size_of_its_input(call, ready, album):
    call("predict", "album/2", "--model-dir", ready, "--save-img", "img", "--format", "jsonl")
    with Image.open("img/photo_res.png") as image:
        image.load()
        assert (image.size, image.format) == ((pictures.WIDTH, pictures.HEIGHT), "PNG")


def test_a_url_that_answers_only_once_costs_its_image_and_no_more(call, ready):
    with serving({"/a.jpg": in_turn(whole(PHOTO), status(404)), "/b.jpg": whole(PHOTO)}) as site:
        urls = [f"{site.url}/a.jpg", f"{site.url}/b.jpg"]
        options = ["--model-dir", ready, "--save-img", "img", "--format", "jsonl"]
        done = call("predict", *urls, *options)
        note = f"note: no image was saved of {site.url}/a.jpg: the server answered 404 Not Found\n"
    assert (done.returncode, done.stderr) == (0, note)
    assert len(lines(done.stdout)) == 2
    assert [path.name for path in Path("img").iterdir()] == ["b_res.jpg"]


# ---- where results cannot be written -----------------------------------------------------------


@pytest.mark.parametrize("name", ["table", "json", "jsonl", "csv"])
def test_a_full_disk_behind_the_output(call, ready, photo, name):
    options = ["--model-dir", ready, "--format", name, "-o", "/dev/full"]
    done = call("predict", "photo.jpg", *options)
    assert done.returncode == 2
    assert "the disk that holds /dev/full is full: No space left on device" in done.stderr
    assert "E_DISK_FULL" in done.stderr
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("name", ["table", "jsonl"])
def test_a_full_disk_behind_standard_output(ready, photo, name):
    with Path("/dev/full").open("wb") as full:
        process = start(photo, "--model-dir", ready, "--format", name, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    full = b"the disk that holds standard output is full: No space left on device"
    assert full in err
    assert b"E_DISK_FULL" in err
    assert b"Traceback" not in err
    assert b"Exception" not in err


@pytest.mark.parametrize("option", ["-o", "--save-json", "--save-img"])
def test_a_path_that_cannot_be_written_is_one_clear_line(call, ready, photo, option):
    Path("taken").write_text("here is a file\n")
    target = "taken/out.json" if option == "-o" else "taken"
    done = call("predict", "photo.jpg", "--model-dir", ready, "--format", "jsonl", option, target)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert json.loads(line)["error"]["code"] == "E_OUTPUT"
    assert Path("taken").read_text() == "here is a file\n"


# ---- streams and signals -----------------------------------------------------------------------


@pytest.fixture
def many(tmp_path: Path, photo: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2000):
        os.link(photo, folder / f"{number:04}.jpg")
    return folder


def test_results_come_while_inputs_are_still_being_named(ready, photo):
    process = start("-", "--model-dir", ready, "--format", "jsonl")
    process.stdin.write(f"{photo}\n".encode() * 200)
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["input_path"] == str(photo)
    out, err = process.communicate(timeout=60)
    assert (len(out.splitlines()), err, process.returncode) == (199, b"", 0)


@pytest.mark.parametrize("name", ["table", "json", "jsonl", "csv"])
def test_a_reader_that_has_seen_enough_ends_it_in_silence(ready, many, name):
    process = start(many, "--model-dir", ready, "--format", name)
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(timeout=60) == 141
    assert err == (CHOSEN if name == "table" else "")


def test_ctrl_c_ends_it_in_one_line(ready, many):
    process = start(many, "--model-dir", ready, "--format", "csv")
    begun = process.stdout.readline() + process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.fullmatch(r"error: interrupted, \d+ done \[E_INTERRUPTED\]\n", err.decode())
    assert {row["input_path"] for row in rows((begun + out).decode())} <= set(
        map(str, many.iterdir())
    )


def test_ctrl_c_leaves_valid_json(ready, many):
    process = start(many, "--model-dir", ready, "--format", "json")
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    [line] = err.decode().splitlines()
    assert json.loads(line)["error"]["code"] == "E_INTERRUPTED"
    done = int(re.search(r"(\d+) done", line)[1])
    # A result is counted just before it is written: who has read it may send Ctrl-C.
    assert done - 1 <= len(json.loads(first + out)) <= done


@pytest.mark.parametrize("before", [False, True], ids=["new", "there"])
@pytest.mark.parametrize("name", ["jsonl", "csv"])
def test_ctrl_c_keeps_what_is_done_and_says_how_to_continue(ready, many, tmp_path, name, before):
    out = kept = tmp_path / f"out.{name}"
    if before:
        out.write_text("from the last run\n")
        kept = tmp_path / f"out.partial.{name}"
    err = interrupt(many, "--model-dir", ready, "-o", out, "--sort-into", tmp_path / "sorted")
    option = f"-o {kept} --resume" if before else "--resume"
    said = rf"interrupted, (\d+) done, kept in {kept} \[E_INTERRUPTED\]\nhint: (.*)\n"
    done, hint = re.search(said, err).groups()
    assert hint == f"the same command with {option} continues"
    records = {"jsonl": lines, "csv": rows}[name](kept.read_text("utf-8"))
    assert int(done) == len({record["input_path"] for record in records})
    assert not before or out.read_text() == "from the last run\n"


def interrupt(many: Path, *options: object) -> str:
    """Send Ctrl-C after the first images were sorted; return standard error."""
    process = start(many, *options)
    while not any(Path(options[-1]).rglob("0003.jpg")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    return err.decode()


def test_ctrl_c_keeps_the_output_as_it_was(ready, many, tmp_path):
    folder = tmp_path / "results"
    pictures.write(folder, {"out.json": b"from the last run\n"})
    options = ["-o", folder / "out.json", "--save-json", tmp_path / "each"]
    process = start(many, "--model-dir", ready, *options)
    while not (tmp_path / "each" / "0001_res.json").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert sorted(path.name for path in folder.iterdir()) == ["out.json", "out.partial.json"]
    assert json.loads((folder / "out.partial.json").read_text("utf-8"))
    assert (folder / "out.json").read_text() == "from the last run\n"


def test_ctrl_c_does_not_wait_for_a_server_that_has_stalled(ready, photo, monkeypatch):
    monkeypatch.setenv("CLSCTL_TIMEOUT", "600")
    go_on = threading.Event()
    with serving({"/slow.jpg": stalled(PHOTO, 100, go_on)}) as site:
        arguments = [photo, f"{site.url}/slow.jpg", "--model-dir", ready, "--format", "jsonl"]
        process = start(*arguments)
        assert json.loads(process.stdout.readline())["input_path"] == str(photo)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        go_on.set()
    assert process.returncode == 130
    assert json.loads(err)["error"]["message"] in ("interrupted, 0 done", "interrupted, 1 done")


def test_progress_is_shown_on_a_terminal_only(ready, many):
    controller, terminal = pty.openpty()
    process = start(many, "--model-dir", ready, "--format", "jsonl", stderr=terminal)
    os.close(terminal)
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(_read_all, controller)
        out, _ = process.communicate(timeout=60)
    assert len(lines(out.decode())) == 2000
    assert b" images" in shown.result()


def _read_all(descriptor: int) -> bytes:
    parts = []
    with open(descriptor, "rb", buffering=0) as stream:
        while True:
            try:
                part = stream.read(4096)
            except OSError:  # Linux says so where the other side is closed.
                part = b""
            if not part:
                return b"".join(parts)
            parts.append(part)


@pytest.mark.parametrize("name", ["jsonl", "csv"])
def test_a_run_that_was_killed_is_resumed_with_every_input_once(call, ready, many, tmp_path, name):
    out = tmp_path / f"out.{name}"
    arguments = [many, "--model-dir", ready, "-k", "1", "-o", out, "--resume", "--shard", "2/4"]
    for rows_before in (1, 200):
        process = start(*arguments)
        while not out.exists() or out.read_bytes().count(b"\n") < rows_before:
            assert process.poll() is None
        process.kill()
        process.communicate(timeout=60)
    with out.open("ab") as stream:
        stream.write(out.read_bytes()[-100:-30])
    done = call("predict", *arguments)
    assert done.returncode == 0
    note = rf"note: {out} holds \d+ results; resuming after them"
    assert re.fullmatch(rf"{note}\n500 results in .*\n", done.stderr)
    parse = {"jsonl": lines, "csv": rows}[name]
    found = [row["input_path"] for row in parse(out.read_text("utf-8"))]
    assert found == sorted(map(str, many.iterdir()))[1::4]


def test_a_failure_before_it_was_resumed_still_counts(call, ready, album):
    arguments = ["album", "--model-dir", ready, "--format", "jsonl", "-o", "out", "--resume"]
    first = call("predict", *arguments)
    whole = Path("out").read_bytes()
    again = call("predict", *arguments)
    assert (first.returncode, again.returncode) == (7, 7)
    assert "2 of 8 inputs failed" in again.stderr
    assert Path("out").read_bytes() == whole


def test_shards_together_are_the_whole(call, ready, album):
    def run(*options: object) -> list[dict[str, Any]]:
        arguments = ["album", "--model-dir", ready, "--format", "jsonl", *options]
        return lines(call("predict", *arguments).stdout)

    parts = [record for number in (1, 2, 3) for record in run("--shard", f"{number}/3")]
    order = [IN_ORDER.index((part["input_path"], part["page_index"])) for part in parts]
    assert sorted(order) == list(range(len(IN_ORDER)))
    assert sorted(parts, key=lambda part: order[parts.index(part)]) == run()


def test_images_are_sorted_into_a_folder_for_each_class(call, ready, album):
    done = call("predict", "album", "--model-dir", ready, "--sort-into", "by", "--format", "jsonl")
    expected = set()
    for record in lines(done.stdout):
        if "error" not in record:
            path, label = Path(record["input_path"]), record["label_names"][0]
            page = record["page_index"]
            name = path.name if page is None else f"{path.stem}_{page}.png"
            expected.add(f"{label}/{name}")
    found = {str(path.relative_to("by")) for path in Path("by").rglob("*") if path.is_file()}
    assert {name for name in found if not name.endswith("-2.jpg")} == expected
    assert len(found) == 6


def test_a_name_that_is_no_utf8_is_never_taken_for_its_printable_form(call, ready, tmp_path):
    folder = tmp_path / "in"
    pictures.write(folder, {"caf?.png": pictures.encoded(pictures.photo(), "PNG"), "bad.png": b"x"})
    other = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    other.write_bytes(pictures.encoded(pictures.photo(32, 48), "PNG"))
    os.link(folder / "bad.png", os.fsdecode(os.fsencode(folder) + b"/bad\xe9.png"))
    (folder / "bad?.png").write_bytes(b"y")
    saved = ["--sort-into", "by", "--save-img", "drawn", "--save-json", "told"]
    done = call("predict", folder, "--model-dir", ready, *saved, "--format", "jsonl")
    assert [Path(line["input_path"]).name for line in lines(done.stdout)] == [
        *("bad.png", "bad?.png", "bad?.png", "caf?.png", "caf?.png")
    ]
    linked = {path.name: path for path in Path("by").rglob("*.png")}
    assert linked.keys() == {"caf?.png", other.name}
    assert linked[other.name].samefile(other)
    assert linked["caf?.png"].samefile(folder / "caf?.png")
    assert {path.name for path in Path("drawn").iterdir()} == {"caf?_res.png", "caf?-2_res.png"}
    assert {path.name for path in Path("told").iterdir()} == {
        *("bad_res.json", "bad?_res.json", "bad?-2_res.json"),
        *("caf?_res.json", "caf?-2_res.json"),
    }


def test_error_records_overwrite_no_other_input(call, ready, tmp_path):
    pictures.write(tmp_path, {"a/x.jpg": PHOTO, "b/x.jpg": b"no image"})
    call("predict", "a", "b", "--model-dir", ready, "--save-json", "told")
    kept = [json.loads(path.read_text()) for path in sorted(Path("told").iterdir())]
    assert [found["input_path"] for found in kept] == ["b/x.jpg", "a/x.jpg"]


def test_a_draft_is_faster_to_decode_and_something_else(call, ready, tmp_path):
    photo = pictures.encoded(pictures.photo(1200, 1600), "JPEG")
    pictures.write(tmp_path, {"large.jpg": photo})

    def run(*options: object) -> str:
        arguments = ["large.jpg", "--model-dir", ready, "--format", "csv", *options]
        return call("predict", *arguments).stdout

    assert run("--draft", 601) == run()
    assert run("--draft", 600) == run("--draft", 301) != run()


@pytest.fixture
def watcher(ready, tmp_path):
    """Start watching a folder, with more options; ends it whatever happens."""
    begun = []

    def start_(*options: str | Path) -> subprocess.Popen[bytes]:
        arguments = [tmp_path / "inbox", "--watch", "--model-dir", ready, "--format", "jsonl"]
        begun.append(start(*arguments, *options))
        return begun[-1]

    yield start_
    for process in begun:
        process.kill()
        process.communicate()


def test_what_arrives_in_a_folder_is_classified_at_once(watcher, tmp_path):
    inbox = tmp_path / "inbox"
    pictures.write(inbox, {"here.jpg": PHOTO})
    process = watcher()

    def next_path() -> str:
        return str(Path(json.loads(process.stdout.readline())["input_path"]).relative_to(inbox))

    assert next_path() == "here.jpg"
    pictures.write(inbox, {"deeper/moved.jpg": PHOTO, "notes.txt": b"no image"})
    assert next_path() == "deeper/moved.jpg"
    pictures.write(inbox, {"here.jpg": pictures.encoded(pictures.photo(seed=5), "JPEG")})
    assert next_path() == "here.jpg"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"note: 3 classified\n")


def test_watching_goes_on_with_what_the_output_holds(watcher, tmp_path):
    out = tmp_path / "out.jsonl"

    def until(names: list[str]) -> None:
        process = watcher("-o", out, "--resume")
        while not out.exists() or out.read_bytes().count(b"\n") < len(names):
            assert process.poll() is None
        process.kill()
        process.communicate()
        found = [Path(record["input_path"]).name for record in lines(out.read_text("utf-8"))]
        assert found == names

    pictures.write(tmp_path / "inbox", {"a.jpg": PHOTO})
    until(["a.jpg"])
    pictures.write(tmp_path / "inbox", {"0.jpg": PHOTO})
    until(["a.jpg", "0.jpg"])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--resume"], "E_RESUME"),
        (["--resume", "-o", "out.json"], "E_RESUME"),
        (["--resume", "-o", "out.csv", "--save-img", "img"], "E_RESUME"),
        (["--shard", "0/2"], "E_SHARD"),
        (["--watch"], "E_WATCH"),
        (["--watch", "album", "-b", "2"], "E_WATCH"),
        (["--watch", "album", "-o", "out.jsonl"], "E_WATCH"),
    ],
)
def test_options_that_do_not_go_together(call, ready, photo, options, code):
    Path("album").mkdir()
    inputs = [] if "album" in options else [photo]
    done = call("predict", *inputs, "--model-dir", ready, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"[{code}]" in done.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["album", "photo.jpg"]


# ---- which model -------------------------------------------------------------------------------


def named(source: Path, folder: Path, name: str) -> Path:
    """A copy of a model directory that calls itself by another name."""
    shutil.copytree(source, folder)
    settings = folder / "inference.yml"
    settings.write_text(settings.read_text("utf-8").replace(models.NAME, name), encoding="utf-8")
    return folder


@pytest.fixture
def stored(call, ready, tmp_path) -> Callable[[str], None]:
    def store(name: str) -> None:
        done = call("models", "import", named(ready, tmp_path / name, name), "--name", name)
        assert done.returncode == 0, done.stderr

    return store


def test_a_model_of_the_store_is_taken_where_none_is_named(call, stored, photo):
    stored("ResNet18")
    done = call("predict", "photo.jpg", "--offline")
    assert (done.returncode, done.stderr) == (0, CHOSEN.replace(models.NAME, "ResNet18"))


def test_of_several_the_most_accurate_is_taken_and_the_default_first_of_all(call, stored, photo):
    stored("ResNet18")
    stored("ResNet50")
    assert call("predict", "photo.jpg").stderr == CHOSEN.replace(models.NAME, "ResNet50")
    stored("PP-LCNet_x1_0")
    assert call("predict", "photo.jpg").stderr == CHOSEN.replace(models.NAME, "PP-LCNet_x1_0")


def test_the_configured_model_comes_before_the_store(call, stored, photo, home, monkeypatch):
    stored("ResNet18")
    stored("ResNet50")
    (home / "config.toml").write_text('model = "ResNet18"\n')
    assert call("predict", "photo.jpg").stderr == CHOSEN.replace(models.NAME, "ResNet18")
    monkeypatch.setenv("CLSCTL_MODEL", "ResNet50")
    assert call("predict", "photo.jpg").stderr == CHOSEN.replace(models.NAME, "ResNet50")
    done = call("predict", "photo.jpg", "-m", "ResNet18")
    assert done.stderr == CHOSEN.replace(models.NAME, "ResNet18")


def test_with_an_empty_store_the_default_of_the_catalog_is_pulled(clsctl, photo):
    env = {"CLSCTL_DISABLED_PLUGINS": "efficientnet-lite"}
    done = clsctl("predict", photo, "--offline", env=env)
    assert done.returncode == 5
    assert "cannot pull PP-LCNet_x1_0" in done.stderr
    assert "[E_OFFLINE]" in done.stderr


def test_a_model_that_is_not_there_is_pulled_first(call, ready, photo, tmp_path, monkeypatch):
    shutil.make_archive(str(tmp_path / "ResNet18_infer"), "tar", ready)
    done = call("models", "list", "--pulled", "--format", "json")
    assert json.loads(done.stdout) == []
    monkeypatch.setenv("CLSCTL_MIRRORS", str(tmp_path))
    done = call("predict", "photo.jpg", "-m", "ResNet18")
    assert (done.returncode, done.stderr) == (0, CHOSEN)


def test_a_directory_of_another_name_is_refused(call, ready, photo):
    done = call("predict", "photo.jpg", "-m", "ResNet18", "--model-dir", ready)
    assert done.returncode == 2
    assert f"'{ready}' holds the model MobileNetV1_x0_25, not ResNet18" in done.stderr


# ---- exit statuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "exit_status", "said"),
    [
        (["--format", "xml"], 2, "unknown writer 'xml'. Valid: csv, json, jsonl, parquet, table."),
        (["--backend", "padle"], 2, "unknown backend 'padle'. Did you mean paddle?"),
        (["--device", "tpu"], 2, "unknown device 'tpu'. Did you mean npu or gpu or cpu?"),
        (["--device", "gpu:x"], 2, "'gpu:x' is not a device"),
        (["--executor", "ray2"], 2, "unknown executor 'ray2'"),
        (["-k", "0"], 2, "0 is not in the range x>=1"),
        (["-b", "0"], 2, "--batch must be auto or a whole number from 1 to 65536, not '0'"),
        (["--threshold", "2"], 2, "2.0 is not in the range 0.0<=x<=1.0"),
        (["--device", "cpu:1"], 6, "there is no cpu:1; this machine has 1, counted from 0"),
        (["--device", "gpu"], 6, "no GPU"),
        (["--device", "npu:0"], 6, "no NPU"),
    ],
)
def test_wrong_options(call, ready, photo, monkeypatch, options, exit_status, said):
    monkeypatch.setenv("PATH", "/nowhere")
    done = call("predict", "photo.jpg", "--model-dir", ready, *options)
    assert (done.returncode, done.stdout) == (exit_status, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_status", "code"),
    [
        (["-m", "Resnet5O"], 4, "E_MODEL_UNKNOWN"),
        (["-m", "../ResNet50"], 4, "E_MODEL_UNKNOWN"),
        (["--model-dir", "none"], 4, "E_MODEL_DIR_INVALID"),
        (["-m", "ResNet50", "--offline"], 5, "E_OFFLINE"),
    ],
)
def test_models_that_cannot_be_had(call, photo, arguments, exit_status, code):
    done = call("predict", "photo.jpg", "--format", "json", *arguments)
    assert (done.returncode, done.stdout) == (exit_status, "")
    [line] = done.stderr.splitlines()
    assert json.loads(line)["error"]["code"] == code


# ---- what nobody may be trusted with -----------------------------------------------------------


def test_a_damaged_photo_is_classified_with_a_warning_that_names_it(call, ready, tmp_path):
    middle = len(PHOTO) * 2 // 3
    files = {"a.jpg": PHOTO, "b.jpg": PHOTO[:middle] + b"\xff\xd9", "c.jpg": PHOTO[:-2]}
    pictures.write(tmp_path / "few", files)
    done = call("predict", "few", "--model-dir", ready, "--format", "jsonl")
    assert done.returncode == 0
    whole, cut, ended = lines(done.stdout)
    assert "warnings" not in whole
    assert "premature end of data segment" in cut["warnings"][0]
    assert ended["warnings"] == ["the JPEG file lacks the marker of its end"]
    assert ended["class_ids"] == whole["class_ids"]
    said = [line for line in done.stderr.splitlines() if "few/" in line]
    assert [line.split(": ")[:2] for line in said] == [
        ["warning", "few/b.jpg"],
        ["warning", "few/c.jpg"],
    ]
    assert "Corrupt JPEG data" not in done.stderr.replace(said[0], "")


def test_addresses_and_seconds_can_be_limited(call, ready):
    with serving({"/a.png": whole(PHOTO)}) as site:
        url = f"{site.url}/a.png?token=5ec2e7"
        done = call("predict", url, "--model-dir", ready, "--no-private-hosts", "--format", "jsonl")
        assert site.requests == []
    (record,) = lines(done.stdout)
    assert record["error"]["code"] == "E_URL_PRIVATE"
    assert "5ec2e7" not in done.stdout + done.stderr
    go_on = threading.Event()
    with serving({"/a.png": stalled(PHOTO, 10, go_on)}) as site:
        done = call("predict", f"{site.url}/a.png", "--model-dir", ready, "--input-timeout", "1")
        go_on.set()
    assert (done.returncode, "[E_URL_TIMEOUT]" in done.stdout) == (7, True)


BUGGY = """
from clsctl.errors import internal_error
from clsctl.images.read import InputImage
from clsctl.plugin import Executor, hookimpl
from clsctl.result import error_of

@hookimpl
def clsctl_executors():
    return [Executor("buggy", "Meets a bug in the second input.", run)]

def run(job):
    for number, name in enumerate(job.inputs):
        try:
            1 // (1 - number)
        except ZeroDivisionError as error:
            yield error_of(InputImage(name, error=internal_error(name, error)))
        else:
            yield error_of(InputImage(name))
"""


def test_a_bug_with_one_input_ends_nothing_and_is_told_at_the_end(clsctl, ready, tmp_path):
    pictures.write(tmp_path, dict.fromkeys(["a.jpg", "b.jpg", "c.jpg"], PHOTO))
    env = install(tmp_path / "site", "buggy", BUGGY)
    command = ("predict", "a.jpg", "b.jpg", "c.jpg", "--model-dir", ready, "--executor", "buggy")
    done = clsctl(*command, "--format", "jsonl", env=env)
    assert done.returncode == 1
    assert [record.get("error", {}).get("code") for record in lines(done.stdout)] == [
        None,
        "E_INTERNAL",
        None,
    ]
    assert "1 of 3 inputs met a bug in clsctl" in done.stderr
    assert "Traceback" not in done.stderr
