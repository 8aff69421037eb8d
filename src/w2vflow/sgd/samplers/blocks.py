"""Negative sampling in dense blocks of words x contexts."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from w2vflow.problem import Loss, Problem
from w2vflow.sgd.engine import Weights
from w2vflow.sgd.samplers.base import Sampler, context_offset
from w2vflow.sgd.samplers.batches import blocked, shared_out
from w2vflow.sgd.samplers.draws import AliasTable, SeenPairs
from w2vflow.sgd.samplers.gradients import PairBatch, RowGradient, block_gradient, pair_gradient
from w2vflow.sgd.samplers.weight_table import WeightTable
from w2vflow.support.arrays import AnyArray, namespace
from w2vflow.support.checks import argument_error
from w2vflow.support.sharding import matmul

__all__ = ["Blocks", "Shared"]


class Blocks(Sampler):
    """All pairs of 64 random rows with 64 random columns, and that several times over.

        weight of a pair in its block = A_ij / (64^2 r_i c_j),   r, c = the marginals of G,

    from which rows and columns are drawn. Work is matrix products, and a row of `Z` is fetched and
    written once for 64 pairs. Every pair counts with both its weights. Pairs of a block are not
    independent of each other, which is felt in larger blocks (`benchmarks/sgd_step.py`).

    Attributes:
        rows, columns: words, drawn from the marginals.
        row_weight, column_weight: inverse probabilities of being drawn.
        table: `A` and `B` of any pair.
    """

    rows: AliasTable
    columns: AliasTable
    row_weight: Float[Array, " V"]
    column_weight: Float[Array, " V"]
    table: WeightTable

    @classmethod
    def of(cls, problem: Problem) -> "Blocks":
        problem.require_statistics("pairs are drawn")
        weights = problem.pair_weights()
        rows, columns = (sums / sums.sum() for sums in weights.sums())
        return cls(
            context_offset(problem),
            AliasTable.of(rows),
            AliasTable.of(columns),
            _inverse(rows),
            _inverse(columns),
            WeightTable.of(weights),
        )

    def pairs(self, batch_size: int) -> int:
        """Return the pairs of as many whole blocks as come nearest, or of a smaller one."""
        return math.prod(blocked(batch_size))

    def gradient(self, key: Key[Array, ""], Z: Weights, pair_loss: Loss, batch_size: int) -> RowGradient:
        count, rows, columns = blocked(batch_size)
        for_rows, for_columns = jax.random.split(key)
        row = self.rows.draw(for_rows, count * rows).reshape(count, rows)
        column = self.columns.draw(for_columns, count * columns).reshape(count, columns)

        def one(words: tuple[Array, Array]) -> RowGradient:
            row, column = words[0][:, None], words[1][None, :]
            weight = self.row_weight[row] * (self.column_weight[column] / (count * rows * columns))
            positive, negative = (weight * part for part in self.table.at(row, column))
            return block_gradient(Z, pair_loss, words[0], words[1] + self.offset, positive, negative)

        return _each(one, row, column)


class Shared(Sampler):
    """Seen pairs one by one, negative ones in blocks of words and the contexts that they share.

        L = sum_ij A_ij [l+(x_ij) - kappa l-(x_ij)] + (L R^T)_ij l-(x_ij)

    with `kappa = 1` where `B = L R^T - A`, `kappa = s` where `B = L R^T - s o A`, else 0. Pairs of the first
    sum are drawn from `A`, words and contexts of the blocks of the second from the marginals of `L R^T`.
    For word2vec's weights, whose positive pairs are few and heavy and whose negative ones are many and light.

    Attributes:
        seen: seen pairs, drawn from `A`.
        rows, columns: words and contexts of the block.
        left, right: `L` and `R`, each row over its probability of being drawn.
        sum_of_seen: sum of `A`.
        exclusive: whether `kappa` is 1.
        skip: else the parts of `kappa` that words and contexts have, if they have.
    """

    seen: SeenPairs
    rows: AliasTable
    columns: AliasTable
    left: Float[Array, "V q"]
    right: Float[Array, "V q"]
    sum_of_seen: Float[Array, ""]
    exclusive: bool = eqx.field(static=True)
    skip: Float[Array, "2 V"] | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Shared":
        """Build the tables for a problem.

        Raises:
            ValueError: as `Sampler.of`, or negative weights that are an array of their own.
        """
        problem.require_statistics("pairs are drawn")
        weights = problem.pair_weights()
        if weights.dense_negative is not None:
            expected = "another than 'shared' for weights of which negative ones are of no low rank"
            raise argument_error("sampler", expected, "'shared'", "Use 'blocks'.")
        L, R, sides = weights.left, weights.right, weights.skip_sides()
        row, column = L @ R.sum(axis=0), R @ L.sum(axis=0)
        row, column = row / row.sum(), column / column.sum()
        return cls(
            context_offset(problem),
            SeenPairs.of(weights.indptr, weights.indices, weights.values),
            AliasTable.of(row),
            AliasTable.of(column),
            jnp.asarray(L, jnp.float32) * _inverse(row)[:, None],
            jnp.asarray(R, jnp.float32) * _inverse(column)[:, None],
            jnp.asarray(weights.values.sum(), jnp.float32),
            weights.exclusive,
            None if weights.skip is None else jnp.stack([jnp.asarray(s, jnp.float32) for s in sides]),
        )

    def pairs(self, batch_size: int) -> int:
        """Return the pairs of a batch: a share of them seen ones, the rest blocks."""
        seen, block = shared_out(batch_size)
        return seen + math.prod(block)

    def gradient(self, key: Key[Array, ""], Z: Weights, pair_loss: Loss, batch_size: int) -> RowGradient:
        drawn, (count, rows, columns) = shared_out(batch_size)
        for_seen, for_rows, for_columns = jax.random.split(key, 3)
        first, second = self.seen.draw(for_seen, drawn)
        weight = jnp.full(drawn, self.sum_of_seen / drawn)
        share = jnp.float32(self.exclusive)
        if self.skip is not None:
            share = self.skip[0][first] + self.skip[1][second]
        batch = PairBatch(first, second + self.offset, weight, -share * weight)
        seen = pair_gradient(Z, pair_loss, batch)
        row = self.rows.draw(for_rows, count * rows).reshape(count, rows)
        column = self.columns.draw(for_columns, count * columns).reshape(count, columns)

        def one(words: tuple[Array, Array]) -> RowGradient:
            low_rank = matmul(self.left[words[0]], self.right[words[1]].T)
            negative = low_rank / (count * rows * columns)
            return block_gradient(Z, pair_loss, words[0], words[1] + self.offset, 0 * negative, negative)

        block = _each(one, row, column)
        return RowGradient(
            jnp.concatenate([seen.rows, block.rows]), jnp.concatenate([seen.values, block.values])
        )


def _each(
    gradient: Callable[[tuple[Array, Array]], RowGradient],
    rows: Int[Array, "blocks a"],
    columns: Int[Array, "blocks b"],
) -> RowGradient:
    """Return the gradients of all blocks, end to end."""
    # One after the other a CPU is twice as fast: a block stays in its cache.
    places, values = jax.lax.platform_dependent(
        rows,
        columns,
        cpu=lambda *words: jax.lax.map(gradient, words),
        default=lambda *words: jax.vmap(gradient)(words),
    )
    return RowGradient(places.reshape(-1), values.reshape(-1, values.shape[-1]))


def _inverse(probability: AnyArray) -> Float[Array, " V"]:
    """Return `1 / p`, and 0 where that is never asked for."""
    there = probability > 0
    xp = namespace(probability)
    return jnp.asarray(there / xp.where(there, probability, 1.0), jnp.float32)
