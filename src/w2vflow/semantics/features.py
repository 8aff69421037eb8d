"""Concepts in words: the ends of each, and a short name."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_squares
from w2vflow.support.display import shown_words
from w2vflow.support.kinds import ArrayLike

__all__ = ["Feature", "label_features", "relative_entries"]

Host = np.ndarray

# A spread from 100 words is off by some 7%. Wider windows mix words of other frequencies: with 500 of
# 10,000 words the hundred most frequent hardly ever come out on top, whatever they mean.
_NEIGHBOURS = 100
# A name passes over so many of the most frequent words, or a twentieth of a small vocabulary: function words.
_FREQUENT = 100
# It is of the more frequent half of the vocabulary, or of so many words if that is more: what is rarer is
# known to few readers ("codice"), and in a small text stands there by chance.
_KNOWN = 1000
# A word that tells less than so much of what the most telling one does is not named.
_TELLING = 0.25


class Feature(NamedTuple):
    """One concept by its most extreme words. `print` shows it on a line.

    Attributes:
        eigenvalue: `lambda_k`; NaN for a direction that came without one.
        positive, negative: words of the largest and of the smallest entries of `v_k`, the most extreme first.
        name: some telling words of both ends, of middling and high frequency,
            `"religion, political, social / season, super, game"`.
        participation: over how many words the direction is spread, `(sum_i v_i^2)^2 / sum_i v_i^4`: n
            for n entries of equal size, V/3 for normally distributed ones.
    """

    eigenvalue: float
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    name: str
    participation: float

    @property
    def short(self) -> str:
        """The name with one word an end, `"religion / season"`: for axes, legends and captions."""
        return " / ".join(end.split(", ")[0] for end in self.name.split(" / "))

    def __str__(self) -> str:
        value = "" if math.isnan(self.eigenvalue) else f"lambda {self.eigenvalue:.4g}, "
        ends = f"{shown_words(self.positive)} <-> {shown_words(self.negative)}"
        return f"{shown_words([self.short])} ({value}over {self.participation:.0f} words): {ends}"


@checked
def label_features(
    spectrum: Spectrum | ArrayLike,
    words: Sequence[str],
    n: int = 6,
    *,
    first: int | None = None,
    relative_to: ArrayLike | None = None,
    named: int = 3,
) -> list[Feature]:
    """Return for every direction the `n` words at each of its ends, and a name.

    Eigenvectors have no sign of their own: which end is called positive means nothing. If all entries have
    one sign, as along the mean of most trained vectors, the other end holds the words that have least of it.

    The name: `named` words an end, comma between words, ` / ` between ends, by the geometric mean of how
    extreme a word is among all and among those of its frequency,

        s_ik = sign(z_ik) sqrt(|z_ik (v_ik - mean_k)|),  zero where the signs differ,

    with `z` of `relative_entries`; fewer where others tell less than a quarter of what the most telling word
    does. Passed over, while others are left: the 100 most frequent words (of fewer than 2,000 words a
    twentieth), most function words among them; the rarer half of the vocabulary beyond the first 1,000
    words; and inflections, words with the beginning of one taken already (three letters or more, and half of
    the longer word).

    Args:
        spectrum: eigenpairs of the problem, or any directions as columns, `(V, k)`: left singular vectors
            (`principal_directions`), columns of an embedding.
        words: the vocabulary in row order, most frequent first if `first` and names are to have meaning:
            names take their order for that of frequency.
        n: words at each end.
        first: list only words among the first so many; all by default.
        relative_to: how often each word occurs, `(V,)`, e.g. `stats.unigram`: the words listed are then those
            that are extreme for their frequency (`relative_entries`). How large entries are depends on it.
        named: words of each end in the name, 1 to 5. `Feature.short` has one, whatever is named here.

    Raises:
        ValueError: directions that are no finite matrix or have a zero column; `words` not as many as
            they have rows; `first`, `n` or `named` out of range; frequencies as in `relative_entries`.

    References:
        arXiv 2502.09863, table of eigenfeatures.

    Example:
        >>> direction = [[0.7], [0.6], [-0.1], [-0.4]]
        >>> print(*label_features(direction, ["games", "game", "the", "law"], n=2))
        games / law (over 3 words): games, game <-> law, the
    """
    directions, values = _directions(spectrum)
    size = len(directions)
    if len(words) != size:
        raise argument_error("words", f"the {size} words of the problem", f"{len(words)} words")
    first = size if first is None else first
    if not 1 <= first <= size:
        raise argument_error("first", f"between 1 and the vocabulary size {size}", first)
    if not 1 <= n <= first:
        raise argument_error("n", f"between 1 and the vocabulary size {first}", n)
    if not 1 <= named <= 5:
        raise argument_error("named", "between 1 and 5", named)
    scores = directions if relative_to is None else relative_entries(directions, relative_to)
    telling = _telling(directions)[:first]
    features = []
    for value, column, direction, tells in zip(values, scores.T, directions.T, telling.T, strict=True):
        order = np.argsort(-column[:first], kind="stable")
        positive, negative = (tuple(words[row] for row in end[:n]) for end in (order, order[::-1]))
        # An end at which no word tells is named by its most extreme one.
        ends = (", ".join(_named(tells * side, words, named)) for side in (1, -1))
        name = " / ".join(end or most[0] for end, most in zip(ends, (positive, negative), strict=True))
        squares = (direction / np.abs(direction).max()) ** 2
        participation = float(squares.sum() ** 2 / np.sum(squares**2))
        features.append(Feature(float(value), positive, negative, name, participation))
    return features


@checked
def relative_entries(directions: ArrayLike, frequencies: ArrayLike) -> Float[Host, "V k"]:
    """Return how far each entry is from those of words of similar frequency, in their standard deviations.

        z_ik = (v_ik - mean_k(i)) / spread_k(i)

    with mean and standard deviation over the 100 words nearest to word i in the order of frequency, i among
    them (at either end of the order, over the first or last 100). Zero if the entries of the window differ by
    less than a millionth of the largest of all.

    Args:
        directions: columns, `(V, k)`.
        frequencies: how often each word occurs, `(V,)`. Only their order counts.

    Raises:
        ValueError: directions that are no finite matrix or have a zero column; frequencies of another
            number, negative or not finite.
    """
    directions, _ = _directions(directions)
    frequencies = np.asarray(frequencies)
    size = len(directions)
    if frequencies.shape != (size,):
        raise argument_error("frequencies", f"{size} numbers, one for a word", f"shape {frequencies.shape}")
    if not np.isfinite(frequencies).all() or (frequencies < 0).any():
        raise argument_error("frequencies", "finite and not negative", f"{frequencies.min()} among them")
    order = np.argsort(-frequencies, kind="stable")
    width = min(_NEIGHBOURS, size)
    low = np.clip(np.arange(size) - width // 2, 0, size - width)
    relative = np.zeros_like(directions)
    for column, entries in enumerate(directions.T):
        # Without their mean, so that squares of a direction of one sign do not cancel.
        ordered = entries[order] - entries.mean()
        sums, squares = (np.concatenate([[0.0], np.cumsum(ordered**power)]) for power in (1, 2))
        mean = (sums[low + width] - sums[low]) / width
        variance = (squares[low + width] - squares[low]) / width - mean**2
        # Below that it is rounding.
        varied = variance > 1e-12 * np.max(ordered**2)
        relative[order[varied], column] = (ordered - mean)[varied] / np.sqrt(variance[varied])
    return relative


def _directions(spectrum: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return directions `(V, k)` in float64 and their eigenvalues, NaN if there are none."""
    if isinstance(spectrum, Spectrum):
        return np.asarray(spectrum.eigenvectors, np.float64), np.asarray(spectrum.eigenvalues, np.float64)
    directions = np.asarray(spectrum, np.float64)
    if directions.ndim != 2 or 0 in directions.shape:
        expected = "a Spectrum or columns of shape (V, k)"
        raise argument_error("directions", expected, f"shape {directions.shape}")
    check_squares("directions", directions)
    if not directions.any(axis=0).all():
        zero = int(directions.any(axis=0).argmin())
        raise argument_error("directions", "non-zero columns", f"zeros alone in column {zero}")
    return directions, np.full(directions.shape[1], np.nan)


def _telling(directions: np.ndarray) -> np.ndarray:
    """Return how much each word tells of each direction, with the sign of its end.

    Frequency falls with the row, as in a vocabulary.
    """
    relative = relative_entries(directions, np.arange(len(directions))[::-1])
    centred = directions - directions.mean(axis=0)
    return np.sign(relative) * np.sqrt(np.maximum(relative * centred, 0))


def _named(tells: np.ndarray, words: Sequence[str], named: int) -> list[str]:
    """Return the most telling of the words, most telling first, given how much each tells."""
    end = np.argsort(-tells, kind="stable")
    end = end[tells[end] > _TELLING * tells[end[0]]]
    frequent, known = min(_FREQUENT, len(words) // 20), max(_KNOWN, len(words) // 2)
    middling = (frequent <= end) & (end < known)
    taken: list[str] = []
    for word in (words[row] for row in [*end[middling], *end[~middling]]):
        if len(taken) == named:
            break
        if not any(_one_beginning(word, other) for other in taken):
            taken.append(word)
    return taken


def _one_beginning(word: str, other: str) -> bool:
    shared = max(3, (max(len(word), len(other)) + 1) // 2)
    return len(word) >= shared and word.casefold()[:shared] == other.casefold()[:shared]
