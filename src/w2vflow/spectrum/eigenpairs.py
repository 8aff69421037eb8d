"""Leading and extreme eigenpairs of `M*`, and both ends of its spectrum."""

import os
import warnings
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from threadpoolctl import threadpool_limits

from w2vflow.problem import Operator, Problem
from w2vflow.spectrum.derivatives import Wanted, all_eigenpairs, polished, some_eigenpairs
from w2vflow.spectrum.lanczos import Eigenpairs, check_symmetric, lanczos_eigenpairs
from w2vflow.spectrum.origin import origin_of
from w2vflow.spectrum.ranking import Order, algebraic, both_ends, by_size
from w2vflow.spectrum.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known, out_of_trace
from w2vflow.support.checkpoint import Checkpoint
from w2vflow.support.checks import argument_error

__all__ = ["extreme_eigenpairs", "leading_eigenpairs", "learned_eigenpairs", "spectrum_ends"]

# Up to this size, and from this share of all pairs on, a direct solver is faster than iterating.
_DIRECT_UP_TO, _DIRECT_FROM = 500, 10
_ROUGH_STEPS = 32


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
    """Return the `k` algebraically largest eigenpairs of `M*`.

    Negative eigenvalues, however large in size, come last: tied weights never learn them. With
    `k = problem.vocab_size` the whole eigenbasis comes from a direct solver; few pairs of a large matrix
    come from block Lanczos with a fixed start, so that the result is reproducible.

    Differentiable in the problem. Equal eigenvalues are each given the derivative of their mean, which
    alone has one, as their plane has among what their vectors say. The density of a rest that was not
    computed has none.

    Args:
        k: how many pairs.
        tol: largest residual norm wanted, over `lambda_1`; of a float32 problem 1e-6 at least. From 1e-6
            on, a known float64 problem is iterated on in float32, in half the time, where `lambda_min` is
            not so large in size that rounding errors would show; the pairs are float64 all the same.
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
        RuntimeWarning: some pairs of a known problem did not reach `tol`; the `residuals` say which.

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
    if is_known(operator):
        # Found once, where a function of something else is traced.
        with out_of_trace():
            check_symmetric(operator)
            found = _pairs_of(operator, k, order, settings)
            return replace(found, origin=origin_of(problem.describe()))
    if settings.checkpoint is not None:
        remedy = "Find the pairs outside of `jit`, `vmap` or `grad`, and pass them on."
        raise argument_error("checkpoint", "left out where the problem is traced", "a folder", remedy)
    return _pairs_of(operator, k, order, settings)


def _pairs_of(operator: Operator, k: int, order: Order, settings: _Settings) -> Spectrum:
    size = operator.size
    if size <= _DIRECT_UP_TO or k >= size // _DIRECT_FROM:
        try:
            return _direct(operator.dense(), k, order)
        except ValueError:
            if k + 5 * _block(size) > size:
                raise
    tol = settings.tol if operator.dtype == np.float64 else max(settings.tol, 1e-6)
    wanted = Wanted(k, order, tol, _block(size), settings.max_products, settings.max_basis)
    if not is_known(operator):
        return _spectrum(some_eigenpairs(operator, wanted=wanted), order)
    # LAPACK's threads get in each other's way on the small matrices of an iteration.
    with threadpool_limits(1, "blas"):
        return _spectrum(_iterated(operator, wanted, settings), order)


def _block(size: int) -> int:
    return 32 if size > 1000 else 8


@eqx.filter_jit
def _direct(matrix: Float[Array, "V V"], k: int, order: Order) -> Spectrum:
    values, vectors, residuals = all_eigenpairs(matrix, order=order, k=k)
    rest = values[k:]
    rest = rest[algebraic(rest)]
    return Spectrum(values[:k], vectors[:, :k], residuals, rest, jnp.ones_like(rest))


def _iterated(operator: Operator, wanted: Wanted, settings: _Settings) -> Eigenpairs:
    """Return pairs of a known operator, with a warning or an error where some are not good enough."""
    if _single_suffices(operator, wanted):
        wanted = wanted._replace(single=True)
    kept = None
    if settings.checkpoint is not None:
        run = {"operator": operator.fingerprint()}
        kept = Checkpoint(settings.checkpoint, run, settings.checkpoint_every)
    found = polished(operator, lanczos_eigenpairs(wanted.of(operator), **wanted.sizes(), checkpoint=kept))
    # Estimates, by which the iteration stops, differ from residuals by rounding.
    worst = np.asarray(found.residuals) / 1.5 / np.abs(found.values).max()
    missed = int((worst > wanted.tol).sum())
    if missed:
        message = (
            f"{missed} of {wanted.k} eigenpairs did not reach a residual of {wanted.tol:g} lambda_1 (worst: "
            f"{worst.max():.1e}) in {int(found.products)} products. Ask for fewer pairs, for a larger "
            "`tol` or for more `max_products`."
        )
        if settings.require_convergence:
            raise RuntimeError(message)
        warnings.warn(message, RuntimeWarning, stacklevel=6)
    return found


def _single_suffices(operator: Operator, wanted: Wanted) -> bool:
    """Return whether residuals wanted of a float64 operator can be had from products in float32.

    Those are rounded at the size of the largest eigenvalue of either sign, maybe tens of `lambda_1`.
    """
    if wanted.tol < 1e-6 or operator.dtype == np.float32:
        return False
    ends = np.asarray(_rough_ends(operator.astype(np.float32)))
    leading = abs(ends[np.asarray(wanted.order(ends))[0]])
    return bool(wanted.tol * leading >= 8 * np.finfo(np.float32).eps * np.abs(ends).max())


def spectrum_ends(operator: Operator) -> Float[Array, "2"]:
    """Return the largest and the smallest eigenvalue, to 1e-6 of the larger in size at least."""
    if operator.size <= _DIRECT_UP_TO:
        return jnp.linalg.eigvalsh(operator.dense(), symmetrize_input=False)[jnp.array([-1, 0])]
    return some_eigenpairs(operator, wanted=Wanted(2, both_ends, 1e-6, 8, None, 128)).values


@eqx.filter_jit
def _rough_ends(operator: Operator) -> Float[Array, "2"]:
    """Return the largest and the smallest eigenvalue to some per cent, by Lanczos of a single vector."""
    start = jax.random.normal(jax.random.key(0), (operator.size, 1), operator.dtype)

    def step(
        now: tuple[Array, Array, Array], _: None
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        last, own, coupling = now
        image = operator.product(own) - coupling * last
        diagonal = jnp.sum(own * image)
        image = image - diagonal * own
        coupling = jnp.linalg.norm(image)
        return (own, image / jnp.maximum(coupling, jnp.finfo(image.dtype).tiny), coupling), (
            diagonal,
            coupling,
        )

    begin = jnp.zeros_like(start), start / jnp.linalg.norm(start), jnp.zeros((), start.dtype)
    _, (diagonal, coupling) = jax.lax.scan(step, begin, length=_ROUGH_STEPS)
    tridiagonal = jnp.diag(diagonal) + jnp.diag(coupling[:-1], 1) + jnp.diag(coupling[:-1], -1)
    return jnp.linalg.eigvalsh(tridiagonal)[jnp.array([-1, 0])]


@eqx.filter_jit
def _spectrum(found: Eigenpairs, order: Order) -> Spectrum:
    # Values that are equal but for rounding may have changed places.
    places = order(found.values)
    pairs = found.values[places], found.vectors[:, places], found.residuals[places]
    return Spectrum(*pairs, found.nodes.astype(pairs[0].dtype), found.weights.astype(pairs[0].dtype))
