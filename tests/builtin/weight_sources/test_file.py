from __future__ import annotations

import pytest
from stores import NAME, TAR, entry, model_files, read_files, tar_of

from clsctl.errors import ModelError
from clsctl.models.pull import ensure_pulled
from clsctl.models.store import Store

FILES = model_files()


def test_a_file_url_is_copied(tmp_path, home):
    archive = tmp_path / "ünï code.tar"
    archive.write_bytes(tar_of(FILES))
    folder = ensure_pulled(Store(home), entry(archive.as_uri()), offline=True)
    assert read_files(folder) == FILES
    assert archive.exists()


def test_progress_ends_at_the_size(tmp_path, home):
    archive = tmp_path / TAR[1:]
    archive.write_bytes(tar_of(FILES))
    seen = []
    report = lambda done, total: seen.append((done, total))  # noqa: E731
    ensure_pulled(Store(home), entry(archive.as_uri()), progress=report)
    assert seen[-1] == (archive.stat().st_size, archive.stat().st_size)


@pytest.mark.parametrize(
    ("make", "reason"), [(None, "No such file or directory"), ("mkdir", "Is a directory")]
)
def test_what_is_no_file_is_an_error(tmp_path, home, make, reason):
    if make:
        (tmp_path / "x").mkdir()
    url = (tmp_path / "x").as_uri()
    with pytest.raises(ModelError) as caught:
        ensure_pulled(Store(home), entry(url))
    message = f"cannot pull {NAME}: {url}: the file cannot be read: {reason}"
    assert (caught.value.code, caught.value.message) == ("E_NO_SUCH_FILE", message)


def test_a_file_beyond_the_limit_is_refused(tmp_path, home):
    archive = tmp_path / "x.tar"
    archive.write_bytes(tar_of(FILES))
    with pytest.raises(ModelError) as caught:
        ensure_pulled(Store(home, max_bytes=1000), entry(archive.as_uri()))
    assert caught.value.code == "E_TOO_LARGE"
