"""Packed files are told by their first bytes, or else by their names."""

import bz2
import gzip
import lzma
import zipfile

import pytest
import zstandard

from w2vflow.support.packed_files import open_unpacked, told_damages

PACKERS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("text", [b"", b"a text\n", b"BZh9 is no archive"])
def test_content_tells_more_than_the_name(tmp_path, ending, text):
    for name in (f"v{ending}", "v", "v.txt", "v.GZ"):
        (tmp_path / name).write_bytes(PACKERS[ending](text))
        with open_unpacked(tmp_path / name) as file:
            assert file.read() == text
    (tmp_path / "plain").write_bytes(text)
    with open_unpacked(tmp_path / "plain") as file:
        assert file.read() == text


@pytest.mark.parametrize("ending", PACKERS)
def test_damage_is_said_of_the_argument(tmp_path, ending):
    path = tmp_path / f"v{ending}"
    whole = PACKERS[ending](bytes(range(256)) * 40)
    said = r"`texts` must be a whole file, but got .*, cut short or damaged"
    for content in (whole[:-9], whole[:20], b"nothing of it"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=said), told_damages("texts", path), open_unpacked(path) as file:
            file.read()


def test_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), told_damages("path", tmp_path / "none"):
        open_unpacked(tmp_path / "none")


def test_archives_of_zip(tmp_path):
    path = tmp_path / "named.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
        archive.writestr("__MACOSX/._a.txt", "hidden")
    with open_unpacked(path) as file:
        assert file.read() == b"text"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.txt", "text")
    with pytest.raises(
        ValueError, match=r"`pairs` must be zip archives of one file, .* 2 files \(a.txt, b.txt\)"
    ):
        open_unpacked(path, "pairs")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    # The bit of a password, in the file's own header and in the list of all.
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"an archive that unpacks, but got .*password.* Unpack it first"):
        open_unpacked(path)
