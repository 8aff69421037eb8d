"""Symmetric operators on words, dense or sparse plus low rank, on one device or many.

Rows of an operator, and of a block of vectors, are dealt over devices as `support/sharding.py` says.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int
from scipy import sparse

from w2vflow.problem.sparse_products import csr_matmul
from w2vflow.support.checks import argument_error
from w2vflow.support.devices import require_float64, word_mesh
from w2vflow.support.machine import check_fits
from w2vflow.support.sharding import (
    PRECISION,
    ROWS,
    all_rows,
    all_sum,
    deal_rows,
    dealt_order,
    fingerprint,
    matmul,
    on_devices,
    place,
    to_host,
    to_rows,
    to_words,
    undeal,
)

__all__ = ["DenseOperator", "DiagonalOperator", "Operator", "SparseOperator"]


class Operator(eqx.Module):
    """A symmetric operator on vectors over the vocabulary, known by its products with blocks.

    Leading axes of all arrays are spread over the mesh: the pytree can be passed into
    `jax.shard_map` with the one specification `ROWS`.

    Attributes:
        size: number of words `V`.
        mesh: the devices that share the rows.
    """

    size: int = eqx.field(static=True)
    mesh: Mesh = eqx.field(static=True)

    @abstractmethod
    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        """Return this device's rows of the product, given its rows of the block; within `shard_map`."""

    @abstractmethod
    def norm_squared(self) -> float:
        """Return the squared Frobenius norm."""

    @abstractmethod
    def dense(self) -> Float[np.ndarray, "V V"]:
        """Return the matrix, float64, on the host.

        Raises:
            ValueError: it does not fit into memory.
        """

    @abstractmethod
    def shard(self, mesh: Mesh) -> "Operator":
        """Return the same operator with its rows dealt out over another mesh."""

    @property
    def dtype(self) -> np.dtype:
        """The float type of the entries."""
        return next(x.dtype for x in jax.tree.leaves(self) if jnp.issubdtype(x.dtype, jnp.floating))

    def product(self, block: Any) -> Float[np.ndarray, "V b"]:
        """Return the operator times a block of host vectors `(V, b)`, in the order of the words.

        Raises:
            ValueError: the block has another shape.
        """
        block = np.asarray(block, self.dtype)
        if block.ndim != 2 or len(block) != self.size:
            raise argument_error("block", f"of shape ({self.size}, b)", f"shape {block.shape}")
        return self.to_words(_product(self, self.to_rows(block)))

    def host_product(self, dtype: type) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function that multiplies host blocks `(V, b)` of `dtype`, in that precision.

        Raises:
            ValueError: float64 is asked for, but off.
        """
        if dtype == np.float64:
            require_float64("host_product")
        return self.astype(dtype).product

    def astype(self, dtype: type) -> "Operator":
        """Return the operator with its entries in another float type."""
        if dtype == self.dtype:
            return self
        return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == self.dtype else leaf, self)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the entries this process holds: what a checkpoint belongs to."""
        return fingerprint(self, f"{type(self).__name__} {self.size}")

    def to_rows(self, vectors: Any) -> Float[Array, "*S P b"]:
        """Return host vectors `(..., V, b)` in the layout of the rows, spread over the mesh."""
        return to_rows(vectors, self.mesh)

    def to_words(self, rows: Any) -> Float[np.ndarray, "*S V b"]:
        """Return vectors in the layout of the rows `(..., P, b)` in the order of the words, on the host."""
        return to_words(rows, self.size, self.mesh)


class DenseOperator(Operator):
    """A dense symmetric matrix.

    Attributes:
        matrix: rows and columns in the layout of the rows.
    """

    matrix: Float[Array, "P P"]

    @classmethod
    def of(cls, matrix: Any, mesh: Mesh | None = None) -> "DenseOperator":
        """Return the operator of a symmetric `(V, V)` matrix, in JAX's default precision.

        Raises:
            ValueError: the matrix is not square or not symmetric.
        """
        mesh = word_mesh() if mesh is None else mesh
        matrix = np.asarray(matrix, jnp.zeros(()).dtype)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise argument_error("matrix", "square, (V, V)", f"shape {matrix.shape}")
        asymmetry = np.abs(matrix - matrix.T).max(initial=0)
        if not asymmetry <= 1e3 * np.finfo(matrix.dtype).eps * np.abs(matrix).max(initial=0):
            raise argument_error(
                "matrix", "symmetric", f"a largest |M - M^T| of {asymmetry:.3g}", "Use `(M + M.T) / 2`."
            )
        dealt = deal_rows(deal_rows(matrix, mesh.size, axis=0), mesh.size, axis=1)
        return cls(len(matrix), mesh, place(dealt, mesh, ROWS))

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        return matmul(self.matrix, all_rows(own, self.mesh))

    def norm_squared(self) -> float:
        # As a product: the squares would be another matrix.
        return float(jnp.vdot(self.matrix, self.matrix, precision=PRECISION))

    def dense(self) -> Float[np.ndarray, "V V"]:
        layout = self.size, self.mesh.size
        matrix = undeal(undeal(to_host(self.matrix), *layout, axis=0), *layout, axis=1)
        return np.asarray(matrix, np.float64)

    def host_product(self, dtype: type) -> Callable[[np.ndarray], np.ndarray]:
        if self.mesh.size > 1 or self.mesh.devices.flat[0].platform != "cpu":
            return super().host_product(dtype)
        matrix: np.ndarray = np.asarray(self.matrix).astype(dtype, copy=False)
        return lambda block: matrix @ block

    def shard(self, mesh: Mesh) -> "DenseOperator":
        return DenseOperator.of(self.dense(), mesh)


class SparseOperator(Operator):
    """A sparse symmetric matrix plus one of low rank, `S + L R^T`; never formed.

    `M* + 2 * 1 1^T` is zero where a pair was never seen: `M*` has `L = -2 * 1`, `R = 1`.

    Attributes:
        indptr: `(N, R + 1)`, where each row of a device begins among its entries.
        indices: `(N, m)`, columns in the layout of the rows.
        values: `(N, m)`; devices with fewer entries have zeros at the end.
        left, right: `L` and `R`, zero for empty words.
    """

    indptr: Int[Array, "N r"]
    indices: Int[Array, "N m"]
    values: Float[Array, "N m"]
    left: Float[Array, "P q"]
    right: Float[Array, "P q"]

    @classmethod
    def of(
        cls,
        matrix: sparse.csr_array,
        left: Float[np.ndarray, "V q"],
        right: Float[np.ndarray, "V q"],
        mesh: Mesh | None = None,
    ) -> "SparseOperator":
        """Return the operator `matrix + left right^T`, in JAX's default precision.

        Raises:
            ValueError: more than 2^31 entries on one device while 64-bit integers are off.
        """
        mesh = word_mesh() if mesh is None else mesh
        dtype, size, ranks = jnp.zeros(()).dtype, matrix.shape[0], mesh.size
        order = dealt_order(size, ranks)
        parts = _dealt_rows(matrix, order, ranks)
        most = max(len(indices) for _, indices, _ in parts)
        index = np.int32 if most < 2**31 else np.int64
        if index is np.int64 and jnp.zeros((), int).dtype != np.int64:
            expected = "of fewer than 2^31 entries on each device without 64-bit integers"
            remedy = 'Call `jax.config.update("jax_enable_x64", True)`.'
            raise argument_error("matrix", expected, f"{most} entries", remedy)

        def stack(at: int, dtype: Any) -> Array:
            length = max(len(part[at]) for part in parts)
            rows = (np.asarray(part[at]).astype(dtype, copy=False) for part in parts)
            if ranks == 1:
                return place(next(rows)[None], mesh, ROWS)
            return place(np.stack([np.pad(r, (0, length - len(r))) for r in rows]), mesh, ROWS)

        factors = (to_rows(np.asarray(factor, dtype), mesh) for factor in (left, right))
        return cls(size, mesh, stack(0, index), stack(1, index), stack(2, dtype), *factors)

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        block = all_rows(own, self.mesh)
        sums = all_sum(matmul(self.right.T, own), self.mesh)
        seen = csr_matmul(self.indptr[0], self.indices[0], self.values[0], block)
        return seen + matmul(self.left, sums)

    def norm_squared(self) -> float:
        """Return the squared Frobenius norm, `||S||^2 + 2 <S, L R^T> + ||L R^T||^2`."""
        left, right = self.to_words(self.left), self.to_words(self.right)
        grams = left.T @ left, right.T @ right
        # The product holds S R + L (R^T R).
        seen = np.asarray(self.product(right), np.float64) - left @ grams[1]
        squares = float(jnp.sum(self.values**2))
        return squares + 2 * float(np.sum(left * seen)) + float(np.sum(grams[0] * grams[1]))

    def dense(self) -> Float[np.ndarray, "V V"]:
        check_fits(
            "problem",
            f"a dense matrix of {self.size} words",
            2 * 8 * self.size**2,
            "Use its products, `problem.target_operator()`, or few pairs: "
            "`leading_eigenpairs(problem, k)` with a small k.",
        )
        left, right = self.to_words(self.left), self.to_words(self.right)
        return np.asarray(self._host_csr().toarray() + left @ right.T, np.float64)

    def shard(self, mesh: Mesh) -> "SparseOperator":
        return SparseOperator.of(self._host_csr(), self.to_words(self.left), self.to_words(self.right), mesh)

    def _host_csr(self) -> sparse.csr_array:
        order = dealt_order(self.size, self.mesh.size)
        indptr, indices, values = (to_host(x) for x in (self.indptr, self.indices, self.values))
        shape = (indptr.shape[1] - 1, len(order))
        parts = [
            sparse.csr_array((v[: p[-1]], i[: p[-1]], p), shape=shape)
            for p, i, v in zip(indptr, indices, values, strict=True)
        ]
        if len(parts) == 1:
            return parts[0]
        back = np.argsort(order)[: self.size]
        return sparse.csr_array(sparse.vstack(parts))[back][:, back]


class DiagonalOperator(Operator):
    """A diagonal matrix: an operator in its own eigenbasis.

    Attributes:
        values: the eigenvalues, in the layout of the rows.
    """

    values: Float[Array, " P"]

    @classmethod
    def of(cls, values: Any, mesh: Mesh | None = None) -> "DiagonalOperator":
        """Return the operator of a diagonal `(V,)`, in JAX's default precision."""
        mesh = word_mesh() if mesh is None else mesh
        values = np.asarray(values, jnp.zeros(()).dtype)
        return cls(len(values), mesh, place(deal_rows(values, mesh.size, axis=0), mesh, ROWS))

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        return self.values[:, None] * own

    def norm_squared(self) -> float:
        return float(jnp.sum(self.values**2))

    def dense(self) -> Float[np.ndarray, "V V"]:
        return np.diag(self._host_values().astype(np.float64))

    def shard(self, mesh: Mesh) -> "DiagonalOperator":
        return DiagonalOperator.of(self._host_values(), mesh)

    def _host_values(self) -> Float[np.ndarray, " V"]:
        return undeal(to_host(self.values), self.size, self.mesh.size, axis=0)


@eqx.filter_jit
def _product(operator: Operator, rows: Float[Array, "P b"]) -> Float[Array, "P b"]:
    one = on_devices(lambda mine, own: mine.local_product(own), operator.mesh, (ROWS, ROWS), ROWS)
    return one(operator, rows)


def _dealt_rows(
    matrix: sparse.csr_array, order: Int[np.ndarray, " P"], ranks: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return indptr, indices and values of the rows of each device, columns in the layout of the rows."""
    if ranks == 1:
        return [(matrix.indptr, matrix.indices, matrix.data)]
    position = np.argsort(order)
    lengths = np.append(np.diff(matrix.indptr), np.zeros(len(order) - matrix.shape[0], np.int64))
    parts = []
    for words in order.reshape(ranks, -1):
        rows = matrix[words[words < matrix.shape[0]]]
        indptr = np.append(0, np.cumsum(lengths[words]))
        parts.append((indptr, position[rows.indices], rows.data))
    return parts
