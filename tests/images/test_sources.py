"""Whatever a person may pass, and an error record in its own place for what cannot be read."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pictures
import pytest
from PIL import Image
from servers import cut, endless, redirect, serving, status, whole

from clsctl.images.read import InputImage, read, read_page
from clsctl.images.sources import Source, iter_sources
from clsctl.settings import Settings

# Pillow also warns of some damage that ends in an error record.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SETTINGS = Settings(timeout=5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures at three depths and files that are none."""
    photo = pictures.encoded(pictures.photo(), "PNG")
    names = ["b.png", "a.JPG", "a-b.jpeg", "a/z.png", "a/deep er/照片 1.png", "c/notes.txt", "list"]
    pictures.write(tmp_path, dict.fromkeys(names, photo) | {"c/notes.txt": b"hello"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs: object) -> list[str]:
    return [source.name for source in iter_sources(inputs)]


def samples(*inputs: object, settings: Settings = SETTINGS) -> list[InputImage]:
    return [sample for source in iter_sources(inputs) for sample in read(source, settings)]


def codes(*inputs: object, settings: Settings = SETTINGS) -> list[str]:
    """Error codes, or `ok`."""
    found = samples(*inputs, settings=settings)
    assert all((sample.pixels is None) != (sample.error is None) for sample in found)
    return [sample.error.code if sample.error else "ok" for sample in found]


IN_ORDER = ["a-b.jpeg", "a.JPG", "a/deep er/照片 1.png", "a/z.png", "b.png"]


# ---- what is found -----------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_a_folder_gives_its_images_at_any_depth_in_the_order_of_their_paths() -> None:
    assert names(".") == [f"./{name}" for name in IN_ORDER]
    assert names(Path()) == [f"./{name}" for name in IN_ORDER]
    assert sorted(IN_ORDER) == IN_ORDER


def test_a_folder_is_named_as_it_was_passed(folder: Path) -> None:
    assert names(str(folder / "a")) == [f"{folder}/a/deep er/照片 1.png", f"{folder}/a/z.png"]
    assert names("a/") == ["a/deep er/照片 1.png", "a/z.png"]


@pytest.mark.usefixtures("folder")
def test_a_named_file_is_read_whatever_its_ending() -> None:
    assert codes("list", "a.JPG", "c/notes.txt") == ["ok", "ok", "E_IMAGE_UNSUPPORTED"]


@pytest.mark.usefixtures("folder")
def test_globs_are_sorted_and_folders_that_match_are_searched() -> None:
    assert names("*.png") == ["b.png"]
    assert names("a*") == ["a/deep er/照片 1.png", "a/z.png", "a-b.jpeg", "a.JPG"]
    assert names("**/*.png") == ["a/deep er/照片 1.png", "a/z.png", "b.png"]
    assert names("a/**") == ["a/deep er/照片 1.png", "a/z.png"]


@pytest.mark.usefixtures("folder")
def test_a_name_that_exists_is_that_file_and_no_glob_or_list() -> None:
    photo = pictures.encoded(pictures.photo(), "PNG")
    pictures.write(Path(), {"x[1].png": photo, "@me.png": photo, "x1.png": b""})
    assert codes("x[1].png", "@me.png") == ["ok", "ok"]


@pytest.mark.usefixtures("folder")
def test_lists_arrays_and_bytes_nest_and_are_numbered_by_kind() -> None:
    array = pictures.photo()
    encoded = Path("b.png").read_bytes()
    mixed = [
        "b.png",
        [array, (Path("a.JPG"), {"only": array}.values())],
        encoded,
        bytearray(encoded),
    ]
    assert names(mixed) == ["b.png", "array[0]", "a.JPG", "array[1]", "bytes[0]", "bytes[1]"]
    assert codes(mixed) == ["ok"] * 6
    assert names(array) == ["array[0]"]


@pytest.mark.usefixtures("folder")
def test_arrays_are_bgr() -> None:
    [sample] = samples(pictures.photo()[:, :, ::-1])
    np.testing.assert_array_equal(sample.pixels, pictures.photo())


@pytest.mark.usefixtures("folder")
def test_a_list_file_is_relative_to_the_current_folder_or_else_to_its_own() -> None:
    lines = "\ufeffb.png\r\n\r\nz.png\na/z.png\n*.JPG\nc/none.png"
    pictures.write(Path(), {"a/list.txt": lines.encode()})
    assert names("@a/list.txt") == ["b.png", "a/z.png", "a/z.png", "a.JPG", "c/none.png"]
    assert codes("@a/list.txt")[-1] == "E_INPUT_MISSING"


def test_names_that_are_no_utf8_are_read_and_can_be_printed(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(path)).write_bytes(pictures.encoded(pictures.photo(), "PNG"))
    (tmp_path / "list.txt").write_bytes(path)
    assert codes(tmp_path, f"@{tmp_path}/list.txt") == ["ok", "ok"]
    assert samples(tmp_path)[0].input_path == f"{tmp_path}/caf?.png"


def test_any_number_of_inputs_is_taken_one_by_one() -> None:
    endless_inputs = iter_sources(f"{number}.jpg" for number in itertools.count())
    assert [next(endless_inputs).name for _ in range(3)] == ["0.jpg", "1.jpg", "2.jpg"]


# ---- standard input ----------------------------------------------------------------------------


def from_standard_input(content: bytes, cwd: Path) -> list[list[str]]:
    """Name, and code or shape, of what a process finds in its standard input."""
    script = (
        "import json\n"
        "from clsctl.settings import Settings\n"
        "from clsctl.images.read import read\n"
        "from clsctl.images.sources import iter_sources\n"
        "print(json.dumps([[s.input_path, s.error.code if s.error else str(s.pixels.shape)]\n"
        "    for source in iter_sources('-') for s in read(source, Settings())]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=content, capture_output=True, cwd=cwd, check=True
    )
    return json.loads(done.stdout)


def test_standard_input_may_be_an_image(folder: Path) -> None:
    large = pictures.encoded(np.zeros((900, 900, 3), np.uint8), "BMP")
    assert from_standard_input(large, folder) == [["-", "(900, 900, 3)"]]
    assert from_standard_input(large[:-1], folder) == [["-", "E_IMAGE_TRUNCATED"]]


def test_standard_input_may_be_a_list(folder: Path) -> None:
    lines = "b.png\na/deep er/照片 1.png\r\n\nmissing.png\n" + "list\n" * 200
    found = from_standard_input(lines.encode(), folder)
    assert found[:3] == [
        ["b.png", "(60, 91, 3)"],
        ["a/deep er/照片 1.png", "(60, 91, 3)"],
        ["missing.png", "E_INPUT_MISSING"],
    ]
    assert found[3:] == [["list", "(60, 91, 3)"]] * 200


def test_empty_standard_input_is_an_error(folder: Path) -> None:
    assert from_standard_input(b"", folder) == [["-", "E_NO_IMAGES"]]


# ---- what cannot be read -----------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_every_failure_is_a_record_in_its_own_place() -> None:
    inputs = [
        "b.png",
        "none.png",
        "",
        "no*.png",
        "c",
        "@none",
        7,
        None,
        "a\0b",
        "*\0",
        "@\0",
        "n" * 999,
    ]
    inputs += ["b.png"]
    assert codes(inputs) == [
        "ok",
        "E_INPUT_MISSING",
        "E_INPUT_MISSING",
        "E_NO_IMAGES",
        "E_NO_IMAGES",
        "E_INPUT_MISSING",
        "E_INPUT_TYPE",
        "E_INPUT_TYPE",
        *["E_INPUT_UNREADABLE"] * 4,
        "ok",
    ]


def test_a_folder_of_damaged_files_gives_each_its_code(tmp_path: Path) -> None:
    damaged = pictures.damaged()
    pictures.write(tmp_path, {name: content for name, (content, _) in damaged.items()})
    found = {Path(sample.input_path).name: sample.error for sample in samples(tmp_path)}
    assert {name: error and error.code for name, error in found.items()} == {
        name: code for name, (_, code) in damaged.items()
    }


@pytest.mark.usefixtures("folder")
def test_messages_begin_with_the_name_and_say_what_to_do() -> None:
    [missing, empty, text] = [sample.error for sample in samples("none.png", "c", "c/notes.txt")]
    assert missing and empty and text  # noqa: PT018 - all three are errors
    assert missing.message == "none.png: there is no such file"
    assert empty.message == "c: there is no image in this folder"
    assert ".jpeg, .jpg, " in empty.hint
    assert text.message == "c/notes.txt: this is not an image, or not in a format that is read"
    assert "JPEG, PNG" in text.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_an_error(folder: Path) -> None:
    (folder / "b.png").chmod(0)
    (folder / "c").chmod(0)
    try:
        assert codes("b.png", "c") == ["E_INPUT_UNREADABLE"] * 2
    finally:
        (folder / "c").chmod(0o755)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as stream:
        stream.write(b"\xff\xd8\xff")
        stream.truncate(1 << 31)
    assert codes(tmp_path) == ["E_IMAGE_TOO_LARGE"]


@pytest.mark.usefixtures("folder")
def test_what_is_no_regular_file_is_not_waited_for() -> None:
    os.mkfifo("pipe.jpg")
    Path("zero.jpg").symlink_to("/dev/zero")
    Path("list.txt").write_text("pipe.jpg\nb.png\nzero.jpg\n", encoding="utf-8")
    files = ["/dev/zero", "pipe.jpg", "zero.jpg", "@pipe.jpg", "@/dev/zero", "@."]
    assert codes(files) == ["E_INPUT_UNREADABLE"] * len(files)
    assert codes("@list.txt") == ["E_INPUT_UNREADABLE", "ok", "E_INPUT_UNREADABLE"]
    assert codes("pipe*", Path()).count("E_INPUT_UNREADABLE") == 3
    [pipe] = samples("pipe.jpg")
    assert pipe.error.message == "pipe.jpg: it cannot be read: it is a named pipe, not a file"


@pytest.mark.usefixtures("folder")
def test_a_list_that_is_none_ends_in_an_error_and_not_in_memory() -> None:
    Path("list.txt").write_bytes(b"b.png\n" + b"x" * (1 << 20) + b"\nb.png\n")
    assert codes("@list.txt", "b.png") == ["ok", "E_INPUT_UNREADABLE", "ok"]
    [long] = [sample for sample in samples("@list.txt") if sample.error]
    assert "a line of more than 65,536 bytes" in long.error.message


LONG = ["n" * 300, "data:image/png;base64," + "A" * 8000, "http://127.0.0.1:1/" + "a" * 5000]


@pytest.mark.parametrize("name", LONG)
def test_names_that_are_too_long_are_records(name: str) -> None:
    [code] = codes(name)
    assert code in ("E_INPUT_UNREADABLE", "E_URL_UNREACHABLE")
    [sample] = samples(name)
    assert len(sample.input_path) < 5100


@pytest.mark.usefixtures("folder")
def test_files_of_a_folder_that_are_no_images_are_counted_once(capsys) -> None:
    for name in ("c/more.TXT", "c/x.psd", "a/README"):
        Path(name).write_bytes(b"")
    assert len(names(".", "b.png")) == 6
    said = capsys.readouterr().err
    assert said == (
        "note: skipped what is no image: 5 files (2 without an ending, 2 .txt, 1 .psd)\n"
    )
    assert len(list(iter_sources(".", quiet=True))) == 5
    assert names("b.png", "c/notes.txt") == ["b.png", "c/notes.txt"]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("folder")
def test_every_ending_of_an_image_is_taken() -> None:
    photo = pictures.encoded(pictures.photo(), "JPEG")
    pictures.write(Path("d"), dict.fromkeys(["a.jfif", "b.MPO", "c.jpe"], photo) | {"d.HEIC": b""})
    assert codes("d") == ["ok", "ok", "ok", "E_IMAGE_EMPTY"]


def test_a_bug_that_one_input_brings_out_is_its_error(tmp_path: Path) -> None:
    """As nothing here has one that is known, an input that cannot come from a command line."""
    pictures.write(tmp_path, {"a.png": pictures.encoded(pictures.photo(), "PNG")})
    strange = Source("strange", {"no": "content"})
    first, bug, last = samples([tmp_path / "a.png", strange, tmp_path / "a.png"])
    assert first.error is None
    assert last.error is None
    assert bug.error.code == "E_INTERNAL"
    assert bug.error.message.startswith("strange: this is a bug in clsctl: AttributeError: ")
    assert "decode.py, line " in bug.error.message


# ---- the web -----------------------------------------------------------------------------------


def test_urls_are_fetched_and_failures_told_apart() -> None:
    photo = pictures.encoded(pictures.photo(), "PNG")
    answers = {
        "/cat.png?size=large&v=2": whole(photo),
        "/moved": redirect("/cat.png?size=large&v=2"),
        "/no-length": endless(photo),
        "/page": whole(b"<!DOCTYPE html><title>not here</title>"),
        "/broken": status(500),
        "/empty": whole(b""),
        "/cut": cut(photo, 100),
    }
    with serving(answers) as site:
        paths = [*answers, "/none"]
        found = codes([f"{site.url}{path}" for path in paths])
        url = f"{site.url}/none"
        [sample] = samples(url)
    assert dict(zip(paths, found, strict=True)) == {
        "/cat.png?size=large&v=2": "ok",
        "/moved": "ok",
        "/no-length": "ok",
        "/page": "E_IMAGE_UNSUPPORTED",
        "/broken": "E_URL_STATUS",
        "/empty": "E_IMAGE_EMPTY",
        "/cut": "E_URL_UNREACHABLE",
        "/none": "E_URL_STATUS",
    }
    assert sample.error
    assert sample.error.message == f"{url}: the server answered 404 Not Found"
    assert codes(url) == ["E_URL_UNREACHABLE"]


def test_a_download_stops_at_the_limit() -> None:
    photo = pictures.encoded(pictures.photo(), "BMP")
    with serving({"/a.bmp": endless(photo)}) as site:
        url = f"{site.url}/a.bmp"
        assert codes(url, settings=Settings(max_download=len(photo) - 1)) == ["E_IMAGE_TOO_LARGE"]
        assert codes(url, settings=Settings(max_download=len(photo))) == ["ok"]


def test_offline_means_that_no_server_is_asked() -> None:
    with serving({}) as site:
        assert codes(f"{site.url}/a.png", settings=Settings(offline=True)) == ["E_OFFLINE"]
        assert site.requests == []


# ---- pages, threads, reading again -------------------------------------------------------------


def pages_in(folder: Path) -> Path:
    others = [pictures.Image.fromarray(pictures.photo(20, 30, seed)) for seed in (1, 2)]
    content = pictures.encoded(pictures.photo(20, 30), "TIFF", save_all=True, append_images=others)
    return pictures.write(folder, {"pages.tif": content})["pages.tif"]


def test_pages_are_numbered_from_0(tmp_path: Path) -> None:
    found = samples(pages_in(tmp_path))
    assert [sample.page_index for sample in found] == [0, 1, 2]
    np.testing.assert_array_equal(found[2].pixels, pictures.photo(20, 30, 2))
    assert [sample.page_index for sample in samples(pictures.photo())] == [None]


def test_a_bad_page_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    path = pages_in(tmp_path)
    path.write_bytes(path.read_bytes()[:4000])
    found = samples(path)
    assert found[-1].error
    assert {sample.error.code for sample in found if sample.error} <= {
        "E_IMAGE_TRUNCATED",
        "E_IMAGE_CORRUPT",
    }
    assert found[-1].error.message.startswith(str(path))


def test_what_was_read_can_be_read_again(tmp_path: Path) -> None:
    pages_in(tmp_path)
    array = pictures.photo()[:, :, ::-1]
    for source in iter_sources([tmp_path, array, pictures.encoded(pictures.photo(), "PNG")]):
        for sample in read(source, SETTINGS):
            np.testing.assert_array_equal(
                read_page(source, sample.page_index, SETTINGS), sample.pixels
            )


def test_reading_in_many_threads_gives_what_one_thread_gives(tmp_path: Path) -> None:
    files = pictures.lossless() | pictures.lossless_grey() | pictures.lossy()
    files |= {name: content for name, (content, _) in pictures.damaged().items()}
    files["pages.pdf"] = pictures.encoded(pictures.photo(), "PDF")
    pictures.write(tmp_path, files)
    sources = list(iter_sources(tmp_path)) * 2

    def outcome(source: Source) -> list[tuple[str, object, object]]:
        return [
            (s.input_path, s.page_index, s.error.code if s.error else s.pixels.tobytes())
            for s in read(source, SETTINGS)
        ]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, sources)) == [outcome(source) for source in sources]


def test_an_array_that_is_filled_again_is_copied_when_it_is_taken() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)

    def camera() -> Iterator[np.ndarray]:
        for value in range(60):
            frame[:] = value
            yield frame

    sources = list(iter_sources(camera()))
    assert [int(source.content[0, 0, 0]) for source in sources] == list(range(60))
    [kept] = iter_sources([frame])
    assert kept.content is frame


def test_an_encoded_image_in_a_file_or_a_buffer_is_one_image(tmp_path: Path) -> None:
    content = pictures.encoded(pictures.photo(), "JPEG")
    path = pictures.write(tmp_path, {"a.jpg": content})["a.jpg"]
    with path.open("rb") as opened, path.open(encoding="latin-1") as text:
        items = [io.BytesIO(content), opened, memoryview(content), text]
        sources = list(iter_sources(items))
    assert [source.name for source in sources] == ["file[0]", "file[1]", "bytes[0]", "file[2]"]
    assert [source.content for source in sources[:3]] == [content] * 3
    assert sources[3].content.code == "E_INPUT_TYPE"


def test_pillow_images_and_the_array_protocol_are_arrays() -> None:
    class Tensor:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return np.full((2, 2, 3), 7, np.uint8)

        def __iter__(self) -> Iterator[int]:
            raise AssertionError("it must not be taken for an iterable")

    red = Image.new("RGB", (3, 2), (255, 0, 0))
    first, second = iter_sources([red, Tensor()])
    assert first.content.shape == (2, 3, 3)
    assert first.content[0, 0].tolist() == [0, 0, 255]
    assert second.content.max() == 7
    [wrong] = iter_sources({"a.jpg": 1})
    assert wrong.content.code == "E_INPUT_TYPE"
