"""Embeddings as factors of a matrix of associations, symmetric or not."""

import warnings
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from scipy import sparse
from threadpoolctl import threadpool_limits

from w2vflow.problem import DenseOperator, Operator, Problem, SparseOperator, csr_matmul
from w2vflow.spectrum import lanczos_eigenpairs, leading_eigenpairs, peak_signs
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error, check_dimension
from w2vflow.support.devices import word_mesh
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import available_memory
from w2vflow.support.sharding import matmul

__all__ = ["SingularTriplets", "factor_embedding", "singular_triplets"]

# Above this share of entries a dense product, which runs on all cores, is faster than a sparse one.
_DENSE_FROM = 0.1
# LAPACK finds all singular values of matrices up to this size faster than an iteration finds a few.
_DIRECT_UP_TO = 500
_BLOCK = 32
# Values smaller than this beside the first are rounding errors in float32.
_LOST = 1e-6
_TINY = float(np.finfo(float).tiny)


class SingularTriplets(NamedTuple):
    """Leading singular values and vectors: `matrix ~ left diag(values) right^T`.

    Attributes:
        left: orthonormal columns `u_k`, `(m, k)`; the entry of largest size of each is positive.
        values: `sigma_k`, falling, `(k,)`.
        right: orthonormal columns `v_k`, `(n, k)`.
    """

    left: Float[np.ndarray, "m k"]
    values: Float[np.ndarray, " k"]
    right: Float[np.ndarray, "n k"]


@checked
def factor_embedding(
    matrix: ArrayLike, dim: int, *, exponent: float = 0.5, tol: float = 1e-5
) -> Float[np.ndarray, "V d"]:
    """Return the word vectors that factor a matrix of associations, `(V, dim)`.

    A symmetric matrix is factored as tied weights learn it: `v_k lambda_k^exponent` of the algebraically
    largest eigenvalues, which at exponent 1/2 is the best `W` for `||matrix - W W^T||`. Any other matrix,
    words x contexts: `u_k sigma_k^exponent` of the largest singular values; the contexts are `right * values
    ** (1 - exponent)` of `singular_triplets`, which takes a symmetric matrix by the size of its eigenvalues.

    Args:
        matrix: associations `(V, V)`: an array, a SciPy sparse matrix, or an operator such as
            `problem.target_operator()`.
        dim: dimension of the vectors.
        exponent: of the values; 0 weighs all directions alike, 1 is the usual truncated SVD.
        tol: largest residual norm, over the first value.

    Raises:
        ValueError: `dim` outside 1..V or above the number of positive values, `exponent` not
            finite, or one of the errors of `singular_triplets`.

    Warns:
        RuntimeWarning: some values did not converge to `tol`.

    References:
        Levy, Goldberg, Dagan (2015), section 3.3 (the exponent); Karkada et al. (2025),
        arXiv 2502.09863, section 3 (tied weights).

    Example:
        >>> import numpy as np
        >>> W = factor_embedding(np.array([[2.0, 1.0], [1.0, 2.0]]), 2)
        >>> (W @ W.T).round(12).tolist()
        [[2.0, 1.0], [1.0, 2.0]]
    """
    matrix = _checked(matrix)
    check_dimension(dim, _shape(matrix)[0])
    if not np.isfinite(exponent):
        raise argument_error("exponent", "finite", exponent)
    if _symmetric(matrix):
        spectrum = on_host(leading_eigenpairs(Problem.from_target(_operator(matrix)), dim, tol=tol))
        vectors, values, kind = spectrum.eigenvectors, spectrum.eigenvalues, "positive eigenvalues"
    else:
        vectors, values, _ = singular_triplets(matrix, dim, tol=tol)
        kind = "singular values above 0"
    positive = int((values > _LOST * values[0]).sum())
    if positive < dim:
        raise argument_error("dim", f"at most the {positive} {kind} of the matrix", dim)
    return vectors * values**exponent


@checked
def singular_triplets(matrix: ArrayLike, k: int, *, tol: float = 1e-5) -> SingularTriplets:
    """Return the `k` largest singular values of a matrix and their vectors, on the host.

    `M*` of weights that treat words and contexts differently (`Mikolov`) has no eigenvectors; this is its
    spectrum: `singular_triplets(problem.target(), k)`. By block Lanczos on `matrix matrix^T` with a fixed
    start, in float32 if `tol` allows; by LAPACK for small matrices or more than a quarter of all values.

    Args:
        matrix: `(m, n)`: an array, a SciPy sparse matrix, or an operator.
        k: how many.
        tol: largest `||matrix v_k - sigma_k u_k||` over `sigma_1`; the other residual,
            `||matrix^T u_k - sigma_k v_k||`, is 0 up to rounding. A value far from others is off by
            the square of its residual over that distance.

    Raises:
        ValueError: `k` outside 1..min(m, n), `tol` not between 0 and 1, a matrix that is not one,
            NaN or infinite entries.

    Warns:
        RuntimeWarning: some triplets did not reach `tol`.

    References:
        Golub, Kahan (1965); Eckart, Young (1936): the best approximation of rank k.

    Example:
        >>> import numpy as np
        >>> singular_triplets(np.array([[0.0, 3.0], [1.0, 0.0]]), 2).values.tolist()
        [3.0, 1.0]
    """
    matrix = _checked(matrix)
    rows, columns = _shape(matrix)
    size = min(rows, columns)
    if not 1 <= k <= size:
        raise argument_error("k", f"between 1 and {size}, the shorter side of the matrix", k)
    if not 0 < tol < 1:
        raise argument_error("tol", "between 0 and 1", tol)
    if size <= _DIRECT_UP_TO or k > size // 4:
        left, values, right = scipy.linalg.svd(_dense(matrix, np.float64), full_matrices=False)
        return _signed(left[:, :k], values[:k], right[:k].T)
    if rows > columns:
        # The shorter side is iterated on.
        right, values, left = singular_triplets(matrix.T, k, tol=tol)
        return _signed(left, values, right)
    dtype = np.float32 if tol >= 1e-6 else np.float64
    # A residual r of the square is one of r / sigma of the value: at first sigma_k is guessed.
    found, worst = _iterated(_Square.of(matrix, dtype), k, max(tol / 50, 1e-14))
    if worst > tol:
        inner = max(tol * found.values[-1] / max(found.values[0], _TINY) / 2, 1e-15)
        found, worst = _iterated(_Square.of(matrix, np.float64), k, inner)
    if worst > tol:
        message = (
            f"The worst of {k} singular triplets has a residual of {worst:.1e} sigma_1, above `tol`, "
            f"{tol:g}. Ask for fewer triplets or for a larger `tol`."
        )
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return _signed(*found)


class _Square(Operator):
    """`matrix matrix^T`, of an operator, a dense matrix, or CSR arrays of a matrix and its transpose."""

    # An operator, an array, or CSR arrays; of CSR arrays the transpose too.
    matrix: Any
    transpose: Any

    @classmethod
    def of(cls, matrix: ArrayLike, dtype: type) -> "_Square":
        size, columns = _shape(matrix)
        if isinstance(matrix, Operator):
            return cls(size, word_mesh(), matrix.astype(dtype), None)
        few = sparse.issparse(matrix) and matrix.nnz <= _DENSE_FROM * size * columns
        fits = np.dtype(dtype).itemsize * size * columns < available_memory() / 2
        if not few and (fits or not sparse.issparse(matrix)):
            return cls(size, word_mesh(), jnp.asarray(_dense(matrix, dtype)), None)
        kinds = (sparse.csr_array(one, dtype=dtype) for one in (matrix, matrix.T))
        arrays = [tuple(map(jnp.asarray, (one.indptr, one.indices, one.data))) for one in kinds]
        return cls(size, word_mesh(), *arrays)

    def forward(self, block: Float[Array, "n b"]) -> Float[Array, "m b"]:
        """Return the matrix times a block."""
        if isinstance(self.matrix, Operator):
            return self.matrix.product(block)
        return _product(self.matrix, block)

    def backward(self, block: Float[Array, "m b"]) -> Float[Array, "n b"]:
        """Return the transpose of the matrix times a block."""
        if isinstance(self.matrix, Operator):
            return self.matrix.product(block)
        return _product(self.transpose if self.transpose else self.matrix.T, block)

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        return self.forward(self.backward(own))


def _product(matrix: Any, block: Float[Array, "n b"]) -> Float[Array, "m b"]:
    """Return the product of an array, or of CSR arrays, with a block."""
    if isinstance(matrix, tuple):
        indptr, indices, values = matrix
        return csr_matmul(indptr, indices, values, block)
    return matmul(matrix, block)


def _iterated(square: _Square, k: int, tol: float) -> tuple[SingularTriplets, float]:
    """Return triplets of the matrix that was squared, and their largest residual over `sigma_1`."""
    with threadpool_limits(1, "blas"):
        basis = lanczos_eigenpairs(square, k, tol=tol, block=_BLOCK).vectors
    # The values of the matrix itself within the basis have the digits that their squares have lost.
    image = np.asarray(square.backward(basis), np.float64)
    right, values, turn = scipy.linalg.svd(image, full_matrices=False)
    left = np.asarray(basis, np.float64) @ turn.T
    residuals = np.asarray(square.forward(jnp.asarray(right, square.dtype))) - left * values
    worst = np.linalg.norm(residuals, axis=0).max() / max(values[0], _TINY)
    return SingularTriplets(left, values, right), float(worst)


def _signed(left: np.ndarray, values: np.ndarray, right: np.ndarray) -> SingularTriplets:
    """Return triplets of which the entry of largest size of each left vector is positive."""
    signs = peak_signs(left)
    return SingularTriplets(left * signs, values, right * signs)


def _checked(matrix: Any) -> Any:
    """Return the matrix as a float array, a CSR array or an operator, after a look at its entries."""
    if isinstance(matrix, Operator):
        return matrix
    matrix = sparse.csr_array(matrix) if sparse.issparse(matrix) else np.asarray(matrix)
    if matrix.dtype.kind not in "fiub":
        raise argument_error("matrix", "real numbers", f"of {matrix.dtype}")
    if matrix.dtype != np.float32:
        matrix = matrix.astype(np.float64, copy=False)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise argument_error("matrix", "of two axes, words x contexts", f"shape {matrix.shape}")
    if not np.isfinite(matrix.data if sparse.issparse(matrix) else matrix).all():
        raise argument_error("matrix", "finite", "NaN or infinite entries")
    return matrix


def _shape(matrix: Any) -> tuple[int, int]:
    return (matrix.size, matrix.size) if isinstance(matrix, Operator) else matrix.shape


def _dense(matrix: Any, dtype: type) -> np.ndarray:
    if isinstance(matrix, Operator):
        return np.asarray(matrix.dense(), dtype)
    matrix = matrix.astype(dtype, copy=False)
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def _symmetric(matrix: Any) -> bool:
    """Return whether the matrix times a random vector is its transpose times that, but for rounding."""
    rows, columns = _shape(matrix)
    if isinstance(matrix, Operator) or rows != columns:
        return rows == columns
    vector = np.random.default_rng(3).standard_normal(rows).astype(matrix.dtype)
    image = matrix @ vector
    difference = np.linalg.norm(image - matrix.T @ vector)
    return bool(difference <= 1e3 * np.finfo(image.dtype).eps * np.linalg.norm(image))


def _operator(matrix: Any) -> Operator:
    if isinstance(matrix, Operator):
        return matrix
    if sparse.issparse(matrix) and matrix.nnz <= _DENSE_FROM * matrix.shape[0] ** 2:
        none = np.zeros((matrix.shape[0], 0))
        return SparseOperator.of(matrix, none, none)
    return DenseOperator.of(_dense(matrix, matrix.dtype))
