"""Words at the ends of directions and their names, against sorting by hand and windows one by one."""

import re

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
        assert set(re.split(", | / ", feature.name)) <= set(stats.words[:7])


def test_name_is_the_first_word_of_each_end_without_its_inflections():
    entries = direction(
        games=0.9, game=0.8, gaming=0.7, sea=0.6, law=-0.9, laws=-0.8, king=-0.7, kingdom=-0.6
    )
    (one,) = label_features(entries, WORDS, 2, named=1)
    assert one.name == "games / law"
    assert one.positive == ("games", "game")
    # gam- is half of "gaming", and king- of "kingdom".
    assert label_features(entries, WORDS, named=2)[0].name == "games, sea / law, king"
    # There is no third: the zeros lie on neither side.
    (three,) = label_features(entries, WORDS)
    assert three.name == "games, sea / law, king"
    assert three.short == "games / law"


def test_name_does_not_depend_on_how_many_words_are_listed():
    entries = direction(games=0.9, game=0.8, sea=0.7, law=-0.9, king=-0.6)
    assert {label_features(entries, WORDS, n, named=2)[0].name for n in range(1, 13)} == {
        "games, sea / law, king"
    }


def test_name_passes_over_the_most_frequent_words_where_it_can():
    words = [str(i) for i in range(100)]
    entries = np.linspace(1, -1, 100)[:, None]
    # The first 5 of 100 count as function words.
    assert label_features(entries, words, named=2)[0].name == "5, 6 / 99, 98"
    assert label_features(entries, words, 2)[0].positive == ("0", "1")
    assert label_features(entries, words, 2, first=2, named=2)[0].name == "0, 1 / 1"


def test_name_passes_over_rare_words_where_it_can():
    """Rows 99 and 98 are too frequent, 2000 and 2001 beyond the more frequent half of 4,000 words."""
    words = [f"w{i}" for i in range(4000)]
    entries = np.zeros((4000, 1))
    entries[[99, 100, 1999, 2000, 98, 101, 1998, 2001], 0] = 4, 3, 2, 4, -4, -3, -2, -4
    (feature,) = label_features(entries, words, 2, named=4)
    assert feature.positive == ("w99", "w2000")
    kinds = [end.split(", ") for end in feature.name.split(" / ")]
    assert [end[0] for end in kinds] == ["w100", "w101"]
    assert [set(end[:2]) for end in kinds] == [{"w100", "w1999"}, {"w101", "w1998"}]
    assert [set(end[2:]) for end in kinds] == [{"w99", "w2000"}, {"w98", "w2001"}]


def test_name_is_by_the_geometric_mean_of_both_scores():
    rng = np.random.default_rng(7)
    entries = rng.normal(0.3, 1, size=(1000, 3)) * np.linspace(0.5, 2, 1000)[:, None]
    for column, feature in enumerate(label_features(entries, [f"w{i}" for i in range(1000)], named=5)):
        relative = by_hand(entries[:, column].tolist(), range(1000, 0, -1), 100)
        centred = entries[:, column] - entries[:, column].mean()
        score = [np.sign(z) * max(z * c, 0) for z, c in zip(relative, centred, strict=True)]
        rows = sorted(range(50, 1000), key=lambda i: -score[i])
        # "w12" and "w123" have one beginning.
        for end, ranked in zip(feature.name.split(" / "), (rows, rows[::-1]), strict=True):
            assert end.split(", ")[0] == f"w{ranked[0]}"
            assert {int(word[1:]) for word in end.split(", ")} <= set(ranked[:15])


def test_an_end_without_a_telling_word_is_named_by_its_extreme():
    (flat,) = label_features(np.ones((12, 1)), WORDS)
    assert flat.name == f"{flat.positive[0]} / {flat.negative[0]}"


def test_names_of_wikipedia_are_words_that_a_reader_knows():
    """The bundled counts: "codice", a leftover of markup, is the most extreme word of a leading concept."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(2000)
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 8, tol=1e-6)
    features = label_features(spectrum, stats.words)
    assert any("codice" in (f.positive[0], f.negative[0]) for f in features)
    ranks = [stats.words.index(word) for f in features for word in re.split(", | / ", f.name)]
    assert len(ranks) == 8 * 2 * 3
    assert min(ranks) >= 100
    assert max(ranks) < 1000
    third = features[2]
    assert set(third.short.split(" / ")) == {"religion", "season"}
    assert {"religion", "political", "season", "super"} <= set(re.split(", | / ", third.name))
    # Extreme words, by contrast, are mostly of the rarer half.
    extreme = [stats.words.index(end[0]) for f in features for end in (f.positive, f.negative)]
    assert np.mean(np.array(extreme) >= 1000) > 0.5


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
    for named in (0, 6):
        with pytest.raises(ValueError, match=f"`named` must be between 1 and 5, but got {named}"):
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
