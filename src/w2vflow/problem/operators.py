"""Symmetric operators on words, dense or sparse plus low rank, on one device or many.

Rows of an operator, and of a block of vectors, are dealt over devices as `support/sharding.py` says.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int
from scipy import sparse

from w2vflow.problem.sparse_products import csr_matmul
from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.checks import argument_error
from w2vflow.support.csr import entry_rows
from w2vflow.support.devices import word_mesh
from w2vflow.support.machine import check_fits
from w2vflow.support.sharding import (
    PRECISION,
    ROWS,
    Spread,
    all_rows,
    all_sum,
    deal_rows,
    dealt_order,
    fingerprint,
    in_words,
    matmul,
    on_devices,
    place,
    spread_entries,
    to_host,
    to_rows,
    to_words,
    undeal,
)

__all__ = ["DenseOperator", "DiagonalOperator", "Operator", "SparseOperator", "check_dense_fits"]


class Operator(Spread):
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

    def norm_squared(self) -> Float[Array, ""]:
        """Return the squared Frobenius norm."""
        return jnp.sum(self.dense() ** 2)

    def dense(self) -> Float[Array, "V V"]:
        """Return the matrix, in the order of the words.

        Raises:
            ValueError: it does not fit into memory.
        """
        check_dense_fits(self.size, self.dtype)
        return self.product(jnp.eye(self.size, dtype=self.dtype))

    def shard(self, mesh: Mesh) -> "Operator":
        """Return the same operator with its rows dealt out over another mesh."""
        return DenseOperator.of(self.dense(), mesh)

    @property
    def dtype(self) -> np.dtype:
        """The float type of the entries."""
        return next(x.dtype for x in jax.tree.leaves(self) if jnp.issubdtype(x.dtype, jnp.floating))

    def product(self, block: AnyArray) -> Float[Array, "V b"]:
        """Return the operator times a block of vectors `(V, b)`, in the order of the words.

        Raises:
            ValueError: the block has another shape.
        """
        if np.ndim(block) != 2 or len(block) != self.size:
            raise argument_error("block", f"of shape ({self.size}, b)", f"shape {np.shape(block)}")
        block = namespace(block).asarray(block, self.dtype)
        return in_words(_product(self, to_rows(block, self.mesh)), self.size, self.mesh)

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
        if not (isinstance(matrix, jax.Array) and jnp.issubdtype(matrix.dtype, jnp.floating)):
            matrix = namespace(matrix).asarray(matrix, jnp.zeros(()).dtype)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise argument_error("matrix", "square, (V, V)", f"shape {matrix.shape}")
        if is_known(matrix):
            _check_symmetric(matrix)
        dealt = deal_rows(deal_rows(matrix, mesh.size, axis=0), mesh.size, axis=1)
        return cls(len(matrix), mesh, place(dealt, mesh, ROWS))

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        return matmul(self.matrix, all_rows(own, self.mesh))

    def norm_squared(self) -> Float[Array, ""]:
        # As a product: the squares would be another matrix.
        return jnp.vdot(self.matrix, self.matrix, precision=PRECISION)

    def dense(self) -> Float[Array, "V V"]:
        return in_words(in_words(self.matrix, self.size, self.mesh).T, self.size, self.mesh).T


class SparseLayout(Spread):
    """Places of the entries of a sparse matrix `(V, V)` whose rows are spread over devices.

    Attributes:
        indptr: `(N, R + 1)`, where each row of a device begins among its entries.
        indices: `(N, m)`, columns in the layout of the rows.
        entries: `(N, m)`, number of each entry in the matrix itself, -1 where a device has fewer; None on
            one device, which has all in their order.
        mesh: the devices that share the rows.
    """

    indptr: Int[AnyArray, "N r"]
    indices: Int[AnyArray, "N m"]
    entries: Int[AnyArray, "N m"] | None
    mesh: Mesh = eqx.field(static=True)

    @classmethod
    def of(cls, indptr: Int[AnyArray, " r"], indices: Int[AnyArray, " n"], mesh: Mesh) -> "SparseLayout":
        """Return the layout of a CSR matrix, which may be traced on one device only.

        Raises:
            ValueError: more than 2^31 entries on one device while 64-bit integers are off.
        """
        if mesh.size == 1:
            _check_count(len(indices))
            return cls(place(indptr[None], mesh, ROWS), place(indices[None], mesh, ROWS), None, mesh)
        size = len(indptr) - 1
        order = dealt_order(size, mesh.size)
        position, lengths = np.argsort(order), np.append(np.diff(indptr), np.zeros(len(order) - size, int))
        rows = sparse.csr_array((np.arange(len(indices)), indices, indptr), shape=(size, size))
        parts = []
        for words in order.reshape(mesh.size, -1):
            own = rows[words[words < size]]
            parts.append((np.append(0, np.cumsum(lengths[words])), position[own.indices], own.data))
        most = max(len(part[1]) for part in parts)
        _check_count(most)
        index = np.int32 if len(indices) < 2**31 else np.int64

        def stack(at: int, fill: int) -> Array:
            length = max(len(part[at]) for part in parts)
            padded = [np.pad(p[at], (0, length - len(p[at])), constant_values=fill) for p in parts]
            return place(np.stack(padded).astype(index), mesh, ROWS)

        return cls(stack(0, 0), stack(1, 0), stack(2, -1), mesh)

    def spread(self, values: Float[AnyArray, " n"]) -> Float[Array, "N m"]:
        """Return the values of the entries on their devices, zeros where a device has fewer."""
        if self.entries is None:
            return place(values[None], self.mesh, ROWS)
        return spread_entries(self.entries, values, self.mesh)


class SparseOperator(Operator):
    """A sparse symmetric matrix plus one of low rank, `S + L R^T`; never formed.

    `M* + 2 * 1 1^T` is zero where a pair was never seen: `M*` has `L = -2 * 1`, `R = 1`.

    Attributes:
        layout: places of the entries of `S`.
        values: `(N, m)`, the entries; devices with fewer have zeros at the end.
        left, right: `L` and `R`, zero for empty words.
    """

    layout: SparseLayout
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
        layout = SparseLayout.of(matrix.indptr, matrix.indices, word_mesh() if mesh is None else mesh)
        return cls.placed(layout, matrix.data, left, right)

    @classmethod
    def placed(
        cls,
        layout: SparseLayout,
        values: Float[AnyArray, " n"],
        left: Float[AnyArray, "V q"],
        right: Float[AnyArray, "V q"],
    ) -> "SparseOperator":
        """Return the operator of these entries and factors, in JAX's default precision."""
        dtype, mesh = jnp.zeros(()).dtype, layout.mesh
        cast = [namespace(part).asarray(part, dtype) for part in (values, left, right)]
        factors = (to_rows(part, mesh) for part in cast[1:])
        return cls(len(left), mesh, layout, layout.spread(cast[0]), *factors)

    @property
    def entries(self) -> tuple[Int[Array, " r"], Int[Array, " m"], Float[Array, " m"]]:
        """CSR arrays of this device's rows; on several, within `shard_map`."""
        return self.layout.indptr[0], self.layout.indices[0], self.values[0]

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        block = all_rows(own, self.mesh)
        sums = all_sum(matmul(self.right.T, own), self.mesh)
        # On one device the matrix is its own transpose; on several, its rows are only some.
        seen = csr_matmul(*self.entries, block, symmetric=self.mesh.size == 1)
        return seen + matmul(self.left, sums)

    def norm_squared(self) -> Float[Array, ""]:
        """Return the squared Frobenius norm, `||S||^2 + 2 <S, L R^T> + ||L R^T||^2`."""
        left, right = (in_words(part, self.size, self.mesh) for part in (self.left, self.right))
        grams = matmul(left.T, left), matmul(right.T, right)
        # The product holds S R + L (R^T R).
        seen = self.product(right) - matmul(left, grams[1])
        return jnp.sum(self.values**2) + 2 * jnp.sum(left * seen) + jnp.sum(grams[0] * grams[1])

    def dense(self) -> Float[Array, "V V"]:
        if self.mesh.size > 1:
            return super().dense()
        check_dense_fits(self.size, self.dtype)
        indptr, indices, values = self.entries
        low_rank = matmul(self.left, self.right.T)
        return low_rank.at[entry_rows(indptr, len(indices)), indices].add(values)

    def shard(self, mesh: Mesh) -> "SparseOperator":
        return SparseOperator.of(self._host_csr(), self.to_words(self.left), self.to_words(self.right), mesh)

    def _host_csr(self) -> sparse.csr_array:
        order = dealt_order(self.size, self.mesh.size)
        arrays = (self.layout.indptr, self.layout.indices, self.values)
        indptr, indices, values = (to_host(x) for x in arrays)
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
        values = namespace(values).asarray(values, jnp.zeros(()).dtype)
        return cls(len(values), mesh, place(deal_rows(values, mesh.size, axis=0), mesh, ROWS))

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        return self.values[:, None] * own

    def norm_squared(self) -> Float[Array, ""]:
        return jnp.sum(self.values**2)

    def dense(self) -> Float[Array, "V V"]:
        return jnp.diag(in_words(self.values[:, None], self.size, self.mesh)[:, 0])

    def shard(self, mesh: Mesh) -> "DiagonalOperator":
        return DiagonalOperator.of(self._host_values(), mesh)

    def _host_values(self) -> Float[np.ndarray, " V"]:
        return np.asarray(undeal(to_host(self.values), self.size, self.mesh.size, axis=0))


@eqx.filter_jit
def _product(operator: Operator, rows: Float[Array, "P b"]) -> Float[Array, "P b"]:
    one = on_devices(lambda mine, own: mine.local_product(own), operator.mesh, (ROWS, ROWS), ROWS)
    return one(operator, rows)


def check_dense_fits(size: int, dtype: np.dtype) -> None:
    """Raise `ValueError` unless a dense matrix, and another one beside it, fit into memory."""
    remedy = (
        "Use its products, `problem.target_operator()`, or few pairs: "
        "`leading_eigenpairs(problem, k)` with a small k."
    )
    check_fits("problem", f"a dense matrix of {size} words", 2 * dtype.itemsize * size**2, remedy)


def _check_symmetric(matrix: Float[AnyArray, "V V"]) -> None:
    """Raise `ValueError` unless a matrix is symmetric to rounding."""
    xp = namespace(matrix)
    asymmetry, size = (float(xp.abs(part).max(initial=0)) for part in (matrix - matrix.T, matrix))
    if not asymmetry <= 1e3 * np.finfo(matrix.dtype).eps * size:
        got = f"a largest |M - M^T| of {asymmetry:.3g}"
        raise argument_error("matrix", "symmetric", got, "Use `(M + M.T) / 2`.")


def _check_count(most: int) -> None:
    """Raise `ValueError` unless so many entries of one device can be numbered."""
    if most >= 2**31 and jnp.zeros((), int).dtype != np.int64:
        expected = "of fewer than 2^31 entries on each device without 64-bit integers"
        remedy = 'Call `jax.config.update("jax_enable_x64", True)`.'
        raise argument_error("matrix", expected, f"{most} entries", remedy)
