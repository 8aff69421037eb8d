"""Fluctuations of settled SGD about the learned singular values."""

import warnings

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.problem import Problem
from w2vflow.sgd.noise.gradient_noise import concepts_of, gradient_noise
from w2vflow.spectrum import Spectrum, stable_rate
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.checks import argument_error, check_positive

__all__ = ["spread_of_strengths", "stationary_noise"]

# Draws of how close concepts push each other apart; the error of the result is about 1% where they do.
_DRAWS = 1000
# Relative noise from which on the response is no longer linear to 15%.
_LARGE = 0.2


@checked
def stationary_noise(
    problem: Problem,
    dim: int,
    *,
    learning_rate: float,
    batch_size: int,
    sampler: str = "corpus",
    spectrum: Spectrum | None = None,
) -> Float[Array, " dim"]:
    """Return the standard deviation of each singular value `s_k` under SGD that has settled, `(dim,)`.

        tied:     Var(s_k) = eta T_k / (1 - eta lambda_k)
        untied:   Var(s_k) = eta T_k / (2 - eta |lambda_k|),        T_k = Var(v_k^T S v_k)

    with `S` the slopes of the pairs of one batch at the solution (`gradient_noise`). A step moves `s_k` by
    `-2 eta s_k v_k^T S v_k` (untied: half of it), and the pull back to `sqrt |lambda_k|` leaves
    `1 - 2 eta lambda_k` of a deviation (untied: `1 - eta |lambda_k|`). It forgets within a time of
    `1 / (2 lambda_k)` (untied: `1 / |lambda_k|`).

    Concepts closer together than their noise push each other apart, and singular values are sorted:
    their noise is that of the eigenvalues of a Gaussian matrix about `diag(lambda)`, with variance
    `eta (lambda_k + lambda_l) Var(v_k^T (S + S^T) v_l) / 2` off the diagonal (untied: half of it).
    It is drawn a thousand times, always alike.

    First order in `eta`: within 5% of SGD on average over concepts (see docs/predictions.md, "Finite steps
    and minibatches"). Directions that turn out of the learned plane (`expected_overlap`) change it at second
    order only. Noise above `0.2 s_k` is not linear any more: a warning says so.

    Args:
        problem: quartic and at constant `G`, made from statistics; tied or untied.
        dim: embedding dimension: how many concepts are learned.
        learning_rate, batch_size, sampler: as in `run_sgd`.
        spectrum: at least `dim` leading eigenpairs, if at hand; untied: `extreme_eigenpairs`.

    Raises:
        ValueError: the problem is of another kind, an argument does not fit it, or fewer than `dim`
            concepts are ever learned.

    Warns:
        RuntimeWarning: the noise is too large for a linear response.

    References:
        Mandt, Hoffman, Blei (2017), JMLR 18(134), section 3, for SGD near a minimum.
    """
    problem.require_solvable("stationary_noise")
    check_positive("learning_rate", learning_rate)
    learning_rate = stable_rate(problem, learning_rate)
    concepts = concepts_of(problem, dim, spectrum)
    noise = gradient_noise(problem, concepts, learned=True, batch_size=batch_size, sampler=sampler)
    xp = namespace(noise, learning_rate)
    sizes = xp.abs(concepts.eigenvalues)
    variance = spread_of_strengths(sizes, noise, learning_rate, problem.tied)
    own = xp.sqrt(xp.diag(variance))
    if is_known(own) and (own > 2 * _LARGE * sizes).any():
        warnings.warn(
            f"the noise of `stationary_noise` is {np.max(own / (2 * sizes)):.2g} of a singular value, above "
            f"{_LARGE}, where it is no longer linear in the gradient: use a smaller `learning_rate` or "
            "a larger `batch_size`, or measure it with `run_sgd`.",
            RuntimeWarning,
            stacklevel=2,
        )
    return jnp.asarray(own / (2 * xp.sqrt(sizes)) * _repulsion(sizes, xp.sqrt(variance)))


def spread_of_strengths(
    sizes: Float[AnyArray, " d"], noise: Float[AnyArray, "d d"], learning_rate: float, tied: bool
) -> Float[AnyArray, "d d"]:
    """Return the variance of `v_k^T x v_l` of settled SGD; its diagonal is that of `s_k^2`.

    Raises:
        ValueError: the learning rate is at or above where a learned concept settles.
    """
    both = (1.0 if tied else 0.5) * learning_rate * (sizes[:, None] + sizes)
    if is_known(both) and both.max() >= 2:
        expected = f"below {2 * learning_rate / both.max():.4g}, where the leading concept settles"
        raise argument_error("learning_rate", expected, learning_rate, "See `stability_limit`.")
    return both * noise / (2 - both)


def _repulsion(sizes: Float[AnyArray, " d"], deviation: Float[AnyArray, "d d"]) -> Float[AnyArray, " d"]:
    """Return the noise of sorted eigenvalues over that of the diagonal entries they come from."""
    drawn = np.random.default_rng(0).normal(size=(_DRAWS, *deviation.shape))
    xp = namespace(sizes, deviation)
    upper = xp.triu(drawn * deviation)
    matrices = upper + xp.swapaxes(xp.triu(upper, 1), 1, 2) + xp.diag(sizes)
    values = xp.linalg.eigvalsh(matrices)[:, ::-1]
    return values.std(axis=0) / xp.diagonal(matrices, axis1=1, axis2=2).std(axis=0)
