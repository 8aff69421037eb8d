"""Law of step times over seeds, in closed form."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import digamma, polygamma

from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import argument_error, check_dimension, check_initial_scale
from w2vflow.support.machine import check_fits
from w2vflow.theory.step_size import growth_rates
from w2vflow.theory.step_times.errors import Neighbours, warn_if_far_off
from w2vflow.theory.step_times.law import Setting, errors_near, setting_of, times_of_odds
from w2vflow.theory.step_times.modes import Modes, modes_of

__all__ = ["StepTimeLaw", "log_strength_moments", "step_time_law"]

# Random matrices from which the law of a group of equal eigenvalues is drawn.
_DRAWS = 4096


class StepTimeLaw(NamedTuple):
    """Step times over seeds, in closed form.

    Attributes:
        mean: `E t_k`, `(dim,)`.
        standard_deviation: `(Var t_k)^(1/2)`, `(dim,)`.
    """

    mean: Float[Array, " d"]
    standard_deviation: Float[Array, " d"]


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
    of the singular values of a Gaussian matrix, drawn 4,096 times, to 1.6% of the standard deviation. Where
    eigenvalues are traced, groups of several are not drawn for: their moments are NaN.

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
    problem.require_solvable("step_time_law")
    check_dimension(dim, problem.vocab_size)
    check_initial_scale(scale)
    modes = modes_of(problem, dim, spectrum)
    set_to = setting_of(problem, fraction, learning_rate, modes.sizes.dtype)
    variance = _log_overlap_variance(problem, dim, jnp.asarray(scale, modes.sizes.dtype), contexts)
    moments: Any
    if is_known(modes):
        learned = int(np.asarray(modes.held).sum())
        if learned < dim:
            kind = "positive" if problem.tied else "nonzero"
            expected = f"at most the number of {kind} eigenvalues, {learned}"
            raise argument_error("dim", expected, dim, "Directions beyond it are never learned.")
        ends = [*np.flatnonzero(np.diff(np.asarray(modes.groups), prepend=-1)).tolist(), len(modes.groups)]
        moments = log_strength_moments([slice(*ends) for ends in pairwise(ends)], dim)
    else:
        several = jnp.sum(modes.groups[:, None] == modes.groups[None], axis=1)[:dim] > 1
        unknown = (several | ~modes.held[:dim])[None]
        moments = jnp.where(unknown, jnp.nan, jnp.asarray(log_strength_moments([], dim)))
    law, errors = _law_over_seeds(modes, set_to, variance, jnp.asarray(moments, variance.dtype))
    if is_known(errors):
        warn_if_far_off(np.asarray(errors), "step_time_law")
    return law


@eqx.filter_jit
def _law_over_seeds(
    modes: Modes, set_to: Setting, log_variance: Float[Array, ""], moments: Float[Array, "2 d"]
) -> tuple[StepTimeLaw, Float[Array, " d"]]:
    """Return the law, and the errors of the times of a typical seed."""
    (log_mean, variances), dim = moments, moments.shape[1]
    sizes = jnp.where(modes.held, modes.sizes, 1.0)[:dim]
    log_odds = jnp.log(sizes) - log_variance - log_mean
    rates = 2 * modes.speed * growth_rates(sizes, modes.speed * set_to.learning_rate)
    flow = times_of_odds(modes, log_odds, set_to._replace(learning_rate=jnp.zeros_like(log_variance)))
    near = _typical_neighbours(modes, log_variance, jnp.exp(log_mean))
    law = StepTimeLaw(times_of_odds(modes, log_odds, set_to), jnp.sqrt(variances) / rates)
    return law, errors_near(modes, flow, near, set_to)


def _log_overlap_variance(
    problem: Problem, dim: int, scale: Float[Array, ""], contexts: str
) -> Float[Array, ""]:
    # The square of a small scale could not be held.
    shares = {"random": 1.0} if problem.tied else {"random": 0.5, "zero": 0.25}
    if contexts not in shares:
        raise argument_error("contexts", " or ".join(map(repr, shares)), repr(contexts))
    return 2 * jnp.log(scale) + float(np.log(shares[contexts] / dim))


@checked
def log_strength_moments(groups: Sequence[slice], dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of `ln(R_kk^2 / v)`, `v` the variance of an overlap."""
    check_fits("dim", f"moments of {dim} concepts", 64 * dim, "Use fewer.")
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


def _typical_neighbours(
    modes: Modes, log_variance: Float[Array, ""], strengths: Float[Array, " d"]
) -> Neighbours:
    """Return what disturbs a typical start: overlaps of mean square 1 in its unit, none within a group."""
    dim = len(strengths)
    apart = (modes.groups[:, None] != modes.groups[None])[:dim]
    before = apart[:, :dim] / (strengths[:, None] * strengths[None])
    rest = jnp.full(dim, jnp.sum(modes.weights))
    after = apart.astype(strengths.dtype)
    return Neighbours(before, after, rest, strengths, modes.nodes, modes.weights, modes.held, log_variance)
