"""Choice of the vocabulary."""

from collections import Counter
from collections.abc import Mapping, Sequence

from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words

__all__ = ["choose_words", "words_without_pairs_note"]


def choose_words(
    frequency: Mapping[str, int],
    vocab_size: int | None,
    min_count: int | None,
    vocabulary: Sequence[str] | None,
) -> list[str]:
    """Return the vocabulary in row order, `(-count, word)` if it is chosen by count.

    All words of a given vocabulary are kept, so that parts of a corpus can share one.

    Args:
        frequency: occurrences of every word of the corpus.
        vocab_size, min_count, vocabulary: as `count` takes them.

    Raises:
        ValueError: `vocabulary` beside `min_count`, repeated words in it, or none that occurs.

    Example:
        >>> choose_words(Counter("abracadabra"), 3, None, None)
        ['a', 'b', 'r']
    """
    if vocabulary is not None and min_count is not None:
        raise argument_error("min_count", "left out beside `vocabulary`", min_count)
    if vocabulary is not None:
        repeated = [word for word, times in Counter(vocabulary).items() if times > 1]
        if repeated or not any(frequency.get(word) for word in vocabulary):
            got = repr((repeated or list(vocabulary) or ["none"])[0])
            expected = "different words, of which some occur in the corpus"
            remedy = "Drop repeated words, and look at how `tokens` cuts the text."
            raise argument_error("vocabulary", expected, got, remedy)
        return list(vocabulary)
    # Sorting keeps the order of equals, also backwards.
    ranked = sorted(sorted(frequency), key=frequency.__getitem__, reverse=True)
    if vocab_size is not None and vocab_size < 1:
        raise argument_error("vocab_size", "at least 1", vocab_size)
    if not ranked:
        raise argument_error("paths", "text with words in it", "none", "Is `tokens` right for this text?")
    least = 1 if min_count is None else min_count
    kept = [word for word in ranked if frequency[word] >= least]
    if least < 1 or not kept:
        remedy = f"The most frequent word occurs {frequency[ranked[0]]} times."
        raise argument_error("min_count", "at least 1 and reached by some word", min_count, remedy)
    return kept[:vocab_size]


def words_without_pairs_note(empty: Sequence[str], absent: int, vocab_size: int) -> str:
    """Return what to say of the words of a given vocabulary that have no pairs, of which some are absent."""
    shown = shown_words(empty[:5]) + (" ..." if empty[5:] else "")
    return (
        f"of {vocab_size} words, {absent} do not occur and {len(empty) - absent} never stand beside another; "
        f"they are kept, with counts of 0: {shown}"
    )
