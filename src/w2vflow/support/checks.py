"""Checks of argument values, in one message form."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from w2vflow.support.arrays import floating, is_known
from w2vflow.support.display import harmless

if TYPE_CHECKING:
    import jax

__all__ = [
    "argument_error",
    "check_at_least",
    "check_different",
    "check_dimension",
    "check_initial_scale",
    "check_moving",
    "check_positive",
    "check_squares",
    "check_times",
    "check_tolerances",
    "check_vocab_size",
    "check_weights",
    "check_weights_shape",
]


# Of initial weights, whose squares are numbers of float32.
_LARGEST_SCALE = 1e15


def argument_error(argument: str, expected: str, got: object, remedy: str = "") -> ValueError:
    """Return the error for a bad argument: what it must be, what it is, what to do.

    Example:
        >>> argument_error("dim", "at least 1", 0, "Choose a larger `dim`.")
        ValueError('Argument `dim` must be at least 1, but got 0. Choose a larger `dim`.')
    """
    # What a file or a user names may hold what terminals obey.
    text = f"Argument `{argument}` must be {expected}, but got {harmless(str(got))}. {remedy}"
    return ValueError(text.strip())


def check_at_least(argument: str, least: int, value: Any, remedy: str = "") -> None:
    """Raise `ValueError` where a known number is below the least or not finite."""
    if is_known(value) and not least <= value < np.inf:
        whole = isinstance(value, int | np.integer)
        raise argument_error(argument, f"at least {least}{'' if whole else ' and finite'}", value, remedy)


def check_positive(argument: str, value: Any, remedy: str = "") -> None:
    """Raise `ValueError` where a known number is not positive and finite."""
    if is_known(value) and not 0 < value < np.inf:
        raise argument_error(argument, "positive and finite", value, remedy)


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


def check_initial_scale(scale: Any) -> None:
    """Raise `ValueError` where the known size of a start is not positive, or beyond all use."""
    check_positive("scale", scale, "At 0 nothing ever grows.")
    if is_known(scale) and scale > _LARGEST_SCALE:
        raise argument_error("scale", f"at most {_LARGEST_SCALE:g}", scale, "Squares of more overflow.")


def check_tolerances(rtol: float, atol: float | None, weights: np.ndarray) -> None:
    """Raise `ValueError` unless tolerances of an integrator see initial weights that are not all zeros."""
    if not 0 < rtol < 1:
        raise argument_error("rtol", "between 0 and 1", rtol)
    # In units of the largest: squares of small weights are below the least number there is.
    most = float(np.abs(weights).max(initial=0.0))
    size = most * float(np.sqrt(np.mean((weights / (most or 1.0)) ** 2)))
    check_moving(weights)
    if atol is not None and not 0 < atol < size:
        expected = f"positive and below the size of the initial weights, {size:.3g}"
        remedy = "Above it the error control is blind while they grow; leave `atol` out to have it chosen."
        raise argument_error("atol", expected, atol, remedy)


def check_times(ts: Any) -> "jax.Array":
    """Return `ts` as floating `(T,)`; the values of known times are looked at.

    Raises:
        ValueError: times that are not finite, strictly increasing and positive; only the first may be 0.
    """
    if len(np.shape(ts)) > 1 or np.size(ts) == 0:
        raise argument_error("ts", "a non-empty list of times of shape (T,)", f"shape {np.shape(ts)}")
    if is_known(ts):
        ts = np.atleast_1d(np.asarray(ts))
        _check_time_values(ts.astype(np.float64))
    return floating(ts).reshape(-1)


def _check_time_values(times: np.ndarray) -> None:
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


def check_vocab_size(vocab_size: int, counted: int) -> None:
    """Raise `ValueError` unless so many of the words that were counted can be kept."""
    if not 1 <= vocab_size <= counted:
        expected = f"between 1 and the {counted} words that were counted"
        remedy = "Count the corpus again with a larger vocabulary."
        raise argument_error("vocab_size", expected, vocab_size, remedy)


def check_weights(W0: Any, vocab_size: int, sides: int = 1) -> "jax.Array":
    """Return `W0` as floating `([S,] sides V, dim)`; the values of known weights are looked at.

    Tied weights (`sides=1`) are `([S,] V, dim)`; untied ones (`sides=2`) come as `([S,] 2, V, dim)`,
    words before contexts, and leave stacked, contexts below words.

    Raises:
        ValueError: wrong number of axes or words, `dim` outside 1..V, NaN or infinite entries.
    """
    check_weights_shape(np.shape(W0), vocab_size, sides)
    if is_known(W0):
        check_squares("W0", np.asarray(W0))
    weights = floating(W0)
    return weights if sides == 1 else weights.reshape(*weights.shape[:-3], 2 * vocab_size, -1)


def check_weights_shape(shape: tuple[int, ...], vocab_size: int, sides: int = 1) -> None:
    """Raise `ValueError` unless weights are of a shape that `check_weights` takes."""
    tied = sides == 1
    wanted = (vocab_size,) if tied else (2, vocab_size)
    axes = len(wanted) + 1
    if len(shape) not in (axes, axes + 1) or shape[-axes:-1] != wanted:
        own = ", ".join(map(str, (*wanted, "dim")))
        whose, draw = ("", "gaussian_init") if tied else (", of words and of contexts", "untied_init")
        expected = f"of shape ({own}), or (seeds, {own}) for an ensemble{whose}"
        remedy = f"Draw it with `{draw}(key, problem.vocab_size, dim, scale)`."
        raise argument_error("W0", expected, f"shape {shape}", remedy)
    check_dimension(shape[-1], vocab_size)


def check_moving(weights: Any) -> None:
    """Raise `ValueError` where known initial weights are all zeros."""
    if is_known(weights) and not np.asarray(weights).any():
        raise argument_error("W0", "nonzero somewhere", "all zeros", "Zero weights never move.")


def check_squares(argument: str, values: np.ndarray) -> None:
    """Raise `ValueError` unless numbers and the sum of their squares are finite."""
    if not np.isfinite(values).all():
        raise argument_error(argument, "finite", "NaN or infinite entries")
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    largest = float(np.abs(values).max(initial=0.0))
    if largest > float(np.sqrt(np.finfo(kind).max / max(values.size, 1))):
        raise argument_error(argument, f"small enough for squares in {kind}", f"entries of {largest:.3g}")
