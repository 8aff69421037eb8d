"""Step times from a small random start: per seed, and as a law over seeds."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import digamma, polygamma

from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, degenerate_groups, group_numbers
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_dimension, check_weights
from w2vflow.support.devices import require_float64
from w2vflow.theory.step_size import growth_rates, saturation_advance
from w2vflow.theory.step_times.errors import Neighbours, relative_errors, warn_if_far_off
from w2vflow.theory.step_times.modes import (
    Modes,
    adapted,
    checked_pairs,
    modes_of,
    spread_in_group,
    wanted_pairs,
)

__all__ = [
    "effective_initial_strengths",
    "estimate_step_time_errors",
    "log_strength_moments",
    "predict_step_times",
    "step_time_law",
    "strengths_of_overlaps",
]

Host = np.ndarray

# Random matrices from which the law of a group of equal eigenvalues is drawn.
_DRAWS = 4096


@checked
def effective_initial_strengths(spectrum: Spectrum, W0: Any) -> Float[Host, "*s d"]:
    """Return the squared amplitudes `R_kk^2` from which the modes of tied weights effectively start.

    A mode sees only the part of its initial overlap `b_k = v_k^T W0` that is orthogonal to those
    of the modes learned before it: with the columns `b_1 .. b_d` in learning order,
    `[b_1 .. b_d] = O R`, mode k rises as if it had started aligned at `s_k^2(0) = R_kk^2`. Those of
    modes of one eigenvalue (`degenerate_groups`) are the squared singular values of their overlaps, less
    the part along modes learned before, falling.

    Args:
        spectrum: at least `dim` leading eigenpairs; with more, a group at the end is seen whole.
        W0: initial weights `([S,] V, dim)`.

    Raises:
        ValueError: `W0` does not fit the eigenvectors, or there are fewer than `dim`.

    References:
        Gram-Schmidt reading of the exact Riccati solution; see `docs/design.md`.
    """
    weights = check_weights(W0, len(spectrum.eigenvectors))
    dim = weights.shape[-1]
    held = min(len(spectrum.eigenvalues), wanted_pairs(dim, len(spectrum.eigenvectors)))
    pairs = checked_pairs(spectrum, len(spectrum.eigenvectors), dim).leading(held)
    overlaps = pairs.eigenvectors.T @ weights
    return strengths_of_overlaps(adapted(overlaps, degenerate_groups(pairs, tied=True))[..., :dim, :])


def strengths_of_overlaps(overlaps: Float[Host, "*s k d"]) -> Float[Host, "*s k"]:
    """Return `R_kk^2` from the overlaps of modes that are each learned on their own."""
    triangular = np.linalg.qr(np.swapaxes(overlaps, -1, -2), mode="r")
    return np.diagonal(triangular, axis1=-2, axis2=-1) ** 2


def _law(modes: Modes, log_odds: Host, fraction: float, learning_rate: float) -> Host:
    """Return the times from `ln(lambda_k / R_kk^2 - 1)` or its mean."""
    rates = growth_rates(modes.sizes[: modes.learned], modes.speed * learning_rate)
    reached = log_odds + np.log(fraction / (1 - fraction))
    return reached / (2 * modes.speed * rates) - saturation_advance(-np.log1p(-fraction), learning_rate)


def _errors(modes: Modes, times: Host, near: Neighbours, fraction: float) -> Host:
    """Return the relative errors of times of the flow, that of taking a group as one included."""
    disturbed = relative_errors(modes.speed * times, modes.sizes, near, fraction)
    return disturbed + spread_in_group(modes)[: modes.learned]


class _Start(NamedTuple):
    """Times `([S,] learned)` of the law for a start, and their estimated relative errors."""

    times: Host
    errors: Host


def _predicted(modes: Modes, weights: Host, fraction: float, learning_rate: float) -> _Start:
    if not modes.learned:
        return _Start(*np.empty((2, *weights.shape[:-2], 0)))
    sides = weights.reshape(*weights.shape[:-2], -1, len(modes.vectors), weights.shape[-1])
    each = modes.vectors.T @ sides
    if modes.speed == 1.0:
        overlaps, halved = each[..., 0, :, :], 1.0
    else:
        overlaps, halved = (each[..., 0, :, :] + modes.signs[:, None] * each[..., 1, :, :]) / 2, 0.5
    overlaps = adapted(overlaps, modes.groups)
    first = np.swapaxes(overlaps[..., : modes.learned, :], -1, -2)
    Q = np.linalg.qr(first)[0]
    along = np.swapaxes(overlaps @ Q, -1, -2)
    triangle = np.triu(along[..., : modes.learned])
    strengths = np.diagonal(triangle, axis1=-2, axis2=-1) ** 2
    whole = halved * np.sum((weights @ Q) ** 2, axis=-2)
    rest = np.maximum(whole - np.sum(along**2, axis=-1), 0.0)
    # A start of lower rank than the embedding keeps it: nothing is left of some overlap but rounding.
    lost = strengths <= 1e-28 * np.sum(triangle**2, axis=-2)
    strengths = np.where(lost, np.inf, strengths)
    ratio = modes.sizes[: modes.learned] / strengths
    log_odds = np.log(np.where(ratio > 1, ratio - 1, np.nan))
    inverse = np.linalg.inv(triangle + np.eye(modes.learned) * lost[..., None])
    near = Neighbours(inverse**2, along**2, rest, modes.nodes, modes.weights)
    flow = _law(modes, log_odds, fraction, 0.0)
    errors = _errors(modes, flow, near, fraction)
    times = _law(modes, log_odds, fraction, learning_rate)
    return _Start(np.where(flow > 0, times, np.nan), errors)


def _check_settings(fraction: float, learning_rate: float) -> None:
    if not 0 < fraction < 1:
        raise argument_error("fraction", "between 0 and 1", fraction, "At 1 a concept never is.")
    if not 0 <= learning_rate < np.inf:
        raise argument_error("learning_rate", "0 for the flow, or positive", learning_rate)


@checked
def predict_step_times(
    problem: Problem,
    W0: Any,
    *,
    fraction: float = 0.5,
    learning_rate: float = 0.0,
    spectrum: Spectrum | None = None,
) -> Float[Host, "*s d"]:
    """Return when each concept is learned from the given initial weights, `([S,] dim)`.

        t_k = [ln(lambda_k / R_kk^2 - 1) + ln(q / (1 - q))] / (2 lambda_k)                      (tied)
        t_k = [ln(|lambda_k| / R_kk^2 - 1) + ln(q / (1 - q))] / |lambda_k|                    (untied)

    is when `s_k^2` passes the fraction q of `lambda_k`, with `R_kk^2` of `effective_initial_strengths`.
    Untied weights learn concepts by `|lambda_k|`, at half the rate, from the overlaps
    `b_k = (v_k^T W0 + sgn(lambda_k) v_k^T C0) / 2`. Concepts of one eigenvalue (`degenerate_groups`) are
    learned as one subspace, whose times are in rising order and belong to no single eigenvector.

    A law for small starts, with `estimate_step_time_errors` for its next order. Within 1% where steps are
    apart, less exact for the last concepts, which are disturbed by those that find no room in the embedding
    (see docs/predictions.md, "When concepts are learned"). Of untied starts, `D = W0^T W0 - C0^T C0` is left
    out, which changes an overlap by some `||D|| / (4 |lambda_k|)` of itself.

    Args:
        problem: quartic, at constant `G`; tied or untied.
        W0: initial weights `([S,] V, dim)`, or of words and contexts `([S,] 2, V, dim)`.
        fraction: q, 1/2 for half-rise.
        learning_rate: 0 for the gradient flow; otherwise of gradient descent, to second order in
            `eta lambda_k`: `lambda_k` in the denominator becomes `ln(1 + eta lambda_k) / eta` (untied:
            `|lambda_k|` becomes `2 ln(1 + eta |lambda_k| / 2) / eta`), and `3/4 eta ln(1 - q)` is added.
        spectrum: eigenpairs, at least `dim`, if at hand: `leading_eigenpairs`, or `extreme_eigenpairs` of
            untied weights.

    Returns:
        Times; NaN for concepts that start at the fraction or above, and for those never learned.

    Raises:
        ValueError: the problem is not quartic and at constant `G`, float64 is off, or an argument does not
            fit the problem.

    Warns:
        RuntimeWarning: the estimated error exceeds 5% for half of the concepts or 30% for one, in the
            median over seeds; or fewer than `dim` concepts are ever learned.

    References:
        Saxe et al. (2014), arXiv 1312.6120, for an aligned start.
    """
    start, dim, modes = _checked_start(problem, W0, fraction, learning_rate, spectrum, "predict_step_times")
    if modes.learned < dim:
        warnings.warn(
            f"Only {modes.learned} of {dim} concepts have a {'positive' if problem.tied else 'nonzero'} "
            "eigenvalue. The other directions of the embedding are never learned: their times are NaN.",
            RuntimeWarning,
            stacklevel=2,
        )
    if modes.learned:
        warn_if_far_off(np.median(start.errors.reshape(-1, modes.learned), axis=0), "predict_step_times")
    return _padded(start.times, dim)


@checked
def estimate_step_time_errors(
    problem: Problem, W0: Any, *, fraction: float = 0.5, spectrum: Spectrum | None = None
) -> Float[Host, "*s d"]:
    """Return the estimated relative errors of `predict_step_times` in the flow, `([S,] dim)`.

    They sum the sizes of the first-order changes by other concepts and the rest of the start, and for
    members of a group how far apart their eigenvalues are. Within a factor of 2 for most concepts, too small
    for those a few per cent apart (see docs/predictions.md, "When concepts are learned"). Infinite for
    concepts that start at the fraction or above, NaN for those never learned. Arguments and errors are those
    of `predict_step_times`.
    """
    start, dim, _ = _checked_start(problem, W0, fraction, 0.0, spectrum, "estimate_step_time_errors")
    return _padded(start.errors, dim)


def _checked_start(
    problem: Problem, W0: Any, fraction: float, rate: float, spectrum: Spectrum | None, purpose: str
) -> tuple[_Start, int, Modes]:
    require_float64(purpose)
    problem.require_solvable(purpose)
    _check_settings(fraction, rate)
    weights = check_weights(W0, problem.vocab_size, problem.sides)
    dim = weights.shape[-1]
    modes = modes_of(problem, dim, spectrum)
    return _predicted(modes, weights, fraction, rate), dim, modes


def _padded(values: Host, dim: int) -> Host:
    missing = dim - values.shape[-1]
    return np.concatenate([values, np.full((*values.shape[:-1], missing), np.nan)], axis=-1)


class StepTimeLaw(NamedTuple):
    """Step times over seeds, in closed form.

    Attributes:
        mean: `E t_k`, `(dim,)`.
        standard_deviation: `(Var t_k)^(1/2)`, `(dim,)`.
    """

    mean: Float[Host, " d"]
    standard_deviation: Float[Host, " d"]


@checked
def step_time_law(
    problem: Problem,
    dim: int,
    scale: float,
    *,
    contexts: str = "random",
    fraction: float = 0.5,
    learning_rate: float = 0.0,
    spectrum: Spectrum | None = None,
) -> StepTimeLaw:
    """Return mean and standard deviation over seeds of the step times, each `(dim,)`.

        E t_k   = [ln(lambda_k / (2 v)) - psi((d - k + 1) / 2) + ln(q / (1 - q))] / (2 lambda_k)
        Var t_k = psi_1((d - k + 1) / 2) / (2 lambda_k)^2

    (psi, psi_1: digamma and trigamma) because `R_kk^2` of a Gaussian start is `v = scale^2 / d` times a
    chi-square variable of `d - k + 1` degrees of freedom (Bartlett), for different k independent. For
    untied weights `|lambda_k|` takes the place of `2 lambda_k` in the denominators, and the variance of an
    overlap is `v = scale^2 / (2 d)`, or `scale^2 / (4 d)` where contexts start at zero.

    Concepts of one eigenvalue (`degenerate_groups`) are learned in rising order: their moments are those
    of the singular values of a Gaussian matrix, drawn 4,096 times, to 1.6% of the standard deviation.

    Leading order in a small scale, like `predict_step_times`: means are within 1% for most concepts (see
    docs/predictions.md, "When concepts are learned"). The spread of the last concept is too large: a seed
    with little of it left sees it overtaken by concepts that find no room in the embedding.

    Args:
        problem: quartic, at constant `G`; tied or untied.
        dim: embedding dimension `d`.
        scale: of `gaussian_init` or `untied_init`.
        contexts: of `untied_init`.
        fraction, learning_rate, spectrum: as in `predict_step_times`.

    Raises:
        ValueError: as `predict_step_times`, or there are fewer than `dim` positive eigenvalues (untied:
            nonzero ones).

    Warns:
        RuntimeWarning: the estimated error of a typical seed is as large as `predict_step_times` warns of.

    References:
        Bartlett (1933) decomposition of a Gaussian matrix.
    """
    require_float64("step_time_law")
    problem.require_solvable("step_time_law")
    check_dimension(dim, problem.vocab_size)
    _check_settings(fraction, learning_rate)
    if not (np.isfinite(scale) and scale > 0):
        raise argument_error("scale", "positive and finite", scale, "At 0 nothing ever grows.")
    modes = modes_of(problem, dim, spectrum)
    if modes.learned < dim:
        kind = "positive" if problem.tied else "nonzero"
        expected = f"at most the number of {kind} eigenvalues, {modes.learned}"
        raise argument_error("dim", expected, dim, "Directions beyond it are never learned.")
    variance = _overlap_variance(problem, dim, scale, contexts)
    log_mean, log_variance = log_strength_moments(modes.groups, dim)
    log_odds = np.log(modes.sizes[:dim] / variance) - log_mean
    rates = 2 * modes.speed * growth_rates(modes.sizes[:dim], modes.speed * learning_rate)
    flow = _law(modes, log_odds, fraction, 0.0)
    near = _typical_neighbours(modes, variance, variance * np.exp(log_mean))
    warn_if_far_off(_errors(modes, flow, near, fraction), "step_time_law")
    return StepTimeLaw(_law(modes, log_odds, fraction, learning_rate), np.sqrt(log_variance) / rates)


def _overlap_variance(problem: Problem, dim: int, scale: float, contexts: str) -> float:
    shares = {"random": 1.0} if problem.tied else {"random": 0.5, "zero": 0.25}
    if contexts not in shares:
        raise argument_error("contexts", " or ".join(map(repr, shares)), repr(contexts))
    return shares[contexts] * scale**2 / dim


@checked
def log_strength_moments(groups: Sequence[slice], dim: int) -> tuple[Host, Host]:
    """Return mean and variance of `ln(R_kk^2 / v)`, `v` the variance of an overlap."""
    half_degrees = (dim - np.arange(dim)) / 2
    mean, variance = digamma(half_degrees) + np.log(2.0), np.asarray(polygamma(1, half_degrees))
    for group in groups:
        members, free = group.stop - group.start, dim - group.start
        if members == 1 or free <= 0:
            continue
        matrices = np.random.default_rng(0).normal(size=(_DRAWS, members, free))
        logs = 2 * np.log(np.linalg.svd(matrices, compute_uv=False))
        learned = slice(group.start, group.start + logs.shape[1])
        mean[learned], variance[learned] = logs.mean(axis=0), logs.var(axis=0)
    return mean, variance


def _typical_neighbours(modes: Modes, variance: float, strengths: Host) -> Neighbours:
    """Return what disturbs a typical start: overlaps of mean square `variance`, none within a group."""
    dim, held = len(strengths), len(modes.sizes)
    own = group_numbers(modes.groups)
    apart = own[:, None] != own
    before = variance / np.outer(strengths, strengths) * apart[:dim, :dim]
    after = np.broadcast_to(variance, (dim, held)) * apart[:dim]
    rest = np.full(dim, variance * np.sum(modes.weights))
    return Neighbours(before, after, rest, modes.nodes, modes.weights)
