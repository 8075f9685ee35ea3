"""An output cut short anywhere is completed to what it would have been."""

from __future__ import annotations

import fcntl
import io
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import records
from hypothesis import given, settings
from hypothesis import strategies as st

from clsctl.errors import UsageError
from clsctl.images.sources import Source
from clsctl.plugin import Writer
from clsctl.plugin.registry import default_registry
from clsctl.prediction.output import write_results
from clsctl.prediction.resume import open_for_resume
from clsctl.result import Result

FORMATS = ("jsonl", "csv")
CLASSES = ((3, 0.5), (2, 0.25), (0, 0.125))


def results_of(source: Source) -> list[Result]:
    """What is predicted for these names: some have pages, some fail."""
    if source.name.endswith(".pdf"):
        pages = [records.classified(source.name, page, *CLASSES) for page in range(3)]
        return [*pages, records.broken(source.name)]
    if source.name.startswith("broken"):
        return [records.broken(source.name)]
    return [records.classified(source.name, None, *CLASSES)]


def predict(names: Iterable[str], path: Path, name: str) -> None:
    """As `clsctl predict NAMES -o PATH --resume` does it, with a model that is made up."""
    writer = writer_of(name)
    with open_for_resume(path, writer) as (stream, state):
        sources: Iterator[Source] = state.missing_sources(Source(each, each) for each in names)
        results = (result for source in sources for result in results_of(source))
        write_results(state.missing_results(results), state.open_writer(writer, stream))


def writer_of(name: str) -> Writer:
    writer: Writer = default_registry().get("writers", name)
    return writer


NAMES = st.lists(
    st.sampled_from(
        [
            "a.jpg",
            "b/猫.jpg",
            "two\nlines.jpg",
            "=1+1.jpg",
            "'-x.jpg",
            'a "b", c.png',
            "broken.jpg",
            "x.pdf",
        ]
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60)
@given(names=NAMES, cut=st.floats(0, 1))
def test_what_was_cut_short_anywhere_is_completed(tmp_path_factory, name, names, cut):
    folder = tmp_path_factory.mktemp("cut")
    whole, path = folder / "whole", folder / "part"
    predict(names, whole, name)
    content = whole.read_bytes()
    # A write that the system split is not made up here: the rows of one image are written at once.
    at = round(cut * len(content))
    if name == "csv" and content[:at].endswith(b"\n"):
        at -= 1
    path.write_bytes(content[:at])
    predict(names, path, name)
    assert path.read_bytes() == content
    predict(names, path, name)
    assert path.read_bytes() == content
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", FORMATS)
def test_new_inputs_come_after_the_old_ones_wherever_they_stand(tmp_path, name):
    predict(["b.jpg", "d.jpg"], tmp_path / "grown", name)
    predict(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], tmp_path / "grown", name)
    predict(["b.jpg", "d.jpg", "a.jpg", "c.jpg"], tmp_path / "whole", name)
    assert (tmp_path / "grown").read_bytes() == (tmp_path / "whole").read_bytes()


def test_it_knows_how_many_results_there_are_and_failed(tmp_path, capsys):
    path = tmp_path / "out.jsonl"
    predict(["a.jpg", "broken.jpg", "b.jpg"], path, "jsonl")
    with open_for_resume(path, writer_of("jsonl")) as (_, state):
        assert (state.results, state.errors) == (3, 1)
    assert capsys.readouterr().err == f"note: {path} holds 3 results; resuming after them\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jsonl", b"a,b\n"),
        ("jsonl", b"{}\n"),
        ("jsonl", b"\xff\n"),
        ("csv", b"name,score\na,1\n"),
        ("csv", b"\xff\n\xff\n"),
    ],
)
def test_a_file_that_is_something_else_is_left_as_it_is(tmp_path, name, content):
    path = tmp_path / "out"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        predict(["a.jpg"], path, name)
    assert caught.value.code == "E_RESUME"
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["json", "table", "parquet"])
def test_a_format_that_cannot_be_resumed_is_refused(tmp_path, name):
    with pytest.raises(UsageError) as caught:
        predict(["a.jpg"], tmp_path / "out", name)
    assert caught.value.code == "E_RESUME"
    assert caught.value.hint == "formats that can be resumed: csv, jsonl"
    assert list(tmp_path.iterdir()) == []


def test_two_cannot_write_one_file(tmp_path):
    path = tmp_path / "out.jsonl"
    with path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UsageError) as caught:
            predict(["a.jpg"], path, "jsonl")
    assert (caught.value.code, path.read_bytes()) == ("E_OUTPUT_BUSY", b"")


def test_a_writer_begins_a_stream_that_cannot_be_told_where_it_is():
    class Pipe(io.StringIO):
        def seekable(self) -> bool:
            return False

    pipe = Pipe()
    default_registry().get("writers", "csv").open(pipe)
    assert pipe.getvalue().startswith("input_path,")


def test_what_others_wrote_into_the_stream_does_not_cost_csv_its_header():
    stream = io.StringIO()
    stream.write("# predictions of today\n")
    default_registry().get("writers", "csv").open(stream)
    assert stream.getvalue().splitlines()[1].startswith("input_path,")
