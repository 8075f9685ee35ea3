"""A file of records is what an uninterrupted run would have written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clsctl.training.reporting.resumable_log import ResumableLog

HEADER = "epoch,step"


def key_of(line: str) -> tuple[float, float]:
    epoch, step = line.split(",")
    return int(epoch), int(step)


def keys(steps: int) -> list[tuple[int, int]]:
    return [(epoch, step) for epoch in (1, 2, 3) for step in range(1, steps + 1)]


@given(data=st.data(), steps=st.integers(1, 6), header=st.sampled_from(["", HEADER]))
def test_interruptions_and_going_back_leave_no_trace(tmp_path_factory, data, steps, header):
    path = tmp_path_factory.mktemp("records") / "records.csv"
    planned, done = keys(steps), 0
    records = ResumableLog(path, key_of, header)
    for _ in range(data.draw(st.integers(0, 4), "interruptions")):
        end = data.draw(st.integers(done, len(planned)), "until")
        for key in planned[done:end]:
            records.append(key, "{},{}".format(*key))
        done = data.draw(st.integers(0, end), "goes on from")
        if data.draw(st.booleans(), "killed in the middle of a line"):
            with path.open("a") as stream:
                stream.write("3,")
            records = ResumableLog(path, key_of, header)
    for key in planned[done:]:
        records.append(key, "{},{}".format(*key))
    expected = [header] * bool(header) + ["{},{}".format(*key) for key in planned]
    assert path.read_text().splitlines() == expected


def test_what_is_there_is_kept(tmp_path):
    path = tmp_path / "records.csv"
    ResumableLog(path, key_of, HEADER).append((1, 1), "1,1")
    ResumableLog(path, key_of, HEADER)
    assert path.read_text() == "epoch,step\n1,1\n"
