"""Words at the ends of directions and their names, against sorting by hand and windows one by one."""

import numpy as np
import pytest

import w2vflow as wf
from w2vflow.semantics.features import label_features, relative_entries

WORDS = ["the", "games", "game", "sea", "gaming", "law", "laws", "king", "kingdom", "on", "a", "river"]


def direction(**entries):
    return np.array([[entries.get(word, 0.0)] for word in WORDS])


def by_hand(entries, frequencies, width):
    """Entries relative to the words nearest in frequency, one word at a time."""
    order = sorted(range(len(entries)), key=lambda i: -frequencies[i])
    result = {}
    for place, word in enumerate(order):
        low = min(max(place - width // 2, 0), len(entries) - width)
        near = [entries[i] for i in order[low : low + width]]
        mean = sum(near) / width
        spread = (sum((x - mean) ** 2 for x in near) / width) ** 0.5
        result[word] = (entries[word] - mean) / spread
    return [result[i] for i in range(len(entries))]


def test_any_directions_are_labelled_like_a_spectrum(stats, basis):
    of_spectrum = label_features(basis.leading(3), stats.words, 4)
    of_columns = label_features(basis.eigenvectors[:, :3], stats.words, 4)
    for one, other in zip(of_spectrum, of_columns, strict=True):
        assert one[1:] == other[1:]
        assert np.isnan(other.eigenvalue)
    assert [f.eigenvalue for f in of_spectrum] == basis.eigenvalues[:3].tolist()
    column = basis.eigenvectors[:, 2]
    ranked = sorted(range(30), key=lambda i: column[i])
    assert of_spectrum[2].positive == tuple(stats.words[i] for i in ranked[:-5:-1])
    assert of_spectrum[2].negative == tuple(stats.words[i] for i in ranked[:4])
    flipped = label_features(-basis.eigenvectors[:, :3], stats.words, 4)
    assert [f.positive for f in flipped] == [f.negative for f in of_spectrum]


def test_only_the_first_words_are_listed(stats, basis):
    features = label_features(basis, stats.words, 2, first=7)
    for feature, column in zip(features, basis.eigenvectors[:7].T, strict=True):
        assert feature.positive[0] == stats.words[column.argmax()]
        assert feature.negative[0] == stats.words[column.argmin()]
        assert {*feature.positive, *feature.negative} <= set(stats.words[:7])
        assert all(word in stats.words[:7] for word in feature.name.split(" / "))


def test_name_is_the_first_word_of_each_end_without_its_inflections():
    entries = direction(
        games=0.9, game=0.8, gaming=0.7, sea=0.6, law=-0.9, laws=-0.8, king=-0.7, kingdom=-0.6
    )
    (one,) = label_features(entries, WORDS, 2)
    assert one.name == "games / law"
    assert one.positive == ("games", "game")
    # gam- is half of "gaming", and king- of "kingdom".
    assert label_features(entries, WORDS, named=2)[0].name == "games, sea / law, king"
    # The zeros come next, of the others on either side.
    assert label_features(entries, WORDS, named=3)[0].name == "games, sea, the / law, king, river"


def test_name_does_not_depend_on_how_many_words_are_listed():
    entries = direction(games=0.9, game=0.8, sea=0.7, law=-0.9)
    assert {label_features(entries, WORDS, n, named=2)[0].name for n in range(1, 13)} == {
        "games, sea / law, river"
    }


def test_name_passes_over_the_most_frequent_words_where_it_can():
    words = [str(i) for i in range(100)]
    entries = np.linspace(1, -1, 100)[:, None]
    # The first 5 of 100 count as function words.
    assert label_features(entries, words)[0].name == "5 / 99"
    assert label_features(entries, words, 2)[0].positive == ("0", "1")
    assert label_features(entries, words, 2, first=2)[0].name == "0 / 1"
    large = [str(i) for i in range(4000)]
    entries = np.zeros((4000, 1))
    entries[[99, 100, 98, 101], 0] = 2, 1, -2, -1
    assert label_features(entries, large)[0].name == "100 / 101"


def test_participation_counts_the_words():
    flat, single = np.zeros(40), np.zeros(40)
    flat[:10], single[3] = -1e-200, 5.0
    normal = np.random.default_rng(0).normal(size=40_000)
    words = [str(i) for i in range(40)]
    features = label_features(np.stack([flat, single], axis=1), words)
    assert [f.participation for f in features] == pytest.approx([10, 1])
    (gaussian,) = label_features(normal[:, None], [str(i) for i in range(40_000)])
    # Var(x^4 - 6 x^2) = 96 - 2 * 6 * 12 + 36 * 2 = 24: relative error sqrt(24 / 40,000) / 3 of V/3.
    assert gaussian.participation == pytest.approx(40_000 / 3, rel=5 * np.sqrt(24 / 40_000) / 3)


def test_relative_entries_are_those_of_windows_by_hand():
    rng = np.random.default_rng(1)
    frequencies = rng.permutation(250) + 1
    entries = rng.normal(3, 1, size=(250, 2)) * np.sqrt(frequencies)[:, None]
    found = relative_entries(entries, frequencies)
    for column in range(2):
        np.testing.assert_allclose(
            found[:, column], by_hand(entries[:, column].tolist(), frequencies.tolist(), 100), rtol=1e-10
        )
    np.testing.assert_array_equal(relative_entries(entries, np.log(frequencies)), found)
    np.testing.assert_allclose(relative_entries(-7 * entries, frequencies), -found, rtol=1e-9, atol=1e-13)


def test_relative_entries_of_small_vocabularies_keep_the_order(stats, basis):
    plain = label_features(basis, stats.words)
    relative = label_features(basis, stats.words, relative_to=stats.unigram)
    assert [(f.positive, f.participation) for f in plain] == [(f.positive, f.participation) for f in relative]
    constant = relative_entries(np.ones((30, 1)), stats.unigram)
    np.testing.assert_array_equal(constant, 0)


def test_relative_entries_find_the_word_that_is_extreme_for_its_frequency():
    """Entries grow with frequency in mean and in spread; two words stand out among their like."""
    rng = np.random.default_rng(2)
    frequencies = np.geomspace(1e6, 10, 2000)
    size = np.linspace(5, 0.2, 2000)
    entries = size * (1 + rng.normal(size=2000).clip(-3, 3))
    entries[1500], entries[1700] = 8 * size[1500], -6 * size[1700]
    words = [f"word{i}" for i in range(2000)]
    (plain,) = label_features(entries[:, None], words, 20)
    (relative,) = label_features(entries[:, None], words, 20, relative_to=frequencies)
    assert (relative.positive[0], relative.negative[0]) == ("word1500", "word1700")
    assert relative.name == "word1500 / word1700"
    assert plain.positive[0] != "word1500"
    assert max(int(word[4:]) for word in plain.positive) < 1000


def test_relative_entries_of_exchangeable_words_have_ranks_all_over_the_vocabulary():
    """Without meaning, only spread by frequency: every rank is as likely to come out on top."""
    rng = np.random.default_rng(3)
    size = np.linspace(3, 1, 2000)[:, None]
    entries = 2 * size + size * rng.normal(size=(2000, 40))
    words = [str(i) for i in range(2000)]
    top = {}
    for name, counts in (("plain", None), ("relative", np.arange(2000)[::-1])):
        features = label_features(entries, words, 10, relative_to=counts)
        top[name] = np.mean([int(w) < 1000 for f in features for w in f.positive + f.negative])
    # 800 words of chance 1/2 each.
    assert abs(top["relative"] - 0.5) < 5 * 0.5 / np.sqrt(800)
    assert abs(top["plain"] - 0.5) > 0.09


def test_a_feature_prints_on_a_line():
    (feature,) = label_features(direction(games=0.6, law=-0.8), WORDS, 1)
    assert str(feature) == "games / law (over 2 words): games <-> law"
    assert str(feature._replace(eigenvalue=2478.54)).startswith("games / law (lambda 2479, over 2 words)")


def test_bad_input_is_refused(stats, basis):
    entries = direction(sea=1.0)
    with pytest.raises(ValueError, match="`words` must be the 12 words of the problem, but got 11 words"):
        label_features(entries, WORDS[1:])
    with pytest.raises(ValueError, match="`first` must be between 1 and the vocabulary size 12, but got 13"):
        label_features(entries, WORDS, first=13)
    with pytest.raises(ValueError, match="`n` must be between 1 and the vocabulary size 3, but got 4"):
        label_features(entries, WORDS, 4, first=3)
    for named in (0, 4):
        with pytest.raises(ValueError, match=f"`named` must be 1, 2 or 3, but got {named}"):
            label_features(entries, WORDS, named=named)
    with pytest.raises(ValueError, match=r"`directions` must be a Spectrum or columns.*shape \(12,\)"):
        label_features(entries[:, 0], WORDS)
    with pytest.raises(ValueError, match="`directions` must be finite"):
        label_features(entries * np.nan, WORDS)
    with pytest.raises(ValueError, match=r"`directions` must be non-zero columns.*in column 1"):
        label_features(np.concatenate([entries, 0 * entries], axis=1), WORDS)
    with pytest.raises(ValueError, match="`frequencies` must be 12 numbers, one for a word, but got shape"):
        label_features(entries, WORDS, relative_to=[1, 2])
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="`frequencies` must be finite and not negative"):
            relative_entries(entries, [bad] * 12)


@pytest.mark.slow
def test_relative_lists_of_wikipedia_hold_words_of_all_frequencies(wikipedia):
    """The ranks of listed words against those of words drawn evenly, without and with `relative_to`."""
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(wikipedia), 64, tol=1e-6)
    distances = []
    for counts in (None, wikipedia.unigram):
        features = label_features(spectrum, wikipedia.words, 10, relative_to=counts)
        row = {word: place for place, word in enumerate(wikipedia.words)}
        ranks = np.sort([row[w] for f in features for w in f.positive + f.negative]) / 3000
        distances.append(np.abs(ranks - np.arange(len(ranks)) / len(ranks)).max())
    assert distances[0] > 0.25
    assert distances[1] < 0.08
