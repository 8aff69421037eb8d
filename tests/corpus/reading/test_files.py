"""Files of every format as documents, whole blocks only, and clear words about bad ones."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import read_documents

from w2vflow.corpus.reading.files import read_blocks

OPENERS = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": zstandard.open,
}
WIKI = '<doc id="1" title="A">\nA\n\nfirst one\n</doc>\n\n<doc id="2">\nsecond\n</doc>\n'


def words(paths, reader="auto"):
    return [d.split() for d in read_documents(paths, reader)]


@pytest.mark.parametrize("suffix", ["", *OPENERS])
def test_text_formats_from_every_archive(tmp_path, suffix):
    for name, text in (
        ("lines", "first one\nsecond"),
        ("wiki", WIKI),
        ("blank", "first\none\n\n \nsecond\n"),
    ):
        path = tmp_path / f"{name}.txt{suffix}"
        with OPENERS[suffix](path, "wb") if suffix else path.open("wb") as file:
            file.write(text.encode())
    assert words(tmp_path / f"lines.txt{suffix}") == [["first", "one"], ["second"]]
    assert words([tmp_path / f"wiki.txt{suffix}"]) == [["A", "first", "one"], ["second"]]
    assert words(tmp_path / f"blank.txt{suffix}", "paragraphs") == [["first", "one"], ["second"]]


def test_zip_of_one_file(tmp_path):
    path = tmp_path / "text.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("text", "one two")
    assert words(path) == [["one", "two"]]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more", "three")
    with pytest.raises(ValueError, match=r"zip archives of one file, but got .* with 2 files"):
        words(path)


def test_folders_patterns_and_standard_input(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    for name, text in (("b.txt", "two"), ("a.txt", "one"), ("sub/c.md", "three")):
        (tmp_path / name).write_text(text)
    assert words(tmp_path) == [["one"], ["two"], ["three"]]
    assert words(str(tmp_path / "*.txt")) == [["one"], ["two"]]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe\n")))
    assert words("-") == [["from", "a", "pipe"]]
    with pytest.raises(FileNotFoundError, match="There is no text file"):
        words(str(tmp_path / "*.none"))


def test_dump_and_parquet_by_their_looks(tmp_path):
    import pyarrow
    import pyarrow.parquet

    dump = tmp_path / "dump.xml.bz2"
    page = "<page><title>T</title><ns>0</ns><revision><text>'''bold''' [[x|link]]</text></revision></page>"
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/">'
    dump.write_bytes(bz2.compress(f"{head}{page}</mediawiki>".encode()))
    assert words(dump) == [["T", "bold", "link"]]
    pyarrow.parquet.write_table(pyarrow.table({"text": ["one two", "three"]}), tmp_path / "t.parquet")
    assert words(tmp_path / "t.parquet") == [["one", "two"], ["three"]]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("ab é漢\u2028"), max_size=20), min_size=1, max_size=20),
    st.integers(1, 60),
    st.sampled_from(["lines", "paragraphs", "wikiextractor"]),
)
def test_blocks_hold_whole_documents(tmp_path_factory, documents, block_bytes, reader):
    documents = [d.strip() for d in documents if d.strip()]
    if not documents:
        return
    path = tmp_path_factory.mktemp("text") / "text.txt"
    joined = {
        "lines": "\n".join(documents),
        "paragraphs": "\n\n".join(documents) + "\n",
        "wikiextractor": "".join(f"<doc id=1>\n{d}\n</doc>\n\n" for d in documents),
    }[reader]
    path.write_text(joined, encoding="utf-8", newline="")
    blocks = list(read_blocks(path, reader, block_bytes=block_bytes))
    found = [b.text[s:e].decode().strip() for b in blocks for s, e in zip(b.starts, b.ends, strict=True)]
    assert found == documents


def test_bad_utf8_is_replaced_and_counted_or_named(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"good\nbad \xff\xfe one \xe6\xbc\nlast\n" + b"good\n" * 600)
    for block_bytes in (6, 2**20):
        blocks = list(read_blocks(path, block_bytes=block_bytes))
        assert blocks[0].facts[0].replaced == 3
        text = b"".join(b.text for b in blocks).decode()
        assert text == "good\nbad \ufffd\ufffd one \ufffd\nlast\n" + "good\n" * 600
    with pytest.raises(
        ValueError, match=r"`paths` must be UTF-8, but got .*text.txt with the byte 0xff at 9"
    ):
        list(read_blocks(path, bad_utf8="error"))
    with pytest.raises(ValueError, match="`bad_utf8` must be 'replace' or 'error'"):
        list(read_blocks(path, bad_utf8="ignore"))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_truncated_archives_are_refused(tmp_path, suffix):
    path = tmp_path / f"text.txt{suffix}"
    rng = np.random.default_rng(0)
    with OPENERS[suffix](path, "wb") as f:
        f.write(b"\n".join(rng.integers(97, 123, size=50, dtype=np.uint8).tobytes() for _ in range(20_000)))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match="`paths` must be a whole file"):
        list(read_documents(path))


def test_files_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "picture.txt"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    with pytest.raises(ValueError, match=r"`paths` must be text, but got .*picture.txt, which is an image"):
        list(read_documents(path))


def test_unfinished_document_is_refused(tmp_path):
    path = tmp_path / "wiki.txt"
    path.write_text('<doc id="1">\nfirst\n</doc>\n<doc id="2">\nsecond\n')
    with pytest.raises(ValueError, match="a last document that does not end"):
        list(read_documents(path))


def test_damage_of_bzip2_is_told_as_any_other(tmp_path):
    # The library raises an `OSError` of no kind.
    packed = bytearray(bz2.compress(b"some words in a line\n" * 20_000))
    packed[len(packed) // 2] ^= 255
    (tmp_path / "t.txt.bz2").write_bytes(packed)
    with pytest.raises(
        ValueError, match=r"must be a whole file, but got .*t\.txt\.bz2, cut short or damaged"
    ):
        list(read_blocks(tmp_path / "t.txt.bz2"))


def test_a_word_beyond_all_words_is_refused_and_a_long_line_is_not(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"a" * 40_000_000)
    with pytest.raises(ValueError, match="`paths` must be text made of words"):
        list(read_blocks(path, "lines"))
    path.write_bytes(b"one two " * 5_000_000)
    assert sum(len(block.text) for block in read_blocks(path, "lines")) == 40_000_000
