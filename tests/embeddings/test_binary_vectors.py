"""word2vec's binary files: words with spaces are refused, however they are hidden; all others are read."""

import itertools

import numpy as np
import pytest

from w2vflow.embeddings.vectors import import_vectors

SPACED = ["New York", "route 6", "New York City", "a b", "a  b", "x ", "São Paulo", "北 京", "the old cat"]
LAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.uniform(size=shape),
    "small": lambda rng, shape: (rng.uniform(size=shape) - 0.5) / 300,
    "whole": lambda rng, shape: rng.integers(-5, 6, size=shape),
    "half": lambda rng, shape: rng.normal(size=shape).astype(np.float16),
    "sparse": lambda rng, shape: np.maximum(rng.normal(size=shape), 0),
}
ORDINARY = [
    "the",
    "Köln",
    "new_york",
    "1999",
    "北京",
    "</s>",
    "naïve",
    "u.s.",
    "?",
    "A",
    "I",
    "Москва",
    "of\u00a0x",
]


def write(path, words, vectors, end=b""):
    rows = zip(words, vectors.astype("<f4"), strict=True)
    header = b"%d %d\n" % vectors.shape
    path.write_bytes(header + b"".join(word.encode() + b" " + row.tobytes() + end for word, row in rows))
    return path


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dim", [4, 8, 50])
def test_a_word_with_a_space_is_never_read_as_another(tmp_path, dim, law, end):
    for seed, place in enumerate([0, 3, 6] * 4):
        words = [f"{word}{n}" for n, word in enumerate(ORDINARY[:7])]
        words[place] = SPACED[seed % len(SPACED)]
        vectors = LAWS[law](np.random.default_rng(seed), (7, dim))
        path = write(tmp_path / "v.bin", words, vectors, end)
        for errors in ("strict", "backslashreplace", "replace", "ignore"):
            with pytest.raises(ValueError, match="space"):
                import_vectors(path, errors=errors)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_many_words_with_spaces_and_the_first_words_alone(tmp_path, end):
    vectors = np.random.default_rng(0).normal(size=(9, 8))
    path = write(tmp_path / "v.bin", SPACED, vectors, end)
    words = [*ORDINARY[:7], "New York", "cat"]
    some = write(tmp_path / "some.bin", words, vectors, end)
    for limit in (None, 1, 2, 9):
        with pytest.raises(ValueError, match="space"):
            import_vectors(path, limit=limit)
    assert import_vectors(some, limit=7).words == tuple(words[:7])
    with pytest.raises(ValueError, match=r"words without spaces .* near word 8, perhaps 'New.*with `_`"):
        import_vectors(some, limit=8)
    with pytest.raises(ValueError, match="space"):
        import_vectors(some)


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("law", LAWS)
def test_ordinary_words_are_read_bit_by_bit(tmp_path, law, end):
    for seed, dim in itertools.product(range(3), (2, 3, 4, 8, 50)):
        words = [f"{word}{n}" for n, word in enumerate(ORDINARY * 20)]
        vectors = LAWS[law](np.random.default_rng(seed), (len(words), dim)).astype(np.float32)
        path = write(tmp_path / "v.bin", words, vectors, end)
        read = import_vectors(path)
        assert read.words == tuple(words)
        assert read.vectors.tobytes() == vectors.tobytes()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dim", [1, 2])
def test_so_few_numbers_that_they_may_be_text_are_never_misread(tmp_path, dim, law):
    for seed, place in itertools.product(range(9), (0, 3, 6)):
        words = [f"{word}{n}" for n, word in enumerate(ORDINARY[:7])]
        vectors = LAWS[law](np.random.default_rng(seed), (7, dim)).astype(np.float32)
        # With newlines that is told without fail.
        assert import_vectors(write(tmp_path / "v.bin", words, vectors, b"\n")).words == tuple(words)
        # Without, some may as well be text.
        said = ""
        try:
            read = import_vectors(write(tmp_path / "v.bin", words, vectors))
        except ValueError as error:
            said = str(error)
        if said:
            assert dim == 1
            assert "In one dimension, without newlines" in said
        else:
            assert (read.words, read.vectors.tobytes()) == (tuple(words), vectors.tobytes())
        words[place] = SPACED[seed]
        for end in (b"", b"\n"):
            with pytest.raises(ValueError, match="space"):
                import_vectors(write(tmp_path / "v.bin", words, vectors, end), "word2vec-binary")


def test_vectors_of_one_number_and_zeros_are_read(tmp_path):
    words = [f"w{n}" for n in range(40)]
    for vectors in (np.zeros((40, 3)), np.ones((40, 1)), np.eye(40), np.full((40, 2), 1e-30)):
        for end in (b"", b"\n"):
            read = import_vectors(write(tmp_path / "v.bin", words, vectors, end))
            assert (read.vectors == vectors.astype(np.float32)).all()


def test_every_other_damage_speaks_of_spaces_too(tmp_path):
    vectors = np.ones((2, 3))
    whole = write(tmp_path / "v.bin", ["a", "b"], vectors).read_bytes()
    broken = [whole[:-1], whole + b"x", whole.replace(b"b ", b"a "), whole.replace(b"b ", b"\xff ")]
    broken += [whole.replace(b"b ", b" "), whole[:-4] + b"\0\0\x80\x7f"]
    for content in broken:
        (tmp_path / "v.bin").write_bytes(content)
        with pytest.raises(ValueError, match="Or a word of it holds a space, which ends words"):
            import_vectors(tmp_path / "v.bin", "word2vec-binary")


def test_line_breaks_in_words_are_refused(tmp_path):
    for end in (b"", b"\n"):
        path = write(tmp_path / "v.bin", ["a", "b\nc", "d"], np.ones((3, 4)), end)
        with pytest.raises(ValueError, match="words without spaces or line breaks"):
            import_vectors(path)
