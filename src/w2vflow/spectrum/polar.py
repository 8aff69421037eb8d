"""Polar factor: the orthonormal columns nearest to given ones."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.checks import argument_error
from w2vflow.support.sharding import matmul

__all__ = ["polar_factor"]


@checked
def polar_factor(A: Float[AnyArray, "*s n k"]) -> Float[AnyArray, "*s n k"]:
    """Return the orthonormal columns, or rows of a wide matrix, that are nearest to `A`.

        Q = L R,   A = L diag(s) R

    It has a derivative where singular values are equal too, unlike `L` and `R`.

    Raises:
        ValueError: no matrix, or entries that are not finite.

    References:
        Schonemann 1966 (Procrustes problem); derivative: Higham (2008), Functions of matrices, section 8.
    """
    if np.ndim(A) < 2 or (is_known(A) and not np.isfinite(A).all()):
        raise argument_error("A", "finite, of shape (..., n, k)", f"shape {np.shape(A)}")
    if namespace(A) is np:
        left, _, right = np.linalg.svd(A, full_matrices=False)
        return matmul(left, right)
    return _factor(A)


@jax.custom_jvp
def _factor(A: Float[Array, "*s n k"]) -> Float[Array, "*s n k"]:
    left, _, right = jnp.linalg.svd(A, full_matrices=False)
    return matmul(left, right)


@_factor.defjvp
def _factor_changed(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Return the change: a rotation within both spaces, and what turns either out of its own.

    L [(X - X^T)_ij / (s_i + s_j)] R + (1 - L L^T) dA R^T R / s + L L^T / s dA (1 - R^T R),
    X = L^T dA R^T
    """
    (A,), (change,) = primals, tangents
    left, values, right = jnp.linalg.svd(A, full_matrices=False)
    above, below = jnp.swapaxes(left, -1, -2), jnp.swapaxes(right, -1, -2)
    seen, across = matmul(change, below), matmul(above, change)
    inner = matmul(above, seen)
    turned = (inner - jnp.swapaxes(inner, -1, -2)) / (values[..., :, None] + values[..., None, :])
    outer = (seen - matmul(left, inner)) / values[..., None, :]
    beyond = (across - matmul(inner, right)) / values[..., :, None]
    return matmul(left, right), matmul(matmul(left, turned) + outer, right) + matmul(left, beyond)
