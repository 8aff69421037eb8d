"""CooccurrenceStatistics: what it refuses, and that a file gives back what was saved."""

import contextlib
import itertools
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import w2vflow as wf
from w2vflow.corpus.catalog import bundled_names
from w2vflow.counts.statistics import merge

WORDS = ("a", "b", "c")
COUNTS = np.array([[2, 1, 0], [1, 4, 3], [0, 3, 6]])
UNIGRAM = np.array([3, 8, 9])


def test_probabilities_and_identity():
    stats = wf.CooccurrenceStatistics(WORDS, COUNTS, UNIGRAM)
    np.testing.assert_allclose(stats.word_probability, COUNTS.sum(1) / COUNTS.sum(), rtol=1e-15)
    assert stats.counts.dtype == np.int64
    changed = COUNTS.copy()
    changed[0, 0] += 2
    assert wf.CooccurrenceStatistics(WORDS, changed, UNIGRAM).sha256 != stats.sha256


@pytest.mark.parametrize(
    ("words", "counts", "unigram", "match"),
    [
        (
            WORDS,
            COUNTS + np.triu(np.ones((3, 3), int), 1),
            UNIGRAM,
            r"`counts` must be symmetric.*counts\[0, 1\] = 2",
        ),
        (WORDS, np.where(COUNTS == 4, np.nan, COUNTS), UNIGRAM, "`counts` must be finite"),
        (WORDS, np.where(COUNTS == 4, -4, COUNTS), UNIGRAM, "`counts` must be non-negative, but got -4"),
        (WORDS, COUNTS[:2, :2], UNIGRAM, r"`counts` must be of shape \(3, 3\)"),
        (WORDS, COUNTS, UNIGRAM[:2], r"`unigram` must be of shape \(3,\)"),
        (
            WORDS,
            COUNTS,
            np.array([3, 0, 9]),
            "`unigram` must be positive for every word, but got 0 for the word 'b'",
        ),
        (
            WORDS,
            np.diag([2, 4, 0]),
            UNIGRAM,
            "`counts` must be positive for every word, but got 0 for the word 'c'",
        ),
        (("a", "b", "a"), COUNTS, UNIGRAM, "`words` must be all different, but got 'a' twice"),
        ((), np.zeros((0, 0)), np.zeros(0), "`words` must be at least one word"),
    ],
)
def test_bad_counts_are_refused(words, counts, unigram, match):
    with pytest.raises(ValueError, match=match):
        wf.CooccurrenceStatistics(words, counts, unigram)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.lists(st.integers(0, 2**40), min_size=n * n, max_size=n * n).map(
            lambda x: np.reshape(x, (n, n))
        )
    ),
    st.booleans(),
)
def test_saved_statistics_come_back_equal(tmp_path_factory, half, fractional):
    counts = half + half.T + np.eye(len(half), dtype=np.int64)
    if fractional:
        counts = counts / 3 + 0.1 * np.eye(len(half))
    words = tuple(f"wörd {i}" for i in range(len(half)))
    stats = wf.CooccurrenceStatistics(words, counts, np.arange(1, len(half) + 1), {"window": 3, "who": "ü"})
    path = tmp_path_factory.mktemp("statistics") / "counts.npz"
    stats.save(path)
    loaded = wf.CooccurrenceStatistics.load(path)
    assert loaded.words == stats.words
    assert loaded.metadata == stats.metadata
    assert loaded.sha256 == stats.sha256
    assert (loaded.counts != stats.counts).nnz == 0
    np.testing.assert_array_equal(loaded.unigram, stats.unigram)


def test_same_statistics_same_bytes(stats, tmp_path):
    stats.save(tmp_path / "a.npz")
    stats.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_damaged_and_foreign_files_are_refused(stats, tmp_path):
    path = tmp_path / "counts.npz"
    stats.save(path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"`path` must be a whole statistics file .* truncated, damaged"):
            wf.CooccurrenceStatistics.load(path)
    for position in range(60, len(whole) - 60, max(1, len(whole) // 40)):
        flipped = bytearray(whole)
        flipped[position] ^= 0x10
        path.write_bytes(flipped)
        # A flipped bit that no reader looks at may pass; one that changes the counts may not.
        with contextlib.suppress(ValueError):
            assert wf.CooccurrenceStatistics.load(path).sha256 == stats.sha256
    np.savez(path, counts=np.eye(3))
    with pytest.raises(ValueError, match="of another kind"):
        wf.CooccurrenceStatistics.load(path)
    with pytest.raises(FileNotFoundError, match="no statistics file"):
        wf.CooccurrenceStatistics.load(tmp_path / "none.npz")


def test_file_of_a_newer_format_says_so(stats, tmp_path):
    path = tmp_path / "counts.npz"
    stats.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["manifest.json"] = members["manifest.json"].replace(b'"version": 1', b'"version": 9')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="format version 9"):
        wf.CooccurrenceStatistics.load(path)


def test_failed_save_keeps_the_old_file(stats, tmp_path, monkeypatch):
    path = tmp_path / "counts.npz"
    stats.save(path)
    before = path.read_bytes()

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full_disk)
    with pytest.raises(OSError, match="No space left"):
        stats.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["counts.npz"]


def test_most_frequent_is_the_leading_block(stats):
    small = stats.most_frequent(7)
    assert small.words == stats.words[:7]
    assert (small.counts != sparse.csr_array(stats.counts.toarray()[:7, :7])).nnz == 0
    with pytest.raises(ValueError, match="`vocab_size` must be between 1 and the 30 words"):
        stats.most_frequent(31)


def test_bundled_statistics(wikipedia):
    assert wikipedia.vocab_size == 3000
    assert wikipedia.counts.dtype == np.int64
    # Facts of the corpus: documents, tokens and distinct words under these token rules.
    assert wikipedia.metadata["corpus_documents"] == 13_515
    assert wikipedia.metadata["corpus_tokens"] == 40_115_405
    assert wikipedia.metadata["corpus_distinct_words"] == 371_247
    assert "CC BY-SA" in wikipedia.metadata["source"]
    # Above the largest integer that float32 counts by ones: a float32 counter would have stopped.
    assert wikipedia.counts.max() > 2**24


def test_unknown_name_lists_the_known():
    with pytest.raises(
        ValueError, match=r"`name` must be one of the bundled statistics \['enwiki15k-v3000'\]"
    ):
        wf.load_statistics("enwiki")
    assert "enwiki15k-v3000" in bundled_names()


def test_blocks_are_cut_by_their_rows_alone(monkeypatch):
    """The same rows in any pieces give the same blocks."""
    from w2vflow.counts import count_file as countfile

    monkeypatch.setattr(countfile, "_BLOCK", 10)
    rng = np.random.default_rng(0)
    lengths = np.array([3, 0, 12, 4, 4, 4, 25, 0, 0, 1])
    whole = countfile.RowBlock(lengths, rng.integers(9, size=53), rng.integers(1, 99, size=53))

    def pieces(cuts):
        ends = np.concatenate([[0], np.cumsum(lengths)])
        for first, last in itertools.pairwise(cuts):
            entries = slice(ends[first], ends[last])
            yield countfile.RowBlock(lengths[first:last], whole.columns[entries], whole.counts[entries])

    expected = [[list(part) for part in block] for block in countfile.cut_blocks([whole])]
    assert [sum(block[0]) for block in expected] == [15, 12, 25, 1]
    for cuts in ([0, 10], list(range(11)), [0, 2, 3, 7, 10], [0, 0, 9, 10]):
        found = [[list(part) for part in block] for block in countfile.cut_blocks(pieces(cuts))]
        assert found == expected


def test_real_valued_counts_are_merged_without_rounding():
    counts = np.array([[1.4, 2.3], [2.3, 0.7]])
    one = wf.CooccurrenceStatistics(("a", "b"), counts, np.array([3, 4]))
    np.testing.assert_allclose(merge(one, one).counts.toarray(), 2 * counts, rtol=1e-15)


def test_whole_counts_in_a_fractional_unit_are_read_back(tmp_path):
    """Harmonic weights may add up to whole numbers everywhere; the unit is a twelfth all the same."""
    counts = np.array([[2.0, 3.0], [3.0, 4.0]])
    stats = wf.CooccurrenceStatistics(("a", "b"), counts, np.array([3, 4]), denominator=12)
    stats.save(tmp_path / "counts.npz")
    back = wf.CooccurrenceStatistics.load(tmp_path / "counts.npz")
    np.testing.assert_array_equal(back.counts.toarray(), counts)
    assert back.sha256 == stats.sha256
