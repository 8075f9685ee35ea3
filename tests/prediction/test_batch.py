"""`clsctl.BatchPrediction`: what `clsctl predict` does, from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pictures
import pytest

from clsctl import BatchPrediction, ClsctlError, create_model
from clsctl.prediction.output import Counts


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Six photos, and a broken one in between."""
    names = {f"{seed}.png": pictures.encoded(pictures.photo(seed=seed), "PNG") for seed in range(6)}
    pictures.write(tmp_path / "album", names | {"2-broken.png": b"broken"})
    return tmp_path / "album"


@pytest.fixture
def model(ready: Path):
    return create_model(model_dir=ready, topk=2)


def names(output: Path) -> list[str]:
    lines = output.read_text("utf-8").splitlines()
    return [Path(json.loads(line)["input_path"]).name for line in lines]


def test_a_shard_is_resumed_and_sorted(model, album, tmp_path, capsys):
    out, by_class = tmp_path / "out.jsonl", tmp_path / "sorted"
    work = BatchPrediction(album, out, shard="1/2", resume=True, sort_into=by_class)
    assert work.run(model.job) == Counts(results=4, errors=1)
    expected = ["0.png", "2-broken.png", "3.png", "5.png"]
    assert names(out) == expected
    whole = out.read_bytes()
    best = {Path(r.input_path).name: r for r in model.predict(album) if r.error is None}
    linked = {path.name: path.parent.name for path in by_class.rglob("*.png")}
    assert linked == {
        name: best[name].label_names[0] for name in expected if name != "2-broken.png"
    }

    out.write_bytes(whole[: len(whole) // 2])
    (by_class / linked["5.png"] / "5.png").unlink()
    assert work.run(model.job)[:2] == (4, 1)
    assert out.read_bytes() == whole
    assert "results; resuming after them" in capsys.readouterr().err
    assert {path.name: path.parent.name for path in by_class.rglob("*.png")} == linked

    assert work.run(model.job)[:2] == (4, 1)
    assert out.read_bytes() == whole
    other = BatchPrediction([str(album)], str(out), shard="2/2", resume=True)
    assert other.run(model.job)[:2] == (7, 1)
    assert names(out) == [*expected, "1.png", "2.png", "4.png"]


def test_results_are_those_of_predict_and_progress_counts_them(model, album, tmp_path):
    seen: list[int] = []
    work = BatchPrediction(album, tmp_path / "out.json", batch_size=3)
    counts = work.run(model.job, lambda done, total: seen.append(done))
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == [
        result.as_dict() for result in model.predict(album)
    ]
    assert (counts.results, counts.errors, seen) == (7, 1, list(range(1, 8)))


def test_without_an_output_it_is_what_the_command_prints(model, album, ready, call, capsys):
    BatchPrediction(album, format="csv").run(model.job)
    printed = capsys.readouterr().out
    assert (
        printed == call("predict", album, "--model-dir", ready, "-k", 2, "--format", "csv").stdout
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"output": "out.jsonl", "shard": "3/2"}, "E_SHARD"),
        ({"resume": True}, "E_RESUME"),
        ({"output": "out.json", "resume": True}, "E_RESUME"),
        ({"output": "out.csv", "resume": True, "save_json": "json"}, "E_RESUME"),
        ({"format": "xml"}, "E_WRITER_UNKNOWN"),
        ({"executor": "nowhere"}, "E_EXECUTOR_UNKNOWN"),
        ({"watch": True}, "E_WATCH"),
        ({"batch_size": 0}, "E_VALUE"),
    ],
)
def test_what_does_not_go_together_is_refused_when_it_is_made(options, code):
    with pytest.raises(ClsctlError) as caught:
        BatchPrediction("photo.jpg", **options)
    assert caught.value.code == code


def test_only_folders_can_be_watched():
    with pytest.raises(ClsctlError, match="--watch is for folders, and 7 is none"):
        BatchPrediction([7], watch=True)
