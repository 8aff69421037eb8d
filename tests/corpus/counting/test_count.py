"""The counter against ten lines of plain Python, whatever the rule, the blocks and the workers."""

import re
import subprocess
import sys
from collections import Counter
from itertools import compress, pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from texts import random_text

import w2vflow as wf
from w2vflow.corpus.counting import count as cooccurrence
from w2vflow.corpus.counting import rows
from w2vflow.corpus.counting import stages as shards
from w2vflow.corpus.counting.count import count_to_file
from w2vflow.corpus.counting.rules import CountingRule, pair_weights
from w2vflow.corpus.counting.sizes import memory_bytes
from w2vflow.corpus.counting.text_kernel import LETTERS, SPAN_LATIN, lower_latin, number_words
from w2vflow.corpus.counting.tokenizers import tokenizer
from w2vflow.corpus.counting.workers import Resources
from w2vflow.counts.count_file import DIRECTIONS
from w2vflow.counts.merging import merge
from w2vflow.counts.other_programs import from_glove, from_matrix

WEIGHT = {
    "linear": lambda r, window: window + 1 - r,
    "flat": lambda r, window: 1,
    "harmonic": lambda r, window: 1 / r,
}


def brute_force(documents, words, window, weighting, shortest, position, cut, directions="both"):
    """Count by the definition, document by document, pair by pair."""
    counts = np.zeros((len(words), len(words)))
    for text in documents:
        found = cut(text)
        if len(found) < shortest:
            continue
        kept = found if position == "after" else [w for w in found if w in words]
        for i, a in enumerate(kept):
            for j, b in enumerate(kept):
                asked = j > i if directions == "right" else j < i if directions == "left" else j != i
                if asked and abs(i - j) <= window and a in words and b in words:
                    counts[words.index(a), words.index(b)] += WEIGHT[weighting](abs(i - j), window)
    return counts


texts = st.lists(
    st.lists(st.sampled_from(["a", "B", "cc", "Dd", "é", "1", "e-f", "K", "ß."]), max_size=25).map(" ".join),
    min_size=1,
    max_size=8,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts, st.integers(1, 6), st.integers(1, 30), st.sampled_from(sorted(WEIGHT)), st.integers(0, 8),
    st.sampled_from(["before", "after"]), st.sampled_from(["latin", "unicode", r"\w"]),
    st.integers(3, 200), st.integers(1, 10**6), st.booleans(), st.sampled_from(DIRECTIONS),
)  # fmt: skip
def test_counts_equal_brute_force(
    tmp_path_factory, monkeypatch, documents, vocab_size, window, weighting, shortest, position, tokens,
    block_bytes, token_bytes, own, directions,
):  # fmt: skip
    # Blocks of a few bytes, groups of a few tokens, rows a few at a time.
    monkeypatch.setattr(cooccurrence, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(rows, "_TOKEN_BYTES", 10 * token_bytes)
    cut = lambda text: list(tokenizer(tokens)(text))  # noqa: E731
    long = [d for d in documents if len(cut(d)) >= shortest]
    frequency = Counter(w for d in long for w in cut(d))
    words = sorted(frequency, key=lambda w: (-frequency[w], w))[:vocab_size]
    if own:
        words.reverse()
    rest = (window, weighting, shortest, position, cut, directions)
    counts = brute_force(documents, words, *rest)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(documents) + "\n", encoding="utf-8")
    rule = {
        "window": window, "weighting": weighting, "min_document_words": shortest, "tokens": tokens,
        "out_of_vocabulary": position, "workers": 1, "memory": "400MB", "reader": "lines",
        "directions": directions,
    }  # fmt: skip
    chosen = {"vocabulary": words} if own else {"vocab_size": vocab_size}
    paired = counts.any(axis=0) | counts.any(axis=1)
    if not words or not (paired.any() or own):
        with pytest.raises(ValueError, match="Argument `"):
            wf.count(path, **chosen, **rule)
        return
    if paired.all():
        stats = wf.count(path, **chosen, **rule)
    elif own:
        with pytest.warns(RuntimeWarning, match="they are kept, with counts of 0"):
            stats = wf.count(path, **chosen, **rule)
    else:
        # The others are counted anew: where windows are laid depends on which words there are.
        words = list(compress(words, paired))
        counts = brute_force(documents, words, *rest)
        with pytest.warns(RuntimeWarning, match="never stand beside another word"):
            stats = wf.count(path, **chosen, **rule)
    assert stats.directions == directions
    assert list(stats.words) == words
    np.testing.assert_allclose(stats.counts.toarray(), counts, rtol=1e-9)
    assert stats.unigram.tolist() == [frequency[w] for w in words]
    if weighting != "harmonic":
        assert stats.counts.dtype == np.int64


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("abKkİıſéЖzß\u212a\u0307 \n1-漢"), max_size=60), min_size=1, max_size=5)
)
def test_compiled_words_equal_those_of_the_expression(documents):
    raw = [d.encode() for d in documents]
    ends = np.cumsum([len(r) for r in raw])
    starts = ends - [len(r) for r in raw]
    letters, new_ends = lower_latin(np.frombuffer(b"".join(raw) + b"?", np.uint8), starts, ends, LETTERS)
    tokens, places, lengths, frequency, kept = number_words(letters, new_ends, 0, SPAN_LATIN)
    words = [letters[at : at + n].tobytes().decode() for at, n in zip(places, lengths, strict=True)]
    expected = [re.findall("[a-z]+", d.lower()) for d in documents]
    assert [words[t] for t in tokens if t >= 0] == [w for d in expected for w in d]
    assert dict(zip(words, frequency.tolist(), strict=True)) == Counter(w for d in expected for w in d)
    assert kept == sum(bool(d) for d in expected)


def test_long_words_that_share_a_key_are_told_apart():
    """Beyond 12 letters the key of a word is only a hash: 1,000 words that differ in one letter."""
    rng = np.random.default_rng(0)
    stem = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size=60))
    words = [stem[:i] + c + stem[i + 1 :] for i in range(40) for c in "abcdefghijklmnopqrstuvwxyz"]
    text = " ".join(words).encode()
    letters, ends = lower_latin(np.frombuffer(text, np.uint8), np.array([0]), np.array([len(text)]), LETTERS)
    tokens, places, *_ = number_words(letters, ends, 0, SPAN_LATIN)
    assert len(places) == len(set(words))
    found = [letters[places[t] : places[t] + 60].tobytes().decode() for t in tokens[:-1]]
    assert found == words


def test_frequent_pairs_are_counted_beyond_float32(tmp_path):
    """float32 counters stop at 2^24."""
    length, window = 600_000, 16
    path = tmp_path / "text.txt"
    path.write_text("a " * length)
    stats = wf.count(path, vocab_size=1, window=window, weighting="flat", workers=1)
    pairs = sum(length - r for r in range(1, window + 1))
    assert stats.counts[0, 0] == 2 * pairs
    assert pairs < 2**24 < 2 * pairs


def test_words_leave_before_or_after_windows_are_laid(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("a a x b b\n")
    before = wf.count(path, vocab_size=2, window=1, workers=1)
    assert before.counts.toarray().tolist() == [[2, 1], [1, 2]]
    after = wf.count(path, vocab_size=2, window=1, workers=1, out_of_vocabulary="after")
    assert after.counts.toarray().tolist() == [[2, 0], [0, 2]]


def test_vocabulary_by_count_and_by_ties(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("d c b a d c b a e\n")
    assert wf.count(path, vocab_size=3, workers=1).words == ("a", "b", "c")
    assert wf.count(path, min_count=2, workers=1).words == ("a", "b", "c", "d")
    assert wf.count(path, vocabulary=["e", "a"], workers=1).words == ("e", "a")


def test_words_by_a_function(tmp_path, monkeypatch):
    """Any function that a worker process can import."""
    path = tmp_path / "text.txt"
    path.write_text("C++ c++ x!\nC++ x!\n")
    one = wf.count(path, vocab_size=3, tokens=str.split, workers=1)
    assert one.words == ("C++", "x!", "c++")
    assert one.metadata["tokens"].endswith("str.split")
    monkeypatch.setattr(cooccurrence, "BLOCK_BYTES", 4)
    assert wf.count(path, vocab_size=3, tokens=str.split, workers=2).sha256 == one.sha256


def test_harmonic_weights_are_exact_fractions():
    for window in (1, 5, 22, 40):
        weights, denominator = pair_weights("harmonic", window)
        error = np.abs(weights / denominator - 1 / np.arange(1, window + 1)).max()
        assert error <= (0 if window <= 22 else 2.0**-33)


def test_a_small_text_in_a_script_without_a_guard(tmp_path):
    """Processes of ours would run the script again: a small text needs none."""
    (tmp_path / "text.txt").write_text("a b c a\n" * 100)
    script = "import w2vflow as wf\nprint(wf.count('text.txt', min_count=1).words)\n"
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("('a', 'b', 'c')\n", "")


def test_same_bytes_for_any_workers_memory_and_blocks(tmp_path, monkeypatch):
    text = tmp_path / "text.txt"
    random_text(text, 3000, seed=0)
    rule = CountingRule(7, "harmonic", subsampling="sampled", subsample_threshold=1e-2)

    def counted(name, **resources):
        count_to_file(text, tmp_path / name, vocab_size=200, rule=rule, resources=Resources(**resources))

    counted("one.npz", workers=1)
    monkeypatch.setattr(cooccurrence, "BLOCK_BYTES", 50_000)
    counted("blocks.npz", workers=1)
    counted("workers.npz", workers=3)
    monkeypatch.setattr(rows, "_TOKEN_BYTES", 2**14)
    counted("groups.npz", workers=2, memory="400MB")
    whole = (tmp_path / "one.npz").read_bytes()
    for name in ("blocks", "workers", "groups"):
        assert (tmp_path / f"{name}.npz").read_bytes() == whole
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


def test_merging_equals_counting_together(tmp_path):
    a, b, both = (tmp_path / name for name in ("a.txt", "b.txt", "both.txt"))
    random_text(a, 100, seed=1)
    random_text(b, 150, seed=1)
    both.write_text(a.read_text() + b.read_text())
    shared = wf.count(both, vocab_size=50, workers=1).words
    for weighting in WEIGHT:
        one, other, whole = (
            wf.count(path, vocabulary=shared, weighting=weighting, workers=1) for path in (a, b, both)
        )
        merged = merge(one, other)
        assert merged.sha256 == whole.sha256
        assert (merged.counts != whole.counts).nnz == 0
        assert merged.metadata["corpus_tokens"] == whole.metadata["corpus_tokens"]
    with pytest.raises(ValueError, match="`other` must be counted with the same vocabulary"):
        merge(one, wf.count(b, vocab_size=50, min_document_words=1, workers=1).most_frequent(40))
    assert one.metadata["weighting"] == "harmonic"
    with pytest.raises(ValueError, match="`other` must be counted by the same rule: weighting = 'harmonic'"):
        merge(one, wf.count(b, vocabulary=shared, workers=1))
    thin = wf.count(a, vocabulary=shared, subsampling="sampled", subsample_threshold=1.0, workers=1)
    with pytest.raises(ValueError, match="`one` must be counted without subsampling"):
        merge(thin, thin)


def test_expected_subsampling_is_the_mean_of_sampled(tmp_path):
    path = tmp_path / "text.txt"
    random_text(path, 200, seed=3, words=30)
    rule = {
        "vocab_size": 12,
        "window": 3,
        "subsample_threshold": 0.02,
        "out_of_vocabulary": "after",
        "workers": 1,
    }
    expected = wf.count(path, subsampling="expected", **rule)
    plain = wf.count(path, **rule)
    share = plain.unigram / plain.metadata["corpus_tokens"]
    keep = np.minimum(1, np.sqrt(0.02 / share) + 0.02 / share)
    np.testing.assert_allclose(
        expected.counts.toarray(), plain.counts.toarray() * np.outer(keep, keep), rtol=1e-12
    )
    runs = [wf.count(path, subsampling="sampled", seed=s, **rule).counts.toarray() for s in range(80)]
    mean, error = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
    # 78 entries, 5 standard errors.
    assert (np.abs(mean - expected.counts.toarray()) <= 5 * error + 1e-9).all()
    assert keep.min() < 0.7
    again = wf.count(path, subsampling="sampled", seed=3, **rule)
    np.testing.assert_array_equal(again.counts.toarray(), runs[3])


def test_import_of_glove_counts(tmp_path):
    """GloVe's own loop in Python: 1/r to the left, both directions, numbers from 1."""
    path = tmp_path / "text.txt"
    random_text(path, 60, seed=5, words=20)
    stats = wf.count(path, vocab_size=10, weighting="harmonic", window=5, workers=1)
    counts = Counter()
    for line in path.read_text().splitlines():
        row = [stats.words.index(w) + 1 for w in line.split() if w in stats.words]
        for i, word in enumerate(row):
            for j in range(max(0, i - 5), i):
                counts[word, row[j]] += 1 / (i - j)
                counts[row[j], word] += 1 / (i - j)
    records = np.array([(i, j, v) for (i, j), v in counts.items()], "<i4,<i4,<f8")
    records.tofile(tmp_path / "cooccurrence.bin")
    vocab = "".join(f"{w} {n}\n" for w, n in zip(stats.words, stats.unigram, strict=True))
    (tmp_path / "vocab.txt").write_text(vocab)
    glove = from_glove(tmp_path / "cooccurrence.bin", tmp_path / "vocab.txt")
    np.testing.assert_allclose(glove.counts.toarray(), stats.counts.toarray(), rtol=1e-12)
    assert glove.words == stats.words
    records[:-1].tofile(tmp_path / "one.bin")
    whole = (tmp_path / "cooccurrence.bin").read_bytes()
    (tmp_path / "cut.bin").write_bytes(whole[:-3])
    records[[i for i, r in enumerate(records) if r[0] >= r[1]]].tofile(tmp_path / "half.bin")
    for name, match in (
        ("cut", "whole records of 16 bytes"),
        ("half", "symmetric, but got counts of one direction"),
    ):
        with pytest.raises(ValueError, match=match):
            from_glove(tmp_path / f"{name}.bin", tmp_path / "vocab.txt")
    with pytest.raises(ValueError, match="`directions` must be 'both' or 'right'"):
        from_glove(tmp_path / "half.bin", tmp_path / "vocab.txt", directions="left")
    (tmp_path / "vocab.txt").write_text("a 1\nb\n")
    with pytest.raises(ValueError, match=r"line 2 of .*vocab\.txt"):
        from_glove(tmp_path / "cooccurrence.bin", tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_text("a 1\n")
    with pytest.raises(ValueError, match="`cooccurrence` must be of the 1 words"):
        from_glove(tmp_path / "cooccurrence.bin", tmp_path / "vocab.txt")


def test_import_of_a_matrix():
    stats = from_matrix(sparse.coo_array(np.array([[0.5, 1.0], [1.0, 0.0]])), ["a", "b"])
    assert stats.unigram.tolist() == [2, 1]
    one_way = np.array([[0, 1], [2, 0]])
    with pytest.raises(ValueError, match=r"`counts` must be symmetric.* or say which"):
        from_matrix(one_way, ["a", "b"])
    right = from_matrix(one_way, ["a", "b"], directions="right")
    assert (right.directions, right.unigram.tolist()) == ("right", [2, 2])


def test_bad_input(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("one two three\n")
    for options, match in (
        ({"vocab_size": 2, "workers": 0}, "`workers` must be at least 1, but got 0"),
        ({"vocab_size": 2, "window": 0}, "`window` must be at least 1, but got 0"),
        ({"vocab_size": 2, "weighting": "cubic"}, "`weighting` must be one of"),
        ({"vocab_size": 2, "out_of_vocabulary": "during"}, "`out_of_vocabulary` must be one of"),
        ({"vocab_size": 2, "subsampling": "some"}, "`subsampling` must be one of"),
        ({"vocab_size": 2, "subsample_threshold": 0.0}, "`subsample_threshold` must be positive"),
        ({"vocab_size": 0}, "`vocab_size` must be at least 1, but got 0"),
        ({"min_count": 1, "vocabulary": ["one"]}, "`min_count` must be left out beside `vocabulary`"),
        ({"vocab_size": 0, "min_count": 1}, "`vocab_size` must be at least 1, but got 0"),
        (
            {"min_count": 2},
            r"`min_count` must be at least 1 and reached .* The most frequent word occurs 1 times",
        ),
        ({"vocabulary": ["one", "one"]}, "`vocabulary` must be different words.* but got 'one'"),
        ({"vocabulary": ["four"]}, "`vocabulary` must be different words, of which some occur .* got 'four'"),
        ({"vocabulary": []}, "`vocabulary` must be different words"),
        ({"directions": "up"}, "`directions` must be one of"),
        ({"vocab_size": 2, "reader": "pdf"}, "`reader` must be one of"),
        ({"vocab_size": 2, "tokens": "[a"}, "`tokens` must be one of"),
        ({"vocab_size": 2, "min_document_words": 9}, "`paths` must be text with words"),
        ({"vocab_size": 2, "memory": "1MB"}, "`memory` must be at least 400MB, but got 1MB"),
        ({"vocab_size": 2, "memory": "much"}, "`memory` must be a size such as"),
    ):
        with pytest.raises(ValueError, match=match):
            wf.count(text, **{"workers": 1, **options})
    with pytest.raises(FileNotFoundError, match="There is no text file"):
        wf.count(tmp_path / "none.txt", vocab_size=2, workers=1)
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(ValueError, match="`paths` must be text with words"):
        wf.count(tmp_path / "empty.txt", vocab_size=2, workers=1)
    assert memory_bytes("1.5GB") == 1_500_000_000


def test_memory_too_small_for_the_vocabulary_says_the_least(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("one two three\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooccurrence, "_LEAST_MEMORY", 1)
        patch.setattr(cooccurrence, "PROCESS_BYTES", 0)
        with pytest.raises(ValueError, match="`memory` must be at least 271MB"):
            wf.count(text, vocab_size=3, workers=1, memory=100)


def test_full_disk_keeps_what_was_counted(tmp_path, monkeypatch):
    text = tmp_path / "text.txt"
    random_text(text, 500, seed=0)
    monkeypatch.setattr(cooccurrence, "BLOCK_BYTES", 30_000)
    made = []
    real = np.save

    def nearly_full(file, values, **options):
        made.append(1)
        if len(made) > 14:
            raise OSError(28, "No space left on device")
        return real(file, values, **options)

    with monkeypatch.context() as patch:
        patch.setattr(shards.np, "save", nearly_full)
        with pytest.raises(OSError, match="No space left on device"):
            count_to_file(text, tmp_path / "out.npz", vocab_size=50, resources=Resources(workers=1))
    assert not (tmp_path / "out.npz").exists()
    kept = list((tmp_path / "out.npz.work").glob("*-*"))
    # Three blocks of four arrays each were whole; nothing of the fourth is left.
    assert len(kept) == 3
    count_to_file(text, tmp_path / "out.npz", vocab_size=50, resources=Resources(workers=1))
    count_to_file(text, tmp_path / "fresh.npz", vocab_size=50, resources=Resources(workers=1))
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "fresh.npz").read_bytes()


def test_rows_are_shared_out_evenly():
    loads = np.array([50, 30, 10, 5, 5, 5, 5])
    for parts in (1, 2, 3, 7, 20):
        bounds = shards.pieces(loads, parts)
        assert bounds[0] == 0
        assert bounds[-1] == len(loads)
        assert all(a < b for a, b in pairwise(bounds))
    assert shards.pieces(loads, 2) == [0, 2, 7]
