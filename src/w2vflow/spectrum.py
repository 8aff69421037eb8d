"""Leading eigenpairs of M*: the concepts, and the step size that its two ends allow."""

import warnings
from typing import Any

import equinox as eqx
import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.sparse.linalg import eigsh

from w2vflow.checks import argument_error
from w2vflow.krylov import largest_eigenpairs
from w2vflow.problem import Problem

__all__ = ["Spectrum", "check_learning_rate", "leading_eigenpairs", "stability_limit"]

Host = np.ndarray


class Spectrum(eqx.Module):
    """Eigenpairs of `M*`, algebraically largest first.

    Attributes:
        eigenvalues: `lambda_k`, `(k,)`, falling.
        eigenvectors: orthonormal columns `v_k`, `(V, k)`; the entry of largest size is positive.
        residuals: `||M* v_k - lambda_k v_k||`, `(k,)`; each bounds the error of its eigenvalue.
    """

    eigenvalues: Float[Host, " k"]
    eigenvectors: Float[Host, "V k"]
    residuals: Float[Host, " k"]

    def leading(self, k: int) -> "Spectrum":
        """Return the first `k` pairs.

        Raises:
            ValueError: there are fewer.
        """
        if not 1 <= k <= len(self.eigenvalues):
            raise argument_error("k", f"between 1 and the {len(self.eigenvalues)} pairs at hand", k)
        return Spectrum(self.eigenvalues[:k], self.eigenvectors[:, :k], self.residuals[:k])

    def require_complete(self) -> "Spectrum":
        """Return the pairs themselves, if they are the whole eigenbasis.

        Raises:
            ValueError: some are missing.
        """
        size, given = self.eigenvectors.shape
        if given != size:
            raise argument_error(
                "spectrum",
                f"the complete eigenbasis of {size} pairs",
                f"{given} pairs",
                "Use `leading_eigenpairs(problem, problem.vocab_size)`, or leave the argument out.",
            )
        return self

    def to_words(self, coordinates: Any) -> Host:
        """Return weights `(..., V, d)` from their coordinates `(..., k, d)` along the eigenvectors.

        One product for all times and seeds: many thin ones take ten times as long.
        """
        product = np.tensordot(self.eigenvectors, np.asarray(coordinates), axes=(1, -2))
        return np.moveaxis(product, 0, -2)


def leading_eigenpairs(problem: Problem, k: int, *, tol: float = 1e-10) -> Spectrum:
    """Return the `k` algebraically largest eigenpairs of `M*`, on the host.

    Negative eigenvalues, however large in size, come last: tied weights never learn them. With
    `k = problem.vocab_size` the whole eigenbasis comes from LAPACK; few pairs of a large matrix
    come from block Lanczos with a fixed start, so that the result is reproducible.

    Args:
        problem: the problem.
        k: how many pairs.
        tol: largest residual norm wanted, over `lambda_1`. From 1e-6 on, products are taken in
            float32, in half the time; the pairs are float64 all the same.

    Raises:
        ValueError: `k` outside 1..V, or `tol` not between 0 and 1.

    Warns:
        RuntimeWarning: some pairs did not reach `tol`; the result's `residuals` say which.

    References:
        arXiv 2502.09863, section 3: the eigenvectors are the concepts, in learning order.
    """
    size = problem.vocab_size
    if not 1 <= k <= size:
        raise argument_error("k", f"between 1 and the vocabulary size {size}", k)
    if not 0 < tol < 1:
        raise argument_error("tol", "between 0 and 1", tol)
    target = np.asarray(problem.target(), np.float64)
    # Below these sizes LAPACK's direct solver is faster than iterating.
    if size > 500 and k < size // 10:
        values, vectors = _iterated(target, k, tol)
    else:
        values, vectors = scipy.linalg.eigh(target, subset_by_index=(size - k, size - 1))
        values, vectors = values[::-1], vectors[:, ::-1]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(k)])
    vectors = vectors * signs
    return Spectrum(values, vectors, np.linalg.norm(target @ vectors - vectors * values, axis=0))


def _iterated(target: Host, k: int, tol: float) -> tuple[Host, Host]:
    dtype = np.float32 if tol >= 1e-6 else np.float64
    matrix = target.astype(dtype, copy=False)
    block = 32 if len(target) > 1000 else 8
    values, vectors, residuals = largest_eigenpairs(
        lambda block: matrix @ block, len(target), k, tol=tol, dtype=dtype, block=block
    )
    missed = int((residuals > tol * np.abs(values).max()).sum())
    if missed:
        warnings.warn(
            f"{missed} of {k} eigenpairs did not reach a residual of {tol:g} lambda_1 (worst: "
            f"{residuals.max() / np.abs(values).max():.1e}). Ask for fewer, or for a larger `tol`.",
            RuntimeWarning,
            stacklevel=3,
        )
    return values, vectors.astype(np.float64)


def stability_limit(problem: Problem) -> float:
    """Return the learning rate above which gradient descent leaves the solution it should settle on.

        eta < 2 / max(2 lambda_1, lambda_1 - lambda_min)

    The largest curvature at the end point is either along the leading concept (2 lambda_1) or
    between it and the most negative eigenvalue, which is never learned but pulls back. The limit
    is that of full-batch descent; noise of small batches lowers it.
    """
    target = np.asarray(problem.target(), np.float64)
    size = len(target)
    if size <= 500:
        values: Any = scipy.linalg.eigvalsh(target)
        smallest, largest = values[0], values[-1]
    else:
        smallest, largest = np.sort(eigsh(target, 2, which="BE", v0=_start(size), return_eigenvectors=False))
    return float(2 / max(2 * largest, largest - smallest))


def check_learning_rate(problem: Problem, learning_rate: float) -> float:
    """Return the stability limit of the problem.

    Raises:
        ValueError: `learning_rate` is not positive and below it.
    """
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise argument_error("learning_rate", "positive and finite", learning_rate)
    limit = stability_limit(problem)
    if learning_rate >= limit:
        raise argument_error(
            "learning_rate",
            f"below the stability limit {limit:.4g} (2 / max(2 lambda_1, lambda_1 - lambda_min))",
            learning_rate,
            "A twentieth of it is a safe start.",
        )
    return limit


def _start(size: int) -> Host:
    return np.random.default_rng(0).standard_normal(size)
