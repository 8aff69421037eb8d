"""Correlations with people's ratings, against SciPy and gensim; files that are no pairs."""

import itertools
import math

import numpy as np
import pytest
from gensim.models import KeyedVectors
from scipy import stats as scipy_stats

import w2vflow as wf
from w2vflow.semantics.similarity import evaluate_similarity

WORDS = [f"word{n}" for n in range(20)]


def by_gensim(vectors, words, file, **options):
    """Its correlations in float64: from float32 vectors it computes float32 cosines."""
    loaded = KeyedVectors(vectors.shape[1], dtype=np.float64)
    loaded.add_vectors(words, vectors.astype(np.float64))
    pearson, spearman, unknown = loaded.evaluate_word_pairs(str(file), restrict_vocab=len(words), **options)
    return pearson[0], spearman[0], unknown


def rated(rng, pairs=60):
    """Lines of different pairs of different words, unknown ones among them; ratings with ties."""
    names = [*WORDS, "nobody", "Nowhere"]
    every = list(itertools.combinations(names, 2))
    chosen = [every[n] for n in rng.choice(len(every), pairs, replace=False)]
    ratings = rng.integers(0, 9, pairs) / 2
    return [f"{a}\t{b.upper()}\t{rating}\n" for (a, b), rating in zip(chosen, ratings, strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_gensim(seed, tmp_path):
    rng = np.random.default_rng(seed)
    file = tmp_path / "pairs"
    file.write_text("# comment\nWord 1\tWord 2\tHuman (mean)\n" + "".join(rated(rng)))
    vectors = rng.normal(size=(22, 5)) * 10.0 ** rng.uniform(-3, 3, (22, 1))
    words = [*WORDS, "WORD3", "Word7"]
    score = evaluate_similarity(vectors, words, file)
    pearson, spearman, unknown = by_gensim(vectors, words, file)
    assert score.total + score.out_of_vocabulary == 60
    assert 0 < score.out_of_vocabulary < 30
    assert 100 * score.out_of_vocabulary / 60 == pytest.approx(unknown, abs=1e-12)
    assert score.spearman == pytest.approx(spearman, abs=1e-12)
    assert score.pearson == pytest.approx(pearson, abs=1e-12)
    _, spearman, _ = by_gensim(vectors, words, file, dummy4unknown=True)
    assert score.spearman_of_all == pytest.approx(spearman, abs=1e-12)
    assert score.spearman_of_all != pytest.approx(score.spearman, abs=1e-3)


def test_ties_and_known_values(tmp_path):
    """Equal cosines and equal ratings take their mean rank; cosines 1, 1, 0.6, 0 and -1 by hand."""
    vectors = np.array([[1, 0], [2, 0], [3, 4], [0, 5], [-7, 0]], np.float32)
    file = tmp_path / "pairs"
    file.write_text("a b 9\nA a 7\na c 7\na d 1\na e 2\na f 5\n")
    score = evaluate_similarity(vectors, list("abcde"), file)
    cosines, ratings = [1, 1, 0.6, 0, -1], [9, 7, 7, 1, 2]
    assert score.spearman == pytest.approx(scipy_stats.spearmanr(cosines, ratings)[0], abs=1e-12)
    assert score.pearson == pytest.approx(scipy_stats.pearsonr(cosines, ratings)[0], abs=1e-7)
    with_unknown = scipy_stats.spearmanr([*cosines, 0], [*ratings, 5])[0]
    assert score.spearman_of_all == pytest.approx(with_unknown, abs=1e-12)
    assert (score.total, score.out_of_vocabulary) == (5, 1)
    assert str(score) == (
        f"Spearman {score.spearman:.3f}, Pearson {score.pearson:.3f} over 5 pairs; "
        f"Spearman {with_unknown:.3f} with 1 unknown ones at cosine 0; ratings of column 3"
    )


def test_words_with_themselves_tie(tmp_path):
    """A cosine of 1 is 1 for all words, whatever the last digit of its sum."""
    vectors = np.random.default_rng(0).normal(size=(20, 50))
    file = tmp_path / "pairs"
    file.write_text("".join(f"{word} {word} {n}\n" for n, word in enumerate(WORDS)) + "word0 word1 3\n")
    rest = evaluate_similarity(vectors, WORDS, file)
    expected = scipy_stats.spearmanr([1] * 20 + [0], [*range(20), 3])[0]
    assert rest.spearman == pytest.approx(expected, abs=1e-12)


def test_restriction_spaces_marks_and_line_ends(tmp_path):
    file = tmp_path / "pairs"
    file.write_bytes(
        b"\xef\xbb\xbfword1 word2 similarity score\r\na  B 3\r\n\r\n# a b 9\r\nb c 1e0\r\na c 2.5\r\n"
    )
    vectors = np.array([[1, 0], [1, 1], [0.2, 1], [0, 0]])
    score = evaluate_similarity(vectors, ["a", "b", "c", "zero"], file, restrict_vocab=3)
    expected = scipy_stats.spearmanr([1 / np.sqrt(2), 1.2 / np.sqrt(2.08), 0.2 / np.sqrt(1.04)], [3, 1, 2.5])[
        0
    ]
    assert score.spearman == pytest.approx(expected, abs=1e-12)
    score = evaluate_similarity(vectors, ["a", "b", "c", "zero"], file, restrict_vocab=2)
    assert (score.total, score.out_of_vocabulary) == (1, 2)
    assert math.isnan(score.spearman)
    assert math.isnan(score.pearson)
    with pytest.raises(ValueError, match=r"`restrict_vocab` must be between 1 and .* 4, but got 5"):
        evaluate_similarity(vectors, ["a", "b", "c", "zero"], file, restrict_vocab=5)


def test_constant_ratings_have_no_correlation(tmp_path):
    file = tmp_path / "pairs"
    file.write_text("a b 3\nb c 3\nc a 3\n")
    score = evaluate_similarity(np.random.default_rng(0).normal(size=(3, 2)), list("abc"), file)
    assert math.isnan(score.spearman)
    assert math.isnan(score.pearson)
    assert math.isnan(score.spearman_of_all)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a b 1\n\na b\n", "`pairs` must be a file of which line 3 is two words and a finite .* got 'a b'"),
        (b"a b\n", "line 1 is two words and a finite rating, .* but got 'a b'"),
        (b"one two three\none two three\n", "line 1 is two words and a finite .* got 'one two three'"),
        (b"a b 1\nword1 word2 score\n", "line 2 is two words and a finite .* got 'word1 word2 score'"),
        (b"a b nan\n", "line 1 is two words and a finite rating, .* but got 'a b nan'"),
        (b"a b 1\na b inf\n", "line 2 is two words and a finite rating, .* but got 'a b inf'"),
        (b"a b cat 1\n", "line 1 is two words and a finite rating, .* but got 'a b cat 1'"),
        (b"a\t\t1\n", r"line 1 is two words and a finite rating, .* but got 'a\\t\\t1'"),
        (b"a b 1\na \xff 2\n", r"line 2 is UTF-8, but got b'a \\xff 2'"),
        (b"# nothing\n", "a file with rated word pairs in it, but got .*, which has none"),
        (b"a paris 1\n", "both words are among `words`, but got .* with none in 3 words. Give more words"),
    ],
)  # fmt: skip
def test_files_that_are_no_pairs(text, message, tmp_path):
    (tmp_path / "pairs").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        evaluate_similarity(np.eye(3), list("abc"), tmp_path / "pairs")


def test_vectors_that_cannot_be_evaluated(tmp_path):
    (tmp_path / "pairs").write_text("a b 1\n")
    with pytest.raises(ValueError, match="zero vectors for 'b'"):
        evaluate_similarity(np.diag([1, 0, 0]), list("abc"), tmp_path / "pairs")
    with pytest.raises(ValueError, match="`words` must be different, but got 'a' 2 times"):
        evaluate_similarity(np.eye(3), list("aba"), tmp_path / "pairs")
    with pytest.raises(FileNotFoundError, match="There is no file of word pairs"):
        evaluate_similarity(np.eye(3), list("abc"), tmp_path)


@pytest.fixture(scope="module")
def eigenvectors(wikipedia):
    """Vectors of the bundled statistics' words."""
    spec = wf.leading_eigenpairs(wf.Problem.from_statistics(wikipedia), 100)
    return spec.eigenvectors * np.sqrt(spec.eigenvalues)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pairs"),
    [("EN-WS-353-ALL", 353), ("EN-SIMLEX-999", 999), ("EN-MEN-TR-3k", 3000), ("EN-RW-STANFORD", 2034)],
)
def test_agrees_with_gensim_on_wikipedia(name, pairs, wikipedia, eigenvectors, corpus_folder):
    file = corpus_folder / "eval" / f"{name}.txt"
    score = evaluate_similarity(eigenvectors, wikipedia.words, file)
    assert score.total + score.out_of_vocabulary == pairs
    for of_all, ours in ((False, score.spearman), (True, score.spearman_of_all)):
        pearson, spearman, _ = by_gensim(eigenvectors, wikipedia.words, file, dummy4unknown=of_all)
        # A pair of one word twice has a cosine of 1 give or take rounding in gensim, which may part ties.
        assert ours == pytest.approx(spearman, abs=1e-4)
        assert of_all or score.pearson == pytest.approx(pearson, abs=1e-12)
