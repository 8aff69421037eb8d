"""Documents as word numbers, and the vocabulary chosen from them."""

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from w2vflow.checks import argument_error

__all__ = ["EncodedCorpus", "encode", "restrict_to_most_frequent"]

_TOKEN = re.compile(r"[a-z]+")


class EncodedCorpus(NamedTuple):
    """A corpus as numbers: document `b` is `tokens[offsets[b]:offsets[b + 1]]`.

    Attributes:
        words: the words that the numbers stand for.
        tokens: int32, all documents one after the other.
        offsets: int64, where documents start, with the end of the last.
        frequency: occurrences of each word, int64.
    """

    words: tuple[str, ...]
    tokens: np.ndarray
    offsets: np.ndarray
    frequency: np.ndarray


def encode(documents: Iterable[str], min_document_words: int = 0) -> EncodedCorpus:
    """Return all documents as word numbers, in order of first appearance.

    Tokens are the runs of `[a-z]` in the lower-cased text.

    Args:
        documents: texts.
        min_document_words: shorter documents are left out.

    Example:
        >>> corpus = encode(["A rose is a rose.", "is it?"])
        >>> corpus.words, corpus.tokens.tolist(), corpus.offsets.tolist()
        (('a', 'rose', 'is', 'it'), [0, 1, 2, 0, 1, 2, 3], [0, 5, 7])
    """
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    tokens, offsets = array("i"), array("q", [0])
    for document in documents:
        found = _TOKEN.findall(document.lower())
        if found and len(found) >= min_document_words:
            tokens.extend([number[word] for word in found])
            offsets.append(len(tokens))
    numbers = np.frombuffer(tokens, np.int32) if tokens else np.zeros(0, np.int32)
    return EncodedCorpus(
        tuple(number), numbers, np.array(offsets, np.int64), np.bincount(numbers, minlength=len(number))
    )


def restrict_to_most_frequent(corpus: EncodedCorpus, vocab_size: int) -> EncodedCorpus:
    """Return the corpus with only its `vocab_size` most frequent words, renumbered by rank.

    Ties are broken by the word itself: the order is that of `(-count, word)`. Other words leave
    the text, so their neighbours move together; no document is dropped.

    Raises:
        ValueError: more words asked for than the corpus has.
    """
    distinct = len(corpus.words)
    if not 1 <= vocab_size <= distinct:
        raise argument_error(
            "vocab_size",
            f"between 1 and the {distinct} distinct words of the corpus",
            vocab_size,
            "Ask for fewer words or give more text.",
        )
    order = sorted(range(distinct), key=lambda i: (-corpus.frequency[i], corpus.words[i]))[:vocab_size]
    rank = np.full(distinct, -1, np.int32)
    rank[order] = np.arange(vocab_size, dtype=np.int32)
    tokens = rank[corpus.tokens]
    kept = tokens >= 0
    offsets = np.concatenate([[0], np.cumsum(kept)])[corpus.offsets]
    return EncodedCorpus(
        tuple(corpus.words[i] for i in order), tokens[kept], offsets, corpus.frequency[order]
    )
