"""A text as word numbers, and its pairs in order: word2vec.c's walk, written out in plain Python."""

import gc
import json
import threading
from collections import Counter
from concurrent.futures import wait

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import write_text

import w2vflow as wf
from w2vflow.corpus.documents.token_file import TokenFile, tokenize
from w2vflow.counts.subsampling import keep_probability
from w2vflow.sgd.stream import pair_stream as stream_module
from w2vflow.sgd.stream import window_kernel as windows
from w2vflow.sgd.stream.pair_stream import PairStream

STEP, MASK = 0x9E3779B97F4A7C15, 2**64 - 1


def mixed(value):
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


def draw(seed, epoch, place):
    key = mixed(mixed((seed + STEP) & MASK) ^ epoch)
    return mixed((key + (place + 1) * STEP) & MASK)


def word2vec_walk(tokens, window, subsample, seed, epoch):
    """The loops of word2vec.c over one epoch, with documents for its sentences."""
    counts = Counter(t for t in tokens if t >= 0)
    train_words = sum(counts.values())
    sentences = [[]]
    for place, word in enumerate(tokens):
        if word < 0:
            sentences.append([])
            continue
        random = draw(seed, epoch, place)
        if subsample > 0:
            count, goal = counts[word], subsample * train_words
            if (np.sqrt(count / goal) + 1) * goal / count <= (random >> 32) / 2**32:
                continue
        sentences[-1].append((word, (random & 0xFFFFFFFF) * window >> 32))
    for sentence in sentences:
        for position, (word, reach) in enumerate(sentence):
            # word2vec.c draws b below `window` and shrinks by it; both are uniform.
            b = window - 1 - reach
            for a in range(b, window * 2 + 1 - b):
                c = position - window + a
                if a != window and 0 <= c < len(sentence):
                    yield word, sentence[c][0]


def corpus_of(tokens):
    tokens = np.array(tokens, np.int32)
    unigram = np.bincount(tokens[tokens >= 0])
    return TokenFile(tuple(f"w{i}" for i in range(len(unigram))), unigram, tokens)


def random_corpus(count, words, length, seed=0):
    rng = np.random.default_rng(seed)
    tokens = np.minimum(rng.geometric(0.25, size=count) - 1, words - 1)
    tokens[rng.random(count) < 1 / length] = -1
    return corpus_of([*range(words), -1, *tokens.tolist()])


def read(stream, chunks):
    parts = [next(stream) for _ in range(chunks)]
    return np.concatenate(parts, axis=1)


def pair_threads():
    return [t for t in threading.enumerate() if t.name.startswith("w2vflow-pairs")]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(-1, 4), max_size=60), st.integers(1, 9), st.sampled_from([0.0, 0.02, 0.3]),
    st.integers(0, 2**64 - 1), st.integers(1, 40),
)  # fmt: skip
def test_pairs_equal_the_loops_of_word2vec(tail, window, subsample, seed, size):
    tokens = [0, 1, 2, 3, 4, 0, *tail]
    expected, epoch = [], 0
    while len(expected) < 3 * size:
        expected += word2vec_walk(tokens, window, subsample, seed, epoch)
        epoch += 1
    with PairStream(corpus_of(tokens), size, window=window, subsample=subsample, seed=seed) as stream:
        rows, columns = read(stream, 3)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == expected[: 3 * size]


@pytest.mark.parametrize("window", [1, 5, 700, 3000])
def test_pairs_equal_the_loops_beyond_what_is_read_at_a_time(window):
    corpus = random_corpus(4000, 20, length=2500)
    expected = list(word2vec_walk(corpus.tokens.tolist(), window, 0.05, 3, 0))
    with PairStream(corpus, 1000, window=window, subsample=0.05, seed=3) as stream:
        assert stream.pairs_per_epoch == len(expected)
        chunks = min(len(expected) // 1000, 300)
        rows, columns = read(stream, chunks)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == expected[: 1000 * chunks]


def test_random_numbers_are_those_of_splitmix64():
    """The published first outputs from the state 1234567."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [windows._draw(np.uint64(1234567), i) for i in range(3)] == published
    assert [mixed(1234567 + (i + 1) * STEP & MASK) for i in range(3)] == published


def test_mean_of_the_stream_is_the_count(tmp_path):
    """Over 400 epochs, every pair (i, j) as often as counts_ij / window says, within 5 standard errors."""
    rng, window, epochs = np.random.default_rng(1), 4, 400
    lines = [" ".join(rng.choice(list("abcdefgh"), size=rng.integers(2, 12))) for _ in range(12)]
    path = write_text(tmp_path / "text.txt", lines)
    stats = wf.count(path, vocab_size=8, window=window, weighting="linear", workers=1)
    tokenize(path, tmp_path / "tokens", vocab_size=8, workers=1)
    corpus = TokenFile.load(tmp_path / "tokens")
    assert corpus.words == stats.words
    found = np.zeros((8, 8))
    rows, columns = np.empty(10_000, np.int32), np.empty(10_000, np.int32)
    for epoch in range(epochs):
        pairs, *_ = windows.fill_pairs(
            corpus.tokens, np.full(9, 2**32, np.uint64), window, np.uint64(5), epoch, 0, 0, rows, columns
        )
        np.add.at(found, (rows[:pairs], columns[:pairs]), 1 / epochs)
    # The windows of different centres are independent: variances add, each over 4 equally likely windows.
    variance, of_all = np.zeros((8, 8)), 0.0
    for document in np.split(corpus.tokens, np.flatnonzero(corpus.tokens == -1)):
        words = document[document >= 0]
        for at, word in enumerate(words):
            met = np.array([
                np.bincount(words[max(at - b, 0) : at + b + 1], minlength=8) for b in range(1, window + 1)
            ])  # fmt: skip
            variance[word] += met.var(axis=0)
            of_all += met.sum(axis=1).var()
    error = np.abs(found - stats.counts.toarray() / window)
    assert (error <= 5 * np.sqrt(variance / epochs) + 1e-9).all()
    # And the test could tell: half a pair in an epoch would be seen.
    assert np.median(5 * np.sqrt(variance / epochs)) < 0.5
    with PairStream(corpus, 10, window=window, subsample=0.0) as stream:
        assert abs(stream.pairs_per_epoch - stats.counts.sum() / window) < 5 * np.sqrt(of_all)


def test_tokens_are_kept_with_word2vecs_probability():
    """Documents of two words: the pair comes where both are kept."""
    count = 200_000
    tokens = np.tile(np.array([0, 1, -1, 0, 2, -1, 0, 0, -1]), count)
    corpus = corpus_of(tokens)
    keep = keep_probability(corpus.unigram / corpus.unigram.sum(), 0.05)
    np.testing.assert_allclose(keep, [np.sqrt(0.05 * 6 / 4) + 0.05 * 6 / 4, *([0.3 + np.sqrt(0.3)] * 2)])
    with PairStream(corpus, 100, window=1, subsample=0.05, seed=2) as stream:
        pairs = stream.pairs_per_epoch
        rows, columns = read(stream, pairs // 100)
    for word, (share, times) in enumerate(
        [(keep[0] ** 2, 2), (keep[0] * keep[1], 1), (keep[0] * keep[2], 1)]
    ):
        found = ((rows == 0) & (columns == word)).sum()
        # Up to 100 pairs at the end of the epoch were not read.
        assert abs(found / times - count * share) < 5 * np.sqrt(count * share * (1 - share)) + 100


def test_windows_are_uniform():
    """The middle of a document of 2 x 6 + 1 words has as many contexts as twice its window."""
    count, window = 60_000, 6
    corpus = corpus_of(np.tile(np.array([*[0] * window, 1, *[0] * window, -1]), count))
    with PairStream(corpus, 100_000, window=window, subsample=0.0) as stream:
        rows, _ = read(stream, stream.pairs_per_epoch // 100_000)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rows, [0]])))
    reach = (edges[1::2] - edges[::2])[:-1] // 2
    share = np.bincount(reach, minlength=window + 1)[1:] / len(reach)
    assert np.abs(share - 1 / window).max() < 5 * np.sqrt(1 / window * (1 - 1 / window) / len(reach))


def test_neither_chunks_nor_interruptions_change_the_pairs():
    corpus = random_corpus(300, 8, length=30)
    run = {"window": 4, "subsample": 0.2, "seed": 11}
    with PairStream(corpus, 4200, **run) as stream:
        whole = read(stream, 1)
        assert stream.epochs > 3
    middles = 0
    for size in (1, 7, 100):
        parts, state = [], None
        for chunks in (3, 5, 2, 30):
            with PairStream(corpus, size, **run, state=state) as stream:
                parts.append(read(stream, chunks))
                state = json.loads(json.dumps(stream.state))
            middles += state["given"] > 0
            assert state["pairs"] == stream.pairs == sum(part.shape[1] for part in parts)
        joined = np.concatenate(parts, axis=1)
        np.testing.assert_array_equal(joined, whole[:, : joined.shape[1]])
    # Some interruptions were between two pairs of one window, which is the hard case.
    assert middles


def test_epochs_and_seeds_differ():
    corpus = random_corpus(300, 8, length=30)
    drawn = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0), (2**64 - 1, 0)):
        state = {"epoch": epoch, "place": 0, "given": 0, "pairs": 0}
        with PairStream(corpus, 200, seed=seed, subsample=0.2, state=state) as stream:
            drawn.append(next(stream)[0].tobytes())
    assert len(set(drawn)) == 4


def test_progress_counts_pairs_and_places():
    corpus = corpus_of([0, 1, -1, 1, 0])
    with PairStream(corpus, 3, window=1, subsample=0.0) as stream:
        assert (stream.pairs, stream.tokens, stream.epochs) == (0, 0, 0.0)
        next(stream)
        assert (stream.pairs, stream.tokens, stream.epochs) == (3, 4, 0.8)
        next(stream)
        assert (stream.pairs, stream.tokens, stream.epochs) == (6, 8, 1.6)
        assert stream.pairs_per_epoch == 4


def test_windows_end_with_the_document():
    """Documents of two words, far shorter than the window; word 0 is a word like any other."""
    corpus = corpus_of([0, 1, -1, -1, 2, 3, -1, 4, -1, 0, 5])
    with PairStream(corpus, 12, window=50, subsample=0.0) as stream:
        rows, columns = next(stream)
    once = [(0, 1), (1, 0), (2, 3), (3, 2), (0, 5), (5, 0)]
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == 2 * once


@pytest.mark.parametrize("tokens", [[0, -1, 1, -1, 0], [0], [0, -1]])
def test_a_text_without_pairs_is_refused(tokens):
    with pytest.raises(ValueError, match=r"`corpus` must be a text with two words.* no pair exists"):
        PairStream(corpus_of(tokens), 2)


def test_subsampling_that_leaves_nothing_is_said_by_the_reader_of_the_stream():
    stream = PairStream(corpus_of([0, 1, -1, 1, 0, -1]), 2, subsample=1e-18)
    with pytest.raises(ValueError, match=r"`subsample` must be one that leaves .* none in 100 epochs"):
        next(stream)
    assert not pair_threads()
    with pytest.raises(ValueError, match="`stream` must be open"):
        next(stream)


def test_what_the_thread_raises_is_raised_where_the_stream_is_read(monkeypatch):
    walk = stream_module._Walk.chunk
    calls = []

    def fails_third(self, size):
        calls.append(size)
        if len(calls) == 3:
            raise OSError("the disk is gone")
        return walk(self, size)

    monkeypatch.setattr(stream_module._Walk, "chunk", fails_third)
    with PairStream(random_corpus(300, 8, length=30), 10, ahead=4) as stream:
        read(stream, 2)
        state = stream.state
        with pytest.raises(OSError, match="the disk is gone"):
            next(stream)
        # It can be taken up again from the last good chunk.
        assert stream.state == state
        assert not pair_threads()


def test_the_thread_keeps_within_its_bound_and_ends_with_the_block(monkeypatch):
    walk, calls = stream_module._Walk.chunk, []
    monkeypatch.setattr(stream_module._Walk, "chunk", lambda self, n: (calls.append(n), walk(self, n))[1])
    with PairStream(random_corpus(300, 8, length=30), 10, ahead=3) as stream:
        assert not pair_threads()
        for _ in stream:
            break
        assert len(pair_threads()) == 1
        wait(stream._chunks)
        assert len(calls) == 4
    assert not pair_threads()
    stream.close()


def test_a_stream_that_is_forgotten_ends_its_thread():
    stream = PairStream(random_corpus(300, 8, length=30), 10)
    next(stream)
    (thread,) = pair_threads()
    del stream
    gc.collect()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_the_loop_leaves_the_interpreter_to_others():
    assert windows.fill_pairs.targetoptions["nogil"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "`size` must be at least 1"),
        ({"window": 0}, "`window` must be at least 1"),
        ({"ahead": 0}, "`ahead` must be at least 1"),
        ({"seed": -1}, "`seed` must be 0 to"),
        ({"subsample": -0.1}, "`subsample` must be finite and not negative"),
        ({"subsample": float("nan")}, "`subsample` must be finite and not negative"),
        ({"state": {"epoch": 1}}, "`state` must be the numbers epoch, place, given, pairs"),
        ({"state": {"epoch": 0, "place": 5, "given": 0, "pairs": 9}}, "over these 5 tokens"),
        ({"state": {"epoch": -1, "place": 0, "given": 0, "pairs": 9}}, "over these 5 tokens"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PairStream(corpus_of([0, 1, -1, 1, 0]), **{"size": 2, **changes})
