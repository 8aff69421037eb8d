"""Checks of word vectors and their words, shared by all evaluations."""

from collections.abc import Sequence

import numpy as np

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_different
from w2vflow.support.kinds import ArrayLike

__all__ = ["check_vectors", "first_rows", "restrict_words", "unit_rows"]


@checked
def check_vectors(vectors: ArrayLike, words: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the vectors in float64, or float32 if they are so, and their words as a tuple.

    Args:
        vectors: one vector a word, `(V, d)`.
        words: the vocabulary in row order.

    Raises:
        ValueError: vectors that are no matrix of finite real numbers; words of another number, or
            repeated.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise argument_error("vectors", "of shape (V, d), one row a word", f"shape {vectors.shape}")
    if vectors.dtype.kind not in "fiub":
        raise argument_error("vectors", "real numbers", f"an array of {vectors.dtype}")
    if len(words) != len(vectors):
        raise argument_error("words", f"one for each of the {len(vectors)} vectors", f"{len(words)} words")
    words = tuple(words)
    check_different("words", words)
    if vectors.dtype != np.float32:
        vectors = vectors.astype(np.float64)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise argument_error(
            "vectors", "finite", f"NaN or infinite entries for {words[int(finite.argmin())]!r}"
        )
    return vectors, words


@checked
def unit_rows(vectors: ArrayLike, words: Sequence[str], dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Return the vectors at unit length, `(V, d)`.

    Args:
        vectors, words: as `check_vectors` takes them.
        dtype: float32, or float64 for cosines to more than seven digits.

    Raises:
        ValueError: as `check_vectors`; also a zero vector, which has no direction.
    """
    vectors, words = check_vectors(vectors, words)
    # Over the largest entry first: squares of small or large numbers leave the range of their type.
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if not largest.all():
        zero = [words[row] for row in np.flatnonzero(largest == 0).tolist()]
        named = ", ".join(map(repr, zero[:5])) + (f" and {len(zero) - 5} more" if len(zero) > 5 else "")
        remedy = "They have no direction: leave these words out."
        raise argument_error("vectors", "non-zero", f"zero vectors for {named}", remedy)
    units = np.divide(vectors, largest, dtype=np.result_type(vectors, dtype)).astype(dtype)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    return units


@checked
def restrict_words(
    vectors: ArrayLike, words: Sequence[str], restrict_vocab: int | None
) -> tuple[np.ndarray, Sequence[str]]:
    """Return the first `restrict_vocab` vectors and words, or all of them if it is None.

    Raises:
        ValueError: `restrict_vocab` not in 1..V.
    """
    vectors = np.asarray(vectors)
    # A vocabulary that does not fit the vectors is left whole, for `check_vectors` to refuse.
    if restrict_vocab is None or vectors.ndim != 2 or len(words) != len(vectors):
        return vectors, words
    if not 1 <= restrict_vocab <= len(words):
        raise argument_error(
            "restrict_vocab", f"between 1 and the vocabulary size {len(words)}", restrict_vocab
        )
    return vectors[:restrict_vocab], words[:restrict_vocab]


@checked
def first_rows(words: Sequence[str]) -> dict[str, int]:
    """Return the row of every case-folded word: of words that differ by case alone, of the first."""
    return {word.casefold(): row for row, word in reversed(list(enumerate(words)))}
