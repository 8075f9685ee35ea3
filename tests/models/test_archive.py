from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import model_files, tar_of, tar_with

from clsctl.errors import ModelError
from clsctl.models.archive import MAX_MEMBERS, extract, model_folder

LIMIT = 1 << 20


def member(name: str, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, b"" if fields else b"evil"


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; links are not followed, and neither are they files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def refusal(tmp_path: Path, content: bytes, limit: int = LIMIT) -> ModelError:
    archive, into = tmp_path / "a.tar", tmp_path / "into"
    archive.write_bytes(content)
    into.mkdir()
    with pytest.raises(ModelError) as caught:
        extract(archive, into, limit)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "into"]
    return caught.value


@pytest.mark.parametrize(
    "evil",
    [
        member("/tmp/clsctl-evil"),
        member("../evil"),
        member("top/../../evil"),
        member("pax", pax_headers={"path": "a\0b"}),
        member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("link", type=tarfile.SYMTYPE, linkname="inference.yml"),
        member("link", type=tarfile.LNKTYPE, linkname="../a.tar"),
        member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("disk", type=tarfile.BLKTYPE, devmajor=8),
        member("pipe", type=tarfile.FIFOTYPE),
        member("not utf-8 \udcff"),
        member("two\nlines"),
        member("\x1b[31mred"),
        member("x" * 256),
        member("/".join(["x" * 200] * 6)),
    ],
    ids=lambda evil: ascii(evil[0].name)[:20] + evil[0].type.decode(),
)
def test_what_could_leave_the_folder_is_refused(tmp_path, evil):
    assert refusal(tmp_path, tar_with(member("good"), evil)).code == "E_ARCHIVE_UNSAFE"


@pytest.mark.parametrize(
    "names", [("same", "same"), ("file", "file/below"), ("folder/file", "folder")]
)
def test_two_entries_of_one_name_are_refused(tmp_path, names):
    error = refusal(tmp_path, tar_with(*map(member, names)))
    assert error.code == "E_ARCHIVE_UNSAFE"
    assert error.message.startswith("the archive is refused because it holds two entries named")


def test_a_link_first_and_a_file_through_it_second_is_refused(tmp_path):
    link = member("out", type=tarfile.SYMTYPE, linkname="..")
    assert refusal(tmp_path, tar_with(link, member("out/evil"))).code == "E_ARCHIVE_UNSAFE"


def test_more_bytes_than_allowed_are_refused(tmp_path):
    assert refusal(tmp_path, tar_of(model_files()), limit=100_000).code == "E_TOO_LARGE"


def test_a_sparse_file_that_claims_to_be_huge_is_refused(tmp_path):
    info = tarfile.TarInfo("huge")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 0
    header = bytearray(info.tobuf())
    header[386:398], header[398:410] = b"%011o\0" % 0, b"%011o\0" % 0
    header[483:495] = b"%011o\0" % (1 << 32)
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:512]))
    assert refusal(tmp_path, bytes(header) + bytes(1024)).code == "E_ARCHIVE_UNSAFE"


def test_more_files_than_allowed_are_refused(tmp_path):
    many = tar_with(*(member(f"d/{number}") for number in range(MAX_MEMBERS + 1)))
    assert refusal(tmp_path, many, limit=1 << 30).code == "E_TOO_LARGE"


def test_a_huge_extended_header_is_not_read_into_memory(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 7 << 30
    assert refusal(tmp_path, info.tobuf() + bytes(1024)).code == "E_ARCHIVE"


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_thousands_of_headers_before_one_file_are_refused(tmp_path, kind):
    header, text = tarfile.TarInfo("header"), b"12 path=name"
    header.type, header.size = kind, len(text)
    block = header.tobuf() + text.ljust(512, b"\0")
    assert refusal(tmp_path, block * 5000 + tar_of(model_files())).code == "E_ARCHIVE"


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>", tar_of(model_files())[:90_000], b"\x1f\x8b" + bytes(600)],
    ids=["empty", "an error page", "cut off", "compressed"],
)
def test_what_is_no_whole_tar_is_refused(tmp_path, content):
    error = refusal(tmp_path, content)
    assert error.code == "E_ARCHIVE"
    assert error.message.startswith("this is not a complete, uncompressed tar archive")


@pytest.mark.parametrize("top", ["", "./", "PP-LCNet_x1_0_infer/", "./a/b/"])
def test_the_model_may_lie_at_the_top_or_in_a_folder(tmp_path, top):
    archive, into = tmp_path / "a.tar", tmp_path / "into"
    archive.write_bytes(tar_of(model_files(), top))
    extract(archive, into, LIMIT)
    assert tree(model_folder(into)) == model_files()


def test_permissions_and_owners_in_the_archive_do_not_matter(tmp_path):
    content = tar_with(member("x", mode=0o7777, uid=12345, gid=12345))
    archive = tmp_path / "a.tar"
    archive.write_bytes(content)
    extract(archive, tmp_path / "into", LIMIT)
    (tmp_path / "plain").touch()
    written, plain = (tmp_path / "into" / "x").stat(), (tmp_path / "plain").stat()
    assert (written.st_mode, written.st_uid) == (plain.st_mode, plain.st_uid)


def small_tar() -> bytes:
    """Three files, the first with an extended header."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("top/ü" + "x" * 120, "top/b", "c"):
            info = tarfile.TarInfo(name)
            info.size = 10
            tar.addfile(info, io.BytesIO(b"0123456789"))
    return buffer.getvalue()[: 10 * 512]


def with_checksums(content: bytearray) -> bytearray:
    """Make every block a header that tar believes, whatever it says."""
    for start in range(0, len(content), 512):
        block = content[start : start + 512]
        total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
        content[start + 148 : start + 156] = b"%06o\0 " % total
    return content


@settings(max_examples=300)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 10 * 512 - 12), st.binary(min_size=1, max_size=12)), max_size=8
    ),
    believed=st.booleans(),
    length=st.integers(0, 10 * 512),
)
def test_whatever_the_bytes_are_nothing_leaves_the_folder(changes, believed, length):
    """Damaged archives end in a ModelError, or in plain files inside the folder."""
    content = bytearray(small_tar())
    for place, value in changes:
        content[place : place + len(value)] = value
    with tempfile.TemporaryDirectory() as name:
        outer = Path(name)
        (outer / "a.tar").write_bytes(with_checksums(content) if believed else content[:length])
        (outer / "into").mkdir()
        with contextlib.suppress(ModelError):
            extract(outer / "a.tar", outer / "into", 1000)
        assert sorted(path.name for path in outer.iterdir()) == ["a.tar", "into"]
        assert sum(map(len, tree(outer / "into").values())) <= 1000
