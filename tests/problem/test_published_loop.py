"""The weights of `Mikolov` against word2vec's published loop, step by step, on a small text."""

import numpy as np
import pytest

import w2vflow as wf

V, NEGATIVES = 5, 5
WORDS = tuple(f"w{i}" for i in range(V))


def text_of(lengths, seed=0):
    """Documents of words that follow some neighbours, in very different numbers."""
    rng = np.random.default_rng(seed)
    likely = rng.dirichlet([4.0, 2.0, 1.0, 0.5, 0.3], size=V)
    documents = []
    for length in lengths:
        document = [int(rng.integers(V))]
        while len(document) < length:
            document.append(int(rng.choice(V, p=likely[document[-1]])))
        documents.append(document)
    return documents


def counts_of(documents, window):
    counts = np.zeros((V, V))
    for document in documents:
        for i, word in enumerate(document):
            for j, other in enumerate(document):
                if 0 < abs(i - j) <= window:
                    counts[word, other] += window + 1 - abs(i - j)
    return counts


def epoch(documents, window, subsample, rng):
    """Counts of positive and of negative examples that one pass of `TrainModelThread` trains."""
    occurrences = np.bincount(np.concatenate(documents), minlength=V)
    frequency = occurrences / occurrences.sum()
    # The table of negatives: a share of places by the count to the power of 3/4.
    share = occurrences**0.75
    table = np.repeat(np.arange(V), np.round(1e5 * share / share.sum()).astype(int))
    positive, negative = np.zeros((V, V)), np.zeros((V, V))
    for document in documents:
        kept = []
        for word in document:
            if subsample > 0:
                ran = (np.sqrt(frequency[word] / subsample) + 1) * subsample / frequency[word]
                if ran < rng.random():
                    continue
            kept.append(word)
        for position, word in enumerate(kept):
            b = rng.integers(window)
            for a in range(b, 2 * window + 1 - b):
                c = position - window + a
                if a == window or not 0 <= c < len(kept):
                    continue
                # The input is the context, the output the word in the middle.
                source, target = kept[c], word
                positive[source, target] += 1
                for drawn in table[rng.integers(len(table), size=NEGATIVES)]:
                    if drawn == target:
                        continue
                    negative[source, drawn] += 1
    return positive, negative


@pytest.mark.parametrize(
    ("lengths", "window", "subsample"),
    # Of pairs alone, dropping words before windows are laid is dropping pairs.
    [([40] * 8, 3, 0.0), ([2] * 300, 1, 0.05)],
    ids=["long documents", "pairs, subsampled"],
)
def test_skipped_negatives_are_those_of_the_published_loop(lengths, window, subsample):
    documents, rng = text_of(lengths), np.random.default_rng(1)
    seen = [epoch(documents, window, subsample, rng) for _ in range(40)]
    stats = wf.CooccurrenceStatistics(
        WORDS, counts_of(documents, window), np.bincount(np.concatenate(documents), minlength=V)
    )
    mean_of_all = np.mean([positive.sum() for positive, _ in seen])
    for part in (0, 1):
        drawn = np.stack([one[part] for one in seen]) / mean_of_all
        error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn)) + 1e-6
        expected = {}
        for skip in (True, False):
            weights = wf.Mikolov(subsample, 0.75, NEGATIVES, skip_target=skip).pair_weights(stats)
            expected[skip] = weights.dense()[part] / weights.values.sum()
        off = {skip: np.abs(drawn.mean(axis=0) - one) / error for skip, one in expected.items()}
        assert off[True].max() < 5
        # Without the skip the law is another, far outside of chance.
        assert part == 0 or off[False].max() > 30


def test_a_context_that_every_pair_has_is_never_a_negative_one():
    """`B >= 0`, and 0 where all pairs of a word have one context."""
    stats = wf.CooccurrenceStatistics(("a", "b"), np.array([[0, 7], [7, 0]]), np.array([7, 7]))
    _, B = wf.Mikolov(subsample=0).pair_weights(stats).dense()
    np.testing.assert_allclose(B, [[2.5 * 0.5, 0], [0, 2.5 * 0.5]], atol=1e-15)
    symmetric = wf.Symmetrized(wf.Mikolov(subsample=0)).pair_weights(stats)
    np.testing.assert_allclose(symmetric.dense()[1], B, atol=1e-15)
    assert symmetric.symmetric
