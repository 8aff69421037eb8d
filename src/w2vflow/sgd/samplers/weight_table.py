"""Weights of given pairs on the device: in a matrix, or by binary search among seen pairs."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from w2vflow.problem import PairWeights
from w2vflow.support.arrays import AnyArray, is_known
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import check_fits

__all__ = ["DenseTable", "SearchedTable", "WeightTable"]

# Up to here a matrix takes a gigabyte, and is two to four times as fast (benchmarks/sgd_step.py).
_DENSE_UP_TO = 2**14


class DenseTable(eqx.Module):
    """All entries of a matrix of pairs, float32."""

    values: Float[Array, "V V"]

    @classmethod
    def of(cls, matrix: Float[AnyArray, "V V"]) -> "DenseTable":
        """Return the table of a matrix."""
        return cls(jnp.asarray(matrix, jnp.float32))

    def at(self, rows: Int[Array, "..."], columns: Int[Array, "..."]) -> Float[Array, "..."]:
        """Return the entries of pairs whose rows and columns are of one shape, or broadcast to one."""
        return self.values[rows, columns]


class SearchedTable(eqx.Module):
    """The entries of a matrix that are not zero, float32, found by binary search in their row.

    Attributes:
        starts: where each row begins, and where the last one ends.
        columns: columns of the entries, rising within a row.
        values: the entries.
        halvings: of the longest row, until one place is left.
    """

    starts: Int[Array, " rows"]
    columns: Int[Array, " n"]
    values: Float[Array, " n"]
    halvings: int = eqx.field(static=True)

    @classmethod
    def of(
        cls, indptr: Int[AnyArray, " rows"], indices: Int[AnyArray, " n"], values: Float[AnyArray, " n"]
    ) -> "SearchedTable":
        """Return the table of CSR arrays, whose columns rise within a row.

        Raises:
            ValueError: 2^31 entries or more.
        """
        if len(indices) > np.iinfo(np.int32).max:
            remedy = "Use a smaller vocabulary."
            raise argument_error("problem", "of fewer than 2^31 seen pairs", len(indices), remedy)
        longest = len(indptr) - 1
        if is_known(indptr):
            longest = int(np.diff(np.asarray(indptr)).max(initial=1))
        return cls(
            jnp.asarray(indptr, jnp.int32),
            jnp.asarray(indices, jnp.int32),
            jnp.asarray(values, jnp.float32),
            longest.bit_length(),
        )

    def at(self, rows: Int[Array, "..."], columns: Int[Array, "..."]) -> Float[Array, "..."]:
        """Return the entries of pairs, 0 where there is none."""
        rows, columns = jnp.broadcast_arrays(rows, columns)
        end = self.starts[rows + 1]

        def halve(_: Array, between: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = between
            middle = low + (high - low) // 2
            below = (low < high) & (self.columns[middle] < columns)
            return jnp.where(below, middle + 1, low), jnp.where(below, high, middle)

        place, _ = jax.lax.fori_loop(0, self.halvings, halve, (self.starts[rows], end))
        found = (place < end) & (self.columns[place] == columns)
        return jnp.where(found, self.values[place], 0)


class WeightTable(eqx.Module):
    """`A_ij` and `B_ij` of given pairs, in the form in which the problem has them.

    Attributes:
        positive: `A`.
        left, right: `B = L R^T`, or `B = L R^T - A` where `exclusive`, or `L R^T - s o A` of a `skip`.
        negative: `B` itself where it is of no such form.
    """

    positive: DenseTable | SearchedTable
    left: Float[Array, "V q"]
    right: Float[Array, "V q"]
    negative: DenseTable | None
    exclusive: bool = eqx.field(static=True)
    skip: Float[Array, "2 V"] | None = None

    @classmethod
    def of(cls, weights: PairWeights) -> "WeightTable":
        """Return the tables, of the form that is faster for so many words.

        Raises:
            ValueError: they do not fit into memory.
        """
        size = weights.vocab_size
        dense = size <= _DENSE_UP_TO
        check_fits(
            "problem",
            f"the table of pairs of {size} words",
            12 * size**2 if dense else 12 * len(weights.values),
            "Use `stats.most_frequent(n)` with a smaller n.",
        )
        sides = weights.skip_sides()
        return cls(
            DenseTable.of(replace(weights, values=weights.values.astype(np.float32)).dense_positive())
            if dense
            else SearchedTable.of(weights.indptr, weights.indices, weights.values),
            jnp.asarray(weights.left, jnp.float32),
            jnp.asarray(weights.right, jnp.float32),
            None if weights.dense_negative is None else DenseTable.of(weights.dense_negative),
            weights.exclusive,
            None if weights.skip is None else jnp.stack([jnp.asarray(s, jnp.float32) for s in sides]),
        )

    def at(
        self, rows: Int[Array, "..."], columns: Int[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Return `A` and `B` of pairs whose rows and columns are of one shape, or broadcast to one."""
        positive = self.positive.at(rows, columns)
        if self.negative is not None:
            return positive, self.negative.at(rows, columns)
        low_rank = jnp.sum(self.left[rows] * self.right[columns], axis=-1)
        # Rounding may leave less than nothing of B where A is nearly all of G.
        if self.skip is not None:
            return positive, jnp.maximum(
                low_rank - (self.skip[0][rows] + self.skip[1][columns]) * positive, 0
            )
        return positive, jnp.maximum(low_rank - positive, 0) if self.exclusive else low_rank
