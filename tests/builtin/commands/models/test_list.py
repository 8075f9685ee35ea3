"""`clsctl models list`, as the user and as a script read it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measurements import measured
from stores import model_files, write_files

from clsctl.bench.records import save_measurements
from clsctl.builtin.commands.models._filters import latencies, on_pareto_front
from clsctl.main import run
from clsctl.models.catalog import get_entry

SERVER = "https://paddle-model-ecology.bj.bcebos.com/paddlex"
HEAVY = {"paddle", "cv2", "onnxruntime", "numpy", "PIL", "httpx", "yaml"}


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict]:
    """What `models list` finds, as a script reads it."""
    assert run(["models", "list", "--format", "json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def names(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    return [row["name"] for row in listed(capsys, *options)]


# ---- the table -----------------------------------------------------------------------------


def test_the_table_fits_80_columns(capsys):
    assert run(["models", "list", "--family", "StarNet"]) == 0
    table, caption = capsys.readouterr().out.split("\n\n")
    assert table == (
        "Model       Top-1  CPU ms  GPU ms  Size\n"
        "                %  normal  normal   MiB\n"
        "StarNet-S4  79.00   15.40    8.50  28.9\n"
        "StarNet-S3  77.00   11.05    6.70  22.2\n"
        "StarNet-S2  74.80    7.38    4.49  14.3\n"
        "StarNet-S1  73.60    7.56    6.33  11.2"
    )
    caption = " ".join(caption.split())
    assert caption.startswith(
        "4 models. ★ core ✓ on this machine "
        "Figures of the catalog 'builtin': PaddleX documentation, tutorial of the image "
        "classification module, 3.0rc0. Top-1 on the ImageNet-1k validation set. Normal mode:"
    )


def test_no_name_and_no_figure_is_cut_at_80_columns(capsys):
    assert run(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert "SwinTransformer_large_patch4_window12_384  87.06  652.04   74.72   696.1\n" in out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_wide_terminal_shows_everything(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    assert run(["models", "list", "--core", "--max-size", "20"]) == 0
    header, units, best, fastest, *_ = capsys.readouterr().out.splitlines()
    model, figures = "MobileNetV3_small_x1_0 ★  MobileNetV3", "  68.20    5.11        1.43"
    assert header.endswith("  Top-1  CPU ms      CPU ms  GPU ms      GPU ms  Size")
    assert units.endswith("      %  normal  high-perf.  normal  high-perf.   MiB")
    assert best.startswith("PP-LCNet_x1_0 ★           PP-LCNet     71.32    4.03        1.35")
    assert fastest == f"{model}{figures}    3.76        0.53  10.5"


@pytest.mark.parametrize(("width", "last"), [("50", "Top-1"), ("60", "CPU ms"), ("70", "Size")])
def test_columns_go_one_by_one_as_the_terminal_narrows(capsys, monkeypatch, width, last):
    monkeypatch.setenv("COLUMNS", width)
    assert run(["models", "list", "--family", "SwinTransformer"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].endswith(last)
    assert "SwinTransformer_large_patch4_window12_384  87.06" in out


def test_a_pipe_gets_every_column_and_no_colour(clsctl, monkeypatch):
    monkeypatch.delenv("COLUMNS")
    done = clsctl("models", "list", "--core")
    assert done.returncode == 0
    header = done.stdout.splitlines()[0]
    assert " ".join(header.split()) == "Model Family Top-1 CPU ms CPU ms GPU ms GPU ms Size"
    assert len([line for line in done.stdout.splitlines() if "★" in line]) == 9 + 1
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_listing_models_imports_nothing_heavy():
    code = (
        "import sys; from clsctl.main import run; run(['models', 'list']); "
        f"sys.exit(' '.join({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stderr.split() == []
    assert b"PP-LCNet_x1_0" in done.stdout


def test_this_machines_figures_stand_beside_the_published(capsys):
    save_measurements([measured("StarNet-S4", ms=8.0), measured("StarNet-S4", precision="bf16")])
    assert run(["models", "list", "--family", "StarNet", "--measured"]) == 0
    table, caption = capsys.readouterr().out.split("\n\n")
    assert table == (
        "Model       Top-1  CPU ms  Here      Here\n"
        "                %  normal    ms  images/s\n"
        "StarNet-S4  79.00   15.40  8.00       700\n"
        "StarNet-S3  77.00   11.05     -         -\n"
        "StarNet-S2  74.80    7.38     -         -\n"
        "StarNet-S1  73.60    7.56     -         -"
    )
    assert caption.startswith("4 models.  ★ core  ✓ on this machine  Here: measured by `clsctl")


def test_measured_figures_for_scripts(capsys):
    save_measurements([measured("StarNet-S4", ms=8.0)])
    rows = {row["name"]: row for row in listed(capsys, "--family", "StarNet", "--measured")}
    assert rows["StarNet-S4"]["measured_ms"] == 8.0
    assert rows["StarNet-S4"]["measured_backend"] == "onnxruntime"
    assert rows["StarNet-S3"]["measured_ms"] is None
    assert run(["models", "list", "--family", "StarNet", "--measured", "--format", "csv"]) == 0
    best, next_one, *_ = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (best["measured_memory_mb"], next_one["measured_memory_mb"]) == ("96.0", "")


def test_a_choice_by_what_this_machine_measured(capsys):
    save_measurements(
        [
            measured("StarNet-S4", ms=8.0),
            measured("StarNet-S4", ms=1.0, precision="bf16"),
            measured("StarNet-S3", ms=4.0),
            measured("StarNet-S2", ms=5.0),
            measured("StarNet-S1", ms=2.0),
        ]
    )
    family = ("--family", "StarNet")
    assert names(capsys, *family, "--max-ms", "5") == ["StarNet-S3", "StarNet-S2", "StarNet-S1"]
    assert names(capsys, *family, "--max-ms", "5", "--min-top1", "75") == ["StarNet-S3"]
    fastest_first = ["StarNet-S1", "StarNet-S3", "StarNet-S2", "StarNet-S4"]
    assert names(capsys, *family, "--sort", "measured") == fastest_first
    front = names(capsys, *family, "--measured", "--pareto", "--sort", "measured")
    assert front == ["StarNet-S1", "StarNet-S3", "StarNet-S4"]
    assert {row["measured_ms"] for row in listed(capsys, "--max-ms", "2")} == {2.0}


def test_a_choice_by_what_was_never_measured(capsys):
    assert run(["models", "list", "--family", "StarNet", "--max-ms", "5"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "nothing was measured on this machine yet: `clsctl bench -m NAME` does it\n"
        "no model matches; without --max-ms 5 there would be 4\n"
    )


# ---- which models, in which order ----------------------------------------------------------


def test_core_models(capsys):
    assert len(names(capsys, "--core")) == 9


def test_a_family_is_found_in_any_case(capsys):
    assert names(capsys, "--family", "pp-lcnetv2") == [
        "PP-LCNetV2_large",
        "PP-LCNetV2_base",
        "PP-LCNetV2_small",
    ]


def test_an_unknown_family_gets_the_nearest(capsys):
    assert run(["models", "list", "--family", "ResNets"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "unknown family 'ResNets'. Did you mean ResNet?" in message
    assert "[E_FAMILY_UNKNOWN]" in message
    assert "CLIP, ConvNeXt," in message


def test_filters_add_up_and_their_bounds_count_in(capsys):
    options = ["--min-top1", "70.8", "--max-size", "24", "--max-cpu-ms", "7.56"]
    rows = listed(capsys, *options)
    assert {"StarNet-S1", "PP-LCNet_x1_0"} <= {row["name"] for row in rows}
    everything = [row for row in listed(capsys) if row["cpu_ms"] is not None]
    assert rows == [
        row
        for row in everything
        if row["top1"] >= 70.8 and row["size_mb"] <= 24 and row["cpu_ms"] <= 7.56
    ]


@pytest.mark.parametrize(
    ("sort", "figure", "reverse"),
    [
        ("top1", "top1", True),
        ("size", "size_mb", False),
        ("cpu", "cpu_ms", False),
        ("gpu", "gpu_ms", False),
    ],
)
def test_order(capsys, sort, figure, reverse):
    rows = [row for row in listed(capsys, "--sort", sort) if row["catalog"] == "builtin"]
    figures = [row[figure] for row in rows]
    assert len(figures) == 80
    assert figures == sorted(figures, reverse=reverse)


def test_order_by_name(capsys):
    found = names(capsys, "--sort", "name")
    assert found == sorted(found, key=str.lower)


def test_an_order_that_does_not_exist_is_a_usage_error(capsys):
    assert run(["models", "list", "--sort", "beauty"]) == 2
    assert "top1" in capsys.readouterr().err


def test_pareto_keeps_the_models_that_none_beats(capsys):
    assert names(capsys, "--family", "ResNet", "--pareto", "--sort", "cpu") == [
        "ResNet18",
        "ResNet18_vd",
        "ResNet34_vd",
        "ResNet50",
        "ResNet50_vd",
        "ResNet101_vd",
        "ResNet152_vd",
        "ResNet200_vd",
    ]


def _beats(one, other) -> bool:
    no_worse = one.top1 >= other.top1 and one.cpu_ms[0] <= other.cpu_ms[0]
    return no_worse and (one.top1, one.cpu_ms) != (other.top1, other.cpu_ms)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_pareto_leaves_out_exactly_what_something_it_keeps_beats(figures):
    model = get_entry("ResNet50")
    models = [
        replace(model, name=f"m{number}", top1=float(top1), cpu_ms=(float(cpu), 0.0))
        for number, (top1, cpu) in enumerate(figures)
    ]
    front = on_pareto_front(models, latencies(None))
    assert [entry for entry in models if not any(_beats(best, entry) for best in front)] == front


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (
            ["--family", "StarNet", "--max-size", "5"],
            "no model matches; without --max-size 5 there would be 4\n",
        ),
        (
            ["--core", "--min-top1", "99", "--max-size", "0.5"],
            "no model matches; relax more than one of --core, --min-top1 99, --max-size 0.5\n",
        ),
        (
            ["--family", "StarNet", "--pulled"],
            "no model matches; without --pulled there would be 4\n",
        ),
    ],
)
def test_where_nothing_matches_one_line_says_which_filter_to_relax(capsys, options, advice):
    assert run(["models", "list", *options]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", advice)


def test_nothing_is_an_empty_list_for_a_script(capsys):
    assert listed(capsys, "--max-size", "0.5") == []
    assert run(["models", "list", "--max-size", "0.5", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


# ---- for scripts ---------------------------------------------------------------------------


def test_json_and_csv_hold_the_same(capsys):
    (row,) = listed(capsys, "--core", "--family", "PP-LCNet")
    assert row == {
        "name": "PP-LCNet_x1_0",
        "family": "PP-LCNet",
        "top1": 71.32,
        "cpu_ms": 4.03,
        "cpu_ms_high_performance": 1.35,
        "gpu_ms": 2.35,
        "gpu_ms_high_performance": 0.47,
        "size_mb": 10.5,
        "core": True,
        "catalog": "builtin",
        "inference": f"{SERVER}/official_inference_model/paddle3.0rc0/PP-LCNet_x1_0_infer.tar",
        "training": f"{SERVER}/official_pretrained_model/PP-LCNet_x1_0_pretrained.pdparams",
        "pulled": False,
    }
    assert run(["models", "list", "--core", "--family", "PP-LCNet", "--format", "csv"]) == 0
    (same,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert same == {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in row.items()
    }


# ---- what is on this machine ---------------------------------------------------------------------


def test_a_model_on_this_machine_is_marked(capsys, tmp_path):
    folder = write_files(tmp_path / "brought", model_files(size=100))
    assert run(["models", "import", str(folder), "--name", "StarNet-S1"]) == 0
    capsys.readouterr()
    assert names(capsys, "--pulled") == ["StarNet-S1"]
    assert run(["models", "list", "--family", "StarNet", "--sort", "name"]) == 0
    out = capsys.readouterr().out
    assert "\nStarNet-S1 ✓  73.60" in out
    assert "\nStarNet-S2    74.80" in out


def test_a_model_of_no_catalog_is_not_kept_silent(capsys, tmp_path):
    folder = write_files(tmp_path / "brought", model_files(size=100))
    assert run(["models", "import", str(folder), "--name", "my-own"]) == 0
    capsys.readouterr()
    assert run(["models", "list", "--pulled", "--core"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "in no catalog: my-own"
