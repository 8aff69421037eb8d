"""Statistics of the same text with some words weighing more, less, or nothing."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from w2vflow.counts.statistics import CooccurrenceStatistics
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["reweigh_words"]


@checked
def reweigh_words(stats: CooccurrenceStatistics, factors: Mapping[str, float]) -> CooccurrenceStatistics:
    """Return the statistics in which every occurrence of a word `w` counts `f_w` times as much.

        counts_ij -> f_i f_j counts_ij,   unigram_i -> f_i unigram_i (rounded, at least 1 if it was)

    A pair counts by both its words, also if both are the same. For `f_w < 1` it is the expectation over texts
    in which each occurrence is kept with probability `f_w` after windows were laid; for `f_w = 0` the word
    leaves the vocabulary, and words that stood beside no other have no pairs. If words were deleted from the
    text itself, windows would reach further and new pairs arise: that takes a recount with a `vocabulary`
    without them and `out_of_vocabulary="before"`.
    Marginals change: words that stand much beside a word that gets heavier seem less attached to all others.

    Args:
        stats: statistics of the whole text.
        factors: `f_w` of the words to reweigh; 0 removes a word. All others keep 1.

    Returns:
        Statistics of the words that are left, in the old order. `metadata["reweighed_words"]` holds the
        factors, multiplied with those of an earlier call.

    Raises:
        ValueError: a word that is not in the vocabulary, or a factor that is negative or not finite.

    Example:
        >>> import numpy as np
        >>> counts = np.array([[2, 4, 0], [4, 2, 6], [0, 6, 2]])
        >>> stats = CooccurrenceStatistics(("a", "b", "c"), counts, np.array([6, 12, 8]))
        >>> reweigh_words(stats, {"b": 0.5}).counts.toarray().tolist()
        [[2.0, 2.0, 0.0], [2.0, 0.5, 3.0], [0.0, 3.0, 2.0]]
        >>> reweigh_words(stats, {"b": 0}).words
        ('a', 'c')
    """
    number = {word: i for i, word in enumerate(stats.words)}
    weights = np.ones(stats.vocab_size)
    for word, factor in factors.items():
        if word not in number:
            raise argument_error("factors", "of words of the vocabulary", f"the word {word!r}")
        if not 0 <= factor < np.inf:
            raise argument_error("factors", "finite and not negative", f"{factor} for the word {word!r}")
        weights[number[word]] = factor
    kept = np.flatnonzero(weights)
    if not len(kept):
        raise argument_error("factors", "above 0 for some word", "0 for all")
    weights = weights[kept]
    scale = sparse.dia_array((weights[None], [0]), shape=(len(kept), len(kept)))
    counts = sparse.csr_array(scale @ stats.counts[kept][:, kept] @ scale)
    if stats.directions == "both":
        # One product rounds otherwise than the other: a pair is the mean of its two entries.
        counts = sparse.csr_array((counts + counts.T) / 2)
    earlier = dict(stats.metadata.get("reweighed_words", {}))
    now = {word: float(factor) * earlier.get(word, 1.0) for word, factor in factors.items()}
    # Counts stay whole multiples of the same fraction only under whole factors.
    whole = bool((weights == np.rint(weights)).all())
    return CooccurrenceStatistics(
        tuple(stats.words[i] for i in kept),
        counts,
        np.maximum(np.rint(stats.unigram[kept] * weights), np.minimum(stats.unigram[kept], 1)),
        {**stats.metadata, "reweighed_words": {**earlier, **now}},
        stats.denominator if whole else 1,
        stats.directions,
    )
