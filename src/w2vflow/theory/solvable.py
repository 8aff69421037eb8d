"""Solvable corpora: counts whose concepts are known on paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from w2vflow.counts import CooccurrenceStatistics
from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, peak_signs
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import check_fits

__all__ = ["SolvableCorpus", "binary_attributes", "interval", "interval_limit", "ring"]

# Counts of an average pair of words. Only ratios of counts enter the theory.
_MEAN_COUNT = 100.0
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip


@checked
@dataclass(frozen=True, eq=False)
class SolvableCorpus:
    """A corpus of which the whole spectrum of `M*` is known from formulas.

    Attributes:
        words: the vocabulary, in row order.
        statistics: expected counts, real numbers; None where only `M*` itself is given.
        spectrum: every eigenpair of `M*`, from formulas and not from an eigensolver. Of equal
            eigenvalues, any rotation of their eigenvectors would do as well.
        labels: what each eigenvector is, in the order of the spectrum.
        description: the corpus in words.
    """

    words: tuple[str, ...]
    statistics: CooccurrenceStatistics | None
    spectrum: Spectrum
    labels: tuple[str, ...]
    description: str
    _target: np.ndarray = field(repr=False)

    def problem(self, *, tied: bool = True) -> Problem:
        """Return the quartic problem at constant `G`: from the counts where there are any, else from `M*`."""
        if self.statistics is None:
            return Problem.from_target(self._target, tied=tied)
        return Problem.from_statistics(self.statistics, tied=tied)

    def target(self) -> np.ndarray:
        """Return `M*` by its formula, `(V, V)`."""
        return self._target.copy()

    def equal_eigenvalues(self) -> list[slice]:
        """Return the stretches of equal eigenvalues, to `1e-12` of the largest in size; most hold one.

        Only the space that the eigenvectors of a stretch span together means anything.
        """
        values = self.spectrum.eigenvalues
        apart = np.flatnonzero(-np.diff(values) > 1e-12 * np.abs(values).max()) + 1
        edges = [0, *apart.tolist(), len(values)]
        return [slice(low, high) for low, high in pairwise(edges)]


@checked
def binary_attributes(strengths: Sequence[float]) -> SolvableCorpus:
    """Return the corpus of all `2^D` words that `D` independent binary attributes can describe.

    A word is a choice of `alpha_k = +-1` for every attribute; two words co-occur with

        P_ij / (p_i p_j) = prod_k (1 + strength_k alpha_ik alpha_jk),   p_i = 2^-D

    so that `M*_ij = 2 (prod - 1) / (prod + 1)` depends only on the attributes in which the words
    differ. Its eigenvectors are the Walsh functions `chi_S = prod_(k in S) alpha_k / sqrt(V)`, one for
    every set of attributes, with

        lambda_S = sum_delta chi_S(delta) M*(delta) sqrt(V),

    the sum over all sets `delta` of differing attributes: exact sums of `V` terms. Attributes come
    first, as a rule, in the order of their strengths; combinations follow. The eigenvalue of the
    empty set, which no attribute tells apart, is negative.

    Args:
        strengths: one for each attribute, at most 12, between -1 and 1 and not 0; at positive ones,
            words that agree attract each other.

    Raises:
        ValueError: no strengths or too many, or one that is 0 or not between -1 and 1.

    References:
        Korchinski, Karkada, Bahri, Wyart (2025), arXiv 2505.18651, with equal shares of both values of
        each attribute; there the spectra are those of `P / (p p)` and of its logarithm.

    Example:
        >>> corpus = binary_attributes([0.8, 0.5])
        >>> corpus.words, corpus.labels
        (('++', '+-', '-+', '--'), ('attribute 1', 'attribute 2', 'attributes 1, 2', 'constant'))
        >>> np.asarray(corpus.spectrum.eigenvalues).round(3).tolist()
        [3.527, 1.584, 0.465, -1.9]
    """
    strengths = [float(strength) for strength in strengths]
    if not 1 <= len(strengths) <= 12:
        raise argument_error("strengths", "between 1 and 12 numbers", f"{len(strengths)} of them")
    bad = [strength for strength in strengths if not 0 < abs(strength) < 1]
    if bad:
        remedy = "At 0 an attribute tells nothing."
        raise argument_error("strengths", "above -1, below 1 and not 0", bad[0], remedy)
    count = len(strengths)
    size = 2**count
    # Attribute k is bit D - 1 - k of the number of a word, so that words are in the order of reading.
    bits = (np.arange(size)[:, None] >> np.arange(count - 1, -1, -1)) & 1
    ratio = np.prod(1 + np.asarray(strengths) * (1 - 2 * bits), axis=1)
    first_row = 2 * (ratio - 1) / (ratio + 1)
    numbers = np.arange(size)
    walsh = 1.0 - 2.0 * (np.bitwise_count(numbers[:, None] & numbers) % 2)
    values = walsh @ first_row
    differing = numbers[:, None] ^ numbers
    words = tuple("".join("-" if bit else "+" for bit in row) for row in bits)
    labels = [_attributes(np.flatnonzero(row)) for row in bits]
    return _corpus(
        words,
        _expected_counts(words, ratio[differing], "binary attributes"),
        values,
        walsh / np.sqrt(size),
        labels,
        f"{size} words of {count} independent binary attributes of strengths {strengths}",
        first_row[differing],
    )


@checked
def ring(size: int = 12, concentration: float = 1.0, *, words: Sequence[str] | None = None) -> SolvableCorpus:
    """Return the corpus of words on a ring, as months are: co-occurrence depends on distance alone.

        P_ij / (p_i p_j) = e^(c cos(2 pi (i - j) / n)) / (mean of it over the ring),   p_i = 1 / n

    `M*` is circulant. Its eigenvectors are Fourier modes: for every `q` from 1 to below `n / 2` a pair
    `sqrt(2/n) cos(2 pi q i / n)`, `sqrt(2/n) sin(2 pi q i / n)` of one eigenvalue

        lambda_q = sum_r cos(2 pi q r / n) M*(r),

    and, alone, the constant and, for even `n`, the alternation of `q = n / 2`. The pair `q = 1` leads: when
    both of its modes are learned, the words lie on a circle, in their order. As a single step happens
    twice at the same eigenvalue, the two modes of a seed differ in time only by their starts.

    Args:
        size: `n` words.
        concentration: `c`, above 0: the larger, the fewer neighbours a word has.
        words: names; the months for 12, numbers otherwise.

    Raises:
        ValueError: fewer than 3 words, a concentration that is not positive or above 300, or another
            number of names.

    References:
        Karkada, Korchinski, Nava, Wyart, Bahri (2026), arXiv 2602.15029.

    Example:
        >>> months = ring(12)
        >>> months.labels[:4], months.spectrum.eigenvalues[:4].round(3).tolist()
        (('cos 1', 'sin 1', 'cos 2', 'sin 2'), [5.588, 5.588, 0.149, 0.149])
    """
    if size < 3:
        raise argument_error("size", "at least 3 words", size)
    _check_size("size", size)
    if not 0 < concentration <= 300:
        raise argument_error("concentration", "positive and at most 300", concentration)
    if words is None:
        words = _MONTHS if size == 12 else [f"place {i}" for i in range(1, size + 1)]
    if len(words) != size:
        raise argument_error("words", f"{size} names, one for each word", f"{len(words)} names")
    places = np.arange(size)
    profile = np.exp(concentration * (np.cos(2 * np.pi * places / size) - 1))
    ratio = profile / profile.mean()
    # Exactly even, which the cosine is only to rounding: the counts have to be symmetric.
    ratio[1:] = (ratio[1:] + ratio[:0:-1]) / 2
    first_row = 2 * (ratio - 1) / (ratio + 1)
    values: list[float] = []
    vectors: list[np.ndarray] = []
    labels: list[str] = []
    for wave in range(size // 2 + 1):
        # Whole turns are taken off as whole numbers, which loses nothing.
        angles = 2 * np.pi * (wave * places % size) / size
        value = np.cos(angles) @ first_row
        alone = wave in (0, size / 2)
        parts = [np.cos(angles)] if alone else [np.cos(angles), np.sin(angles)]
        values += [value] * len(parts)
        vectors += [part * np.sqrt(len(parts) / size) for part in parts]
        labels += ["alternation" if wave else "constant"] if alone else [f"cos {wave}", f"sin {wave}"]
    apart = (places[:, None] - places) % size
    return _corpus(
        tuple(words),
        _expected_counts(tuple(words), ratio[apart], "ring"),
        np.array(values),
        np.stack(vectors, axis=1),
        labels,
        f"{size} words on a ring, of concentration {concentration}",
        first_row[apart],
    )


@checked
def interval(size: int, reach: float) -> SolvableCorpus:
    """Return the problem of words along a line, as years are, of which nearby ones attract each other.

        M* = (2/n) C K C,   K_ij = e^(-|x_i - x_j| / s),   C = 1 - (1/n) 1 1^T,   x_i = (2 i + 1) / n - 1

    on `n` midpoints of [-1, 1], `i = 0 .. n - 1`. `K` is the matrix of Kac, Murdock and Szego, whose
    inverse is tridiagonal: with `rho = e^(-2 / (n s))` and `u = n x_i / 2` the places about the middle,

        lambda = (2/n) (1 - rho^2) / (1 - 2 rho cos theta + rho^2)

        odd modes  sin(theta u):      sin((n+1) theta/2) = rho sin((n-1) theta/2)
        even modes cos(theta u) + a:  mu [cos((n+1) theta/2) - rho cos((n-1) theta/2)] + (1 + rho) a = 0,
                                      a = -sin(n theta/2) / (n sin(theta/2)),   mu = n lambda / 2

    with one root in each `(m pi / n, (m + 1) pi / n)`, `m = 1 .. n - 1`, odd for odd `m`; and the constant,
    with eigenvalue 0. They are found by bisection to rounding. For large `n` they tend to those of
    `interval_limit`, with a relative error of order `1 / n^2`.

    There are no counts: centring makes an `M*` that no corpus has exactly.

    Args:
        size: `n` words.
        reach: `s`, above 0, in units in which the interval is 2 long.

    Raises:
        ValueError: fewer than 2 words, or a reach that is not positive and finite.

    References:
        Grenander, Szego (1958), Toeplitz forms, section 5.3, for `K`; for the continuous kernel see
        `interval_limit`.

    Example:
        >>> line = interval(200, 0.5)
        >>> line.labels[:3], np.asarray(line.spectrum.eigenvalues[:3]).round(4).tolist()
        (('odd 1', 'even 2', 'odd 3'), [0.433, 0.2489, 0.1339])
    """
    if size < 2:
        raise argument_error("size", "at least 2 words", size)
    _check_size("size", size)
    if not 0 < reach < np.inf:
        raise argument_error("reach", "positive and finite", reach)
    step = 2 / size
    decay, gap = np.exp(-step / reach), -np.expm1(-step / reach)
    modes = np.arange(1, size)
    odd = modes % 2 == 1

    def size_of(theta: np.ndarray) -> np.ndarray:
        # As a sum of squares: no digits are lost where `rho` is near 1 and `theta` small.
        return gap * (1 + decay) / (gap**2 + 4 * decay * np.sin(theta / 2) ** 2)

    def equation(theta: np.ndarray) -> np.ndarray:
        outer, inner = (size + 1) * theta / 2, (size - 1) * theta / 2
        offset = -np.sin(size * theta / 2) / (size * np.sin(theta / 2))
        even = size_of(theta) * (np.cos(outer) - decay * np.cos(inner)) + (1 + decay) * offset
        return np.where(odd, np.sin(outer) - decay * np.sin(inner), even)

    theta = _bisected(equation, modes * np.pi / size, (modes + 1) * np.pi / size)
    middle = np.arange(size) - (size - 1) / 2
    phases = middle[:, None] * theta
    vectors = np.where(odd, np.sin(phases), np.cos(phases))
    vectors -= vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=0)
    kernel = np.exp(-step / reach * np.abs(middle[:, None] - middle))
    means = kernel.mean(axis=0)
    target = step * (kernel - means[:, None] - means + means.mean())
    return _corpus(
        tuple(f"{place:+.6g}" for place in step * middle),
        None,
        np.append(step * size_of(theta), 0.0),
        np.column_stack([vectors, np.full(size, size**-0.5)]),
        [f"{'odd' if mode % 2 else 'even'} {mode}" for mode in modes] + ["constant"],
        f"{size} words on an interval, of reach {reach}",
        (target + target.T) / 2,
    )


@checked
def interval_limit(reach: float, modes: int) -> Float[np.ndarray, " modes"]:
    """Return the leading eigenvalues of the centred kernel `e^(-|x - y| / s)` on [-1, 1], `s` the reach.

        lambda_m = 2 s / (1 + s^2 k_m^2)

        odd m:   k = (m + 1) pi / 2 - arctan(s k)
        even m:  k = m pi / 2 + arctan(k / (1 + s (1 + s) k^2))

    To these the eigenvalues of `interval(n, s)` tend for many words.

    Raises:
        ValueError: a reach that is not positive and finite, or no modes.

    References:
        arXiv 2602.15029; re-derived from `(1 - s^2 d^2/dx^2) e^(-|x|/s) = 2 s delta(x)`.

    Example:
        >>> interval_limit(0.5, 3).round(4).tolist()
        [0.4329, 0.2489, 0.1339]
    """
    if not 0 < reach < np.inf:
        raise argument_error("reach", "positive and finite", reach)
    if modes < 1:
        raise argument_error("modes", "at least 1", modes)
    check_fits("modes", f"{modes} modes", 64 * modes, "Ask for fewer.")
    number = np.arange(1, modes + 1)

    def equation(k: np.ndarray) -> np.ndarray:
        odd = k - (number + 1) * np.pi / 2 + np.arctan(reach * k)
        even = k - number * np.pi / 2 - np.arctan(k / (1 + reach * (1 + reach) * k**2))
        return np.where(number % 2 == 1, odd, even)

    k = _bisected(equation, number * np.pi / 2, (number + 1) * np.pi / 2)
    return 2 * reach / (1 + (reach * k) ** 2)


def _check_size(argument: str, size: int) -> None:
    # Counts, `M*`, its eigenvectors and a copy of each.
    check_fits(argument, f"a corpus of {size} words", 48 * size**2, "Use fewer words.")


def _attributes(members: Int[np.ndarray, " m"]) -> str:
    if not len(members):
        return "constant"
    return ("attribute " if len(members) == 1 else "attributes ") + ", ".join(str(k + 1) for k in members)


def _expected_counts(words: tuple[str, ...], ratio: np.ndarray, source: str) -> CooccurrenceStatistics:
    """Return the counts whose `P_ij / (p_i p_j)` is given, all words being equally frequent."""
    counts = _MEAN_COUNT * ratio
    unigram = np.full(len(words), round(_MEAN_COUNT * len(words)))
    return CooccurrenceStatistics(
        words, counts, unigram, {"source": f"expected counts of a solvable {source}"}
    )


def _corpus(
    words: tuple[str, ...],
    statistics: CooccurrenceStatistics | None,
    values: np.ndarray,
    vectors: np.ndarray,
    labels: list[str],
    description: str,
    target: np.ndarray,
) -> SolvableCorpus:
    """Return the corpus, its eigenpairs in order, each vector's sign as `leading_eigenpairs` has it."""
    order = np.argsort(-values, kind="stable")
    values, vectors = values[order], vectors[:, order]
    none: Any = np.empty(0)
    spectrum = Spectrum(values, vectors * peak_signs(vectors), np.zeros(len(values)), none, none)
    return SolvableCorpus(words, statistics, spectrum, tuple(labels[k] for k in order), description, target)


def _bisected(
    equation: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> Float[np.ndarray, " k"]:
    """Return the root of every component of `equation` between `low` and `high`, to rounding.

    Each changes its sign once there; bisection needs no derivative and cannot leave the bracket.
    """
    low, high = low.copy(), high.copy()
    sign = np.sign(equation(low))
    for _ in range(60):
        middle = (low + high) / 2
        before: Bool[np.ndarray, " k"] = np.sign(equation(middle)) == sign
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    return (low + high) / 2
