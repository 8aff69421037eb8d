"""Step times from a small random start."""

import warnings
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, group_ids, stable_rate
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known, largest_size
from w2vflow.support.checks import argument_error, check_moving, check_weights
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.sharding import matmul
from w2vflow.theory.step_size import growth_rates, saturation_advance
from w2vflow.theory.step_times.errors import Neighbours, out_of_turn, relative_errors, warn_if_far_off
from w2vflow.theory.step_times.modes import (
    Modes,
    adapted,
    enough_pairs,
    modes_of,
    spread_in_group,
    wanted_pairs,
)

__all__ = [
    "Setting",
    "effective_initial_strengths",
    "errors_near",
    "estimate_step_time_errors",
    "log_strengths_of_overlaps",
    "predict_step_times",
    "setting_of",
    "times_of_odds",
]


@checked
def effective_initial_strengths(spectrum: Spectrum, W0: ArrayLike) -> Float[Array, "*s d"]:
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
    pairs = enough_pairs(spectrum, dim).leading(held)
    return _by_seed(_effective_strengths, weights)(pairs.eigenvectors, group_ids(pairs, True), weights)


def _by_seed(function: Any, weights: Float[Array, "*s n d"]) -> Any:
    """Return the function of two arrays and the weights of one seed, for as many as there are."""
    return function if weights.ndim == 2 else jax.vmap(function, in_axes=(None, None, 0))


@eqx.filter_jit
def _effective_strengths(vectors: Array, groups: Array, weights: Float[Array, "V d"]) -> Float[Array, " d"]:
    overlaps = adapted(matmul(vectors.T, weights), groups)
    return jnp.exp(log_strengths_of_overlaps(overlaps[: weights.shape[1]]))


def log_strengths_of_overlaps(overlaps: Float[Array, "k d"]) -> Float[Array, " k"]:
    """Return `ln R_kk^2` from the overlaps of modes that are each learned on their own."""
    return _log_squares(jnp.diagonal(jnp.linalg.qr(overlaps.T, mode="r")))


def _log_squares(values: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return `ln x^2`, minus infinity at 0, of numbers whose squares are too small to be held."""
    there = values != 0
    return jnp.where(there, 2 * jnp.log(jnp.where(there, jnp.abs(values), 1.0)), -jnp.inf)


class Setting(NamedTuple):
    """When a concept counts as learned, and the step size of descent, 0 for the flow."""

    fraction: Float[Array, ""]
    learning_rate: Float[Array, ""]


class _Start(NamedTuple):
    """A start as the law sees it, in the basis in which its concepts are learned one by one.

    All but `log_strengths` are of the start divided by `e^(log_scale / 2)`, whose squares can be held.

    Attributes:
        log_strengths: `ln R_kk^2`, `(d,)`.
        grows: whether there is something of concept k that may grow.
        triangle: overlaps of the first `d` concepts, upper triangular.
        along: overlaps of all concepts with the directions left to each of the first `d`, `(d, n)`.
        whole: squared length of the start in each of these directions, `(d,)`.
        log_scale: logarithm of the square of the unit.
    """

    log_strengths: Float[Array, " d"]
    grows: Any
    triangle: Float[Array, "d d"]
    along: Float[Array, "d n"]
    whole: Float[Array, " d"]
    log_scale: Float[Array, ""]


def _start(modes: Modes, weights: Float[Array, "n d"]) -> _Start:
    dim = weights.shape[1]
    weights = weights / (unit := largest_size(weights))
    each = matmul(modes.vectors.T, weights[: len(modes.vectors)])
    halved = 1.0
    if modes.speed != 1.0:
        other = matmul(modes.vectors.T, weights[len(modes.vectors) :])
        each, halved = (each + modes.signs[:, None] * other) / 2, 0.5
    overlaps = adapted(each, modes.groups) if modes.grouped else each
    Q = jnp.linalg.qr(overlaps[:dim].T)[0]
    along = matmul(overlaps, Q).T
    triangle = jnp.triu(along[:, :dim])
    diagonal = jnp.diagonal(triangle)
    # A start of lower rank than the embedding keeps it: nothing is left of some overlap but rounding.
    rounding = (45 * jnp.finfo(triangle.dtype).eps) ** 2 * jnp.sum(triangle**2, axis=0)
    grows = modes.held[:dim] & (diagonal**2 > rounding)
    log_scale = 2 * jnp.log(unit)
    strengths = _log_squares(diagonal) + log_scale
    whole = halved * jnp.sum(matmul(weights, Q) ** 2, axis=0)
    return _Start(strengths, grows, triangle, along, whole, log_scale)


def log_odds_of(log_ratio: Float[Array, " d"]) -> Float[Array, " d"]:
    """Return `ln(x - 1)` from `ln x`, positive."""
    return log_ratio + jnp.log(-jnp.expm1(-log_ratio))


def times_of_odds(modes: Modes, log_odds: Float[Array, " d"], set_to: Setting) -> Float[Array, " d"]:
    """Return the times from `ln(lambda_k / R_kk^2 - 1)` or its mean."""
    q, rate = set_to
    sizes = jnp.where(modes.held, modes.sizes, 1.0)[: len(log_odds)]
    reached = log_odds + jnp.log(q / (1 - q))
    growth = 2 * modes.speed * growth_rates(sizes, modes.speed * rate)
    return reached / growth - saturation_advance(-jnp.log1p(-q), rate)


@eqx.filter_jit
def _times(modes: Modes, set_to: Setting, weights: Float[Array, "n d"]) -> Float[Array, " d"]:
    return _times_of(modes, set_to, _start(modes, weights))


def _times_of(modes: Modes, set_to: Setting, start: _Start) -> Float[Array, " d"]:
    sizes = jnp.where(start.grows, modes.sizes[: len(start.log_strengths)], 1.0)
    ratio = jnp.log(sizes) - jnp.where(start.grows, start.log_strengths, 0.0)
    rises = start.grows & (ratio > 0)
    log_odds = log_odds_of(jnp.where(rises, ratio, 1.0))
    flow = times_of_odds(modes, log_odds, set_to._replace(learning_rate=jnp.zeros_like(log_odds[0])))
    return jnp.where(rises & (flow > 0), times_of_odds(modes, log_odds, set_to), jnp.nan)


@eqx.filter_jit
def _times_and_errors(
    modes: Modes, set_to: Setting, weights: Float[Array, "n d"]
) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
    """Return the times, and the relative errors of those of the flow; infinite where nothing rises."""
    start = _start(modes, weights)
    flow = _times_of(modes, set_to._replace(learning_rate=jnp.zeros_like(set_to.fraction)), start)
    inverse = jnp.linalg.inv(start.triangle + jnp.diag(jnp.where(start.grows, 0.0, 1.0)))
    left = start.whole - jnp.sum(jnp.where(modes.held[None], start.along**2, 0), axis=1)
    near = Neighbours(
        inverse**2,
        start.along**2,
        jnp.maximum(left, 0),
        jnp.where(start.grows, jnp.diagonal(start.triangle) ** 2, 0.0),
        modes.nodes,
        modes.weights,
        modes.held,
        start.log_scale,
    )
    errors = jnp.where(modes.held[: len(flow)], errors_near(modes, flow, near, set_to), jnp.nan)
    return _times_of(modes, set_to, start), errors


def errors_near(
    modes: Modes, times: Float[Array, " d"], near: Neighbours, set_to: Setting
) -> Float[Array, " d"]:
    """Return the relative errors of times of the flow: disturbed, in another order, or taken as a group's."""
    disturbed = relative_errors(modes.speed * times, modes.sizes, near, set_to.fraction)
    sizes = jnp.where(modes.held, modes.sizes, 1.0)[: len(times)]
    exchanged = out_of_turn(modes.speed * times, sizes, set_to.fraction)
    return disturbed + exchanged + spread_in_group(modes)[: len(times)]


def setting_of(problem: Problem, fraction: Any, learning_rate: Any, dtype: Any) -> Setting:
    """Return both, after a look at those that are known."""
    if is_known(fraction) and not 0 < fraction < 1:
        raise argument_error("fraction", "between 0 and 1", fraction, "At 1 a concept never is.")
    if is_known(learning_rate) and not 0 <= learning_rate < np.inf:
        raise argument_error("learning_rate", "0 for the flow, or positive", learning_rate)
    rate = stable_rate(problem, learning_rate)
    return Setting(jnp.asarray(fraction, dtype), jnp.asarray(rate, dtype))


@checked
def predict_step_times(
    problem: Problem,
    W0: ArrayLike,
    *,
    fraction: float = 0.5,
    learning_rate: float = 0.0,
    spectrum: Spectrum | None = None,
) -> Float[Array, "*s d"]:
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
        ValueError: the problem is not quartic and at constant `G`, an argument does not fit the problem, or
            the step size is at or above `stability_limit`.

    Warns:
        RuntimeWarning: the estimated error exceeds 5% for half of the concepts or 30% for one, in the
            median over seeds; or fewer than `dim` concepts are ever learned.

    References:
        Saxe et al. (2014), arXiv 1312.6120, for an aligned start.
    """
    modes, set_to, weights = _given(problem, W0, fraction, learning_rate, spectrum, "predict_step_times")
    if not is_known(modes, set_to, weights):
        return _by_seed(_times, weights)(modes, set_to, weights)
    times, errors = _by_seed(_times_and_errors, weights)(modes, set_to, weights)
    _warn_of_times(np.asarray(modes.held), np.asarray(errors), problem.tied)
    return times


def _warn_of_times(held: np.ndarray, errors: np.ndarray, tied: bool) -> None:
    dim = errors.shape[-1]
    learned = int(held[:dim].sum())
    if learned < dim:
        warnings.warn(
            f"Only {learned} of {dim} concepts have a {'positive' if tied else 'nonzero'} eigenvalue. The "
            "other directions of the embedding are never learned: their times are NaN.",
            RuntimeWarning,
            stacklevel=4,
        )
    if learned:
        warn_if_far_off(np.median(errors.reshape(-1, dim)[:, :learned], axis=0), "predict_step_times")


@checked
def estimate_step_time_errors(
    problem: Problem, W0: ArrayLike, *, fraction: float = 0.5, spectrum: Spectrum | None = None
) -> Float[Array, "*s d"]:
    """Return the estimated relative errors of `predict_step_times` in the flow, `([S,] dim)`.

    They sum the sizes of the first-order changes by other concepts and the rest of the start; how far from
    its time the k-th largest `s^2` rises where concepts rise out of turn; and for members of a group how far
    apart their eigenvalues are. Within a factor of 2 for most concepts (see docs/predictions.md, "When
    concepts are learned"). Infinite for concepts that start at the fraction or above, NaN for those never
    learned. Arguments and errors are those of `predict_step_times`.
    """
    modes, set_to, weights = _given(problem, W0, fraction, 0.0, spectrum, "estimate_step_time_errors")
    return _by_seed(_times_and_errors, weights)(modes, set_to, weights)[1]


def _given(
    problem: Problem, W0: Any, fraction: Any, rate: Any, spectrum: Spectrum | None, purpose: str
) -> tuple[Modes, Setting, Float[Array, "*s n d"]]:
    problem.require_solvable(purpose)
    weights = check_weights(W0, problem.vocab_size, problem.sides)
    check_moving(weights)
    set_to = setting_of(problem, fraction, rate, weights.dtype)
    return modes_of(problem, weights.shape[-1], spectrum), set_to, weights
