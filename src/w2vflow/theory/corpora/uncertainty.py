"""Sampling uncertainty of eigenvalues, directions and step times."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from w2vflow.corpus import TokenFile
from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, check_pairs, equal_eigenvalues, group_means
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.theory.corpora.bias import RarePairBias, bias_of_rare_pairs, event_weight_of
from w2vflow.theory.corpora.influence import document_changes
from w2vflow.theory.corpora.sensitivity import CountSlopes, count_slopes, step_time_slopes

__all__ = ["SamplingUncertainty", "document_uncertainty", "poisson_uncertainty"]

Host = np.ndarray

# Random directions by which the eigenvectors not held are represented.
_PROBES = 8


@checked
@dataclass(frozen=True, eq=False)
class SamplingUncertainty:
    """Error bars from the size of the corpus, each `(k,)` in the order of the spectrum.

    Attributes:
        eigenvalues: standard deviation of `lambda_k`; of the mean of a group of equal ones.
        directions: root mean square of the tangent of the angle between `v_k`, or the subspace of
            its group, and what an infinite corpus would give. First order: beyond some 0.5 only
            the plane shared with neighbouring concepts is known, and the eigenvalues, which then
            repel each other, vary less than `eigenvalues` says, down to half of it.
        groups: number of the group of equal eigenvalues that each belongs to.
        rare_pairs: bias of pairs that were hardly to be met.
        values: `lambda_k`.
        sides: 1 for tied weights, 2 for untied.
    """

    eigenvalues: Float[Host, " k"]
    directions: Float[Host, " k"]
    groups: Int[Host, " k"]
    rare_pairs: RarePairBias
    values: Float[Host, " k"]
    sides: int

    def step_times(self, step_times: Any) -> Host:
        """Return the standard deviation of given step times `(..., k)`, of a seed or of the mean over seeds.

            sd(t_k) = |dt_k / d lambda_k| sd(lambda_k)        (`step_time_slopes`)

        Over corpora, at fixed initial strengths; that over seeds, from `step_time_law`, comes on top.

        Raises:
            ValueError: not all times are positive.
        """
        slopes = step_time_slopes(self.values, step_times, sides=self.sides)
        return np.abs(slopes) * self.eigenvalues


@checked
def poisson_uncertainty(
    problem: Problem, spectrum: Spectrum, *, event_weight: float | None = None
) -> SamplingUncertainty:
    """Return error bars as if all co-occurrences were independent events: from the counts alone.

        Var(lambda_k) = 2 f sum_ij n_ij (D^k_ij)^2,   Var(n_ij) = f n_ij (2 f n_ii),   f = E w^2 / E w

    with the slopes D of `count_influence`; `f` because an event adds its window weight w and not 1 (11
    for linear weights and a window of 16). The same of `v_j^T dM* v_k`, over gaps, turns directions:

        E tan^2 = sum_j Var(v_j^T dM* v_k) / (lambda_k - lambda_j)^2

    Exact to first order in the noise, for counts that are Poisson. Words of real text come in bursts,
    by documents, so that this is a lower bound: several times too small on Wikipedia, where
    `document_uncertainty` holds (see docs/predictions.md, "A finite corpus").

    Args:
        problem: quartic, at constant `G`, made from statistics.
        spectrum: eigenpairs of it. Those not held enter by their density, and by the mean noise
            along 8 fixed random directions.
        event_weight: `f`; from the metadata of the statistics, or 1, by default.

    Raises:
        ValueError: another problem, a spectrum of another one, or `event_weight` not positive.

    Warns:
        RuntimeWarning: equal eigenvalues, or a bias of rare pairs above a tenth of an eigenvalue and
            above its error bar (`rare_pair_bias`).

    References:
        Delta method; Stewart, Sun (1990), Matrix perturbation theory, chapters IV and V.
    """
    slopes = count_slopes(problem, np.asarray(spectrum.eigenvectors), "poisson_uncertainty")
    spectrum = on_host(check_pairs(problem, spectrum))
    factor = event_weight_of(problem, event_weight)
    groups = equal_eigenvalues(spectrum)
    variances = 2 * factor * _variances(slopes, spectrum, groups)
    couplings = 2 * factor * _couplings(slopes, _with_probes(spectrum), len(groups))
    bias = bias_of_rare_pairs(slopes, spectrum, factor, np.sqrt(variances))
    return _uncertainty(problem, spectrum, groups, variances, couplings, bias)


@checked
def document_uncertainty(
    problem: Problem, spectrum: Spectrum, tokens: TokenFile, *, workers: int | None = None
) -> SamplingUncertainty:
    """Return error bars with documents as the independent units: what a new corpus of as many would change.

        Var(lambda_k) = sum_d I_dk^2,      Var(v_j^T dM* v_k) = sum_d (v_j^T dM*_d v_k)^2

    with the influences of `document_influence`: the infinitesimal jackknife. It holds whatever the
    words of a document do together, and needs one pass over the text. First order, for many documents
    of which none dominates; where few do, resample them with `count_documents`. The ratio to the
    variance of `poisson_uncertainty` is the over-dispersion of the text.

    Args:
        problem, tokens, workers: as of `document_influence`.
        spectrum: as of `poisson_uncertainty`.

    Raises:
        ValueError: as `document_influence`.

    Warns:
        RuntimeWarning: as `poisson_uncertainty`.

    References:
        Jaeckel (1972), The infinitesimal jackknife; Efron (1982), The jackknife, the bootstrap and
        other resampling plans, chapter 6.
    """
    slopes = count_slopes(problem, np.asarray(spectrum.eigenvectors), "document_uncertainty")
    spectrum = on_host(check_pairs(problem, spectrum))
    held = len(spectrum.eigenvalues)
    changes = document_changes(problem, _with_probes(spectrum), tokens, workers)
    groups = equal_eigenvalues(spectrum)
    own = group_means(np.einsum("dkk->dk", changes)[:, :held].copy(), groups)
    couplings = np.einsum("dab,dab->ab", changes[:, :held], changes[:, :held])
    variances = (own**2).sum(axis=0)
    bias = bias_of_rare_pairs(slopes, spectrum, event_weight_of(problem, None), np.sqrt(variances))
    return _uncertainty(problem, spectrum, groups, variances, couplings, bias)


def _with_probes(spectrum: Spectrum) -> Float[Host, "V K"]:
    """Return the eigenvectors held and some random directions orthogonal to all of them."""
    held = spectrum.eigenvectors
    if held.shape[0] == held.shape[1]:
        return held
    drawn = np.random.default_rng(0).normal(size=(len(held), _PROBES))
    drawn -= held @ (held.T @ drawn)
    return np.hstack([held, drawn / np.linalg.norm(drawn, axis=0)])


def _variances(slopes: CountSlopes, spectrum: Spectrum, groups: Int[Host, " k"]) -> Float[Host, " k"]:
    """Return `sum_ij n_ij D_ij^2`, with the mean of D over a group of equal eigenvalues."""
    vectors, found = spectrum.eigenvectors, np.empty(len(groups))
    margins, constants = slopes.margins(vectors)
    for group in np.unique(groups):
        own = groups == group
        mean = slopes.mean_slopes(vectors[:, own], margins[:, own], np.diag(constants)[own])
        found[own] = slopes.counts.data @ mean**2
    return found


def _couplings(slopes: CountSlopes, vectors: Float[Host, "V K"], held: int) -> Float[Host, "k K"]:
    """Return `sum_ij n_ij (D^ab_ij)^2` of the first vectors with all of them.

    The square multiplied out, with `r = (v_a q_b + v_b q_a) / 2` and `F = n E^2`, takes two products with
    sparse matrices for all pairs of vectors:

        1/2 [v_a^2 F v_b^2 + (v_a v_b) F (v_a v_b)] - 2 sum_i n_i r_i^2 + 2 r n r - c_ab^2 N
    """
    margins, constants = slopes.margins(vectors)
    squared = slopes.curvature()
    squared.data = squared.data * slopes.slopes.data
    found = (
        vectors[:, :held].T ** 2 @ (squared @ vectors**2) / 2 - constants[:held] ** 2 * slopes.totals.sum()
    )
    for a in range(held):
        products = vectors[:, a, None] * vectors
        rows = (vectors[:, a, None] * margins + vectors * margins[:, a, None]) / 2
        found[a] += np.einsum("ib,ib->b", products, squared @ products) / 2
        found[a] += 2 * np.einsum("ib,ib->b", rows, slopes.counts @ rows - slopes.totals[:, None] * rows)
    return found


def _uncertainty(
    problem: Problem,
    spectrum: Spectrum,
    groups: Int[Host, " k"],
    variances: Float[Host, " k"],
    couplings: Float[Host, "k K"],
    bias: RarePairBias,
) -> SamplingUncertainty:
    """Return error bars from the variances of `lambda_k` and of `v_j^T dM* v_k`, j of all vectors."""
    values, held = spectrum.eigenvalues, len(groups)
    # Between equal eigenvalues a gap of 0 stands for none: they do not turn each other.
    gaps = np.where(groups[:, None] == groups, 0, values[:, None] - values)
    noise = np.maximum(couplings[:, :held], 0)
    if held < couplings.shape[1]:
        # Each eigenvector not held takes the mean noise of the random directions.
        mean = np.maximum(couplings[:, held:], 0).mean(axis=1, keepdims=True)
        gaps = np.hstack([gaps, values[:, None] - spectrum.bath_nodes])
        noise = np.hstack([noise, np.broadcast_to(mean, (held, len(spectrum.bath_nodes)))])
    weights = np.concatenate([np.ones(held), spectrum.bath_weights])
    tangents = np.divide(noise, gaps**2, out=np.zeros_like(gaps), where=gaps != 0) @ weights
    return SamplingUncertainty(np.sqrt(variances), np.sqrt(tangents), groups, bias, values, problem.sides)
