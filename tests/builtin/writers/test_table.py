from __future__ import annotations

import io

import records

from clsctl.builtin.writers.table import TableWriter


def written(*results) -> str:
    stream = io.StringIO()
    writer = TableWriter(stream)
    for result in results:
        writer.write(result)
    writer.close()
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def test_each_kind_of_result():
    assert (
        written(*records.several())
        == """\
a b/猫.jpg
 1  tabby, tabby cat  0.75000  ███████████████
 2  a "quoted" one    0.20000  ████
 3  猫                0.00001
doc.pdf  page 0
 1  two lines       1.00000  ████████████████████
 2  [bold]x[/nope]  0.00000
x.jpg: it is [red]broken[/] [E_X]
  hint: mend it
none.png
  no class above the threshold
plain.png  page 12
 1  class 2  0.50000  ██████████"""
    )


def test_a_long_path_stays_on_one_line():
    path = "very/" * 40 + "deep.jpg"
    assert written(records.classified(path, None)).splitlines()[0] == path
    assert written(records.broken(path)).splitlines() == [f"{path}: it is [red]broken[/] [E_X]"]


def test_a_long_label_is_cut_and_its_score_is_not(monkeypatch):
    monkeypatch.setattr(records, "LABELS", ("word " * 30,))
    [_, row] = written(records.classified("a.jpg", None, (0, 0.5))).splitlines()
    assert row.endswith("…  0.50000  ██████████")
    assert len(row) <= 80
