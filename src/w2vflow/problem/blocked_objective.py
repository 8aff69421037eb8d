"""The objective of any loss and weights, a block of rows of the matrix of pairs at a time."""

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int
from scipy import sparse

from w2vflow.problem.losses import Loss, Quartic
from w2vflow.problem.objective import Objective
from w2vflow.problem.pair_weights import PairWeights
from w2vflow.support.arrays import AnyArray, namespace
from w2vflow.support.sharding import (
    ROWS,
    Spread,
    all_rows,
    all_sum,
    deal_rows,
    dealt_order,
    matmul,
    place,
    spread_entries,
    to_rows,
)

__all__ = ["BlockLayout", "BlockedObjective", "DenseRows", "SparseRows"]

# Pairs in a block: its temporary arrays stay near the cache, its products large (benchmarks/gradients.py).
_BLOCK_PAIRS = 2**20


class DenseRows(eqx.Module):
    """A dense matrix in blocks of rows: row `r` of a device is row `r // N` of block `r mod N`.

    Attributes:
        matrix: `(N, b, P)`, block after block, so that taking one copies no other; empty rows are zero.
    """

    matrix: Float[Array, "N b P"]

    @classmethod
    def of(cls, matrix: Float[AnyArray, "V V"], mesh: Mesh, dtype: Any) -> "DenseRows":
        """Return the blocks of a matrix `(V, V)`."""
        xp, ranks = namespace(matrix), mesh.size
        by_device = deal_rows(deal_rows(matrix.astype(dtype), ranks, axis=0), ranks, axis=1)
        rows, width = len(by_device) // ranks, by_device.shape[1]
        blocks = _block_count(rows, width)
        height = -(-rows // blocks)
        # Row r is number r // N of block r mod N.
        padded = xp.pad(by_device.reshape(ranks, rows, width), ((0, 0), (0, height * blocks - rows), (0, 0)))
        cut = xp.swapaxes(padded.reshape(ranks, height, blocks, width), 1, 2)
        return cls(place(cut.reshape(-1, height, width), mesh, ROWS))

    @property
    def blocks(self) -> int:
        """Number of blocks of one device."""
        return len(self.matrix)

    def block(self, number: Int[Array, ""]) -> Float[Array, "b P"]:
        """Return one block of rows."""
        return self.matrix[number]


class BlockLayout(Spread):
    """Places of the entries of a sparse matrix `(V, V)` in the same blocks of rows.

    Attributes:
        rows, columns: `(N, m)`, places of each entry within its block.
        entries: `(N, m)`, number of each entry in the matrix itself, -1 where a block has fewer.
        shape: of a block.
        mesh: the devices that share the rows.
    """

    rows: Int[Array, "N m"]
    columns: Int[Array, "N m"]
    entries: Int[Array, "N m"]
    shape: tuple[int, int] = eqx.field(static=True)
    mesh: Mesh = eqx.field(static=True)

    @classmethod
    def of(cls, indptr: Int[np.ndarray, " r"], indices: Int[np.ndarray, " n"], mesh: Mesh) -> "BlockLayout":
        """Return the layout of a CSR matrix."""
        size = len(indptr) - 1
        order = dealt_order(size, mesh.size)
        rows = len(order) // mesh.size
        blocks = _block_count(rows, len(order))
        height = -(-rows // blocks)
        # Where each word's row goes: device by device, block by block, row by row.
        place_of_word = np.empty(len(order), np.int64)
        at = np.arange(len(order)) % rows
        device = np.arange(len(order)) // rows
        place_of_word[order] = (device * blocks + at % blocks) * height + at // blocks
        lengths = np.zeros(mesh.size * blocks * height, np.int64)
        lengths[place_of_word[:size]] = np.diff(indptr)
        by_place = np.argsort(place_of_word[:size], kind="stable")
        number = np.arange(len(indices))
        entries = sparse.csr_array((number, indices, indptr), shape=(size, size))[by_place]
        counts = lengths.reshape(-1, height).sum(axis=1)
        starts = np.concatenate([[0], np.cumsum(counts)])
        local = np.repeat(np.sort(place_of_word[:size]) % height, np.diff(entries.indptr))
        # Rows of the layout, for columns.
        column = np.argsort(order)[entries.indices]
        width = int(counts.max(initial=0))

        def filled(source: Int[np.ndarray, " n"], fill: int) -> Array:
            block = np.full((len(counts), width), fill, np.int32 if len(indices) < 2**31 else np.int64)
            for of, (first, last) in enumerate(pairwise(starts)):
                block[of, : last - first] = source[first:last]
            return place(block, mesh, ROWS)

        places = filled(local, 0), filled(column, 0), filled(entries.data, -1)
        return cls(*places, (height, len(order)), mesh)


class SparseRows(eqx.Module):
    """A sparse matrix in the same blocks of rows, each expanded when it is its turn.

    Attributes:
        layout: places of the entries.
        values: `(N, m)`, the entries; blocks with fewer end in zeros.
    """

    layout: BlockLayout
    values: Float[Array, "N m"]

    @classmethod
    def of(cls, layout: BlockLayout, values: Float[AnyArray, " n"], dtype: Any) -> "SparseRows":
        """Return the blocks of the matrix with these entries."""
        return cls(layout, spread_entries(layout.entries, values.astype(dtype), layout.mesh))

    @property
    def blocks(self) -> int:
        return len(self.values)

    def block(self, number: Int[Array, ""]) -> Float[Array, "b P"]:
        zeros = jnp.zeros(self.layout.shape, self.values.dtype)
        return zeros.at[self.layout.rows[number], self.layout.columns[number]].add(self.values[number])


class BlockedObjective(Objective, Spread):
    """The objective for any loss and weights: a block of rows of the matrix of pairs at a time.

        dL/dW = S C,   dL/dC = S^T W,   S_ij = A_ij l+'(x_ij) + B_ij l-'(x_ij);   tied: 2 S W

    Attributes:
        pair_loss: loss of one pair.
        positive: `A`.
        negative: `B` where it is an array of its own.
        left, right: else `B = L R^T`, less `A` where `exclusive`, and less `s o A` of a `skip`.
        constant: added to the sum over pairs.
        mesh: the devices that share the rows.
    """

    pair_loss: Loss
    positive: DenseRows | SparseRows
    negative: DenseRows | None
    left: Float[Array, "P q"]
    right: Float[Array, "P q"]
    constant: Float[Array, ""]
    mesh: Mesh = eqx.field(static=True)
    exclusive: bool = eqx.field(static=True)
    skip: Float[Array, "P 2"] | None = None

    @classmethod
    def of(
        cls, weights: PairWeights, loss: Loss, sides: int, layout: BlockLayout | Mesh, dtype: Any
    ) -> "BlockedObjective":
        """Return the objective for any weights and loss; `A` is dense where only a mesh is given."""
        positive: DenseRows | SparseRows
        if isinstance(layout, Mesh):
            mesh, positive = layout, DenseRows.of(weights.dense()[0], layout, dtype)
        else:
            mesh, positive = layout.mesh, SparseRows.of(layout, weights.values, dtype)
        B = weights.dense_negative
        negative = None if B is None else DenseRows.of(B, mesh, dtype)
        left, right = (to_rows(factor.astype(dtype), mesh) for factor in (weights.left, weights.right))
        constant = weights.target_norm_squared() / 4 if isinstance(loss, Quartic) else 0.0
        offset = jnp.asarray(constant, dtype)
        skip = None
        if weights.skip is not None:
            of_sides = weights.skip_sides()
            skip = to_rows(namespace(*of_sides).stack(of_sides, axis=1).astype(dtype), mesh)
        return cls(sides, loss, positive, negative, left, right, offset, mesh, weights.exclusive, skip)

    def local_value(self, own: Float[Array, "R e"]) -> Float[Array, ""]:
        C = all_rows(own[:, -own.shape[1] // self.sides :], self.mesh)
        blocks, factors = self._blocks(own[:, : own.shape[1] // self.sides]), self._factors()

        def add(total: Array, number: Array) -> tuple[Array, None]:
            weights = self._weights(number, *factors)
            return total + jnp.sum(self.pair_loss.value(*weights, matmul(blocks[:, number], C.T))), None

        total, _ = jax.lax.scan(add, jnp.zeros((), own.dtype), jnp.arange(self.positive.blocks))
        return all_sum(total, self.mesh) + self.constant

    def local_gradient(self, own: Float[Array, "R e"]) -> Float[Array, "R e"]:
        W, mine = own[:, : own.shape[1] // self.sides], own[:, -own.shape[1] // self.sides :]
        C, blocks, factors = all_rows(mine, self.mesh), self._blocks(W), self._factors()

        def one(of_contexts: Array, number: Array) -> tuple[Array, Array]:
            some = blocks[:, number]
            slope = self.pair_loss.slope(*self._weights(number, *factors), matmul(some, C.T))
            if self.sides == 2:
                of_contexts = of_contexts + matmul(slope.T, some)
            return of_contexts, matmul(slope, C)

        start = jnp.zeros_like(C) if self.sides == 2 else jnp.zeros((), C.dtype)
        of_contexts, of_words = jax.lax.scan(one, start, jnp.arange(self.positive.blocks))
        of_words = jnp.swapaxes(of_words, 0, 1).reshape(-1, W.shape[1])[: len(W)]
        if self.sides == 1:
            return 2 * of_words
        if self.mesh.size > 1:
            of_contexts = jax.lax.psum_scatter(of_contexts, self.mesh.axis_names[0], tiled=True)
        return jnp.concatenate([of_words, of_contexts], axis=1)

    def _factors(self) -> tuple[Array, Array]:
        """Return `L` and the part of the skip that words have, in blocks; `R` and that of contexts, whole."""
        own, other = self.left, self.right
        if self.skip is not None:
            own, other = (jnp.hstack([side, self.skip[:, [n]]]) for n, side in enumerate((own, other)))
        return self._blocks(own), all_rows(other, self.mesh)

    def _weights(self, number: Array, L: Array, R: Array) -> tuple[Array, Array]:
        """Return a block of `A` and of `B`."""
        positive = self.positive.block(number)
        if self.negative is not None:
            return positive, self.negative.block(number)
        own = L[:, number]
        if self.skip is not None:
            share = own[:, -1:] + R[None, :, -1]
            return positive, jnp.maximum(matmul(own[:, :-1], R[:, :-1].T) - share * positive, 0)
        low_rank = matmul(own, R.T)
        return positive, low_rank - positive if self.exclusive else low_rank

    def _blocks(self, own: Array) -> Array:
        """Return rows `(R, .)` as `(b, N, .)`: block `n` is `[:, n]`."""
        count = self.positive.blocks
        padded = jnp.pad(own, ((0, -len(own) % count), (0, 0)))
        return padded.reshape(len(padded) // count, count, own.shape[1])


def _block_count(rows: int, width: int) -> int:
    """Return the number of blocks, of some million pairs each, into which the rows of a device are cut."""
    return max(1, -(-rows * width // _BLOCK_PAIRS))
