from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import (
    ETAG,
    chunked,
    cut,
    endless,
    in_turn,
    redirect,
    resumable,
    serving,
    stalled,
    status,
    whole,
    wrong_range,
)
from stores import close_the_network, entry, pdparams

from clsctl.builtin.weight_sources.http import ATTEMPTS, fetch
from clsctl.errors import ModelError, NetworkError
from clsctl.plugin import FetchRequest

CONTENT = pdparams()
HALF = len(CONTENT) // 2
REST = f"bytes={HALF}-"


@pytest.fixture(autouse=True)
def _network(monkeypatch):
    close_the_network(monkeypatch)


def request(url: str, workdir: Path, **changes) -> FetchRequest:
    seen: list[tuple[int, int | None]] = []
    values = {
        "entry": entry(training=url),
        "kind": "training",
        "url": url,
        "workdir": workdir,
        "max_bytes": 1 << 30,
        "offline": False,
        "progress": lambda done, total: seen.append((done, total)),
    }
    return FetchRequest(**{**values, **changes})


def download(answer, workdir: Path, **changes) -> tuple[bytes, list[str]]:
    """What arrives, and the Range of each request that it took."""
    with serving({"/file": answer}) as site:
        path = fetch(request(f"{site.url}/file", workdir, **changes))
        return path.read_bytes(), [span for _, span in site.requests]


def refusal(answer, workdir: Path, kind=NetworkError, **changes):
    """The error in which a download ends, and how many requests it took."""
    with serving({"/file": answer}) as site, pytest.raises(kind) as caught:
        fetch(request(f"{site.url}/file", workdir, **changes))
    return caught.value, len(site.requests)


def test_a_broken_download_is_continued_where_it_stopped(tmp_path):
    answer = in_turn(cut(CONTENT, HALF), resumable(CONTENT))
    assert download(answer, tmp_path) == (CONTENT, ["", REST])


def test_a_later_run_continues_what_an_earlier_one_left(tmp_path):
    answer = in_turn(cut(CONTENT, HALF), status(403), resumable(CONTENT))
    with serving({"/file": answer}) as site:
        job = request(f"{site.url}/file", tmp_path)
        with pytest.raises(NetworkError):
            fetch(job)
        assert fetch(job).read_bytes() == CONTENT
    assert [span for _, span in site.requests] == ["", REST, REST]


def test_a_date_identifies_the_file_as_well_as_an_etag(tmp_path):
    date = "Mon, 06 Jan 2025 10:00:00 GMT"
    answer = in_turn(cut(CONTENT, HALF, Last_Modified=date), resumable(CONTENT, etag=date))
    assert download(answer, tmp_path) == (CONTENT, ["", REST])


@pytest.mark.parametrize("headers", [{"Server": "bare"}, {"ETag": 'W/"weak"'}])
def test_a_file_that_nothing_identifies_is_started_again(tmp_path, headers):
    answer = in_turn(cut(CONTENT, HALF, **headers), whole(CONTENT))
    assert download(answer, tmp_path) == (CONTENT, ["", ""])


@pytest.mark.parametrize("name", ["ETag", "Last_Modified"])
def test_what_no_request_can_repeat_identifies_nothing(tmp_path, name):
    """A later pull begins anew; a good date still stands in for a bad ETag."""
    bad = {name: '"caf\xe9"'}
    assert download(in_turn(cut(CONTENT, HALF, **bad), whole(CONTENT)), tmp_path) == (
        CONTENT,
        ["", ""],
    )


def test_a_date_stands_in_for_an_etag_that_no_request_can_repeat(tmp_path):
    date = "Mon, 06 Jan 2025 10:00:00 GMT"
    bad = cut(CONTENT, HALF, ETag='"caf\xe9"', Last_Modified=date)
    answer = in_turn(bad, resumable(CONTENT, etag=date))
    assert download(answer, tmp_path) == (CONTENT, ["", REST])


def test_a_note_of_an_earlier_version_with_such_a_validator_is_no_obstacle(tmp_path):
    (tmp_path / "download").write_bytes(CONTENT[:HALF])
    note = {"validator": '"caf\xe9"', "total": len(CONTENT)}
    (tmp_path / "download.json").write_text(json.dumps(note))
    assert download(whole(CONTENT), tmp_path) == (CONTENT, [""])


def test_a_server_that_ignores_range_sends_everything_again(tmp_path):
    answer = in_turn(cut(CONTENT, HALF), whole(CONTENT, ETag=ETAG))
    assert download(answer, tmp_path) == (CONTENT, ["", REST])


def test_a_file_that_changed_on_the_server_is_started_again(tmp_path):
    other = pdparams(seed=1)
    answer = in_turn(cut(CONTENT, HALF), resumable(other, etag='"second"'))
    assert download(answer, tmp_path) == (other, ["", REST])


@pytest.mark.parametrize(
    "changes",
    [
        {"Content_Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"},
        {"Content_Range": f"bytes {HALF}-{len(CONTENT)}/{len(CONTENT) + 1}"},
        {"Content_Range": f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}", "ETag": '"second"'},
        {},
    ],
    ids=["other start", "other length", "other file", "no range"],
)
def test_a_part_that_does_not_fit_is_never_appended(tmp_path, changes):
    answer = in_turn(cut(CONTENT, HALF), wrong_range(CONTENT, **changes), whole(CONTENT))
    assert download(answer, tmp_path) == (CONTENT, ["", REST, ""])


def test_a_damaged_note_about_the_part_starts_again(tmp_path):
    (tmp_path / "download").write_bytes(b"half of it")
    (tmp_path / "download.json").write_text("{")
    assert download(resumable(CONTENT), tmp_path) == (CONTENT, [""])


def test_what_arrived_completely_is_not_asked_for_again(tmp_path):
    with serving({"/file": resumable(CONTENT)}) as site:
        job = request(f"{site.url}/file", tmp_path)
        assert fetch(job) == fetch(job)
    assert len(site.requests) == 1


@settings(max_examples=25)
@given(st.lists(st.integers(1, len(CONTENT) - 1), max_size=4, unique=True))
def test_wherever_the_connection_breaks_the_bytes_are_the_same(ends):
    """Each connection ends after one of `ends`, counted from the start of the file."""

    def until(end):
        def answer(visit):
            start = int(visit.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
            span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
            headers = {"Content_Range": span} if start else {}
            visit.begin(
                206 if start else 200, Content_Length=len(CONTENT) - start, ETag=ETAG, **headers
            )
            visit.wfile.write(CONTENT[start:end])

        return answer

    answers = [until(end) for end in (*sorted(ends), len(CONTENT))]
    with tempfile.TemporaryDirectory() as workdir:
        content, spans = download(in_turn(*answers), Path(workdir))
    assert content == CONTENT
    assert spans == ["", *(f"bytes={end}-" for end in sorted(ends))]


def test_a_passing_failure_of_the_server_is_survived(tmp_path):
    answer = in_turn(status(503), status(429), resumable(CONTENT))
    assert download(answer, tmp_path) == (CONTENT, ["", "", ""])


def test_redirects_are_followed(tmp_path):
    with serving({"/old": redirect("/file"), "/file": resumable(CONTENT)}) as site:
        assert fetch(request(f"{site.url}/old", tmp_path)).read_bytes() == CONTENT


def test_a_chunked_file_arrives_although_its_length_is_not_announced(tmp_path):
    assert download(chunked(CONTENT), tmp_path) == (CONTENT, [""])


def test_progress_counts_from_where_the_download_is_continued(tmp_path):
    seen = []
    answer = in_turn(cut(CONTENT, HALF), resumable(CONTENT))
    download(answer, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("answer", "code", "message", "requests"),
    [
        (status(404), "E_HTTP_STATUS", "the server answered 404 Not Found", 1),
        (status(500), "E_HTTP_STATUS", "the server answered 500 Internal Server Error", ATTEMPTS),
        (endless(CONTENT), "E_NETWORK", "the server does not say where the file ends", 1),
        (redirect("/file"), "E_NETWORK", "Exceeded maximum allowed redirects.", 21),
        (redirect("ftp://127.0.0.1/x"), "E_NETWORK", "Request URL has an unsupported protocol", 1),
    ],
)
def test_a_bad_answer_ends_in_one_sentence(tmp_path, answer, code, message, requests):
    error, asked = refusal(answer, tmp_path)
    assert (error.code, asked) == (code, requests)
    assert error.message.startswith(message)


def test_a_server_that_always_cuts_at_the_same_place_is_given_up(tmp_path):
    error, asked = refusal(cut(CONTENT, HALF, Server="bare"), tmp_path)
    assert (error.code, asked) == ("E_NETWORK", ATTEMPTS + 1)
    assert f"received {HALF} bytes, expected {len(CONTENT)}" in error.message


def test_a_server_that_stalls_is_given_up(tmp_path):
    go_on = threading.Event()
    error, _ = refusal(stalled(CONTENT, 0, go_on), tmp_path)
    go_on.set()
    assert (error.code, error.message) == ("E_TIMEOUT", "nothing came from the server for 1 s")


def test_no_server_at_all(tmp_path):
    with pytest.raises(NetworkError, match="refused") as caught:
        fetch(request("http://127.0.0.1:9/file", tmp_path))
    assert caught.value.code == "E_NETWORK"


@pytest.mark.parametrize("answer", [whole(CONTENT), chunked(CONTENT)], ids=["announced", "not"])
def test_a_file_beyond_the_limit_is_refused(tmp_path, answer):
    error, _ = refusal(answer, tmp_path, ModelError, max_bytes=HALF)
    assert error.code == "E_TOO_LARGE"


def test_a_disk_that_is_too_small_is_noticed_beforehand(tmp_path):
    with pytest.raises(
        OSError, match=r"1,125,899,906,842,624 bytes are needed and [\d,]+ are free"
    ):
        download(
            lambda visit: visit.begin(200, Content_Length=1 << 50), tmp_path, max_bytes=1 << 60
        )


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTPS_PROXY", "gopher://old.example"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_unusable_settings_for_the_network(tmp_path, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    error, asked = refusal(whole(CONTENT), tmp_path)
    assert (error.code, asked) == ("E_NETWORK_SETTINGS", 0)
    assert variable in error.hint


@pytest.mark.parametrize("url", ["http://[bad/x.tar", "http://127.0.0.1:notaport/x", "http:///x"])
def test_an_unusable_address(tmp_path, url):
    with pytest.raises(NetworkError) as caught:
        fetch(request(url, tmp_path))
    assert caught.value.code == "E_NETWORK"


def test_offline_opens_no_connection(tmp_path):
    error, asked = refusal(whole(CONTENT), tmp_path, offline=True)
    assert (error.code, asked) == ("E_OFFLINE", 0)
    assert "clsctl models import FILE --name PP-LCNet_x1_0" in error.hint
