"""The full-batch objective and its gradient, in the form that costs least for a problem.

Weights of words and contexts, `W` and `C`, are one array of rows `[W | C]` per word, `(P, 2 d)`, or
`W` alone where they are tied. Rows may be dealt over the devices of a mesh (see `operators.py`); then
the methods `local_value` and `local_gradient` run within `shard_map`, on the rows of one device.
"""

from abc import abstractmethod
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int
from scipy import sparse

from w2vflow.problem.losses import Loss, Quartic
from w2vflow.problem.operators import DenseOperator, Operator, SparseOperator
from w2vflow.problem.pair_weights import PairWeights
from w2vflow.problem.sparse_products import csr_sampled_product
from w2vflow.support.sharding import PRECISION, ROWS, deal, dealt, fingerprint, gathered, place, summed

__all__ = [
    "BlockedObjective",
    "DenseRows",
    "FactoredObjective",
    "Objective",
    "SparseRows",
    "factored_loss",
    "join",
    "split",
]

# Pairs in a block: its temporary arrays stay near the cache, its products large (benchmarks/gradients.py).
_BLOCK_PAIRS = 2**20


class Objective(eqx.Module):
    """`L = sum_ij A_ij l+(x_ij) + B_ij l-(x_ij) + const`, `x = W W^T` or `W C^T`, and its gradient.

    Attributes:
        sides: 1 where words and contexts share their vectors, else 2.
    """

    sides: int = eqx.field(static=True)

    @abstractmethod
    def local_value(self, own: Float[Array, "R e"]) -> Float[Array, ""]:
        """Return `L`, given this device's rows of the weights."""

    @abstractmethod
    def local_gradient(self, own: Float[Array, "R e"]) -> Float[Array, "R e"]:
        """Return this device's rows of `dL/dW` and `dL/dC`, given its rows of the weights."""

    def value(self, Z: Float[Array, "n d"]) -> Float[Array, ""]:
        """Return `L` of weights stacked as `(V, d)`, or `(2 V, d)` with contexts below words."""
        return self.local_value(join(Z, self.sides))

    def gradient(self, Z: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return `dL/dZ` of stacked weights."""
        return split(self.local_gradient(join(Z, self.sides)), self.sides)

    def specs(self) -> "Objective":
        """Return how `shard_map` is to hand out this objective: rows to devices, numbers to all."""
        return jax.tree.map(lambda leaf: ROWS if leaf.ndim else PartitionSpec(), self)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the entries this process holds: what a checkpoint belongs to."""
        return fingerprint(self, f"{type(self).__name__} {self.sides}")


def join(Z: Float[Array, "n d"], sides: int) -> Float[Array, "V e"]:
    """Return stacked weights `[W; C]` side by side, `[W | C]`."""
    return Z if sides == 1 else jnp.concatenate(jnp.split(Z, 2), axis=1)


def split(rows: Float[Array, "V e"], sides: int) -> Float[Array, "n d"]:
    """Return weights `[W | C]` stacked, `[W; C]`."""
    return rows if sides == 1 else jnp.concatenate(jnp.split(rows, 2, axis=1))


def factored_loss(
    target_norm_squared: Float[Array, ""], W: Float[Array, "n d"], target_W: Float[Array, "n d"]
) -> Float[Array, ""]:
    """Return `1/4 ||M - W W^T||_F^2` from `||M||_F^2`, `W` and `M W`, without a matrix of pairs.

        ||M - W W^T||^2 = ||M||^2 - 2 tr(W^T M W) + ||W^T W||^2

    `W` and `M W` may be in any orthonormal basis, the eigenbasis of `M` for one.
    """
    return (target_norm_squared - 2 * jnp.sum(W * target_W) + jnp.sum(_matmul(W.T, W) ** 2)) / 4


def _matmul(one: Array, other: Array) -> Array:
    return jnp.matmul(one, other, precision=PRECISION)


class FactoredObjective(Objective):
    """The quartic objective where `G` is of low rank, or of low rank plus seen pairs.

        L = 1/4 sum_ij G_ij x_ij^2 - 1/2 sum_ij E_ij x_ij + const,   E = G o M*
        dL/dW = 1/2 [G o (W C^T) - E] C,        (a o (W C^T)) C = L (W (C^T R C)) for a = L R^T

    No matrix of pairs is formed: the cost is that of a product with `E`, plus `V d^2`, plus seen
    pairs times `d` where they are part of `G`.

    Attributes:
        operator: `E`, or its symmetric part.
        turn_left, turn_right: the rest of `E` is `turn_left turn_right^T`; no columns where none.
        left, right: factors of the part of `G` that is of low rank.
        constant: `1/4 sum_ij G_ij M*_ij^2`.
        seen_in_G: whether seen pairs are a part of `G`: half the sparse entries of `operator`.
    """

    operator: Operator
    turn_left: Float[Array, "P t"]
    turn_right: Float[Array, "P t"]
    left: Float[Array, "P q"]
    right: Float[Array, "P q"]
    constant: Float[Array, ""]
    seen_in_G: bool = eqx.field(static=True)

    @classmethod
    def of_target(cls, target: Operator, sides: int) -> "FactoredObjective":
        """Return the objective at constant `G = 1`, where `E` is `M*` itself."""
        factors = target.to_rows(np.ones((target.size, 1), target.dtype))
        none = target.to_rows(np.zeros((target.size, 0), target.dtype))
        constant = jnp.asarray(target.norm_squared() / 4, target.dtype)
        return cls(sides, target, none, none, factors, factors, constant, False)

    @classmethod
    def of(cls, weights: PairWeights, sides: int, mesh: Mesh, *, dense: bool) -> "FactoredObjective":
        """Return the objective for weights of low rank, `E = 2 (A - B)`.

        Args:
            weights: of the pairs.
            sides: of the objective.
            mesh: the devices that share the rows.
            dense: whether `E` is formed; then `G` must be of low rank (`weights.exclusive`).
        """
        A, L, R = weights.positive, weights.left, weights.right
        twice = sparse.csr_array(
            ((4 if weights.exclusive else 2) * A.data, A.indices, A.indptr), shape=A.shape
        )
        none = np.zeros((len(L), 0))
        operator: Operator
        if dense:
            operator, turn = DenseOperator.of(twice.toarray() - 2 * (L @ R.T), mesh), (none, none)
        elif weights.symmetric:
            operator, turn = SparseOperator.of(twice, -2 * L, R, mesh), (none, none)
        else:
            operator, turn = SparseOperator.of(twice, none, none, mesh), (-2 * L, R)
        out, into, left, right = (
            operator.to_rows(np.asarray(factor, operator.dtype)) for factor in (*turn, L, R)
        )
        constant = jnp.asarray(weights.target_norm_squared() / 4, operator.dtype)
        return cls(sides, operator, out, into, left, right, constant, not weights.exclusive)

    def local_value(self, own: Float[Array, "R e"]) -> Float[Array, ""]:
        """Return `L`, given this device's rows of the weights."""
        W, C = own[:, : own.shape[1] // self.sides], own[:, -own.shape[1] // self.sides :]
        force, pull = self._products(W, C, transposed=False)
        return summed(jnp.sum(W * (pull / 4 - force / 2)), self.operator.mesh) + self.constant

    def local_gradient(self, own: Float[Array, "R e"]) -> Float[Array, "R e"]:
        """Return this device's rows of the gradient, given its rows of the weights."""
        if self.sides == 1:
            force, pull = self._products(own, own, transposed=False)
            return pull - force
        W, C = jnp.split(own, 2, axis=1)
        of_words, of_contexts = self._products(W, C, transposed=False), self._products(C, W, transposed=True)
        return jnp.concatenate([(pull - force) / 2 for force, pull in (of_words, of_contexts)], axis=1)

    def _products(self, W: Array, C: Array, *, transposed: bool) -> tuple[Array, Array]:
        """Return own rows of `E C` and of `(G o (W C^T)) C`; with `E^T` and `G^T` where `transposed`."""
        mesh = self.operator.mesh
        left, right, out, into = self.left, self.right, self.turn_left, self.turn_right
        if transposed:
            left, right, out, into = right, left, into, out
        force = self.operator.local_product(C)
        if out.shape[1]:
            force = force + _matmul(out, summed(_matmul(into.T, C), mesh))
        pull = jnp.zeros_like(W)
        for q in range(left.shape[1]):
            gram = summed(_matmul(C.T, right[:, q, None] * C), mesh)
            pull = pull + left[:, q, None] * _matmul(W, gram)
        if self.seen_in_G:
            assert isinstance(self.operator, SparseOperator)
            seen = self.operator
            entries = seen.indptr[0], seen.indices[0], seen.values[0] / 2
            pull = pull + csr_sampled_product(*entries, W, gathered(C, mesh))
        return force, pull


class DenseRows(eqx.Module):
    """A dense matrix in blocks of rows: row `r` of a device is row `r // N` of block `r mod N`.

    Attributes:
        matrix: `(N, b, P)`, block after block, so that taking one copies no other; empty rows are zero.
    """

    matrix: Float[Array, "N b P"]

    @classmethod
    def of(cls, matrix: Float[np.ndarray, "V V"], mesh: Mesh, dtype: Any) -> "DenseRows":
        """Return the blocks of a matrix `(V, V)`."""
        ranks = mesh.size
        by_device = deal(deal(np.asarray(matrix, dtype), ranks, axis=0), ranks, axis=1)
        rows, width = len(by_device) // ranks, by_device.shape[1]
        blocks = _block_count(rows, width)
        height = -(-rows // blocks)
        cut = np.zeros((ranks, blocks, height, width), dtype)
        for number in range(blocks):
            own = by_device.reshape(ranks, rows, width)[:, number::blocks]
            cut[:, number, : own.shape[1]] = own
        return cls(place(cut.reshape(-1, height, width), mesh, ROWS))

    @property
    def blocks(self) -> int:
        """Number of blocks of one device."""
        return len(self.matrix)

    def block(self, number: Int[Array, ""]) -> Float[Array, "b P"]:
        """Return one block of rows."""
        return self.matrix[number]


class SparseRows(eqx.Module):
    """A sparse matrix in the same blocks of rows, each expanded when it is its turn.

    Attributes:
        rows, columns, values: `(N, m)`, where the entries of a block are within it, and what they
            are; blocks with fewer entries end in zeros.
        shape: of a block.
    """

    rows: Int[Array, "N m"]
    columns: Int[Array, "N m"]
    values: Float[Array, "N m"]
    shape: tuple[int, int] = eqx.field(static=True)

    @classmethod
    def of(cls, matrix: sparse.csr_array, mesh: Mesh, dtype: Any) -> "SparseRows":
        """Return the blocks of a sparse matrix `(V, V)`."""
        order = dealt(matrix.shape[0], mesh.size)
        rows = len(order) // mesh.size
        blocks = _block_count(rows, len(order))
        height = -(-rows // blocks)
        # Where each word's row goes: device by device, block by block, row by row.
        place_of_word = np.empty(len(order), np.int64)
        at = np.arange(len(order)) % rows
        device = np.arange(len(order)) // rows
        place_of_word[order] = (device * blocks + at % blocks) * height + at // blocks
        lengths = np.zeros(mesh.size * blocks * height, np.int64)
        lengths[place_of_word[: matrix.shape[0]]] = np.diff(matrix.indptr)
        by_place = np.argsort(place_of_word[: matrix.shape[0]], kind="stable")
        entries = matrix[by_place]
        counts = lengths.reshape(-1, height).sum(axis=1)
        starts = np.concatenate([[0], np.cumsum(counts)])
        shape = len(counts), int(counts.max(initial=0))
        local = np.repeat(np.sort(place_of_word[: matrix.shape[0]]) % height, np.diff(entries.indptr))
        # Rows of the layout, for columns.
        column = np.argsort(order)[entries.indices]
        filled = []
        for source, kind in ((local, np.int32), (column, np.int32), (entries.data, dtype)):
            block = np.zeros(shape, kind)
            for number, (first, last) in enumerate(pairwise(starts)):
                block[number, : last - first] = source[first:last]
            filled.append(place(block, mesh, ROWS))
        rows_of, columns_of, values = filled
        return cls(rows_of, columns_of, values, (height, len(order)))

    @property
    def blocks(self) -> int:
        """Number of blocks of one device."""
        return len(self.values)

    def block(self, number: Int[Array, ""]) -> Float[Array, "b P"]:
        """Return one block of rows."""
        zeros = jnp.zeros(self.shape, self.values.dtype)
        return zeros.at[self.rows[number], self.columns[number]].add(self.values[number])


class BlockedObjective(Objective):
    """The objective for any loss and weights: a block of rows of the matrix of pairs at a time.

        dL/dW = S C,   dL/dC = S^T W,   S_ij = A_ij l+'(x_ij) + B_ij l-'(x_ij);   tied: 2 S W

    Attributes:
        pair_loss: loss of one pair.
        positive: `A`.
        negative: `B` where it is an array of its own.
        left, right: else `B = L R^T`, less `A` where `exclusive`.
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

    @classmethod
    def of(
        cls, weights: PairWeights, loss: Loss, sides: int, mesh: Mesh, dtype: Any, *, dense: bool
    ) -> "BlockedObjective":
        """Return the objective for any weights and loss.

        Args:
            weights: of the pairs.
            loss: of one pair.
            sides: of the objective.
            mesh: the devices that share the rows.
            dtype: its precision.
            dense: whether `A` is held as a dense matrix.
        """
        positive: DenseRows | SparseRows
        if dense:
            positive = DenseRows.of(weights.positive.toarray(), mesh, dtype)
        else:
            positive = SparseRows.of(weights.positive, mesh, dtype)
        negative = weights.dense_negative
        left, right = (
            place(deal(np.asarray(factor, dtype), mesh.size, axis=0), mesh, ROWS)
            for factor in (weights.left, weights.right)
        )
        constant = weights.target_norm_squared() / 4 if isinstance(loss, Quartic) else 0.0
        return cls(
            sides,
            loss,
            positive,
            None if negative is None else DenseRows.of(negative, mesh, dtype),
            left,
            right,
            jnp.asarray(constant, dtype),
            mesh,
            weights.exclusive,
        )

    def local_value(self, own: Float[Array, "R e"]) -> Float[Array, ""]:
        """Return `L`, given this device's rows of the weights."""
        C = gathered(own[:, -own.shape[1] // self.sides :], self.mesh)
        blocks, L = self._blocks(own[:, : own.shape[1] // self.sides]), self._blocks(self.left)
        R = gathered(self.right, self.mesh)

        def add(total: Array, number: Array) -> tuple[Array, None]:
            weights = self._weights(number, L, R)
            return total + jnp.sum(self.pair_loss.value(*weights, _matmul(blocks[:, number], C.T))), None

        total, _ = jax.lax.scan(add, jnp.zeros((), own.dtype), jnp.arange(self.positive.blocks))
        return summed(total, self.mesh) + self.constant

    def local_gradient(self, own: Float[Array, "R e"]) -> Float[Array, "R e"]:
        """Return this device's rows of the gradient, given its rows of the weights."""
        W, mine = own[:, : own.shape[1] // self.sides], own[:, -own.shape[1] // self.sides :]
        C, R = gathered(mine, self.mesh), gathered(self.right, self.mesh)
        blocks, L = self._blocks(W), self._blocks(self.left)

        def one(of_contexts: Array, number: Array) -> tuple[Array, Array]:
            some = blocks[:, number]
            slope = self.pair_loss.slope(*self._weights(number, L, R), _matmul(some, C.T))
            if self.sides == 2:
                of_contexts = of_contexts + _matmul(slope.T, some)
            return of_contexts, _matmul(slope, C)

        start = jnp.zeros_like(C) if self.sides == 2 else jnp.zeros((), C.dtype)
        of_contexts, of_words = jax.lax.scan(one, start, jnp.arange(self.positive.blocks))
        of_words = jnp.swapaxes(of_words, 0, 1).reshape(-1, W.shape[1])[: len(W)]
        if self.sides == 1:
            return 2 * of_words
        if self.mesh.size > 1:
            of_contexts = jax.lax.psum_scatter(of_contexts, self.mesh.axis_names[0], tiled=True)
        return jnp.concatenate([of_words, of_contexts], axis=1)

    def _weights(self, number: Array, L: Array, R: Array) -> tuple[Array, Array]:
        """Return a block of `A` and of `B`."""
        positive = self.positive.block(number)
        if self.negative is not None:
            return positive, self.negative.block(number)
        low_rank = _matmul(L[:, number], R.T)
        return positive, low_rank - positive if self.exclusive else low_rank

    def _blocks(self, own: Array) -> Array:
        """Return rows `(R, .)` as `(b, N, .)`: block `n` is `[:, n]`."""
        count = self.positive.blocks
        padded = jnp.pad(own, ((0, -len(own) % count), (0, 0)))
        return padded.reshape(len(padded) // count, count, own.shape[1])


def _block_count(rows: int, width: int) -> int:
    """Return into how many blocks to cut the rows of a device: blocks of some million pairs."""
    return max(1, -(-rows * width // _BLOCK_PAIRS))
