"""Orders of eigenvalues: by value, by size, from both ends."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray
from w2vflow.support.checks import argument_error

__all__ = ["EQUAL", "Order", "algebraic", "both_ends", "by_size"]

# Eigenvalues closer than this, of the largest, are one: LAPACK does not tell them apart much further.
EQUAL = 1e-9

# Places of values, the first of the order first; those not counted come last.
Order = Callable[..., AnyArray]


@checked
def algebraic(
    values: Float[AnyArray, " n"], counted: Bool[AnyArray, " n"] | bool = True
) -> Int[AnyArray, " n"]:
    """Return the places of the values, largest first."""
    return _falling(values, counted)


@checked
def by_size(
    values: Float[AnyArray, " n"], counted: Bool[AnyArray, " n"] | bool = True
) -> Int[AnyArray, " n"]:
    """Return the places of the values, largest `|value|` first."""
    return _falling(jnp.abs(jnp.asarray(values)), counted)


@checked
def both_ends(
    values: Float[AnyArray, " n"], counted: Bool[AnyArray, " n"] | bool = True
) -> Int[AnyArray, " n"]:
    """Return the places of the values: largest, smallest, second largest, second smallest, ..."""
    values, counted = jnp.asarray(values), jnp.asarray(counted)
    from_top = jnp.argsort(_falling(values, counted))
    from_bottom = jnp.sum(jnp.broadcast_to(counted, from_top.shape)) - 1 - from_top
    turn = jnp.minimum(2 * from_top, 2 * from_bottom + 1)
    return jnp.argsort(jnp.where(counted, turn, 2 * len(turn)), stable=True)


def _falling(values: Float[AnyArray, " n"], counted: Bool[AnyArray, " n"] | bool) -> Int[AnyArray, " n"]:
    values, counted = jnp.asarray(values), jnp.asarray(counted)
    if counted.shape not in ((), values.shape):
        raise argument_error("counted", f"of shape {values.shape}", f"shape {counted.shape}")
    return jnp.argsort(-jnp.where(counted, values, -jnp.inf), stable=True)
