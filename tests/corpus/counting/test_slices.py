"""Counts by period or group, of one vocabulary."""

import functools
import warnings

import pytest
from texts import random_text

import w2vflow as wf
from w2vflow.corpus import CountingRule, Resources, count_slices
from w2vflow.counts import merge

ONE = Resources(workers=1)


@pytest.fixture
def folder(tmp_path):
    for seed, name in enumerate(("news-1990", "news-1991", "books-1990", "books-1992")):
        random_text(tmp_path / f"{name}.txt", 40 + 5 * seed, seed=seed, words=60)
    return tmp_path


def counted(*arguments, **settings):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "of .* words, .* do not occur", RuntimeWarning)
        return wf.count(*arguments, workers=1, **settings)


@pytest.mark.parametrize(
    "settings", [{}, {"weighting": "harmonic", "out_of_vocabulary": "after"}, {"directions": "right"}]
)
def test_slices_are_those_counted_alone_and_merge_to_the_whole(folder, settings):
    rule = CountingRule(window=3, **settings)
    found = count_slices(folder, by=lambda p: p[-8:-4], vocab_size=50, rule=rule, source="s", resources=ONE)
    assert list(found) == ["1990", "1992", "1991"]
    words = found["1990"].words
    for year, stats in found.items():
        alone = counted(str(folder / f"*{year}.txt"), vocabulary=words, window=3, source="s", **settings)
        assert stats.sha256 == alone.sha256
        assert stats.metadata == alone.metadata
    whole = wf.count(folder, vocab_size=50, window=3, workers=1, **settings)
    assert whole.words == words
    merged = functools.reduce(merge, found.values())
    assert merged.sha256 == whole.sha256
    assert merged.metadata["corpus_tokens"] == whole.metadata["corpus_tokens"]


def test_slices_by_their_paths_any_workers_and_blocks(folder, monkeypatch):
    by = {"news": str(folder / "news*"), "books": [folder / "books-1990.txt", folder / "books-1992.txt"]}
    one = count_slices(folder, by=by, vocab_size=40, resources=ONE)
    assert list(one) == ["news", "books"]
    monkeypatch.setattr("w2vflow.corpus.counting.slices.BLOCK_BYTES", 700)
    other = count_slices(folder, by=by, vocab_size=40, resources=Resources(workers=3, memory="500MB"))
    assert [s.sha256 for s in one.values()] == [s.sha256 for s in other.values()]


def test_words_that_a_slice_lacks(tmp_path):
    texts = {"a": "the cat sat\nalone\n", "b": "the dog sat\n", "c": "1 2 3\n", "d": "dog\nunder\nthe\n"}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    with pytest.warns(RuntimeWarning, match="stands beside another in the slices c, d"):
        found = count_slices(tmp_path, by=lambda p: p[-5], resources=ONE)
    # Alone and under stand beside no other word in any slice.
    assert found["a"].words == ("the", "dog", "sat", "cat")
    assert found["a"].words_without_pairs == ("dog",)
    assert found["d"].unigram.tolist() == [1, 1, 0, 0]
    assert found["c"].metadata["corpus_tokens"] == 0
    merged = functools.reduce(merge, found.values())
    assert (merged.counts != wf.count(str(tmp_path / "[ab].txt"), vocabulary=merged.words).counts).nnz == 0
    given = {"by": lambda p: p[-5], "resources": ONE, "vocabulary": ["the", "unicorn", "cat"]}
    with pytest.warns(RuntimeWarning, match="in the slices b, c, d"):
        assert count_slices(tmp_path, **given)["a"].words_without_pairs == ("unicorn",)


def test_expected_subsampling_of_slices(folder):
    rule = CountingRule(window=2, subsampling="expected", subsample_threshold=0.01)
    found = count_slices(folder, by=lambda p: p[-8:-4], vocab_size=20, rule=rule, resources=ONE)
    path, words = folder / "books-1992.txt", found["1992"].words
    alone = counted(path, vocabulary=words, window=2, subsampling="expected", subsample_threshold=0.01)
    assert found["1992"].sha256 == alone.sha256


def test_bad_slices(folder):
    files = sorted(map(str, folder.iterdir()))
    for by, match in (
        (lambda p: 7, "`by` must be a function from a path to a string, but got 7 for"),
        ({"a": files[:2], "b": files[1:]}, "`by` must be one label for each file, but got two for"),
        (
            {"a": files[:2]},
            "`by` must be the files of `paths`, each of one label, but got another: .*news-1990",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            count_slices(files, by=by, resources=ONE)
    with pytest.raises(ValueError, match="`paths` must be text with words"):
        count_slices(files, by=lambda p: "x", rule=CountingRule(min_document_words=10**6), resources=ONE)
    with pytest.raises(ValueError, match="`vocabulary` must be different words"):
        count_slices(files, by=lambda p: "x", vocabulary=["nowhere"], resources=ONE)
