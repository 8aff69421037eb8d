"""Riccati solution at one time, from the overlaps with an eigenbasis."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["log_f_and_g", "riccati_factor"]


def riccati_factor(
    overlaps: Float[Array, "K d"], log_f: Float[Array, " K"], log_g_squared: Float[Array, " K"]
) -> tuple[Float[Array, "K d"], Float[Array, "K d"]]:
    """Return `X(t)` with `W(t) W(t)^T = (V X)(V X)^T` for the flow started at overlaps `V^T W0`.

    With `f_k = (e^(2 lambda_k t) - 1) / lambda_k` and `b_k` the rows of the overlaps,

        W W^T = V e^(Lambda t) B (I + B^T diag(f) B)^-1 B^T e^(Lambda t) V^T.

    Evaluated as written this loses all digits once `e^(2 lambda_1 t)` passes 1e30. Here the rows
    `sqrt(f_k) b_k` stacked on the identity are sorted by size and factored by Householder QR,
    `[sqrt(f) B; I] = [Q1; Q2] R`, which is backward stable row by row; then `X = diag(g) Q1` with
    `g_k^2 = e^(2 lambda_k t) / f_k`. Sizes are kept as logarithms. Where more than `d` rows would
    overflow, all are scaled down together, so that any `t` may be asked for.

    Args:
        overlaps: `B = V^T W0`.
        log_f: `ln f_k`, of `log_f_and_g`; minus infinity at `t = 0`, where the overlaps come back.
        log_g_squared: `ln g_k^2`.

    Returns:
        `X` and `Q1`.

    References:
        Yan, Helmke, Moore (1994), Oja flow; Cox and Higham (1998), row-wise stability of
        Householder QR with sorted rows.
    """
    dim, largest = overlaps.shape[1], 0.85 * float(np.log(jnp.finfo(overlaps.dtype).max))
    # In units of the largest entry: squares of small starts are below the least number there is.
    most = jax.lax.stop_gradient(jnp.max(jnp.abs(overlaps), axis=1))
    some = most > 0
    unit = jnp.where(some, most, 1.0)
    scaled = overlaps / unit[:, None]
    relative = jnp.sqrt(jnp.where(some, jnp.sum(scaled**2, axis=1), 1.0))
    directions = scaled / relative[:, None]
    begun = jnp.max(log_f) > -jnp.inf
    log_size = jnp.where(some, jnp.where(begun, log_f, 0.0) / 2 + jnp.log(unit) + jnp.log(relative), -jnp.inf)

    # Only rows beyond the first d can compete with each other: at most d may be cut off at the largest size.
    runner_up = jax.lax.top_k(log_size, dim + 1)[0][-1] if len(log_size) > dim else -jnp.inf
    shift = jnp.maximum(runner_up - largest / 2, 0.0)
    scaled = jnp.exp(jnp.minimum(log_size - shift, largest))[:, None] * directions
    # Never exactly 0, or a direction that no mode has would be left to chance in Q.
    identity = jnp.eye(dim, dtype=overlaps.dtype) * jnp.exp(jnp.maximum(-shift, -1.15 * largest))
    stacked = jnp.concatenate([scaled, identity])
    order = jnp.argsort(-jnp.max(jnp.abs(stacked), axis=1))
    Q, _ = jnp.linalg.qr(stacked[order])
    Q1 = jnp.zeros_like(Q).at[order].set(Q)[: len(log_size)]
    grown = jnp.exp(jnp.where(begun, log_g_squared, 0.0) / 2)[:, None] * Q1
    return jnp.where(begun, grown, overlaps), Q1


def log_f_and_g(
    eigenvalues: Float[Array, " K"], exponent: Float[Array, " K"], t: Float[Array, ""]
) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
    """Return `ln f_k`, `f_k = (e^x_k - 1) / lambda_k`, and `ln g_k^2 = x_k - ln f_k`, `f = 2 t` at 0.

    `exponent` are `x_k`, `2 lambda_k t` in the flow, always of the sign of `lambda_k`. The second is not
    left to a subtraction: at late times both terms are huge and all but equal.
    """
    # Rounding may leave no growth to an eigenvalue of 1e-17 either.
    flat = exponent == 0
    size = jnp.where(flat, 1.0, jnp.abs(exponent))
    log_ratio = jnp.log(-jnp.expm1(-size)) - jnp.log(jnp.where(flat, 1.0, jnp.abs(eigenvalues)))
    log_twice = jnp.where(t > 0, jnp.log(2 * jnp.where(t > 0, t, 1.0)), -jnp.inf)
    log_f = jnp.where(flat, log_twice, jnp.maximum(exponent, 0.0) + log_ratio)
    log_g_squared = jnp.where(flat, -log_twice, jnp.minimum(exponent, 0.0) - log_ratio)
    return log_f, log_g_squared
