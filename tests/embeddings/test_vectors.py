"""Files of word vectors: gensim reads what is written here, and what gensim writes is read; broken files."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from safetensors.numpy import load_file, save_file

from w2vflow.embeddings.vectors import export_vectors, import_vectors

WORDS = ["the", "Köln", "new_york", "1999", "北京", "</s>", "naïve", "u.s."]
VECTORS = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
# The ends of float32: smallest, a denormal number, largest, negative zero, one not short in decimals.
VECTORS[0] = [1e-45, 1.17e-38, 3.4028235e38, -0.0, 1 / 3]
FORMATS = ["word2vec-text", "word2vec-binary", "safetensors", "tensorboard"]


def gensim_vectors():
    made = KeyedVectors(5)
    made.add_vectors(WORDS, VECTORS)
    return made


def written(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "given.vec"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def binary(words: list[bytes], vectors, header: bytes, end: bytes = b"") -> bytes:
    """As word2vec.c (`end` a newline) or gensim (empty) writes."""
    return header + b"".join(
        word + b" " + struct.pack(f"<{len(row)}f", *row) + end
        for word, row in zip(words, vectors, strict=True)
    )


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_is_read_again_bit_by_bit(tmp_path, format):
    path = tmp_path / "vectors"
    export_vectors(path, VECTORS, WORDS, format)
    for given in (None, format):
        words, vectors = import_vectors(path, given)
        assert words == tuple(WORDS)
        assert vectors.dtype == np.float32
        assert vectors.tobytes() == VECTORS.tobytes()
    assert len(list(tmp_path.iterdir())) == 1


# Vectorised BLAS, of gensim's product here, reads beyond a short row and may report what it found there.
@pytest.mark.filterwarnings("ignore:invalid value encountered in dot:RuntimeWarning")
@pytest.mark.parametrize(("format", "flag"), [("word2vec-text", False), ("word2vec-binary", True)])
@pytest.mark.parametrize("name", ["vectors.vec", "vectors.vec.gz"])
def test_gensim_loads_it_and_finds_the_same_neighbours(tmp_path, format, flag, name):
    path = tmp_path / name
    export_vectors(path, VECTORS[1:], WORDS[1:], format)
    loaded = KeyedVectors.load_word2vec_format(path, binary=flag)
    assert loaded.index_to_key == WORDS[1:]
    assert (loaded.vectors == VECTORS[1:]).all()
    units = VECTORS[1:] / np.linalg.norm(VECTORS[1:], axis=1, keepdims=True)
    cosines = units @ units[0]
    expected = [WORDS[1:][i] for i in np.argsort(-cosines)[1:4]]
    assert [word for word, _ in loaded.most_similar("Köln", topn=3)] == expected
    assert import_vectors(path).words == tuple(WORDS[1:])


@pytest.mark.parametrize(("flag", "format"), [(False, "word2vec-text"), (True, "word2vec-binary")])
def test_what_gensim_writes_is_read_exactly(tmp_path, flag, format):
    path = tmp_path / "vectors"
    gensim_vectors().save_word2vec_format(path, binary=flag)
    for given in (None, format):
        words, vectors = import_vectors(path, given)
        assert words == tuple(WORDS)
        assert vectors.tobytes() == VECTORS.tobytes()


def test_binary_files_of_many_chunks_are_read(tmp_path, monkeypatch):
    for size in ("_FIRST", "_MOST"):
        monkeypatch.setattr(f"w2vflow.embeddings.ahead.{size}", 7)
    for end in (b"", b"\n"):
        path = written(tmp_path, binary([w.encode() for w in WORDS], VECTORS, b"8 5\n", end))
        words, vectors = import_vectors(path)
        assert words == tuple(WORDS)
        assert (vectors == VECTORS).all()


def test_texts_of_other_programs_are_read(tmp_path):
    # fastText ends lines by a space, GloVe has no first line, some systems end lines by \r\n.
    for text in (
        "2 3\na 1 2 -3e-1 \nb 0.5 1e2 7 \n",
        "a 1 2 -0.3\nb .5 100 7\n",
        "a 1 2 -0.3\r\nb 0.5 100 7\r\n",
    ):
        words, vectors = import_vectors(written(tmp_path, text))
        assert words == ("a", "b")
        assert (vectors == np.array([[1, 2, -0.3], [0.5, 100, 7]], np.float32)).all()


def test_words_of_glove_with_spaces_are_read(tmp_path):
    path = written(tmp_path, "a 1 2\n. . . 3 4\nat name@domain.com 5 6\n")
    words, vectors = import_vectors(path)
    assert words == ("a", ". . .", "at name@domain.com")
    assert vectors.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_a_first_line_of_glove_that_looks_like_a_header_is_read_when_told(tmp_path):
    path = written(tmp_path, "1999 2\n2000 3\n")
    assert import_vectors(path, "glove").words == ("1999", "2000")


def test_gzip_of_binary_and_glove_is_read(tmp_path):
    for content in (binary([b"a"], [[1.0, 2.0]], b"1 2\n"), b"a 1 2\n"):
        words, vectors = import_vectors(written(tmp_path, gzip.compress(content, mtime=0)))
        assert (words, vectors.tolist()) == (("a",), [[1.0, 2.0]])


def test_safetensors_hold_plain_tensors(tmp_path):
    path = tmp_path / "v.safetensors"
    export_vectors(path, VECTORS, WORDS, "safetensors")
    tensors = load_file(path)
    assert bytes(tensors["words"]).decode().split("\n") == WORDS
    assert (tensors["vectors"] == VECTORS).all()


def test_metadata_say_whether_damage_could_be_told(tmp_path):
    for format in ("word2vec-text", "word2vec-binary", "tensorboard", "safetensors"):
        export_vectors(tmp_path / format, np.eye(3), ["a", "b", "c"], format)
        found = import_vectors(tmp_path / format)
        words, vectors = found
        assert (words, vectors.shape) == (("a", "b", "c"), (3, 3))
        checksum = "blake3" if format == "safetensors" else None
        assert found.metadata == {"format": format, "checksum": checksum}
        assert pickle.loads(pickle.dumps(found)).metadata == found.metadata
    assert import_vectors(tmp_path / "safetensors", limit=2).metadata["checksum"] is None
    save_file({"vectors": np.eye(3, dtype=np.float32)}, tmp_path / "others.safetensors")
    (tmp_path / "vocab.txt").write_text("a\nb\nc\n")
    assert import_vectors(tmp_path / "others.safetensors").metadata["checksum"] is None


def test_every_flipped_bit_of_safetensors_is_told_or_changes_nothing(tmp_path):
    path, rng = tmp_path / "v.safetensors", np.random.default_rng(0)
    export_vectors(path, VECTORS, WORDS, "safetensors")
    whole, told = path.read_bytes(), 0
    for place in rng.integers(len(whole), size=400):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            words, vectors = import_vectors(path)
        except (ValueError, FileNotFoundError):
            told += 1
            continue
        assert list(words) == WORDS
        np.testing.assert_array_equal(vectors, VECTORS)
    assert told > 200
    path.write_bytes(whole)
    assert import_vectors(path, limit=2).words == tuple(WORDS[:2])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_safetensors_of_others_come_with_words_beside_them(tmp_path, dtype):
    save_file({"embedding.weight": VECTORS[1:].astype(dtype)}, tmp_path / "v.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no file of the words of the vectors .*vocab.txt"):
        import_vectors(tmp_path / "v.safetensors")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS[1:]) + "\n")
    words, vectors = import_vectors(tmp_path / "v.safetensors")
    assert words == tuple(WORDS[1:])
    assert (vectors == VECTORS[1:].astype(dtype).astype(np.float32)).all()


def test_projector_files_of_others_are_read(tmp_path):
    (tmp_path / "tensors.tsv").write_text("1\t2\n3\t4\n")
    (tmp_path / "metadata.tsv").write_text("count\tWord\n7\ta b\n9\tc\n")
    for path in (tmp_path, tmp_path / "tensors.tsv"):
        words, vectors = import_vectors(path)
        assert words == ("a b", "c")
        assert vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_other_numbers_become_float32(tmp_path, dtype):
    given = np.arange(6).reshape(2, 3).astype(dtype) / (1 if dtype is np.int32 else 3)
    export_vectors(tmp_path / "v", given, ["a", "b"], "word2vec-binary")
    assert (import_vectors(tmp_path / "v").vectors == given.astype(np.float32)).all()


@pytest.mark.parametrize(
    ("vectors", "words", "format", "message"),
    [
        ([[1.0], [2.0]], ["a", "a"], "word2vec-text", "`words` must be different, but got 'a' 2 times"),
        ([[1.0], [2.0]], ["a"], "word2vec-text", "`words` must be one for each of the 2 vectors"),
        (np.ones((0, 3)), [], "word2vec-text", r"of shape \(V, d\)"),
        ([[1.0], [np.nan]], ["a", "b"], "safetensors", "finite, but got NaN or infinite entries for 'b'"),
        ([[1.0], [1e39]], ["a", "b"], "tensorboard", "range of float32, but got larger entries for 'b'"),
        (
            [[1.0], [2.0]],
            ["a", "b c"],
            "word2vec-text",
            "without spaces in word2vec-text, but got 'b c', word 2",
        ),
        (
            [[1.0], [2.0]],
            ["a", "b\n"],
            "word2vec-binary",
            r"without spaces in word2vec-binary, but got 'b\\n'",
        ),
        ([[1.0], [2.0]], ["a", ""], "word2vec-text", "not empty and without spaces .* got '', word 2"),
        ([[1.0], [2.0]], ["a", "b\tc"], "tensorboard", r"tabs or newlines in tensorboard, but got 'b\\tc'"),
        ([[1.0], [2.0]], ["a", "b\x0bc"], "word2vec-text", "without spaces"),
        ([[1.0], [2.0]], ["a", "b\nc"], "safetensors", "tabs or newlines in safetensors"),
        ([[1.0], [2.0]], ["a", "\ud800"], "word2vec-text", "text that UTF-8 can hold"),
        ([[1.0], [2.0]], ["a", "b"], "word2vec", "`format` must be one of"),
    ],
)
def test_what_no_file_can_hold_is_refused(tmp_path, vectors, words, format, message):
    with pytest.raises(ValueError, match=message):
        export_vectors(tmp_path / "v", vectors, words, format)
    assert not list(tmp_path.iterdir())


def test_words_with_spaces_fit_where_nothing_ends_at_them(tmp_path):
    for format in ("safetensors", "tensorboard"):
        export_vectors(tmp_path / format, [[1.0], [2.0]], ["new york", "a\u00a0b"], format)
        assert import_vectors(tmp_path / format).words == ("new york", "a\u00a0b")


@pytest.mark.parametrize("format", FORMATS)
def test_spaces_and_line_ends_of_other_kinds_are_parts_of_words(tmp_path, format):
    """No-break space, next line, line separator, information separators: Python alone ends anything there."""
    words = ("a\u00a0b", "c\x85", "\u2028d", "e\x1cf\x1d\x1e", "\u3000", "g\u2029h", "last\u00a0")
    export_vectors(tmp_path / "v", np.eye(7), words, format)
    assert import_vectors(tmp_path / "v").words == words


GOOD = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("2 3\na 1 2 3\na 4 5 6\n", "different words, but got 'a' in line 2 and in line 3"),
        ("2 3\na 1 2 3\nb 4 5\n", "line 3 is a word and 3 numbers, but got b'b 4 5.*It has 2"),
        ("a 1 2 3\nb 4 5 6 7\n", "line 2 is a word and 3 numbers, .*It has 4"),
        ("a 1 2 3\nb 4 x 6\n", "line 2 is a word and 3 numbers"),
        ("2 3\na 1 2 3\nb 4 nan 6\n", "finite numbers, but got NaN or infinity for 'b', line 3"),
        ("a 1 2 3\nb 4 inf 6\n", "finite numbers, but got NaN or infinity for 'b', line 2"),
        ("3 3\na 1 2 3\nb 4 5 6\n", "with the 3 words that its first line tells, but got 2"),
        ("1 3\na 1 2 3\nb 4 5 6\n", "with the 1 words that its first line tells, but got 2"),
        ("2 9\na 1 2 3\nb 4 5 6\n", "line 2 is a word and 9 numbers, .*It has 3"),
        ("0 3\n", "line 1 is two numbers, of words and of dimensions"),
        ("1 0\na\n", "line 1 is two numbers"),
        ("1 9999999999\na 1\n", "line 1 is the number of words and a dimension of at most 1000000"),
        ("", "in one of the formats"),
        ("Some text, of no vectors.\n", "in one of the formats .* which begins b'Some text"),
        ("2 3\n 1 2 3\nb 4 5 6\n", "without empty words, but got one in line 2"),
        (b"2 3\na 1 2 3\n\xe5\x8c 4 5 6\n", r"line 3 is UTF-8, but got b'\\xe5\\x8c'.*backslashreplace"),
        (binary([b"a", b"b"], GOOD, b"2 3\n")[:-1], "2 words of dimension 3 .* which ends after 1 of them"),
        (binary([b"a", b"b"], GOOD, b"3 3\n"), "3 words of dimension 3 .* which ends after 2 of them"),
        (binary([b"a", b"b"], GOOD, b"2 9\n"), "2 words of dimension 9 .* which ends after 0 of them"),
        (binary([b"a", b"b"], GOOD, b"1 3\n"), "1 words of dimension 3 .* which goes on after them"),
        (binary([b"a", b"a"], GOOD, b"2 3\n"), "different words, but got 'a' in word 1 and in word 2"),
        (
            binary([b"a", b"\xff"], GOOD, b"2 3\n", b"\n"),
            r"word 2 is UTF-8, but got b'\\xff'.*backslashreplace",
        ),
        (binary([b"a", b""], GOOD, b"2 3\n"), "without empty words, but got one in word 2"),
        (binary([b"a", b"b"], [[1, 2, 3], [4, np.inf, 6]], b"2 3\n"), "infinity for 'b', word 2"),
        (gzip.compress(b"2 3\na 1 2 3\nb 4 5 6\n", mtime=0)[:-9], "`path` must be a whole file"),
    ],
)
def test_broken_files_are_refused_with_the_place(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        import_vectors(written(tmp_path, content))


def test_words_cut_in_the_middle_of_a_character_can_be_kept(tmp_path):
    path = written(tmp_path, binary([b"a", b"\xe5\x8c", b"\xe5"], [[1.0], [2.0], [3.0]], b"3 1\n"))
    words, _ = import_vectors(path, "word2vec-binary", errors="backslashreplace")
    assert words == ("a", r"\xe5\x8c", r"\xe5")


def test_pickles_are_refused_with_what_to_do(tmp_path):
    gensim_vectors().save(str(tmp_path / "model"))
    with pytest.raises(ValueError, match=r"a pickle, which can run code .*`model.wv.save_word2vec_format\("):
        import_vectors(tmp_path / "model")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of vectors"):
        import_vectors(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"no file of vectors .*tensors.tsv"):
        import_vectors(tmp_path)
    (tmp_path / "tensors.tsv").write_text("1\t2\n")
    with pytest.raises(FileNotFoundError, match=r"no file of the words .*metadata.tsv"):
        import_vectors(tmp_path)
    with pytest.raises(
        ValueError, match=r"`path` must be a file, if the format is glove, but got the folder"
    ):
        import_vectors(tmp_path, "glove")
    with pytest.raises(ValueError, match=r"`format` must be one of .* or None"):
        import_vectors(tmp_path, "gensim")


def test_tables_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "metadata.tsv").write_text("a\nb\n")
    (tmp_path / "tensors.tsv").write_text("1\t2\n3\n")
    with pytest.raises(ValueError, match="line 2 is numbers, as many as in the first"):
        import_vectors(tmp_path)
    (tmp_path / "tensors.tsv").write_text("1\t2\n3\t4\n5\t6\n")
    with pytest.raises(ValueError, match="of as many words as vectors, but got 2 and 3"):
        import_vectors(tmp_path)


def test_safetensors_without_a_matrix_are_refused(tmp_path):
    path = tmp_path / "v.safetensors"
    save_file({"a": np.ones((2, 3)), "b": np.ones((2, 3))}, path)
    with pytest.raises(ValueError, match="one matrix, or one named `vectors`"):
        import_vectors(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="a safetensors file of float32"):
        import_vectors(path)


@pytest.mark.parametrize("format", FORMATS)
def test_a_write_that_fails_leaves_what_was_there(tmp_path, format, monkeypatch):
    path = tmp_path / "v"
    export_vectors(path, VECTORS, WORDS, format)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def full(*_args):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        export_vectors(path, 2 * VECTORS[1:], WORDS[1:], format)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_the_same_vectors_give_the_same_bytes(tmp_path):
    for name in ("one.gz", "other.gz"):
        export_vectors(tmp_path / name, VECTORS, WORDS)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "other.gz").read_bytes()
