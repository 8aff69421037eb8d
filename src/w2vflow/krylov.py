"""Leading eigenpairs of a symmetric operator that is only known by its products."""

from collections.abc import Callable

import numpy as np
import scipy.linalg

__all__ = ["largest_eigenpairs"]


def largest_eigenpairs(
    product: Callable[[np.ndarray], np.ndarray],
    size: int,
    k: int,
    *,
    tol: float,
    dtype: type = np.float64,
    block: int = 32,
    max_products: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the `k` algebraically largest eigenpairs by block Lanczos with thick restarts.

    The operator is applied to `block` vectors at a time, which a processor does several times
    faster than one by one. The basis is orthogonalised in full, twice, so that no eigenvalue
    appears twice; when it has `4 k + 4 block` vectors, the best Ritz vectors are kept and it
    grows on from there. The start is fixed: the result is reproducible.

    Args:
        product: applies the operator to `(size, block)` vectors of `dtype`.
        size: dimension of the operator, at least `4 k + 5 block`.
        k: how many pairs.
        tol: a pair is done when the norm of its residual is below `tol` times the largest eigenvalue
            (in size, of those found). In float32, 1e-6 is about as far as it goes.
        dtype: of the vectors; projected matrices are float64.
        block: vectors in a block.
        max_products: how many vectors to apply the operator to at most; 100 k + 10,000 where not given.

    Returns:
        Eigenvalues, falling; orthonormal eigenvectors as columns; estimated residual norms. Where
        the products did not suffice, some of the last are above `tol`.

    References:
        Golub and Underwood (1977), block Lanczos; Wu and Simon (2000), thick restart.
    """
    limit = 4 * k + 4 * block
    products = max_products or 100 * k + 10_000
    basis: np.ndarray = np.empty((size, limit + block), dtype, order="F")
    start: np.ndarray = np.random.default_rng(0).standard_normal((size, block))
    basis[:, :block] = np.linalg.qr(start)[0]
    projected = np.zeros((limit, limit))
    used = 0
    while True:
        new = slice(used, used + block)
        rest, coefficients = _orthogonalised(product(basis[:, new]), basis[:, : used + block])
        used += block
        products -= block
        projected[:used, new] = coefficients
        projected[new, :used] = coefficients.T
        following, coupling = np.linalg.qr(rest)
        basis[:, used : used + block] = following
        full = used + block > limit
        # Solving the projected problem costs as much as some products: not after every block.
        if not full and products > 0 and (used < 2 * k or used // block % 4):
            continue
        kept = min(used, k + 3 * block)
        values, ritz = scipy.linalg.eigh(projected[:used, :used], subset_by_index=(used - kept, used - 1))
        values, ritz = values[::-1], ritz[:, ::-1]
        residuals = np.linalg.norm(coupling @ ritz[used - block :, :k], axis=0)
        done = used >= k and residuals.max() <= tol * np.abs(values).max()
        if done or products <= 0:
            return values[:k], basis[:, :used] @ ritz[:, :k].astype(dtype), residuals
        if full:
            basis[:, :kept] = basis[:, :used] @ ritz.astype(dtype)
            basis[:, kept : kept + block] = following
            projected[:] = 0
            projected[np.arange(kept), np.arange(kept)] = values
            used = kept


def _orthogonalised(vectors: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the basis leaves of the vectors, and their coefficients in it."""
    first = basis.T @ vectors
    vectors = vectors - basis @ first
    # Once more, because the first pass leaves rounding errors of the size of what it took away.
    second = basis.T @ vectors
    return vectors - basis @ second, (first + second).astype(np.float64)
