"""Value, bias and error bar of eigenvalues, directions and step times of a finite corpus."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from w2vflow.corpus import TokenFile
from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, check_pairs, equal_eigenvalues, group_means
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike
from w2vflow.theory.corpora.bias import (
    bias_of_rare_pairs,
    eigenvalues_without,
    event_weight_of,
    named,
    share_of_rare_pairs,
    warn_of_rare_pairs,
)
from w2vflow.theory.corpora.influence import document_changes
from w2vflow.theory.corpora.sensitivity import (
    CountSlopes,
    changed_step_times,
    count_slopes,
    step_time_slopes,
)

__all__ = ["Estimate", "SamplingUncertainty", "document_uncertainty", "poisson_uncertainty"]

Host = np.ndarray

# Random directions by which the eigenvectors not held are represented.
_PROBES = 8
# Groups of documents that are left out in turn.
_GROUPS = 20
# What is taken for a group too even to tell what first order leaves out, as a share of an eigenvalue.
_EVEN = 1e-9


@checked
@dataclass(frozen=True, eq=False)
class Estimate:
    """Numbers of a finite corpus: value, bias and error bar of each concept.

    Attributes:
        values: of this corpus, `(..., k)`.
        bias: by how much they are too large on average because it is finite; NaN where that is not known.
        errors: standard deviation over corpora of this size.
    """

    values: Float[Host, "*n k"]
    bias: Float[Host, "*n k"]
    errors: Float[Host, "*n k"]

    @property
    def corrected(self) -> Float[Host, "*n k"]:
        """Values without their bias."""
        return self.values - self.bias


@checked
@dataclass(frozen=True, eq=False, repr=False)
class SamplingUncertainty:
    """What the size of the corpus leaves open, by concept in the order of the spectrum. Prints as a table.

    Attributes:
        eigenvalues: `lambda_k`, bias and error bar, of the mean of a group of equal ones.
        directions: root mean square of the tangent of the angle between `v_k`, or the subspace of
            its group, and what an infinite corpus would give, `(k,)`. First order: beyond some 0.5 only
            the plane shared with neighbouring concepts is known, and the eigenvalues, which then
            repel each other, vary less than their error bar says, down to half of it.
        groups: number of the group of equal eigenvalues that each belongs to.
        rare_pairs: share of all pairs that are expected less than 3 times.
        unit: what was taken to be drawn independently, `"documents"` or `"co-occurrences"`. The error
            bars of the latter are a lower bound on text.
        sides: 1 for tied weights, 2 for untied.
    """

    eigenvalues: Estimate
    directions: Float[Host, " k"]
    groups: Int[Host, " k"]
    rare_pairs: float
    unit: str
    sides: int

    def step_times(self, step_times: ArrayLike) -> Estimate:
        """Return value, bias and error bar of step times `(..., k)`, of a seed or of the mean over seeds.

            sd(t_k) = |dt_k / d lambda_k| sd(lambda_k)        (`step_time_slopes`)
            bias    = t_k - t_k(lambda_k - bias_k)            (`changed_step_times`; NaN if it never comes)

        Over corpora, at fixed initial strengths; that over seeds, from `step_time_law`, comes on top.

        Raises:
            ValueError: not all times are positive.
        """
        own = self.eigenvalues
        times = np.asarray(step_times, np.float64)
        slopes = np.asarray(step_time_slopes(own.values, times, sides=self.sides))
        corrected = np.asarray(changed_step_times(own.values, times, own.corrected, sides=self.sides))
        return Estimate(times, times - corrected, np.abs(slopes) * own.errors)

    def __repr__(self) -> str:
        title, own = f"Error bars with {self.unit} as independent units", self.eigenvalues
        if self.unit != "documents":
            title += (
                ": a lower bound. On text, where words come in bursts, those from documents are 3 to 9 "
                "times as long (`document_uncertainty`)"
            )
        lines = [title, "concept  eigenvalue     bias  corrected  error bar  tangent"]
        columns = (own.values, own.bias, own.corrected, own.errors, self.directions)
        for k, (value, bias, corrected, error, tangent) in enumerate(zip(*columns, strict=True), 1):
            lines.append(f"{k:7}  {value:10.5g}  {bias:7.3g}  {corrected:9.5g}  {error:9.3g}  {tangent:7.3g}")
        return "\n".join(lines)


@checked
def poisson_uncertainty(
    problem: Problem, spectrum: Spectrum, *, event_weight: float | None = None
) -> SamplingUncertainty:
    """Return error bars as if co-occurrences were independent events: a lower bound, from counts alone.

        Var(lambda_k) = 2 f sum_ij n_ij (D^k_ij)^2,   Var(n_ij) = f n_ij (2 f n_ii),   f = E w^2 / E w

    with the slopes D of `count_influence`; `f` because an event adds its window weight w and not 1 (11
    for linear weights and a window of 16). The same of `v_j^T dM* v_k`, over gaps, turns directions:

        E tan^2 = sum_j Var(v_j^T dM* v_k) / (lambda_k - lambda_j)^2

    Exact to first order in the noise, for counts that are Poisson. Words of real text come in bursts,
    by documents, so that on text this is a lower bound, 3 to 9 times too small on 8 million words of
    Wikipedia (`python validation/halves.py`): use `document_uncertainty` where there are documents.
    The bias is that of `rare_pair_bias`, NaN where that is not to be used: of all leading eigenvalues.

    Args:
        problem: quartic, at constant `G`, made from statistics.
        spectrum: eigenpairs of it. Those not held enter by their density, and by the mean noise
            along 8 fixed random directions.
        event_weight: `f`; from the metadata of the statistics, or 1, by default.

    Raises:
        ValueError: another problem, a spectrum of another one, or `event_weight` not positive.

    Warns:
        RuntimeWarning: equal eigenvalues, or a bias of rare pairs that is to be used, above a tenth of an
            eigenvalue and above its error bar.

    References:
        Delta method; Stewart, Sun (1990), Matrix perturbation theory, chapters IV and V.
    """
    slopes = count_slopes(problem, np.asarray(spectrum.eigenvectors), "poisson_uncertainty")
    spectrum = on_host(check_pairs(problem, spectrum))
    factor = event_weight_of(problem, event_weight)
    groups = equal_eigenvalues(spectrum)
    variances = 2 * factor * _variances(slopes, spectrum, groups)
    couplings = 2 * factor * _couplings(slopes, _with_probes(spectrum), len(groups))
    rare = bias_of_rare_pairs(slopes, spectrum, factor)
    warn_of_rare_pairs(rare, spectrum, np.sqrt(variances))
    bias = np.where(rare.usable, rare.eigenvalues, np.nan)
    own = Estimate(np.asarray(spectrum.eigenvalues), bias, np.sqrt(variances))
    tangents = _tangents(spectrum, groups, couplings)
    return SamplingUncertainty(own, tangents, groups, rare.share, "co-occurrences", problem.sides)


@checked
def document_uncertainty(
    problem: Problem,
    spectrum: Spectrum,
    tokens: TokenFile,
    *,
    groups: int | None = None,
    workers: int | None = None,
) -> SamplingUncertainty:
    """Return value, bias and error bar with documents as the independent units.

        bias_k = (G - 1) mean_g delta_gk,      delta_gk = lambda_k(all documents but group g) - lambda_k
        Var(lambda_k) = r_k^2 sum_d I_dk^2,
        r_k^2 = (1 - 1/G)^2 D / (D - 1) sum_g (delta_gk - mean_g delta_gk)^2 / sum_g (sum_{d in g} I_dk)^2
        Var(v_j^T dM* v_k) = sum_d (v_j^T dM*_d v_k)^2      (directions: first order)

    over D documents d and G random groups g of them, with the influences I of `document_influence` and the
    eigenvalues of `changed_spectrum`. That is the jackknife over groups, from whose variance first order,
    known of every document, takes the chance of having few of them. First order alone (`r = 1`) is too
    short: a pair that few documents have jumps to `M* = -2` when they go, which no slope tells.

    The bias is of second order: noise raises an eigenvalue whose eigenvector follows it, and `M*` is curved
    in the counts, which lowers it. It is what the law 1 / N makes of the change by one group.

    Measured on a fifth of enwiki15k (8 million words, V = 2,000, 12 concepts, 37% of the pairs expected
    less than 3 times; `python validation/halves.py`): halves scatter by 0.91 of their bars on average, 0.53
    to 1.40 by concept, of which ten splits leave 22% to chance; by 1.39 of those of first order. Five such
    fifths are off from all of the text by up to 5.0 bars, without the bias by up to 1.4, too large by 1.0 on
    average: where many pairs are rare, eigenvalues fall more slowly than 1 / N.

    Args:
        problem, tokens, workers: as of `document_influence`.
        spectrum: as of `poisson_uncertainty`; hold twice as many pairs as are asked for.
        groups: `G`; each is counted once. 20 by default, or as many as there are documents. A word that
            only one group has keeps its associations when that group is left out.

    Raises:
        ValueError: as `document_influence`; fewer than two documents, or `groups` not between 2 and their
            number.

    Warns:
        RuntimeWarning: equal eigenvalues; a bias above its error bar, of which it names the concepts.

    References:
        Quenouille (1956), Notes on bias in estimation; Jaeckel (1972), The infinitesimal jackknife;
        Efron, Stein (1981), The jackknife estimate of variance; Efron (1982), The jackknife, the
        bootstrap and other resampling plans, chapters 2, 3 and 6.
    """
    slopes = count_slopes(problem, np.asarray(spectrum.eigenvectors), "document_uncertainty")
    spectrum = on_host(check_pairs(problem, spectrum))
    event_weight = event_weight_of(problem, None)
    part = _random_groups(tokens, groups)
    changes = document_changes(problem, _with_probes(spectrum), tokens, workers)
    equal, held = equal_eigenvalues(spectrum), len(spectrum.eigenvalues)
    own = group_means(np.einsum("dkk->dk", changes)[:, :held].copy(), equal)
    tangents = _tangents(spectrum, equal, np.einsum("dab,dab->ab", changes[:, :held], changes[:, :held]))
    values = np.asarray(spectrum.eigenvalues)
    without = eigenvalues_without(problem, spectrum, tokens, part, workers)
    shifts = group_means(without - values, equal)
    bias = part.max() * shifts.mean(axis=0)
    errors = np.linalg.norm(own, axis=0) * _beyond_first_order(own, shifts, part, np.abs(values))
    _warn_of_bias(values, bias, errors)
    rare = share_of_rare_pairs(slopes.totals, event_weight)
    found = Estimate(values, bias, errors)
    return SamplingUncertainty(found, tangents, equal, rare, "documents", problem.sides)


def _random_groups(tokens: TokenFile, groups: int | None) -> Int[Host, " documents"]:
    """Return the group of each document."""
    if tokens.documents < 2:
        raise argument_error("tokens", "a text of at least 2 documents", f"{tokens.documents}")
    count = min(_GROUPS, tokens.documents) if groups is None else groups
    if not 2 <= count <= tokens.documents:
        raise argument_error("groups", f"between 2 and the {tokens.documents} documents", groups)
    return np.random.default_rng(0).permutation(tokens.documents) % count


def _beyond_first_order(
    own: Float[Host, "documents k"],
    shifts: Float[Host, "groups k"],
    part: Int[Host, " documents"],
    sizes: Float[Host, " k"],
) -> Float[Host, " k"]:
    """Return `r`, the spread over groups left out beside what influences add up to; 1 where that is 0."""
    first = np.zeros_like(shifts)
    np.add.at(first, part, own)
    found, linear = np.linalg.norm(shifts - shifts.mean(axis=0), axis=0), np.linalg.norm(first, axis=0)
    # The others weigh more without one of G groups; sums over random groups vary less than over documents.
    found *= (1 - 1 / len(shifts)) * np.sqrt(len(part) / (len(part) - 1))
    return np.divide(found, linear, out=np.ones_like(found), where=linear > _EVEN * sizes)


def _warn_of_bias(values: Float[Host, " k"], bias: Float[Host, " k"], errors: Float[Host, " k"]) -> None:
    biased = np.abs(bias) > errors
    if biased.any():
        ratios = np.abs(bias) / np.where(errors > 0, errors, np.inf)
        worst = int(ratios.argmax())
        warnings.warn(
            "The size of the corpus biases eigenvalues by more than their error bars: those of concepts "
            f"{named(biased)} of {len(values)}. The worst is concept {worst + 1}: {values[worst]:.5g} is too "
            f"{'large' if bias[worst] > 0 else 'small'} by {abs(bias[worst]):.3g}, its error bar is "
            f"{errors[worst]:.3g}. Take `eigenvalues.corrected` and `step_times(...).corrected`, or count "
            "more text.",
            RuntimeWarning,
            stacklevel=4,
        )


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


def _tangents(
    spectrum: Spectrum, groups: Int[Host, " k"], couplings: Float[Host, "k K"]
) -> Float[Host, " k"]:
    """Return root mean square tangents from the variances of `v_j^T dM* v_k`, j of all vectors."""
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
    return np.sqrt(np.divide(noise, gaps**2, out=np.zeros_like(gaps), where=gaps != 0) @ weights)
