"""The aligned start, where every concept grows alone: sigmoids, half-rise times and the staircase."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from w2vflow.support.arguments import checked

__all__ = ["aligned_strengths", "half_rise_times", "staircase_loss"]


@checked
def aligned_strengths(
    eigenvalues: Float[Array, " k"], initial: Float[Array, " k"], ts: Float[Array, " T"]
) -> Float[Array, "T k"]:
    """Return the squared singular values of a start aligned with the eigenvectors.

        s_k^2(t) = lambda_k / (1 + (lambda_k / s_k^2(0) - 1) e^(-2 lambda_k t))

    Exact for `W0 = V diag(s(0))` of either sign of `lambda_k`; `s^2 / (1 + 2 s^2 t)` at 0. For
    random starts use `predict`.

    Args:
        eigenvalues: `lambda_k`.
        initial: `s_k^2(0)`, positive.
        ts: times.

    References:
        Saxe et al. (2014), arXiv 1312.6120; arXiv 2502.09863, Result 1.
    """
    ts, eigenvalues, initial = map(jnp.asarray, (ts, eigenvalues, initial))
    ts, (eigenvalues, initial) = ts[:, None], (eigenvalues[None], initial[None])
    zero = eigenvalues == 0
    rate = jnp.where(zero, 1.0, eigenvalues)
    # Written in the decaying exponential of either sign, so that nothing overflows.
    decay = jnp.exp(-2 * jnp.abs(rate) * ts)
    rising = rate / (1 + (rate / initial - 1) * decay)
    falling = rate * decay / (decay + (rate / initial - 1))
    curve = jnp.where(rate > 0, rising, falling)
    return jnp.where(zero, initial / (1 + 2 * initial * ts), curve)


@checked
def half_rise_times(eigenvalues: Float[Array, " k"], initial: Float[Array, " k"]) -> Float[Array, " k"]:
    """Return when `s_k^2` passes `lambda_k / 2`: `t_k = ln(lambda_k / s_k^2(0) - 1) / (2 lambda_k)`.

    Negative where the start is above half; NaN where it is above `lambda_k`, or `lambda_k <= 0`.

    References:
        arXiv 2502.09863, Result 1 (`tau_k`, up to its time unit).
    """
    ratio = eigenvalues / initial
    return jnp.log(jnp.where(ratio > 1, ratio - 1, jnp.nan)) / (2 * eigenvalues)


@checked
def staircase_loss(
    target_norm_squared: Float[Array, ""], eigenvalues: Float[Array, " k"], strengths: Float[Array, "T k"]
) -> Float[Array, " T"]:
    """Return the loss of a start aligned with the eigenvectors, given its `s_k^2(t)`.

        L(t) = 1/4 (||M*||_F^2 - sum_k [lambda_k^2 - (lambda_k - s_k^2)^2])

    After r steps it stands on the plateau `1/4 (||M*||^2 - sum_(k<=r) lambda_k^2)`.
    """
    explained = (2 * eigenvalues[None] - strengths) * strengths
    return (target_norm_squared - jnp.sum(explained, axis=-1)) / 4
