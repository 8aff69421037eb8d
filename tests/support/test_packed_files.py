"""Packed files are told by their first bytes, or else by their names."""

import bz2
import gzip
import io
import lzma
import zipfile
from contextlib import contextmanager

import pytest
import zstandard

from w2vflow.support.packed_files import told_damages, unpacked, unpacked_name

PACKERS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@contextmanager
def opened(path, argument="path"):
    with path.open("rb") as raw, unpacked(raw, str(path), argument) as stream:
        yield stream


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("text", [b"", b"a text\n", b"BZh9 is no archive"])
def test_content_tells_more_than_the_name(tmp_path, ending, text):
    for name in (f"v{ending}", "v", "v.txt", "v.GZ"):
        (tmp_path / name).write_bytes(PACKERS[ending](text))
        with opened(tmp_path / name) as file:
            assert file.read() == text
    (tmp_path / "plain").write_bytes(text)
    with opened(tmp_path / "plain") as file:
        assert file.read() == text


@pytest.mark.parametrize("ending", PACKERS)
def test_damage_is_said_of_the_argument(tmp_path, ending):
    path = tmp_path / f"v{ending}"
    whole = PACKERS[ending](bytes(range(256)) * 40)
    said = r"`texts` must be a whole file, but got .*, cut short or damaged"
    for content in (whole[:-9], whole[:20], b"nothing of it"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=said), told_damages("texts", str(path)), opened(path) as file:
            file.read()


def test_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), told_damages("path", "none"), opened(tmp_path / "none"):
        pass
    with pytest.raises(ConnectionError), told_damages("path", "a"):
        raise ConnectionError("no answer")


def test_the_name_of_what_is_packed():
    assert [unpacked_name(name) for name in ("a/b.txt.GZ", "a.b/c", "v.zip")] == ["a/b.txt", "a.b/c", "v"]


def test_archives_of_zip(tmp_path):
    path = tmp_path / "named.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
        archive.writestr("__MACOSX/._a.txt", "hidden")
    with opened(path) as file:
        assert file.read() == b"text"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.txt", "text")
    several = r"`pairs` must be zip archives of one file, .* 2 files \(a.txt, b.txt\)"
    with pytest.raises(ValueError, match=several), opened(path, "pairs"):
        pass
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    # The bit of a password, in the file's own header and in the list of all.
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    locked = r"an archive that unpacks, but got .*password.* Unpack it first"
    with pytest.raises(ValueError, match=locked), opened(path):
        pass


def read_all(path, read):
    with opened(path) as stream:
        while found := stream.read1(2**20):
            read.append(len(found))


@pytest.mark.parametrize("ending", [*PACKERS, ".zip"])
def test_what_unpacks_to_more_than_any_text_is_refused_early(ending, tmp_path):
    letters = b"a" * 40_000_000
    path = tmp_path / f"text{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("text", letters)
    else:
        path.write_bytes(PACKERS[ending](letters))
    read = []
    with pytest.raises(ValueError, match="`path` must be an archive of at most 250 times its size"):
        read_all(path, read)
    assert sum(read) <= 2**24 + 2**20


def test_a_text_that_repeats_itself_is_read(tmp_path):
    lines = b"".join(b"%d one two three four five six\n" % (n // 10) for n in range(1_200_000))
    packed = gzip.compress(lines)
    assert len(lines) > 2**25
    assert 100 < len(lines) / len(packed) < 250
    with unpacked(io.BufferedReader(io.BytesIO(packed)), "text.gz") as stream:
        assert stream.read() == lines
