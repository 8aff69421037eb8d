"""Readers, vocabulary and counter against a ten-line counter in plain Python."""

import bz2
import gzip
import lzma
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import w2vflow as wf
from w2vflow.corpus.readers import read_documents
from w2vflow.corpus.vocabulary import encode, restrict_to_most_frequent

WEIGHT = {
    "linear": lambda r, window: window + 1 - r,
    "flat": lambda r, window: 1,
    "harmonic": lambda r, window: 1 / r,
}


def brute_force(documents, vocab_size, window, weighting, shortest):
    """Count by the definition, document by document, pair by pair."""
    texts = [re.findall("[a-z]+", d.lower()) for d in documents]
    texts = [t for t in texts if len(t) >= shortest]
    frequency = Counter(w for t in texts for w in t)
    words = sorted(frequency, key=lambda w: (-frequency[w], w))[:vocab_size]
    counts = np.zeros((len(words), len(words)))
    for text in texts:
        kept = [words.index(w) for w in text if w in words]
        for i, a in enumerate(kept):
            for j, b in enumerate(kept):
                if 0 < abs(i - j) <= window:
                    counts[a, b] += WEIGHT[weighting](abs(i - j), window)
    return words, counts, [frequency[w] for w in words]


documents_of_few_words = st.lists(
    st.lists(st.sampled_from(["a", "B", "cc", "Dd", "é", "1", "e-f", "."]), max_size=25).map(" ".join),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(
    documents_of_few_words,
    st.integers(1, 5),
    st.integers(1, 6),
    st.sampled_from(sorted(WEIGHT)),
    st.integers(0, 8),
)
def test_counts_equal_brute_force(tmp_path_factory, documents, vocab_size, window, weighting, shortest):
    words, counts, frequency = brute_force(documents, vocab_size, window, weighting, shortest)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(documents) + "\n", encoding="utf-8")
    options = {"window": window, "weighting": weighting, "min_document_words": shortest}
    if len(words) < vocab_size or (counts.sum(axis=1) == 0).any():
        with pytest.raises(ValueError, match="Argument `"):
            wf.count(path, vocab_size=vocab_size, **options)
        return
    stats = wf.count(path, vocab_size=vocab_size, **options)
    assert list(stats.words) == words
    np.testing.assert_allclose(stats.counts.toarray(), counts, rtol=1e-14)
    assert stats.unigram.tolist() == frequency
    if weighting != "harmonic":
        assert stats.counts.dtype == np.int64


def test_frequent_pairs_are_counted_beyond_float32(tmp_path):
    """float32 counters stop at 2^24."""
    length, window = 600_000, 16
    path = tmp_path / "text.txt"
    path.write_text("a " * length)
    stats = wf.count(path, vocab_size=1, window=window, weighting="flat")
    pairs = sum(length - r for r in range(1, window + 1))
    assert stats.counts[0, 0] == 2 * pairs
    assert pairs < 2**24 < 2 * pairs


def test_words_leave_before_windows_are_laid(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("a a x b b\n")
    stats = wf.count(path, vocab_size=2, window=1)
    assert stats.words == ("a", "b")
    assert stats.counts.toarray().tolist() == [[2, 1], [1, 2]]


def test_ties_are_broken_by_the_word():
    corpus = encode(["d c b a d c b a e"])
    assert restrict_to_most_frequent(corpus, 3).words == ("a", "b", "c")


@pytest.mark.parametrize(
    ("suffix", "opener"), [("", open), (".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)]
)
def test_both_formats_from_every_archive(tmp_path, suffix, opener):
    lines, wiki = tmp_path / f"lines.txt{suffix}", tmp_path / f"wiki.txt{suffix}"
    with opener(lines, "wt", encoding="utf-8") as f:
        f.write("first one\nsecond\n")
    with opener(wiki, "wt", encoding="utf-8") as f:
        f.write('<doc id="1" title="A">\nA\n\nfirst one\n</doc>\n\n<doc id="2">\nsecond\n</doc>\n')
    assert [d.split() for d in read_documents(lines)] == [["first", "one"], ["second"]]
    assert [d.split() for d in read_documents([wiki])] == [["A", "first", "one"], ["second"]]
    assert len(list(read_documents([lines, wiki]))) == 4


def test_bad_input_of_the_counter(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("one two three\n")
    for options, match in (
        ({"vocab_size": 2, "window": 0}, "`window` must be at least 1, but got 0"),
        ({"vocab_size": 2, "weighting": "cubic"}, "`weighting` must be one of"),
        ({"vocab_size": 4}, "`vocab_size` must be between 1 and the 3 distinct words"),
        ({"vocab_size": 0}, "`vocab_size` must be between 1"),
        ({"vocab_size": 10**7}, "`vocab_size` must be small enough"),
        ({"vocab_size": 2, "reader": "pdf"}, "`reader` must be 'auto' or one of"),
        ({"vocab_size": 2, "min_document_words": 9}, "`paths` must be text with words"),
    ):
        with pytest.raises(ValueError, match=match):
            wf.count(text, **options)
    with pytest.raises(FileNotFoundError, match="There is no text file"):
        wf.count(tmp_path / "none.txt", vocab_size=2)


@pytest.mark.parametrize(("suffix", "opener"), [(".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)])
def test_truncated_archives_are_refused(tmp_path, suffix, opener):
    path = tmp_path / f"text.txt{suffix}"
    with opener(path, "wt") as f:
        f.write("\n".join(f"w{i} x{i * 7919 % 101}" for i in range(20_000)))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match="`paths` must be whole archives"):
        list(read_documents(path))


def test_unfinished_document_is_refused(tmp_path):
    path = tmp_path / "wiki.txt"
    path.write_text('<doc id="1">\nfirst\n</doc>\n<doc id="2">\nsecond\n')
    with pytest.raises(ValueError, match="a last document that does not end"):
        list(read_documents(path))


@pytest.mark.slow
def test_bundled_statistics_are_rebuilt_byte_for_byte(corpus_folder, wikipedia, tmp_path):
    stats = wf.count(
        corpus_folder / "enwiki15k.txt.xz",
        vocab_size=3000,
        window=16,
        min_document_words=50,
        source=wikipedia.metadata["source"],
    )
    stats.save(tmp_path / "again.npz")
    from w2vflow.corpus import catalog

    bundled = (catalog._BUNDLED / "enwiki15k-v3000.npz").read_bytes()
    assert (tmp_path / "again.npz").read_bytes() == bundled
    assert len(bundled) <= 6_000_000
