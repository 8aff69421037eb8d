"""Bias of eigenvalues from the finite size of a corpus."""

import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.interpolate import CubicSpline
from scipy.special import gammaln, xlogy

from w2vflow.corpus import TokenFile, pair_weights, weighted_counts
from w2vflow.counts import CooccurrenceStatistics
from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, check_pairs
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error
from w2vflow.theory.corpora.influence import changed_pairs, window_of
from w2vflow.theory.corpora.sensitivity import CountSlopes, count_slopes

__all__ = [
    "RarePairBias",
    "bias_of_rare_pairs",
    "document_bias",
    "event_weight_of",
    "expected_target_of_independent_words",
    "rare_pair_bias",
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


class RarePairBias(NamedTuple):
    """What pairs too rare to be met as often as expected do to the eigenvalues.

    Attributes:
        eigenvalues: the bias of each eigenvalue, `(k,)`.
        share: share of all pairs with less than 3 expected occurrences.
    """

    eigenvalues: Float[Host, " k"]
    share: float


@checked
def document_bias(
    problem: Problem, spectrum: Spectrum, tokens: TokenFile, *, groups: int = 20, workers: int | None = None
) -> Float[Host, " k"]:
    """Return by how much eigenvalues are too large on average because the corpus is finite.

        bias_k = (G - 1) [mean_g lambda_k(all documents but group g) - lambda_k]

    the jackknife over G random groups of documents, with each eigenvalue of `changed_spectrum`. It holds
    all of second order: noise raises an eigenvalue whose eigenvector follows it, and `M*` is curved in
    the counts, which in text of many bursts may lower it. Its own error is about `(2 / G)^(1/2)` of
    either part. What does not fall as 1 / N is not seen: pairs never met at all (`rare_pair_bias`).

    Args:
        problem, tokens, workers: as of `document_influence`.
        spectrum: eigenpairs of the problem; hold twice as many as are asked for.
        groups: `G`; each is counted once, so that the text is read once.

    Raises:
        ValueError: another problem, a spectrum of another one, a text that was not counted, `groups`
            not in 2 to the number of documents, or a word that occurs in one group alone.

    References:
        Quenouille (1956), Notes on bias in estimation; Efron (1982), chapters 2 and 3.
    """
    slopes = count_slopes(problem, np.asarray(spectrum.eigenvectors), "document_bias")
    spectrum = on_host(check_pairs(problem, spectrum))
    stats = problem.require_statistics("documents are left out")
    window, weighting = window_of(stats, tokens)
    if not 2 <= groups <= tokens.documents:
        raise argument_error("groups", f"between 2 and the {tokens.documents} documents", groups)
    part = np.random.default_rng(0).permutation(tokens.documents) % groups
    mean = np.zeros(len(spectrum.eigenvalues))
    for group in range(groups):
        own, frequency = weighted_counts(tokens, (part == group).astype(int), window, weighting, workers)
        left = sparse.csr_array(slopes.counts - own)
        # Fractions of weights may leave rounding errors below 0.
        left.data = np.maximum(left.data, 0)
        try:
            rest = CooccurrenceStatistics(stats.words, left, stats.unigram - frequency)
            changed = Problem.from_statistics(rest, weighting=problem.weighting, tied=problem.tied)
        except ValueError as error:
            raise argument_error("groups", "few enough that each word occurs in two", groups) from error
        mean += changed_pairs(changed, spectrum).eigenvalues / groups
    return (groups - 1) * (mean - spectrum.eigenvalues)


@checked
def rare_pair_bias(
    problem: Problem, spectrum: Spectrum, *, event_weight: float | None = None
) -> RarePairBias:
    """Return the bias of eigenvalues from pairs that are expected a few times only.

        bias_k = sum_ij v_ik v_jk b(m_ij),   m_ij = n_i n_j / (N f)

    with `b` of `expected_target_of_independent_words`. A pair that is not met has `M* = -2` however
    little it was to be expected. The bias is that of words independent of each other, to first order;
    pairs that do associate are met more often, and have less. It adds up in directions of one sign,
    above all in that of the most negative eigenvalue (`extreme_eigenpairs`).

    Args:
        problem: quartic, at constant `G`, made from statistics.
        spectrum: eigenpairs of it.
        event_weight: `f` of `poisson_uncertainty`.

    Raises:
        ValueError: another problem, a spectrum of another one, or `event_weight` not positive.

    Warns:
        RuntimeWarning: the bias of an eigenvalue is above a tenth of it (of a hundredth of the
            largest, where it is smaller than that).
    """
    slopes = count_slopes(problem, np.asarray(spectrum.eigenvectors), "rare_pair_bias")
    spectrum = on_host(check_pairs(problem, spectrum))
    return bias_of_rare_pairs(slopes, spectrum, event_weight_of(problem, event_weight), np.zeros(1))


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


def bias_of_rare_pairs(
    slopes: CountSlopes, spectrum: Spectrum, event_weight: float, errors: Float[Host, " e"]
) -> RarePairBias:
    """Return the bias of eigenvalues from rare pairs, a block of rows at a time.

    It warns where the bias is above a tenth of an eigenvalue and above its error bar.
    """
    vectors, totals = spectrum.eigenvectors, slopes.totals
    scaled = totals / (totals.sum() * event_weight)
    found = np.zeros(vectors.shape[1])
    for rows in np.array_split(np.arange(len(totals)), len(totals) ** 2 // 2**22 + 1):
        block = expected_target_of_independent_words(totals[rows, None] * scaled)
        found += np.einsum("ik,ij,jk->k", vectors[rows], block, vectors, optimize=True)
    rare = np.searchsorted(np.sort(totals), _RARE / scaled).sum() / len(totals) ** 2
    sizes = np.abs(spectrum.eigenvalues)
    relative = np.abs(found) / np.maximum(sizes, _NEGLIGIBLE * sizes.max())
    dominated = (relative > _DOMINATES) & (np.abs(found) > errors)
    if dominated.any():
        worst = int(np.where(dominated, relative, 0).argmax())
        warnings.warn(
            f"Pairs too rare to be met put a bias of {found[worst]:.3g} on eigenvalue {worst} of "
            f"{spectrum.eigenvalues[worst]:.4g}, above a tenth of it: {rare:.0%} of the pairs are expected "
            "less than 3 times. Use fewer words (`stats.most_frequent(n)`) or count a larger corpus; "
            "`rare_pair_bias` gives the bias of every eigenvalue.",
            RuntimeWarning,
            stacklevel=3,
        )
    return RarePairBias(found, float(rare))


def event_weight_of(problem: Problem, given: float | None) -> float:
    """Return `E w^2 / E w` over the distances in a window."""
    if given is not None:
        if not (np.isfinite(given) and given > 0):
            raise argument_error("event_weight", "positive and finite", given)
        return given
    facts = problem.require_statistics("error bars are found").metadata
    if not {"window", "weighting"} <= set(facts):
        return 1.0
    weights, denominator = pair_weights(facts["weighting"], facts["window"])
    return float((weights / denominator) @ (weights / weights.sum()))
