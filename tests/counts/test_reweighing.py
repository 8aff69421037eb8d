"""Words reweighed in counts: as if counted from a text in which they count so much."""

import numpy as np
import pytest

import w2vflow as wf
from w2vflow.counts.reweighing import reweigh_words

LINE = "a cat saw the dog the dog saw a cat and the cat ran the dog and a bird sang the song"
TEXT = LINE.split()


def weighted_counts(words, factors, window):
    """Every pair of places, each occurrence with its weight; linear in the distance."""
    number = {word: i for i, word in enumerate(words)}
    counts = np.zeros((len(words),) * 2)
    for i, one in enumerate(TEXT):
        for j in range(i + 1, min(i + window, len(TEXT) - 1) + 1):
            other = TEXT[j]
            if one in number and other in number:
                weight = factors.get(one, 1) * factors.get(other, 1) * (window + 1 - (j - i)) / window
                counts[number[one], number[other]] += weight
                counts[number[other], number[one]] += weight
    return counts


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "text.txt").write_text(LINE)

    def count(vocabulary):
        return wf.count(
            folder / "text.txt", vocabulary=vocabulary, window=4, out_of_vocabulary="after", workers=1
        )

    return count


def test_reweighing_is_a_weighted_count_of_the_text(counted):
    words = sorted(set(TEXT))
    factors = {"cat": 2.5, "the": 0.25, "a": 3, "dog": 1}
    found = reweigh_words(counted(words), factors)
    assert found.words == tuple(words)
    expected = weighted_counts(words, factors, 4)
    scale = found.counts.sum() / expected.sum()
    np.testing.assert_allclose(found.counts.toarray(), scale * expected, rtol=1e-13)
    assert found.unigram[words.index("the")] == round(0.25 * TEXT.count("the"))
    assert found.unigram[words.index("a")] == 3 * TEXT.count("a")
    assert found.metadata["reweighed_words"] == factors


def test_a_word_of_weight_0_leaves_the_vocabulary(counted):
    words = sorted(set(TEXT))
    found = reweigh_words(counted(words), {"the": 0, "and": 0})
    left = [word for word in words if word not in ("the", "and")]
    again = counted(left)
    assert found.words == again.words == tuple(left)
    np.testing.assert_array_equal(found.counts.toarray(), again.counts.toarray())
    np.testing.assert_array_equal(found.unigram, again.unigram)
    assert found.denominator == again.denominator


def test_rare_words_keep_an_occurrence_and_factors_multiply(stats, tmp_path):
    word, other = stats.words[3], stats.words[5]
    found = reweigh_words(reweigh_words(stats, {word: 0.3}), {word: 0.001, other: 0.7})
    assert found.unigram.min() >= 1
    assert found.metadata["reweighed_words"] == {word: pytest.approx(3e-4), other: 0.7}
    f = np.ones(30)
    f[3], f[5] = 3e-4, 0.7
    np.testing.assert_allclose(found.counts.toarray(), f[:, None] * stats.counts.toarray() * f, rtol=1e-14)
    found.save(tmp_path / "counts.npz")
    loaded = wf.CooccurrenceStatistics.load(tmp_path / "counts.npz")
    np.testing.assert_array_equal(loaded.counts.toarray(), found.counts.toarray())


@pytest.mark.parametrize(
    ("factors", "match"),
    [
        ({"nowhere": 2.0}, "`factors` must be of words of the vocabulary, but got the word 'nowhere'"),
        ({"word1": -1.0}, "`factors` must be finite and not negative, but got -1.0 for the word 'word1'"),
        ({"word1": np.inf}, "`factors` must be finite"),
        ({f"word{i}": 0 for i in range(30)}, "`factors` must be above 0 for some word"),
    ],
)
def test_bad_factors(stats, factors, match):
    with pytest.raises(ValueError, match=match):
        reweigh_words(stats, factors)


def test_a_word_left_alone_is_kept_without_pairs():
    counts = np.array([[0, 4, 0], [4, 2, 6], [0, 6, 2]])
    stats = wf.CooccurrenceStatistics(("a", "b", "c"), counts, np.array([6, 12, 8]))
    found = reweigh_words(stats, {"b": 0})
    assert found.words_without_pairs == ("a",)
    assert found.unigram.tolist() == [6, 8]
    again = reweigh_words(found, {"a": 0.01, "c": 0.01})
    assert again.unigram.tolist() == [1, 1]


def test_words_that_do_not_occur_stay_absent():
    part = wf.CooccurrenceStatistics(("a", "b"), np.diag([4, 0]), np.array([3, 0]))
    assert reweigh_words(part, {"a": 2, "b": 3}).unigram.tolist() == [6, 0]


def test_counts_of_one_direction_are_reweighed_as_they_are():
    counts = np.array([[1, 4, 0], [3, 2, 6], [0, 5, 2]])
    right = wf.CooccurrenceStatistics(("a", "b", "c"), counts, np.array([6, 12, 8]), directions="right")
    factors = {"a": 0.3, "b": 2.5}
    found, f = reweigh_words(right, factors), np.array([0.3, 2.5, 1])
    assert found.directions == "right"
    np.testing.assert_allclose(found.counts.toarray(), f[:, None] * counts * f, rtol=1e-15)
    both = reweigh_words(right.symmetrized(), factors)
    np.testing.assert_allclose(found.symmetrized().counts.toarray(), both.counts.toarray(), rtol=1e-15)
