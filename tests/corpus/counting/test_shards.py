"""Parts of a corpus counted with one vocabulary, of which a part may lack words."""

import warnings

import numpy as np
import pytest
from texts import random_text

import w2vflow as wf
from w2vflow.corpus.counting.vocabulary import choose_words
from w2vflow.counts import merge, reweigh_words

TEXTS = {"a": "the cat sat\nthe dog sat\n", "b": "the cat ran\nthe cat sat\n", "c": "dog\nthe\n"}


@pytest.fixture
def shards(tmp_path):
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.txt").write_text(text)
    return [tmp_path / f"{name}.txt" for name in TEXTS]


@pytest.mark.parametrize("rule", [{}, {"weighting": "harmonic", "window": 2}, {"directions": "left"}])
def test_shards_that_lack_words_merge_to_the_whole(shards, tmp_path, rule):
    whole = wf.count(shards, workers=1, **rule)
    with pytest.warns(RuntimeWarning, match="1 do not occur and 0 never stand beside another.*: ran"):
        one = wf.count(shards[0], vocabulary=whole.words, workers=1, **rule)
    with pytest.warns(RuntimeWarning, match="of 5 words, 1 do not occur .* kept, with counts of 0: dog"):
        two = wf.count(shards[1], vocabulary=whole.words, workers=1, **rule)
    with pytest.warns(RuntimeWarning, match="3 do not occur and 2 never stand beside another"):
        three = wf.count(shards[2], vocabulary=whole.words, workers=1, **rule)
    assert one.words == two.words == whole.words
    assert one.unigram[whole.words.index("ran")] == 0
    # Through files as well.
    two.save(tmp_path / "two.npz")
    found = merge(merge(one, wf.CooccurrenceStatistics.load(tmp_path / "two.npz")), three)
    assert found.sha256 == whole.sha256
    wf.Problem.from_statistics(merge(one, two).symmetrized())


def test_words_that_never_occur_anywhere_are_kept(shards):
    with pytest.warns(RuntimeWarning, match="of 3 words, 1 do not occur"):
        stats = wf.count(shards[:2], vocabulary=["the", "unicorn", "cat"], workers=1)
    assert stats.words_without_pairs == ("unicorn",)


def test_problems_name_the_words_without_pairs(shards):
    with pytest.warns(RuntimeWarning):
        stats = wf.count(shards[0], vocabulary=["the", "ran", "cat", "bird"], workers=1)
    match = r"`stats` must be of words that all have pairs, .* none of 'ran' and 1 more.*stats.restrict\(\)"
    for pose in (
        wf.Problem.from_statistics,
        lambda s: wf.Problem.from_statistics(s, weighting=wf.Mikolov(), tied=False),
        lambda s: wf.embed(s, 1),
        wf.Unigram().pair_weights,
        wf.Mikolov().pair_weights,
        wf.Custom(np.ones((4, 4)), lambda pair, product: product / product).pair_weights,
    ):
        with pytest.raises(ValueError, match=match):
            pose(stats)
    assert wf.Problem.from_statistics(stats.restrict()).words == ("the", "cat")
    assert reweigh_words(stats, {"ran": 0, "bird": 0}).words == ("the", "cat")


def test_associations_of_words_without_pairs_are_none(shards):
    with pytest.warns(RuntimeWarning):
        stats = wf.count(shards[0], vocabulary=["the", "ran", "cat", "dog"], workers=1)
    for associations in (wf.embeddings.pmi, wf.embeddings.ppmi, wf.embeddings.log_counts):
        found = associations(stats).toarray()
        assert np.isfinite(found).all()
        assert not found[1].any()
        np.testing.assert_allclose(
            found[[0, 2, 3]][:, [0, 2, 3]], associations(stats.restrict()).toarray(), atol=1e-12
        )
    for smoothing in (0, 0.5):
        assert np.isfinite(wf.embeddings.pmi(stats, smoothing=smoothing).toarray()).all()


@pytest.mark.parametrize("rule", ["sampled", "expected"])
def test_subsampling_of_a_shard_that_lacks_words(shards, rule):
    with pytest.warns(RuntimeWarning, match="do not occur"):
        stats = wf.count(shards[0], vocabulary=["the", "ran", "cat"], subsampling=rule, workers=1)
    assert stats.unigram.tolist() == [2, 0, 1]


def test_a_token_file_may_lack_words(shards, tmp_path):
    wf.tokenize(shards[0], tmp_path / "tokens", vocabulary=["the", "ran", "cat", "sat"], workers=1)
    text = wf.TokenFile.load(tmp_path / "tokens")
    assert text.unigram.tolist() == [2, 0, 1, 2]
    with pytest.warns(RuntimeWarning, match="of 4 words, 1 do not occur"):
        stats = wf.count_documents(text)
    with pytest.warns(RuntimeWarning):
        assert stats.sha256 == wf.count(shards[0], vocabulary=text.words, workers=1).sha256
    rows, columns = next(wf.sgd.PairStream(text, window=2, size=50, subsample=0.5))
    assert not {1} & {*rows.tolist(), *columns.tolist()}


@pytest.mark.parametrize("text", ["hello world", "a a a", "a a\nb", "Straße und Weg\n\nzwei", "x y\n" * 3])
def test_small_texts_are_counted_with_the_defaults(tmp_path, text):
    (tmp_path / "small.txt").write_text(text)
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        stats = wf.count(tmp_path / "small.txt", workers=1)
    assert stats.words_without_pairs == ()
    assert len(notes) == (text in ("a a\nb", "Straße und Weg\n\nzwei"))


def test_a_vocabulary_larger_than_the_text_is_all_of_it(tmp_path):
    random_text(tmp_path / "text.txt", 20, seed=0, words=9)
    sizes = {wf.count(tmp_path / "text.txt", vocab_size=n, workers=1).vocab_size for n in (9, 10**6, None)}
    assert sizes == {9}


def test_what_no_vocabulary_can_be_made_of():
    with pytest.raises(ValueError, match="`vocabulary` must be different words, of which some occur"):
        choose_words({"a": 3}, None, None, ["b", "c"])
    with pytest.raises(ValueError, match=r"reached by some word, but got 4. The most frequent word occurs 3"):
        choose_words({"a": 3}, None, 4, None)
    assert choose_words({"a": 3}, 7, None, ["b", "a"]) == ["b", "a"]
