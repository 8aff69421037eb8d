"""The finite learning rate in the closed forms."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from w2vflow.support.arrays import AnyArray

__all__ = ["growth_rates", "saturation_advance"]


def growth_rates(eigenvalues: Float[AnyArray, "*n"], learning_rate: Any) -> Float[Array, "*n"]:
    """Return the exponential growth rate per unit of time of each mode under gradient descent.

        l_k = ln|1 + eta lambda_k| / eta,   lambda_k itself at eta = 0

    A step multiplies a small mode by `1 + eta lambda_k` and advances time by `eta`.
    """
    eigenvalues = jnp.asarray(eigenvalues)
    rate = jnp.asarray(learning_rate, eigenvalues.dtype)
    safe = jnp.where(rate == 0, 1, rate)
    factors = jnp.maximum(jnp.abs(1 + safe * eigenvalues), jnp.finfo(eigenvalues.dtype).tiny)
    return jnp.where(rate == 0, eigenvalues, jnp.log(factors) / safe)


def saturation_advance(log_missing: Any, learning_rate: Any) -> Any:
    """Return by how much descent is ahead of a sigmoid of rate `l_k` at a share q of `lambda_k`.

        3/4 eta m,   m = -ln(1 - q)

    From the modified equation of descent, `t = T0 + eta/2 ln[F(s) / F(s0)]`, `F = s (lambda - s^2)`. First
    order in `eta`, the same for all modes, tied or untied; `3/4 ln 2 eta` at half-rise. Saturating
    descent is no sigmoid: beyond `q ~ 1 - eta lambda_k` the next order is as large.
    """
    return 0.75 * learning_rate * log_missing
