"""Files that are no plain text are told by their first bytes, and prose is never taken for one of them."""

import gzip
import sqlite3

import pytest
from texts import read_documents

FIRST_BYTES = {
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "a zip archive": b"PK\x03\x04\x14\0\x06\0",
    "a document of an old Office": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "a document in RTF": rb"{\rtf1\ansi Hello}",
    "an image": b"\x89PNG\r\n\x1a\n",
    "a sound": b"ID3\x04\0\0",
    "a pickle": b"\x80\x04\x95\x05\0\0\0\0\0\0\0",
    "an array of NumPy": b"\x93NUMPY\x01\0",
    "packed with gzip": b"\x1f\x8b\x08\0",
    "packed with Zstandard": b"\x28\xb5\x2f\xfd\x04",
    "an archive of web pages": b"WARC/1.0\r\nWARC-Type: warcinfo\r\n",
    "an archive of tar": b"a.txt".ljust(257, b"\0") + b"ustar\0",
}
MARKUP = {
    "HTML": "<!DOCTYPE html>\n<html><body><p>A text.</p></body></html>\n",
    r"HTML \(<div>": "<div><h1>A</h1><p>A text.</p> <p>Of <b>two</b> parts.</p></div>\n",
    r"XML \(<TEI>": '<?xml version="1.0"?>\n<!-- a text -->\n<TEI xmlns="x"><text>A</text></TEI>\n',
    r"XML \(<corpus>": "<corpus><doc2><title>A</title><para>b</para></doc2></corpus>\n",
    "subtitles with their times": "1\n00:00:01,000 --> 00:00:02,500\nHello.\n\n2\n",
    "subtitles": "WEBVTT\n\n00:01.000 --> 00:02.000\nHello.\n",
    "CoNLL-U": "# sent_id = 1\n1\tA\ta\tDET\t_\t_\t2\tdet\t_\t_\n2\tdog\tdog\tNOUN\t_\t_\t0\troot\t_\t_\n",
}
PROSE = [
    "{note} The cat\nsat on the mat\n",
    '{"a": 1} is an object of JSON\nand this is none\n',
    "[Illustration]\n\nA book\n",
    "[1] A footnote\n[2] Another\n",
    '["Hello," he said.]\n',
    '["Hello", he said.]\n',
    '"Yes," he said.\n"No," she said.\n"Why," he said.\n"Oh," she said.\n',
    '"Yes"\n"No"\n"Why"\n',
    "Roses are red, violets are blue\nSugar is sweet, and so are you\nThe sun is hot, the moon is cold\n",
    "\tOnce upon a time\n\tthere was a cat\n\tand a dog\n",
    "A title\tand a tab\nno tab here\n",
    "one,two\nthree,four\nfive,six\nseven,eight\n",
    "Dear Sir,\nI write,\nto you,\nJohn,\n",
    "a; b\nc; d\ne; f\n",
    "The text, a\nfoo, b\n",
    "<unk> the cat <unk>\nsat on\n",
    "<s> the cat </s>\n<s> a dog </s>\n",
    "<3 hearts\n",
    "<p align=center><b>A tool</b></p>\n\n# Read me\n\n" + "Many words without a tag follow here. " * 9,
    "1\nsecond\n",
    "RIFF raff\n",
    "BZh is no word\n",
    "GIF89 was a format\n",
    "PAR1 is none\n",
    "{\n",
    "[\n",
    '{"\n',
    "%PD\n",
    "page <page> one\n",
]


@pytest.mark.parametrize("kind", FIRST_BYTES)
def test_binary_files_are_refused_by_kind(tmp_path, kind):
    path = tmp_path / "file.txt"
    # Archives are unpacked, but not what is in them.
    packed = gzip.compress if kind.startswith(("a zip", "packed")) else bytes
    path.write_bytes(packed(FIRST_BYTES[kind]))
    for reader in ("auto", "lines"):
        with pytest.raises(
            ValueError, match=rf"`paths` must be text, but got .*file\.txt, which is {kind}.* first"
        ):
            list(read_documents(path, reader))


def test_a_database_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("create table texts (text)")
    database.close()
    with pytest.raises(ValueError, match="which is a database of SQLite"):
        list(read_documents(tmp_path / "a.db"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", MARKUP)
def test_markup_is_refused_by_kind_and_read_if_asked_for(tmp_path, kind, encoding):
    path = tmp_path / "file.txt"
    path.write_bytes(MARKUP[kind].encode(encoding))
    said = rf'`paths` must be text, but got .*file\.txt, which is {kind}.* first.*, or pass `reader="lines"`'
    with pytest.raises(ValueError, match=said):
        list(read_documents(path))
    lines = [line for line in MARKUP[kind].split("\n") if line]
    assert list(read_documents(path, "lines")) == lines


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_read_as_lines(tmp_path, text):
    path = tmp_path / "file"
    path.write_text(text)
    assert list(read_documents(path)) == [line for line in text.split("\n") if line]
