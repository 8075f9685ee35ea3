"""What a plugin's writer adds to `clsctl predict`, `--resume` included: one file."""

from __future__ import annotations

import functools
from pathlib import Path

import made_plugins
import pictures
import pytest
from fixtures import Run

LABELS = '''
"""The best label of each image: `--format labels`."""

from clsctl.plugin import StoredResult, Writer, hookimpl


@hookimpl
def clsctl_writers():
    return [Writer("labels", "The best label of each image.", LabelsWriter, read=read)]


class LabelsWriter:
    def __init__(self, stream):
        self.stream = stream

    def write(self, result):
        answer = f"!{result.error.code}" if result.error else result.label_names[0]
        print(result.input_path, answer, sep="\\t", file=self.stream, flush=True)

    def close(self):
        pass


def read(stream):
    end = 0
    for line in stream:
        if line.endswith(b"\\n"):
            end += len(line)
            path, answer = line.decode().rstrip("\\n").split("\\t")
            yield StoredResult(end, path, None, answer.startswith("!"))
'''


@pytest.fixture
def predict(clsctl: Run, ready: Path, tmp_path: Path) -> Run:
    files = {f"{seed}.png": pictures.encoded(pictures.photo(seed=seed), "PNG") for seed in range(3)}
    pictures.write(tmp_path / "album", files | {"1-broken.png": b""})
    env = made_plugins.install(tmp_path / "site", "labels", LABELS)
    return functools.partial(clsctl, "predict", "album", "--model-dir", ready, env=env)


def test_a_plugin_s_format_is_resumed(predict, tmp_path):
    out = tmp_path / "out.labels"
    first = predict("-o", out, "--resume")
    assert first.returncode == 7
    whole = out.read_bytes()
    names = [line.split(b"\t")[0] for line in whole.splitlines()]
    assert names == [b"album/0.png", b"album/1-broken.png", b"album/1.png", b"album/2.png"]
    out.write_bytes(whole[:-3])
    again = predict("-o", out, "--resume")
    assert out.read_bytes() == whole
    note, summary, error = again.stderr.splitlines()
    assert note == f"note: {out} holds 3 results; resuming after them"
    assert summary.startswith(f"4 results in {out}: 1 in ")
    assert error == "error: 1 of 4 inputs failed [E_SOME_INPUTS_FAILED]"


def test_the_help_names_every_format(predict):
    assert "csv, json, jsonl, parquet, table, labels." in predict("--help").stdout


def test_what_the_plugin_cannot_read_is_left_as_it_is(predict, tmp_path):
    out = tmp_path / "out.labels"
    out.write_text("something else\n")
    done = predict("-o", out, "--resume")
    assert (done.returncode, out.read_text()) == (2, "something else\n")
    assert "does not hold what clsctl wrote: it differs after 0 results" in done.stderr


def test_formats_that_can_be_resumed_are_named_where_another_is_chosen(predict):
    done = predict("-o", "out.json", "--resume")
    assert done.returncode == 2
    assert "error: out.json cannot be resumed in the format json [E_RESUME]" in done.stderr
    assert "hint: formats that can be resumed: csv, jsonl, labels" in done.stderr
