"""Documents to co-occurrence statistics."""

import os
from collections.abc import Iterable

import numpy as np
from scipy import sparse

from w2vflow.checks import argument_error
from w2vflow.corpus.readers import read_documents
from w2vflow.corpus.vocabulary import encode, restrict_to_most_frequent
from w2vflow.statistics import CooccurrenceStatistics

__all__ = ["WEIGHTINGS", "count"]

# Weight of a pair at distance r = 1..L. Linear is L times the expectation over word2vec's window,
# drawn uniformly from 1..L for every centre word; integers keep the counts exact.
WEIGHTINGS = {
    "linear": lambda window: np.arange(window, 0, -1, dtype=np.int64),
    "flat": lambda window: np.ones(window, np.int64),
    "harmonic": lambda window: 1.0 / np.arange(1, window + 1),
}


def count(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    vocab_size: int,
    window: int = 16,
    weighting: str = "linear",
    min_document_words: int = 0,
    reader: str = "auto",
    source: str = "",
) -> CooccurrenceStatistics:
    """Return the exact co-occurrence counts of the most frequent words of some text.

    Tokens are runs of `[a-z]` in the lower-cased text. Words outside the vocabulary are removed
    before windows are laid, windows end at document ends, and both directions of a pair are
    counted. A pair at distance r weighs `window + 1 - r` (`"linear"`), 1 (`"flat"`) or 1/r
    (`"harmonic"`, as GloVe does); the first two are counted in int64 without rounding.

    Args:
        paths: one text file or several; see `read_documents` for formats.
        vocab_size: how many words, by frequency, ties broken by the word.
        window: largest distance L of a pair.
        weighting: how a pair's weight falls with its distance.
        min_document_words: documents with fewer tokens are left out.
        reader: how files split into documents.
        source: what the text is and its licence, kept in the metadata.

    Raises:
        ValueError: a bad argument, an empty corpus, fewer distinct words than `vocab_size`, or a
            vocabulary whose dense count matrix does not fit into memory.

    References:
        Mikolov et al. (2013), arXiv 1310.4546 (dynamic window); Pennington et al. (2014), GloVe.
    """
    if window < 1:
        raise argument_error("window", "at least 1", window)
    if weighting not in WEIGHTINGS:
        raise argument_error("weighting", f"one of {sorted(WEIGHTINGS)}", repr(weighting))
    weights = WEIGHTINGS[weighting](window)
    _check_fits(vocab_size)
    corpus = encode(read_documents(paths, reader), min_document_words)
    if not corpus.words:
        raise argument_error(
            "paths",
            f"text with words of a-z in documents of at least {min_document_words} words",
            "none",
            "Check the path, the reader and `min_document_words`.",
        )
    kept = restrict_to_most_frequent(corpus, vocab_size)

    from w2vflow.corpus.kernel import add_pairs

    one_way = np.zeros((vocab_size, vocab_size), weights.dtype)
    add_pairs(kept.tokens, kept.offsets, weights, one_way)
    metadata = {
        "source": source,
        "window": window,
        "weighting": weighting,
        "window_ends_at": "document",
        "out_of_vocabulary": "removed before windows are laid",
        "directions": "both",
        "tokens": "[a-z]+ of the lower-cased text",
        "min_document_words": min_document_words,
        "corpus_documents": len(corpus.offsets) - 1,
        "corpus_tokens": len(corpus.tokens),
        "corpus_distinct_words": len(corpus.words),
    }
    return CooccurrenceStatistics(kept.words, sparse.csr_array(one_way + one_way.T), kept.frequency, metadata)


def _check_fits(vocab_size: int) -> None:
    # The matrix, its transposed sum and the CSR copy are alive together.
    need = 3 * 8 * vocab_size**2
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > have:
        raise argument_error(
            "vocab_size",
            f"small enough for its counts to fit into the {have / 1e9:.0f} GB of this machine",
            f"{vocab_size} (about {need / 1e9:.0f} GB)",
            f"At most {int((have / 24) ** 0.5)} words fit.",
        )
