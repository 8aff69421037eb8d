"""Closed forms of Muon beside those of gradient descent."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from w2vflow.support.arguments import checked

__all__ = ["muon_step_times", "muon_strengths"]


@checked
def muon_strengths(
    eigenvalues: Float[Array, " k"], initial: Float[Array, " k"], ts: Float[Array, " T"]
) -> Float[Array, "T k"]:
    """Return the squared singular values of a start aligned with the eigenvectors, trained by Muon.

        W <- W - eta polar(dL/dW),   polar(U S V^T) = U V^T,   t = eta n
        s_k(t) = min(s_k(0) + t, sqrt(lambda_k)) from below, max(s_k(0) - t, sqrt(lambda_k)) from above

    with 0 in the place of `sqrt(lambda_k)` where `lambda_k <= 0`. The gradient of the aligned
    `W = V diag(s) O^T` is `V diag((s^2 - lambda) s) O^T`, of which Muon keeps the signs. So all
    concepts grow alike and the weakest are finished first: there is no staircase, where descent
    (`aligned_strengths`) learns the strongest first. Time is in units of weights and not of their
    inverse square, because the size of the gradient does not count: it is another axis than descent's.
    `staircase_loss` of the result is the loss.

    Untied weights, balanced (`s_k` of both) and with the polar factor of each taken, follow it with
    `|lambda_k|` in the place of `lambda_k`. `run_gd` gives an optimizer words and contexts stacked,
    whose polar factor holds `1 / sqrt 2` of each: there `t = eta n / sqrt 2`.

    Where it stops being true:

    - Steps of `eta`: values that have arrived go back and forth by at most `eta`. Of those decayed to 0 the
      gradient is rounding, whose polar factor points anywhere: they are off by up to some 8 steps.
    - Random starts: the largest singular value is at most `||W0||_2 + t`, and those of a small start
      keep to the curve within about `||W0||_2` while they rise. Their directions turn towards the
      eigenvectors slowly: beside a concept k, another mode j falls behind as
      `(t / s_k(0))^-(1 - lambda_j / lambda_k)`, a power where descent has an exponential. So neighbours
      of `lambda_d` are not told apart before the concepts level off, the last of them late by some per
      cent (see docs/predictions.md, "Corpora solved by hand, Muon").
    - optax's polar factor is a few steps of a polynomial, whose usual coefficients leave singular
      values between about 0.7 and 1.2 of it, and its momentum overshoots: `muon(rate, beta=0,
      nesterov=False, ns_coeffs=(1.875, -1.25, 0.375), ns_steps=30)` is what is meant here.

    Arguments are those of `aligned_strengths`, times `eta n`.

    References:
        Rhee, Simon, Karkada (2026), arXiv 2606.30509.

    Example:
        >>> import jax.numpy as jnp
        >>> starts, ts = jnp.array([0.01, 0.01]), jnp.array([0.4, 1.5, 3.0])
        >>> muon_strengths(jnp.array([4.0, 1.0]), starts, ts).round(3).tolist()
        [[0.25, 0.25], [2.56, 1.0], [4.0, 1.0]]
    """
    start = jnp.sqrt(jnp.asarray(initial))[None]
    end = jnp.sqrt(jnp.maximum(jnp.asarray(eigenvalues), 0))[None]
    ts = jnp.asarray(ts)[:, None]
    below = start <= end
    return jnp.where(below, jnp.minimum(start + ts, end), jnp.maximum(start - ts, end)) ** 2


@checked
def muon_step_times(eigenvalues: Float[Array, " k"], initial: Float[Array, " k"]) -> Float[Array, " k"]:
    """Return when `s_k^2` passes `lambda_k / 2` under Muon: `t_k = sqrt(lambda_k / 2) - s_k(0)`.

    Negative where the start is above half; NaN where it is above `lambda_k`, or `lambda_k <= 0`. Weak
    concepts come first, and the size of a small start does not matter, where `half_rise_times` of
    descent has its logarithm. Arguments, reach and source are those of `muon_strengths`.
    """
    eigenvalues, initial = jnp.asarray(eigenvalues), jnp.asarray(initial)
    half = jnp.sqrt(jnp.where(eigenvalues > initial, eigenvalues, jnp.nan) / 2)
    return half - jnp.sqrt(initial)
