"""Bias of eigenvalues from the finite size of a corpus."""

import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.interpolate import CubicSpline
from scipy.special import gammaln, xlogy

from w2vflow.corpus import TokenFile, pair_weights, weighted_counts
from w2vflow.counts import CooccurrenceStatistics
from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, check_pairs
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error, check_positive
from w2vflow.theory.corpora.influence import changed_pairs, window_of
from w2vflow.theory.corpora.sensitivity import CountSlopes, count_slopes

__all__ = [
    "RarePairBias",
    "bias_of_rare_pairs",
    "eigenvalues_without",
    "event_weight_of",
    "expected_target_of_independent_words",
    "named",
    "rare_pair_bias",
    "share_of_rare_pairs",
    "warn_of_rare_pairs",
]

Host = np.ndarray

# Expected occurrences below which a pair is called rare: its M* is off by -0.18 on average.
_RARE = 3.0
# From here on an expansion in 1 / m is exact to 1e-6.
_MANY = 60.0
# From here down the mean of M* is -2 to 1e-6.
_HARDLY = 1e-7
# Share of an eigenvalue at which its bias is worth a warning.
_DOMINATES = 0.1
# Eigenvalues are taken to be this share of the largest at least: biases of 0 are not of interest.
_NEGLIGIBLE = 1e-2
# Terms of a bias that cancel more than this leave what independent words do not tell.
_COHERENT = 0.5
# Share of its counts that a word keeps where all of its documents are left out.
_TRACE = 1e-9


class RarePairBias(NamedTuple):
    """What pairs too rare to be met as often as expected do to the eigenvalues.

    Attributes:
        eigenvalues: the bias of each eigenvalue, `(k,)`.
        coherence: `|sum_ij v_i v_j b_ij| / sum_ij |v_i v_j b_ij|`, `(k,)`, 0 to 1. Below a half the terms
            cancel, and the bias is not to be used.
        share: share of all pairs with less than 3 expected occurrences.
    """

    eigenvalues: Float[Host, " k"]
    coherence: Float[Host, " k"]
    share: float

    @property
    def usable(self) -> Bool[Host, " k"]:
        """Which biases are to be used: those whose terms do not cancel."""
        return self.coherence >= _COHERENT


def eigenvalues_without(
    problem: Problem,
    spectrum: Spectrum,
    tokens: TokenFile,
    part: Int[Host, " documents"],
    workers: int | None,
) -> Float[Host, "groups k"]:
    """Return the eigenvalues of `changed_spectrum` without each group of documents in turn.

    `part` is the group of each document, from 0. A word that only one group has keeps its associations when
    that group is left out.
    """
    stats = problem.require_statistics("documents are left out")
    window, weighting = window_of(stats, tokens)
    found = []
    for group in range(part.max() + 1):
        own, frequency = weighted_counts(tokens, (part == group).astype(int), window, weighting, workers)
        left = _counts_without(sparse.csr_array(stats.counts, dtype=np.float64), own)
        rest = CooccurrenceStatistics(stats.words, left, np.maximum(stats.unigram - frequency, 1))
        changed = Problem.from_statistics(rest, weighting=problem.weighting, tied=problem.tied)
        found.append(changed_pairs(changed, spectrum).eigenvalues)
    return np.array(found)


def _counts_without(counts: sparse.csr_array, own: sparse.csr_array) -> sparse.csr_array:
    """Return what is left of counts; a trace of the words that are gone, as `M*` does not see its size."""
    left = sparse.csr_array(counts - own)
    # Fractions of weights may leave rounding errors below 0.
    left.data = np.maximum(left.data, 0)
    gone = np.asarray(left.sum(axis=1)) <= _TRACE * np.asarray(counts.sum(axis=1))
    if gone.any():
        sizes = sparse.diags_array(np.where(gone, _TRACE, 1.0))
        trace = sparse.coo_array(sizes @ own @ sizes)
        lost = gone[trace.row] | gone[trace.col]
        kept = sparse.csr_array((trace.data[lost], (trace.row[lost], trace.col[lost])), own.shape)
        left = sparse.csr_array(left + kept)
    return left


@checked
def rare_pair_bias(
    problem: Problem, spectrum: Spectrum, *, event_weight: float | None = None
) -> RarePairBias:
    """Return the bias of eigenvalues from pairs that are expected a few times only. Not for leading ones.

        bias_k = sum_ij v_ik v_jk b(m_ij),   m_ij = n_i n_j / (N f)

    with `b` of `expected_target_of_independent_words`. A pair that is not met has `M* = -2` however
    little it was to be expected. The bias is that of words independent of each other, to first order: an
    estimate for the most negative eigenvalue (`extreme_eigenpairs`), where all terms have one sign, and where
    no documents are at hand. There it is 25% to 36% too large on text.

    It is not to be used

    - for leading eigenvalues: their terms cancel, and what is left out here is larger: noise that the
      eigenvectors follow, the curvature of `M*` in pairs that do associate, bursts of words. Halves of 8
      million words of Wikipedia are off by -20 to +7, of which it foresees -0.1 to +0.3
      (`python validation/halves.py`);
    - where documents are known: `document_uncertainty` holds all of that.

    Args:
        problem: quartic, at constant `G`, made from statistics.
        spectrum: eigenpairs of it.
        event_weight: `f` of `poisson_uncertainty`.

    Raises:
        ValueError: another problem, a spectrum of another one, or `event_weight` not positive.

    Warns:
        RuntimeWarning: terms cancel (`RarePairBias.coherence`), so that the bias is not to be used; or it
            is, and is above a tenth of its eigenvalue (of a hundredth of the largest, if that is more).
    """
    slopes = count_slopes(problem, np.asarray(spectrum.eigenvectors), "rare_pair_bias")
    spectrum = on_host(check_pairs(problem, spectrum))
    found = bias_of_rare_pairs(slopes, spectrum, event_weight_of(problem, event_weight))
    if not found.usable.all():
        warnings.warn(
            f"`rare_pair_bias` is not to be used for eigenvalues {named(~found.usable)}: its terms cancel "
            f"(coherence {found.coherence.min():.2g}, at least {_COHERENT:g} is needed), and what it leaves "
            "out is larger. Use `document_uncertainty`, or ask for the most negative one "
            "(`extreme_eigenpairs`).",
            RuntimeWarning,
            stacklevel=3,
        )
    warn_of_rare_pairs(found, spectrum, np.zeros(1))
    return found


def expected_target_of_independent_words(events: Any) -> Host:
    """Return the mean of `M*` of a pair of independent words that is expected `m` times.

        b(m) = E[2 (n - m) / (n + m)],  n ~ Poisson(m);   -2 for small m, -1/(2m) - 1/(8m^2) for large

    where an infinite corpus has 0. The sum over n is exact to 1e-9; marginals are taken as known.

    Raises:
        ValueError: `m` is not positive.

    Example:
        >>> expected_target_of_independent_words([0.1, 1.0, 3.0, 10.0]).round(2).tolist()
        [-1.65, -0.53, -0.18, -0.05]
    """
    means = np.asarray(events, np.float64)
    if not (means > 0).all():
        raise argument_error("events", "positive", means.min())
    few = means < _MANY
    found = -1 / (2 * means) - 1 / (8 * means**2)
    found[few] = _interpolation()(np.log(np.maximum(means[few], _HARDLY)))
    return found


@cache
def _interpolation() -> CubicSpline:
    """Return `b` by the logarithm of m, for few events."""
    grid = np.linspace(np.log(_HARDLY), np.log(_MANY), 800)
    means = np.exp(grid)[:, None]
    # Its sum over all n that matter.
    events = np.arange(int(_MANY + 12 * np.sqrt(_MANY)) + 20)
    targets = 2 * (events - means) / (events + means)
    chances = np.exp(xlogy(events, means) - means - gammaln(events + 1))
    return CubicSpline(grid, (chances * targets).sum(axis=1))


def bias_of_rare_pairs(slopes: CountSlopes, spectrum: Spectrum, event_weight: float) -> RarePairBias:
    """Return the bias of eigenvalues from rare pairs, a block of rows at a time."""
    vectors, totals = spectrum.eigenvectors, slopes.totals
    sizes, scaled = np.abs(vectors), totals / (totals.sum() * event_weight)
    found, whole = np.zeros((2, vectors.shape[1]))
    for rows in np.array_split(np.arange(len(totals)), len(totals) ** 2 // 2**22 + 1):
        block = expected_target_of_independent_words(totals[rows, None] * scaled)
        found += np.einsum("ik,ij,jk->k", vectors[rows], block, vectors, optimize=True)
        whole += np.einsum("ik,ij,jk->k", sizes[rows], np.abs(block), sizes, optimize=True)
    return RarePairBias(found, np.abs(found) / whole, share_of_rare_pairs(totals, event_weight))


def share_of_rare_pairs(totals: Float[Host, " V"], event_weight: float) -> float:
    """Return the share of all pairs that independent words with these totals have less than 3 times."""
    scaled = totals / (totals.sum() * event_weight)
    return float(np.searchsorted(np.sort(totals), _RARE / scaled).sum() / len(totals) ** 2)


def warn_of_rare_pairs(found: RarePairBias, spectrum: Spectrum, errors: Float[Host, " e"]) -> None:
    """Warn of a bias that is to be used, above a tenth of its eigenvalue and above its error bar."""
    sizes = np.abs(spectrum.eigenvalues)
    relative = np.abs(found.eigenvalues) / np.maximum(sizes, _NEGLIGIBLE * sizes.max())
    dominated = (relative > _DOMINATES) & (np.abs(found.eigenvalues) > errors) & found.usable
    if dominated.any():
        worst = int(np.where(dominated, relative, 0).argmax())
        warnings.warn(
            f"Pairs too rare to be met put a bias of {found.eigenvalues[worst]:.3g} on eigenvalue "
            f"{worst + 1} of {spectrum.eigenvalues[worst]:.4g}, above a tenth of it: {found.share:.0%} of "
            "the pairs are expected less than 3 times. Use fewer words (`stats.most_frequent(n)`) or count a "
            "larger corpus.",
            RuntimeWarning,
            stacklevel=4,
        )


def named(which: Bool[Host, " k"]) -> str:
    """Return the numbers, from 1, of those that are meant, the first eight."""
    places = np.flatnonzero(which) + 1
    return ", ".join(map(str, places[:8])) + (", ..." if len(places) > 8 else "")


def event_weight_of(problem: Problem, given: float | None) -> float:
    """Return `E w^2 / E w` over the distances in a window."""
    if given is not None:
        check_positive("event_weight", given)
        return given
    facts = problem.require_statistics("error bars are found").metadata
    if not {"window", "weighting"} <= set(facts):
        return 1.0
    weights, denominator = pair_weights(facts["weighting"], facts["window"])
    return float((weights / denominator) @ (weights / weights.sum()))
