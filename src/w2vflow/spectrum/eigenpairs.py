"""Leading and extreme eigenpairs of `M*`, and both ends of its spectrum."""

import os
import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from w2vflow.problem import Operator, Problem
from w2vflow.spectrum.directions import peak_signs
from w2vflow.spectrum.lanczos import (
    Order,
    Product,
    algebraic,
    both_ends,
    by_size,
    check_symmetric,
    lanczos_eigenpairs,
)
from w2vflow.spectrum.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.checkpoint import Checkpoint
from w2vflow.support.checks import argument_error

__all__ = ["extreme_eigenpairs", "leading_eigenpairs", "learned_eigenpairs", "spectrum_ends"]

Host = np.ndarray


@checked
def leading_eigenpairs(
    problem: Problem,
    k: int,
    *,
    tol: float = 1e-10,
    max_products: int | None = None,
    max_basis: int | None = None,
    require_convergence: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> Spectrum:
    """Return the `k` algebraically largest eigenpairs of `M*`, on the host.

    Negative eigenvalues, however large in size, come last: tied weights never learn them. With
    `k = problem.vocab_size` the whole eigenbasis comes from LAPACK; few pairs of a large matrix
    come from block Lanczos with a fixed start, so that the result is reproducible.

    Args:
        k: how many pairs.
        tol: largest residual norm wanted, over `lambda_1`. From 1e-6 on, products are taken in
            float32, in half the time, where `lambda_min` is not so large in size that their rounding
            errors would show; the pairs are float64 all the same.
        max_products: how many vectors to apply `M*` to at most; 100 k + 10,000 by default.
        max_basis: how many vectors of length V to hold at most, at least `k + 160`, by default
            `3 k + 160`. Fewer take less memory and more products.
        require_convergence: whether to raise where the products did not suffice, and not only warn.
        checkpoint: folder for the state of the iteration, which goes on from a state that is there, to
            the same result bit for bit. Removed when all pairs are found.
        checkpoint_every: seconds between two states at least.

    Raises:
        ValueError: `k` outside 1..V, `tol` not between 0 and 1, `M*` not symmetric, a basis that
            does not fit into memory, or a checkpoint of another computation.
        RuntimeError: with `require_convergence`, some pairs did not reach `tol`.

    Warns:
        RuntimeWarning: some pairs did not reach `tol`; the result's `residuals` say which.

    References:
        arXiv 2502.09863, section 3: the eigenvectors are the concepts, in learning order.
    """
    settings = _Settings(tol, max_products, max_basis, require_convergence, checkpoint, checkpoint_every)
    return _eigenpairs(problem, k, algebraic, settings)


@checked
def extreme_eigenpairs(
    problem: Problem,
    k: int,
    *,
    tol: float = 1e-10,
    max_products: int | None = None,
    max_basis: int | None = None,
    require_convergence: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> Spectrum:
    """Return the `k` eigenpairs of `M*` that are largest in size, by falling `|lambda|`, signs kept.

    Words and contexts with vectors of their own (untied) learn negative eigenvalues as they learn
    positive ones: `|lambda|` is the singular value. Arguments and errors are those of
    `leading_eigenpairs`; `tol` is over the largest `|lambda|`.
    """
    settings = _Settings(tol, max_products, max_basis, require_convergence, checkpoint, checkpoint_every)
    return _eigenpairs(problem, k, by_size, settings)


@checked
def learned_eigenpairs(problem: Problem, k: int, *, tol: float = 1e-10) -> Spectrum:
    """Return the `k` eigenpairs that the weights of a problem learn first, in that order.

    Of tied weights those of `leading_eigenpairs`, of untied ones those of `extreme_eigenpairs`.
    """
    find = leading_eigenpairs if problem.tied else extreme_eigenpairs
    return find(problem, k, tol=tol)


class _Settings(NamedTuple):
    tol: float
    max_products: int | None
    max_basis: int | None
    require_convergence: bool
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: float


def _eigenpairs(problem: Problem, k: int, order: Order, settings: _Settings) -> Spectrum:
    size = problem.vocab_size
    if not 1 <= k <= size:
        raise argument_error("k", f"between 1 and the vocabulary size {size}", k)
    if not 0 < settings.tol < 1:
        raise argument_error("tol", "between 0 and 1", settings.tol)
    operator = problem.target_operator()
    product = operator.host_product(np.float64)
    check_symmetric(product, size, np.float64)
    matrix = None
    # At these sizes LAPACK's direct solver is faster than iterating, where there is room for it.
    if size <= 500 or k >= size // 10:
        try:
            matrix = operator.dense()
        except ValueError:
            if k + 5 * _block(size) > size:
                raise
    if matrix is None:
        values, vectors, residuals, nodes, weights = _iterated(operator, product, k, order, settings)
    else:
        every, basis = scipy.linalg.eigh(matrix, driver="evd")
        places = order(every)
        values, vectors = every[places[:k]], basis[:, places[:k]]
        nodes, weights = np.sort(every[places[k:]])[::-1], np.ones(size - k)
        values, residuals = _polished(product, values, vectors)
    # Values that are equal but for rounding may have changed places.
    places = order(values)
    if (places != np.arange(k)).any():
        values, vectors, residuals = values[places], vectors[:, places], residuals[places]
    return Spectrum(values, vectors, residuals, nodes, weights)


def _block(size: int) -> int:
    return 32 if size > 1000 else 8


def _iterated(
    operator: Operator, product: Product, k: int, order: Order, settings: _Settings
) -> tuple[Host, Host, Host, Host, Host]:
    dtype, working = _precision(operator, product, order, settings.tol)
    checkpoint = None
    if settings.checkpoint is not None:
        run = {"operator": operator.fingerprint()}
        checkpoint = Checkpoint(settings.checkpoint, run, settings.checkpoint_every)
    found = lanczos_eigenpairs(
        working,
        operator.size,
        k,
        tol=settings.tol,
        order=order,
        dtype=dtype,
        block=_block(operator.size),
        max_products=settings.max_products,
        max_basis=settings.max_basis,
        checkpoint=checkpoint,
    )
    values, residuals = _polished(product, found.values, found.vectors)
    scale = np.abs(values).max()
    # Estimates and residuals differ by rounding; both count.
    relative = np.maximum(found.residuals, residuals / 1.5) / scale
    missed = int((relative > settings.tol).sum())
    if missed:
        message = (
            f"{missed} of {k} eigenpairs did not reach a residual of {settings.tol:g} lambda_1 (worst: "
            f"{relative.max():.1e}) in {found.products} products. Ask for fewer pairs, for a larger "
            "`tol` or for more `max_products`."
        )
        if settings.require_convergence:
            raise RuntimeError(message)
        warnings.warn(message, RuntimeWarning, stacklevel=4)
    return values, found.vectors, residuals, found.nodes, found.weights


def _precision(operator: Operator, product: Product, order: Order, tol: float) -> tuple[type, Product]:
    """Return float32 and products in it where residuals of `tol` allow that, else float64 and `product`.

    Products are rounded at the size of the largest eigenvalue of either sign, maybe tens of `lambda_1`.
    """
    if tol < 1e-6:
        return np.float64, product
    single = operator.host_product(np.float32)
    ends = _ends(single, operator.size, 1e-3, np.float32)
    suffices = tol * abs(ends[order(ends)[0]]) >= 8 * np.finfo(np.float32).eps * np.abs(ends).max()
    return (np.float32, single) if suffices else (np.float64, product)


def spectrum_ends(operator: Operator) -> tuple[float, float]:
    """Return the largest and the smallest eigenvalue, to 1e-6 of the larger in size at least."""
    if operator.size <= 500:
        values: Host = scipy.linalg.eigvalsh(operator.dense())
        return float(values[-1]), float(values[0])
    largest, smallest = _ends(operator.host_product(np.float64), operator.size, 1e-6, np.float64)
    return float(largest), float(smallest)


def _ends(product: Product, size: int, tol: float, dtype: type) -> Host:
    """Return the largest and the smallest eigenvalue, with residuals of `tol` of the larger in size."""
    settings: dict[str, Any] = {"order": both_ends, "dtype": dtype, "block": 8, "max_basis": 128}
    return lanczos_eigenpairs(product, size, 2, tol=tol, **settings).values


def _polished(product: Product, values: Host, vectors: Host) -> tuple[Host, Host]:
    """Return Rayleigh quotients and residual norms in float64; normalise the vectors in place.

    The entry of largest size of each becomes positive. Rayleigh quotients have twice the vectors' digits.
    """
    values, residuals = values.copy(), np.empty(len(values))
    for at in range(0, len(values), 32):
        some = slice(at, at + 32)
        block = np.ascontiguousarray(vectors[:, some])
        block /= np.linalg.norm(block, axis=0) * peak_signs(block)
        image = product(block)
        values[some] = np.einsum("ij,ij->j", block, image)
        residuals[some] = np.linalg.norm(image - block * values[some], axis=0)
        vectors[:, some] = block
    return values, residuals
