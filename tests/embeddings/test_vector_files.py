"""Files of vectors of other programs: packed, between tabs, marked, the first words alone; broken numbers."""

import bz2
import gzip
import lzma
import struct
import warnings
import zipfile

import numpy as np
import pytest
import zstandard
from safetensors.numpy import save_file

from w2vflow.embeddings.vectors import export_vectors, import_vectors

TEXT = b"foo 1 2\nbar 3 4\n"
BINARY = b"2 2\n" + b"".join(
    w + b" " + struct.pack("<2f", *v) for w, v in ((b"foo", (1, 2)), (b"bar", (3, 4)))
)
READ = (("foo", "bar"), [[1, 2], [3, 4]])


def read(path, content, **options):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    words, vectors = import_vectors(path, **options)
    return words, vectors.tolist()


def zipped(content):
    import io

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vectors.txt", content)
    return file.getvalue()


PACKERS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".zip": zipped,
}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("content", [TEXT, b"2 2\n" + TEXT, BINARY])
def test_vectors_are_unpacked_whatever_their_name(tmp_path, ending, content):
    packed = PACKERS[ending](content)
    assert read(tmp_path / f"v{ending}", packed) == READ
    assert read(tmp_path / "v.bin", packed) == READ
    with pytest.raises(ValueError, match="`path` must be "):
        read(tmp_path / f"v{ending}", packed[: len(packed) // 2])


@pytest.mark.parametrize("start", [b"", b"2 2\n", b"2\t2\n", b"2 2 \r\n"])
def test_columns_between_tabs(tmp_path, start):
    assert read(tmp_path / "v.tsv", start + b"foo\t1\t2\nbar\t3\t4\n") == READ
    assert read(tmp_path / "v.tsv", start + b"foo\t1 2\r\nbar\t3 4\t\r\n") == READ
    words = ("new york", "route 66")
    assert read(tmp_path / "v.tsv", start + b"new york\t1\t2\nroute 66\t3\t4\n") == (words, READ[1])
    assert read(tmp_path / "v.tsv", start + b"1999\t1\t2\nbar\t3\t4\n")[0] == ("1999", "bar")


@pytest.mark.parametrize("start", ["", "4 3\n"])
def test_words_with_spaces_numbers_and_dots(tmp_path, start):
    text = start + ". . . 3 4 5\n1999 1 2 3\nat name@domain.com 4 5 6\nnan 0 0 1\n"
    assert read(tmp_path / "v", text) == (
        (". . .", "1999", "at name@domain.com", "nan"),
        [[3, 4, 5], [1, 2, 3], [4, 5, 6], [0, 0, 1]],
    )


def test_marks_at_the_beginning_are_no_part_of_words(tmp_path):
    mark = b"\xef\xbb\xbf"
    for content in (TEXT, b"2 2\n" + TEXT, TEXT.replace(b" ", b"\t")):
        assert read(tmp_path / "v", mark + content) == READ
        assert read(tmp_path / "v", mark + content.replace(b"\n", b"\r\n")) == READ
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "metadata.tsv").write_bytes(mark + b"foo\r\nbar\r\n")
    assert read(tmp_path / "t" / "tensors.tsv", mark + b"1\t2\n3\t4\n") == READ
    save_file({"vectors": np.array(READ[1], np.float32)}, tmp_path / "v.safetensors")
    (tmp_path / "vocab.txt").write_bytes(mark + b"foo\nbar\n")
    assert import_vectors(tmp_path / "v.safetensors").words == READ[0]
    with pytest.raises(ValueError, match=r"a file in UTF-8, but got .* in UTF-16\. Save it as UTF-8"):
        read(tmp_path / "v", TEXT.decode().encode("utf-16"))


@pytest.mark.parametrize("format", ["word2vec-text", "word2vec-binary", "safetensors", "tensorboard"])
def test_the_first_words_alone(tmp_path, format):
    words, vectors = [f"w{n}" for n in range(9)], np.random.default_rng(0).normal(size=(9, 3)).astype("f4")
    export_vectors(tmp_path / "v", vectors, words, format)
    for limit in (1, 4, 9, 20):
        found = import_vectors(tmp_path / "v", limit=limit)
        assert found.words == tuple(words[:limit])
        assert (found.vectors == vectors[:limit]).all()
    with pytest.raises(ValueError, match="`limit` must be at least 1, or None, but got 0"):
        import_vectors(tmp_path / "v", limit=0)


def test_what_follows_the_first_words_is_not_looked_at(tmp_path):
    for content in (
        b"3 2\n" + TEXT,
        b"2 2\n" + TEXT + b"more 5 6\n",
        TEXT + b"cut 5",
        TEXT + b"foo 1 2\n",
        b"3" + BINARY[1:],
        b"3" + BINARY[1:] + b"cut \0\0",
        gzip.compress(TEXT, mtime=0)[:-5],
        gzip.compress(b"9" + BINARY[1:], mtime=0)[:-6],
    ):
        assert read(tmp_path / "v", content, limit=2) == READ
        with pytest.raises(ValueError, match="`path` must be "):
            read(tmp_path / "v", content)


def test_the_first_of_words_that_come_twice(tmp_path):
    content = b"foo 1 2\nfoo 5 6\nbar 3 4\nbar 7 8\n"
    with pytest.raises(ValueError, match=r"'foo' in line 1 and in line 2 .* or pass `keep='first'`"):
        read(tmp_path / "v", content)
    assert read(tmp_path / "v", content, keep="first") == READ
    assert read(tmp_path / "v", content, keep="first", limit=2) == READ
    assert read(tmp_path / "v", content, keep="first", limit=1) == (("foo",), [[1, 2]])
    with pytest.raises(ValueError, match="`keep` must be 'first' or None, but got 'last'"):
        read(tmp_path / "v", content, keep="last")
    (tmp_path / "metadata.tsv").write_bytes(b"foo\nfoo\nbar\n")
    assert read(tmp_path / "tensors.tsv", b"1\t2\n5\t6\n3\t4\n", keep="first", limit=2) == READ


JUNK = [
    "bar 1 2 x",
    "bar 1 2 3 x",
    "baz 1 2 3e",
    "baz 1 2 1_0",
    "baz 1 2 3 4",
    "baz 1 2 0x1",
    "b\u00a0 1 2\u00a03",
    "baz 1",
    "baz",
    "baz 1 2,5 3 4",
]


@pytest.mark.parametrize("line", JUNK)
@pytest.mark.parametrize("start", ["", "2 3\n"])
def test_junk_is_refused_with_all_warnings_ignored(tmp_path, line, start):
    """NumPy before 2.3 only warns of junk after numbers, where it reads them from text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=f"line {3 if start else 2} is a word and 3 numbers"):
            read(tmp_path / "v", f"{start}foo 1 2 3\n{line}\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("foo 0,5 1,25\nbar 1,0 2,0\n", "line 1 is a word and its numbers.*Write decimal points, not commas"),
        ("2 2\nfoo 0,5 1,25\nbar 1,0 2,0\n", "line 2 is a word and 2 numbers.*decimal points, not commas"),
        ("foo\t0.5\t1\nbar\t1,0\t2\n", "line 2 is a word and 2 numbers.*decimal points, not commas"),
        ("foo,0.5,1\nbar,1,2\n", "in one of the formats .*Columns are told by spaces or tabs"),
        ("foo 1 2\n 3 4\n", "without empty words, but got one in line 2"),
        ("foo\t1\t2\n\t3\t4\n", "without empty words, but got one in line 2"),
        ("foo 1 2\nbar nan nan\n", "finite numbers, but got NaN or infinity for 'bar', line 2"),
        ("foo 1 2\nbar 1 1e39\n", "finite numbers, but got NaN or infinity for 'bar', line 2"),
        ("2 2\nroute 66 1 2\nbar 3 4\n", "line 2 is a word and 2 numbers, .*It has 3"),
        (b"\0" * 5000, "in one of the formats"),
        (b"PK\3\4 no archive", "a whole file, but got .*, cut short or damaged"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "v", content)


def test_archives_of_several_files_are_refused_by_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "glove.zip", "w") as archive:
        for dim in (50, 100):
            archive.writestr(f"glove.6B.{dim}d.txt", TEXT)
    with pytest.raises(ValueError, match=r"of one file, but got .* 2 files \(glove.6B.50d.txt, .*Unpack it"):
        import_vectors(tmp_path / "glove.zip")
