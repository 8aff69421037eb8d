"""Checks of argument values, in one message form."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "argument_error",
    "check_different",
    "check_dimension",
    "check_positive_rate",
    "check_times",
    "check_vocab_size",
    "check_weights",
]


def argument_error(argument: str, expected: str, got: object, remedy: str = "") -> ValueError:
    """Return the error for a bad argument: what it must be, what it is, what to do.

    Example:
        >>> argument_error("dim", "at least 1", 0, "Choose a larger `dim`.")
        ValueError('Argument `dim` must be at least 1, but got 0. Choose a larger `dim`.')
    """
    return ValueError(f"Argument `{argument}` must be {expected}, but got {got}. {remedy}".strip())


def check_different(argument: str, words: Sequence[str]) -> None:
    """Raise `ValueError`, naming the word that comes most often, unless all are different."""
    if len(set(words)) < len(words):
        word, times = Counter(words).most_common(1)[0]
        raise argument_error(argument, "different", f"{word!r} {times} times", "Keep one of each word.")


def check_dimension(dim: int, vocab_size: int) -> None:
    """Raise `ValueError` unless `1 <= dim <= vocab_size`."""
    if not 1 <= dim <= vocab_size:
        remedy = "An embedding cannot have more directions than there are words."
        raise argument_error("dim", f"between 1 and the vocabulary size {vocab_size}", dim, remedy)


def check_times(ts: Any) -> np.ndarray:
    """Return `ts` as float64 `(T,)`.

    Raises:
        ValueError: times that are not finite, strictly increasing and positive; only the first may be 0.
    """
    times = np.atleast_1d(np.asarray(ts, dtype=np.float64))
    if times.ndim != 1 or times.size == 0:
        raise argument_error("ts", "a non-empty list of times of shape (T,)", f"shape {times.shape}")
    if not np.isfinite(times).all():
        raise argument_error("ts", "finite", times[~np.isfinite(times)][0], "Remove NaN and infinite times.")
    if times[0] < 0 or times[-1] <= 0:
        expected = "positive (the first may be 0, the initial weights)"
        remedy = "Time runs forward from the initial weights at 0."
        raise argument_error("ts", expected, times.min(), remedy)
    steps = np.diff(times)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        got = f"{times[at]} before {times[at + 1]}"
        raise argument_error("ts", "strictly increasing", got, "Use `numpy.unique(ts)`.")
    return times


def check_vocab_size(vocab_size: int, counted: int) -> None:
    """Raise `ValueError` unless so many of the words that were counted can be kept."""
    if not 1 <= vocab_size <= counted:
        expected = f"between 1 and the {counted} words that were counted"
        remedy = "Count the corpus again with a larger vocabulary."
        raise argument_error("vocab_size", expected, vocab_size, remedy)


def check_weights(W0: Any, vocab_size: int, sides: int = 1) -> np.ndarray:
    """Return `W0` as float64 `([S,] sides V, dim)`.

    Tied weights (`sides=1`) are `([S,] V, dim)`; untied ones (`sides=2`) come as `([S,] 2, V, dim)`,
    words before contexts, and leave stacked, contexts below words.

    Raises:
        ValueError: wrong number of axes or words, `dim` outside 1..V, NaN or infinite entries.
    """
    weights = np.asarray(W0, dtype=np.float64)
    tied = sides == 1
    wanted = (vocab_size,) if tied else (2, vocab_size)
    axes = len(wanted) + 1
    if weights.ndim not in (axes, axes + 1) or weights.shape[-axes:-1] != wanted:
        own = ", ".join(map(str, (*wanted, "dim")))
        whose, draw = ("", "gaussian_init") if tied else (", of words and of contexts", "untied_init")
        expected = f"of shape ({own}), or (seeds, {own}) for an ensemble{whose}"
        remedy = f"Draw it with `{draw}(key, problem.vocab_size, dim, scale)`."
        raise argument_error("W0", expected, f"shape {weights.shape}", remedy)
    check_dimension(weights.shape[-1], vocab_size)
    if not np.isfinite(weights).all():
        raise argument_error("W0", "finite", "NaN or infinite entries")
    return weights if tied else weights.reshape(*weights.shape[:-3], 2 * vocab_size, -1)


def check_positive_rate(learning_rate: float) -> None:
    """Raise `ValueError` unless the rate is positive and finite."""
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise argument_error("learning_rate", "positive and finite", learning_rate)
