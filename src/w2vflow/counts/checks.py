"""Checks of counts, and of what is known of them."""

from typing import Any

import numpy as np
from scipy import sparse

from w2vflow.support.checks import argument_error

__all__ = [
    "check_denominator",
    "check_occurrences",
    "check_shapes",
    "check_symmetric",
    "check_unigram",
    "check_values",
    "counts_matrix",
]


def check_denominator(denominator: Any, least: int) -> int:
    """Return a denominator as Python's integer; raise `ValueError` unless it is one, of at least `least`."""
    whole = isinstance(denominator, int | np.integer) and not isinstance(denominator, bool)
    if not whole or denominator < least:
        remedy = "Counts are whole multiples of `1 / denominator`."
        raise argument_error("denominator", f"an integer of at least {least}", repr(denominator), remedy)
    return int(denominator)


def check_occurrences(unigram: np.ndarray) -> None:
    """Raise `ValueError` unless all are whole numbers, 0 or more."""
    if unigram.dtype.kind not in "biuf":
        raise argument_error("unigram", "whole numbers", f"entries of type {unigram.dtype}")
    if not np.isfinite(unigram).all():
        raise argument_error("unigram", "finite", "NaN or infinite entries")
    if (unigram < 0).any():
        raise argument_error("unigram", "0 or more for every word", unigram.min())
    # Beyond, float64 does not tell one number from the next.
    wrong = (unigram != np.rint(unigram)) | (unigram > 2**53)
    if wrong.any():
        remedy = "Round them: `numpy.rint(unigram)`."
        raise argument_error("unigram", "whole numbers, up to 2^53", unigram[wrong][0], remedy)


def counts_matrix(counts: Any) -> sparse.csr_array:
    """Return counts as a sparse matrix; raise `ValueError` unless they are a matrix."""
    shape = counts.shape if sparse.issparse(counts) else np.shape(counts)
    if len(shape) != 2:
        raise argument_error("counts", "a matrix (V, V)", f"shape {shape}")
    return sparse.csr_array(counts)


def check_shapes(words: tuple[str, ...], counts: sparse.csr_array, unigram: np.ndarray) -> None:
    """Raise `ValueError` unless there is a row and a column for each of some different words."""
    size = len(words)
    if size == 0:
        raise argument_error("words", "at least one word", "none")
    if len(set(words)) != size:
        repeated = next(word for i, word in enumerate(words) if word in words[:i])
        remedy = "Merge the rows of equal words."
        raise argument_error("words", "all different", f"{repeated!r} twice", remedy)
    if counts.shape != (size, size):
        expected = f"of shape ({size}, {size}), one row per word"
        raise argument_error("counts", expected, f"shape {counts.shape}")
    if unigram.shape != (size,):
        raise argument_error("unigram", f"of shape ({size},), one number per word", f"shape {unigram.shape}")


def check_values(counts: sparse.csr_array) -> None:
    """Raise `ValueError` unless counts are numbers, finite and not negative."""
    if counts.dtype.kind not in "biuf":
        raise argument_error("counts", "real numbers", f"entries of type {counts.dtype}")
    if not np.isfinite(counts.data).all():
        remedy = "Find where they were divided by 0."
        raise argument_error("counts", "finite", "NaN or infinite entries", remedy)
    if counts.nnz and counts.data.min() < 0:
        remedy = "Counts that overflowed their integer type turn negative."
        raise argument_error("counts", "non-negative", counts.data.min(), remedy)


def check_symmetric(counts: sparse.csr_array) -> None:
    """Raise `ValueError` unless counts are the same in both directions."""
    asymmetric = abs(counts - counts.T)
    if asymmetric.nnz and asymmetric.max() > 0:
        row, column = (int(axis[asymmetric.tocoo().data.argmax()]) for axis in asymmetric.tocoo().coords)
        one, other = (f"counts[{i}, {j}] = {counts[i, j]}" for i, j in ((row, column), (column, row)))
        remedy = (
            'Count both directions of a pair: `counts + counts.T`; or say which, as `directions="right"`.'
        )
        raise argument_error("counts", "symmetric", f"{one} against {other}", remedy)


def check_unigram(words: tuple[str, ...], counts: sparse.csr_array, unigram: np.ndarray) -> None:
    """Raise `ValueError` unless there are occurrences of every word, of words with counts more than 0."""
    check_occurrences(unigram)
    seen = np.diff(counts.indptr) > 0
    seen[counts.indices] = True
    if (unigram[seen] <= 0).any():
        word = words[int(np.argmax(seen & (unigram <= 0)))]
        expected = "positive for every word that has counts"
        raise argument_error("unigram", expected, f"0 for the word {word!r}")
