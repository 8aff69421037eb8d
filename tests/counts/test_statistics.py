"""CooccurrenceStatistics: what it refuses, and that a file gives back what was saved."""

import contextlib
import io
import itertools
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import w2vflow as wf
from w2vflow.corpus.catalog import bundled_names
from w2vflow.counts.count_file import RowBlock, write_count_file
from w2vflow.counts.merging import merge

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
            "`unigram` must be positive for every word that has counts, but got 0 for the word 'b'",
        ),
        (WORDS, COUNTS, np.array([3, 1, -9]), "`unigram` must be 0 or more for every word, but got -9"),
        (
            WORDS,
            COUNTS,
            [3.7, 8, 9],
            r"`unigram` must be whole numbers, up to 2\^53, but got 3.7. Round them",
        ),
        (WORDS, COUNTS, [3, 8, 1e300], "`unigram` must be whole numbers"),
        (WORDS, COUNTS, [3, 8, np.inf], "`unigram` must be finite"),
        (WORDS, COUNTS, ["3", "8", "9"], "`unigram` must be an array of numbers, but got list"),
        (WORDS, COUNTS, [3j, 8, 9], "`unigram` must be an array of numbers, but got list"),
        (WORDS, COUNTS * 1j, UNIGRAM, "`counts` must be an array of numbers, .* type complex128"),
        (("a", "b", "a"), COUNTS, UNIGRAM, "`words` must be all different, but got 'a' twice"),
        ((), np.zeros((0, 0)), np.zeros(0), "`words` must be at least one word"),
    ],
)
def test_bad_counts_are_refused(words, counts, unigram, match):
    with pytest.raises((TypeError, ValueError), match=match):
        wf.CooccurrenceStatistics(words, counts, unigram)


def test_how_the_text_was_read_is_shown_in_full():
    said = "UTF-8, one document a line, latin words: 1.2 million tokens in 40 documents; a b c"
    stats = wf.CooccurrenceStatistics(WORDS, COUNTS, UNIGRAM, {"corpus_summary": said})
    assert f"\n  text: {said}" in repr(stats)
    assert said in stats._repr_html_()


def test_one_direction_is_said_and_kept(tmp_path):
    counts = np.array([[1, 2, 0], [5, 0, 3], [0, 0, 0]])
    right = wf.CooccurrenceStatistics(WORDS, counts, UNIGRAM, {"directions": "right"}, directions="right")
    left = wf.CooccurrenceStatistics(WORDS, counts.T, UNIGRAM, {"directions": "left"}, directions="left")
    assert len({right.sha256, left.sha256, right.symmetrized().sha256}) == 3
    assert "on the right of the word" in repr(right)
    for one in (right, left):
        one.save(tmp_path / "counts.npz")
        loaded = wf.CooccurrenceStatistics.load(tmp_path / "counts.npz")
        assert (loaded.directions, loaded.sha256) == (one.directions, one.sha256)
        assert loaded.most_frequent(2).directions == one.directions
        np.testing.assert_array_equal(loaded.counts.toarray(), one.counts.toarray())
        whole = loaded.symmetrized()
        assert (whole.directions, whole.metadata["directions"]) == ("both", "both")
        np.testing.assert_array_equal(whole.counts.toarray(), counts + counts.T)
        changed = one.with_values(2 * one.values)
        assert (changed.directions, changed.counts.sum()) == (one.directions, 2 * counts.sum())
    assert right.words_without_pairs == ()
    assert whole.symmetrized() is whole
    with pytest.raises(ValueError, match="`directions` must be one of"):
        wf.CooccurrenceStatistics(WORDS, counts, UNIGRAM, directions="down")
    with pytest.raises(ValueError, match="`other` must be counted by the same rule: directions = 'right'"):
        merge(right, left)
    np.testing.assert_array_equal(merge(right, right).counts.toarray(), 2 * counts)
    assert merge(right, right).directions == "right"


def test_an_older_reader_refuses_a_file_of_one_direction(stats, tmp_path):
    """It would take whole rows for those of the upper triangle."""
    right = wf.CooccurrenceStatistics(("a", "b"), np.array([[0, 2], [1, 0]]), [3, 3], directions="right")
    for one, version in ((right, 2), (stats, 1)):
        one.save(tmp_path / "counts.npz")
        with zipfile.ZipFile(tmp_path / "counts.npz") as archive:
            manifest = json.loads(archive.read("manifest.json"))
        assert manifest["version"] == version
        assert manifest.get("directions") == (None if version == 1 else "right")


def test_fractions_of_both_sides_add_up_exactly():
    thirds = np.array([[0, 1, 2], [5, 3, 0], [7, 0, 1]]) / 3
    right = wf.CooccurrenceStatistics(WORDS, thirds, UNIGRAM, denominator=3, directions="right")
    both = wf.CooccurrenceStatistics(WORDS, np.rint(3 * (thirds + thirds.T)) / 3, UNIGRAM, denominator=3)
    assert right.symmetrized().sha256 == both.sha256


def test_words_without_pairs_are_kept_and_left_out_on_demand(tmp_path):
    counts = np.array([[2, 0, 1], [0, 0, 0], [1, 0, 0]])
    part = wf.CooccurrenceStatistics(WORDS, counts, [3, 0, 1], {"window": 2})
    part.save(tmp_path / "counts.npz")
    loaded = wf.CooccurrenceStatistics.load(tmp_path / "counts.npz")
    assert (loaded.sha256, loaded.words_without_pairs) == (part.sha256, ("b",))
    assert "1 of the words" in repr(loaded)
    assert loaded.word_probability.tolist() == [0.75, 0, 0.25]
    whole = wf.CooccurrenceStatistics(WORDS, COUNTS, UNIGRAM, {"window": 2})
    np.testing.assert_array_equal(merge(part, whole).counts.toarray(), counts + COUNTS)
    assert part.restrict().words == ("a", "c")
    assert whole.restrict(["c", "a"]).counts.toarray().tolist() == [[6, 0], [0, 2]]
    assert whole.restrict(["c", "a"]).unigram.tolist() == [9, 3]
    with pytest.raises(ValueError, match="`words` must be of the vocabulary, but got the word 'd'"):
        whole.restrict(["a", "d"])
    with pytest.raises(ValueError, match="`words` must be all different"):
        whole.restrict(["a", "a"])
    nothing = wf.CooccurrenceStatistics(WORDS, np.zeros((3, 3)), [0, 0, 2])
    assert merge(nothing, nothing).unigram.tolist() == [0, 0, 4]
    with pytest.raises(ValueError, match="`stats` must be of a text with pairs of its words"):
        nothing.word_probability  # noqa: B018
    with pytest.raises(ValueError, match="`words` must be at least one word"):
        nothing.restrict()


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


@pytest.mark.parametrize("denominator", [0.5, 0, -1, 2.0, True, "2", None, np.float64(3)])
def test_denominators_that_are_none(denominator, tmp_path):
    """Those of one half saved other counts than there were."""
    counts = wf.CooccurrenceStatistics(WORDS, COUNTS, UNIGRAM)
    with pytest.raises((ValueError, TypeError), match="denominator"):
        wf.CooccurrenceStatistics(WORDS, COUNTS, UNIGRAM, denominator=denominator)
    if denominator != 0 or isinstance(denominator, bool):
        with pytest.raises((ValueError, TypeError), match="denominator"):
            write_count_file(tmp_path / "a.npz", WORDS, UNIGRAM, [counts._in_units()[1]], {}, denominator)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_written_with_occurrences_that_are_none(tmp_path):
    block = wf.CooccurrenceStatistics(WORDS, COUNTS, UNIGRAM)._in_units()[1]
    for unigram in (np.array([1.7, 2.2, 3]), np.array([1, 2]), np.array([-1, 2, 3])):
        with pytest.raises(ValueError, match="`unigram` must be"):
            write_count_file(tmp_path / "a.npz", WORDS, unigram, [block], {})
    assert list(tmp_path.iterdir()) == []


def test_counts_beyond_whole_units_are_saved_as_they_are(tmp_path):
    large = COUNTS * 2**50
    stats = wf.CooccurrenceStatistics(WORDS, large, UNIGRAM, denominator=2**20)
    stats.save(tmp_path / "counts.npz")
    loaded = wf.CooccurrenceStatistics.load(tmp_path / "counts.npz")
    np.testing.assert_array_equal(loaded.counts.toarray(), large)


def rewritten(path, **changes):
    """Write a statistics file anew, with other numbers in its manifest, or other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"]) | changes
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "changes",
    [
        *({"vocab_size": value} for value in (5, 0, -1, 29, 31, 30.0, "30", None, True)),
        *({"pairs": value} for value in (-7, 0, 1, 10**12, 1.5, None)),
        *({"blocks": value} for value in (0, -1, 2, 10**9, 1.0, None)),
        *({"denominator": value} for value in (-1, 0, 2, 0.5, 10**30, True, None)),
        *({"version": value} for value in (0, -1, 1.0, 2, True, None)),
        *({"metadata": value} for value in (None, [1], "text")),
        *({"sha256": value} for value in (None, "", 7)),
    ],
    ids=str,
)
def test_every_number_of_the_manifest_is_held_against_the_content(stats, tmp_path, changes):
    path = tmp_path / "counts.npz"
    stats.save(path)
    rewritten(path)
    assert wf.load(path).sha256 == stats.sha256
    rewritten(path, **changes)
    with pytest.raises(ValueError, match="`path` must be a whole statistics file of this package, but got"):
        wf.CooccurrenceStatistics.load(path)


@pytest.mark.parametrize("column", [-1, 3, 2**40])
def test_columns_that_are_no_words(tmp_path, column):
    """With a checksum that is right: compiled code would read beside the arrays."""
    path = tmp_path / "counts.npz"
    counts = np.array([1, 2, 3])
    block = RowBlock(np.array([1, 1, 1]), np.array([0, 1, column]), counts)
    write_count_file(path, WORDS, UNIGRAM, [block], {})
    with pytest.raises(ValueError, match="columns that are none of 3 words"):
        wf.load(path)


def test_rows_that_are_no_words(tmp_path):
    path = tmp_path / "counts.npz"
    block = RowBlock(np.array([1, 1]), np.array([0, 1]), np.array([1, 2]))
    write_count_file(path, WORDS, UNIGRAM, [block], {})
    with pytest.raises(ValueError, match="2 rows and 2 pairs of 3 and 2"):
        wf.load(path)


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

    monkeypatch.setattr(zipfile.ZipFile, "open", full_disk)
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


def test_a_head_that_tells_more_than_there_is_allocates_nothing(stats, tmp_path):
    path = tmp_path / "counts.npz"
    stats.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (1, 10**12)})
    parts["block-00001/counts.npy"] = head.getvalue() + b"\0" * 100
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="truncated, damaged or of another kind"):
        wf.CooccurrenceStatistics.load(path)
