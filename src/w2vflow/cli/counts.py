"""Counts that commands start from, all words or the most frequent."""

from typing import TYPE_CHECKING

from w2vflow.support.checks import check_vocab_size

if TYPE_CHECKING:
    from w2vflow.counts.statistics import CooccurrenceStatistics

__all__ = ["load_counts", "size_of_counts"]


def load_counts(statistics: str, vocab_size: int | None) -> "CooccurrenceStatistics":
    """Return statistics by name or path, of so many most frequent words where a number is given.

    Raises:
        ValueError: there are no such statistics, or not so many words.
    """
    from w2vflow.corpus.catalog import load_statistics

    stats = load_statistics(statistics)
    return stats if vocab_size is None else stats.most_frequent(vocab_size)


def size_of_counts(statistics: str, vocab_size: int | None) -> tuple[int, int]:
    """Return how many words `load_counts` would return, and pairs of words in the file; reads no counts.

    Raises:
        ValueError: as `load_counts`.
    """
    from w2vflow.corpus.catalog import open_statistics

    file = open_statistics(statistics)
    if vocab_size is None:
        return len(file.words), file.pairs
    check_vocab_size(vocab_size, len(file.words))
    return vocab_size, file.pairs
