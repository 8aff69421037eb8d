"""Gradient of a minibatch as rows to add to the weights, and ways of adding them.

Weights are one array `Z`: words, and after them contexts where these have vectors of their own. A
pair is then two rows of `Z`, and both cases are one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from w2vflow.problem import Loss
from w2vflow.support.sharding import matmul

__all__ = ["PairBatch", "RowGradient", "added_rows", "block_gradient", "pair_gradient"]


class PairBatch(NamedTuple):
    """A minibatch; its loss is the sum over pairs of `positive l+(x) + negative l-(x)`.

    `x` are the inner products of the rows `first` and `second` of `Z`.
    """

    first: Int[Array, " b"]
    second: Int[Array, " b"]
    positive: Float[Array, " b"]
    negative: Float[Array, " b"]


class RowGradient(NamedTuple):
    """A gradient that is zero but for some rows: the sum over k of `values[k]`, placed at `rows[k]`.

    A row may come up more than once.
    """

    rows: Int[Array, " m"]
    values: Float[Array, "m d"]


def pair_gradient(Z: Float[Array, "n d"], pair_loss: Loss, batch: PairBatch) -> RowGradient:
    """Return the gradient of the loss of a batch of pairs: `slope z_second` at `first`, and vice versa."""
    x = jnp.sum(Z[batch.first] * Z[batch.second], axis=1)
    # Without the barrier an accelerator would compute its pair's slope anew for each of d entries.
    slope = jax.lax.optimization_barrier(pair_loss.slope(batch.positive, batch.negative, x))
    # Indices and slopes are put end to end, not vectors, which would take longer (benchmarks/sgd_step.py).
    other = jnp.concatenate([batch.second, batch.first])
    values = jnp.concatenate([slope, slope])[:, None] * Z[other]
    return RowGradient(jnp.concatenate([batch.first, batch.second]), values)


def block_gradient(
    Z: Float[Array, "n d"],
    pair_loss: Loss,
    first: Int[Array, " a"],
    second: Int[Array, " b"],
    positive: Float[Array, "a b"],
    negative: Float[Array, "a b"],
) -> RowGradient:
    """Return the gradient of the loss of all pairs of some rows with some others: matrix products."""
    left, right = Z[first], Z[second]
    slope = pair_loss.slope(positive, negative, matmul(left, right.T))
    for_first = matmul(slope, right)
    for_second = matmul(slope.T, left)
    return RowGradient(jnp.concatenate([first, second]), jnp.concatenate([for_first, for_second]))


def added_rows(
    Z: Float[Array, "n d"], gradient: RowGradient, factor: Float[Array, ""] | float, deterministic: bool
) -> Float[Array, "n d"]:
    """Return `Z + factor * gradient`, of which only the gradient's rows are touched.

    `deterministic`: the same bits each time on accelerators too, whose scatter-add sums rows that come up
    more than once in any order.
    """
    add = _added_in_order if deterministic else _scatter_added
    return jax.lax.platform_dependent(
        Z, gradient.rows, factor * gradient.values, cpu=_scatter_added, default=add
    )


def _scatter_added(
    Z: Float[Array, "n d"], rows: Int[Array, " m"], values: Float[Array, "m d"]
) -> Float[Array, "n d"]:
    return Z.at[rows].add(values)


def _added_in_order(
    Z: Float[Array, "n d"], rows: Int[Array, " m"], values: Float[Array, "m d"]
) -> Float[Array, "n d"]:
    """Add sums over equal rows, each made by one tree of additions and written by one thread."""
    order = jnp.argsort(rows, stable=True)
    rows, values = rows[order], values[order]
    starts = jnp.concatenate([jnp.ones(1, bool), rows[1:] != rows[:-1]])

    def combine(before: tuple[Array, Array], after: tuple[Array, Array]) -> tuple[Array, Array]:
        total = jnp.where(after[0][:, None], after[1], before[1] + after[1])
        return before[0] | after[0], total

    _, sums = jax.lax.associative_scan(combine, (starts, values))
    # The last of equal rows holds their sum; the others are sent to rows that are not there.
    last = jnp.concatenate([starts[1:], jnp.ones(1, bool)])
    place = jnp.where(last, rows, len(Z) + jnp.arange(len(rows), dtype=rows.dtype))
    return Z.at[place].add(sums, mode="drop", unique_indices=True)
