"""Block Lanczos with thick restarts: eigenpairs at the ends of a symmetric operator."""

import time
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from w2vflow.problem import Operator
from w2vflow.spectrum.iteration import (
    Limits,
    Plan,
    Progress,
    iterated,
    none_yet,
    orthonormal,
    ritz_vectors,
)
from w2vflow.spectrum.ranking import Order, algebraic
from w2vflow.support.arguments import checked
from w2vflow.support.checkpoint import Checkpoint
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import check_fits
from w2vflow.support.sharding import ROWS, in_words, on_devices, to_host, to_rows

__all__ = ["Eigenpairs", "check_symmetric", "lanczos_eigenpairs"]

_WHOLE = PartitionSpec()
_FIGURES = ("used", "kept", "products", "worst", "full", "done")  # of the state, beside its arrays
_ARRAYS = ("projected", "values", "ritz", "residuals", "nodes", "weights")


class Eigenpairs(NamedTuple):
    """What `lanczos_eigenpairs` found.

    Attributes:
        values: eigenvalues, `(k,)`, in the order asked for.
        vectors: orthonormal eigenvectors as columns, `(size, k)`.
        residuals: estimated residual norms, `(k,)`.
        nodes, weights: `(m,)`, quadrature of the spectral density of all other eigenvalues, nodes
            falling; the weights sum to `size - k`. Nodes of weight 0 fill up.
        products: how many vectors the operator was applied to.
    """

    values: Float[Array, " k"]
    vectors: Float[Array, "n k"]
    residuals: Float[Array, " k"]
    nodes: Float[Array, " m"]
    weights: Float[Array, " m"]
    products: Float[Array, ""]


@checked
def lanczos_eigenpairs(
    operator: Operator,
    k: int,
    *,
    tol: float,
    order: Order = algebraic,
    block: int = 32,
    max_products: int | None = None,
    max_basis: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> Eigenpairs:
    """Return the first `k` eigenpairs in the given order by block Lanczos with thick restarts.

    The operator is applied to `block` vectors at a time, in its own precision and on its own devices; the
    whole iteration is one compiled loop. The basis is orthogonalised in full, so that no eigenvalue appears
    twice; when it is full, the best Ritz vectors are kept and it grows on from there. The start is fixed:
    the result is reproducible.

    The Ritz values `theta_j` of the first cycle, before any restart, come with the weights
    `size / block * ||first rows of s_j||^2` (`s_j` the eigenvectors of the projected operator,
    rows of the random start): block Gauss quadrature of the trace of any smooth function. Where a
    Ritz value is an eigenvalue by its own residual, its weight is set to the exact 1.

    Args:
        operator: symmetric, of a size of at least `k + 5 block`.
        k: how many pairs.
        tol: largest residual norm wanted, over the largest eigenvalue in size; in float32 from 1e-6 on.
        order: ranks the eigenvalues: `algebraic`, `by_size` or `both_ends`.
        block: vectors in a block.
        max_products: as in `leading_eigenpairs`.
        max_basis: how many vectors to hold at most, at least `k + 5 block`, by default `3 k + 5 block`.
        checkpoint: for the state, when due, as in `leading_eigenpairs`; its `run` identifies the operator.
            Kept where the products did not suffice. Of a known operator only.

    Raises:
        ValueError: too many pairs for the size; a basis that does not fit into memory; or a
            checkpoint of another run.

    References:
        Golub and Underwood (1977), block Lanczos; Wu and Simon (2000), thick restart; Golub and
        Meurant (2010), chapter 6, block Gauss quadrature.
    """
    capacity = _capacity(operator, k, block, max_basis)
    plan = Plan(operator.size, k, block, capacity, order, operator.mesh)
    most = (max_products or 100 * k + 10_000, np.iinfo(np.int32).max)
    limits = Limits(jnp.asarray(tol, jnp.zeros(()).dtype), *(jnp.asarray(one, jnp.int32) for one in most))
    if checkpoint is None:
        done = _advanced((operator, plan, limits, none_yet(plan)), _begun(operator, plan))
        return _found(plan, *done)
    own = {"size": operator.size, "k": k, "tol": tol, "order": order.__name__, "dtype": operator.dtype.name}
    run = checkpoint.run | own | {"block": block, "capacity": capacity}
    return _with_states(operator, plan, limits, replace(checkpoint, run=run))


def check_symmetric(operator: Operator) -> None:
    """Raise `ValueError` unless `x^T A y = y^T A x` for four pairs of random vectors, up to rounding.

    A part `E` of `A - A^T` is noticed from about `||E||_F = 1e-6 ||A||_F` on (1e-4 in float32).
    """
    vectors: np.ndarray = np.random.default_rng(2).standard_normal((operator.size, 8)).astype(operator.dtype)
    images = np.asarray(operator.product(vectors))
    if not np.isfinite(images).all():
        remedy = "Check the entries of the operator."
        raise argument_error("problem", "of finite products with M*", "NaN or infinite entries", remedy)
    one, other = vectors[:, :4].astype(np.float64), vectors[:, 4:].astype(np.float64)
    of_one, of_other = images[:, :4].astype(np.float64), images[:, 4:].astype(np.float64)
    difference = np.abs((one * of_other).sum(axis=0) - (other * of_one).sum(axis=0))
    # For independent entries x^T A y is of the size of ||A y||, not of ||x|| ||A y||.
    scale = np.maximum(np.linalg.norm(of_one, axis=0), np.linalg.norm(of_other, axis=0))
    worst = float((difference / np.where(scale > 0, scale, 1)).max())
    if worst > max(1e-6, 1e3 * float(np.finfo(operator.dtype).eps)):
        got = f"x^T A y and y^T A x that differ by {worst:.1e} of their size"
        remedy = "Symmetrise it, `(A + A.T) / 2`: Lanczos iterations find no other eigenvalues."
        raise argument_error("problem", "of a symmetric M*", got, remedy)


def _capacity(operator: Operator, k: int, block: int, max_basis: int | None) -> int:
    """Return how many vectors the basis holds, after checking that this is possible."""
    size, least = operator.size, k + 5 * block
    if size < least:
        raise argument_error("k", f"at most {size - 5 * block} to iterate in dimension {size}", k)
    if max_basis is not None and max_basis < least:
        raise argument_error("max_basis", f"at least {least} for {k} pairs", max_basis)
    capacity = min(max_basis or 3 * k + 5 * block, size)
    # A few blocks at work beside the basis; at the end, the pairs; the projected matrix and its vectors.
    need = size * operator.dtype.itemsize * (capacity + 6 * block + 2 * k) + 8 * 8 * capacity**2
    remedy = f"Ask for fewer pairs, a `tol` from 1e-6 on (float32), or a smaller `max_basis` (from {least})."
    check_fits("k", f"a basis of {capacity} vectors over {size} words", need, remedy)
    return capacity


@eqx.filter_jit
def _begun(operator: Operator, plan: Plan) -> Float[Array, "P m"]:
    """Return a basis whose first block is random and orthonormal."""
    drawn = jax.random.normal(jax.random.key(0), (plan.size, plan.block), operator.dtype)

    def first(start: Array) -> Array:
        rest = jnp.zeros((len(start), plan.capacity - plan.block), start.dtype)
        return jnp.concatenate([orthonormal(start, plan.mesh)[0], rest], axis=1)

    return on_devices(first, plan.mesh, (ROWS,), ROWS)(to_rows(drawn, plan.mesh))


@eqx.filter_jit(donate="all-except-first")
def _advanced(
    task: tuple[Operator, Plan, Limits, Progress], basis: Float[Array, "P m"]
) -> tuple[Float[Array, "P m"], Progress]:
    """Go on with an iteration; the basis given is used up."""
    operator, plan, limits, known = task

    def run(operator: Operator, limits: Limits, basis: Array, known: Progress) -> tuple[Array, Progress]:
        return iterated(operator.local_product, plan, limits, basis, known)

    partitions = (ROWS, _WHOLE, ROWS, _WHOLE)
    return on_devices(run, plan.mesh, partitions, (ROWS, _WHOLE))(operator, limits, basis, known)


@eqx.filter_jit
def _found(plan: Plan, basis: Float[Array, "P m"], known: Progress) -> Eigenpairs:
    vectors = on_devices(
        lambda basis, known: ritz_vectors(plan, basis, known), plan.mesh, (ROWS, _WHOLE), ROWS
    )(basis, known)
    k, products = plan.k, known.products.astype(known.values.dtype)
    found = in_words(vectors, plan.size, plan.mesh)
    return Eigenpairs(known.values[:k], found, known.residuals[:k], known.nodes, known.weights, products)


def _with_states(operator: Operator, plan: Plan, limits: Limits, checkpoint: Checkpoint) -> Eigenpairs:
    """Return the pairs; the state is left in the checkpoint whenever it is due."""
    states = _States(checkpoint, plan)
    basis, known = states.load(_begun(operator, plan), none_yet(plan))
    steps = 1
    while not known.done:
        began, until = time.monotonic(), int(known.products) + steps * plan.block
        task = operator, plan, limits._replace(until=jnp.asarray(until, jnp.int32)), known
        basis, known = jax.block_until_ready(_advanced(task, basis))
        # As many steps as fit into the time between two states, told by the last ones.
        took = max(time.monotonic() - began, 1e-9)
        steps = max(1, min(2 * steps, int(steps * checkpoint.every / took)))
        if known.done or checkpoint.due():
            # A call that allows more products goes on where this one has used up its own.
            converged = known.done & ((known.products < limits.products) | (known.worst <= limits.tol))
            states.save(basis, known._replace(done=converged))
    if known.worst <= limits.tol:
        checkpoint.remove()
    return _found(plan, basis, known)


class _States:
    """States in a checkpoint; of the basis, a save writes only what is new since the last one.

    Attributes:
        pieces: columns of the basis that the last state holds, piece by piece.
        kept: of the progress to which these belong.
    """

    def __init__(self, checkpoint: Checkpoint, plan: Plan) -> None:
        self.checkpoint, self.plan = checkpoint, plan
        self.pieces: list[int] = []
        self.kept = (0, 0)

    def save(self, basis: Array, known: Progress) -> None:
        end = int(known.used) + self.plan.block
        # A restart changes all columns.
        cycle = (int(known.kept), int(known.products) - int(known.used))
        if cycle != self.kept:
            self.pieces, self.kept = [], cycle
        start = sum(self.pieces)
        unchanged = [f"basis-{piece}" for piece in range(len(self.pieces))]
        arrays = {name: np.asarray(getattr(known, name)) for name in _ARRAYS}
        if start < end:
            new = basis[:, start:end]
            arrays[f"basis-{len(self.pieces)}"] = to_host(in_words(new, self.plan.size, self.plan.mesh))
            self.pieces = [*self.pieces, end - start]
        figures: dict[str, Any] = {name: getattr(known, name).item() for name in _FIGURES}
        figures |= {"pieces": self.pieces, "cycle": self.kept}
        self.checkpoint.save(arrays, figures, unchanged=unchanged)

    def load(self, basis: Array, known: Progress) -> tuple[Array, Progress]:
        """Return the state in the checkpoint, or what was begun if there is none."""
        found = self.checkpoint.load()
        if found is None:
            return basis, known
        arrays, state = found
        self.pieces, self.kept = list(state["pieces"]), tuple(state["cycle"])
        columns = [arrays[f"basis-{piece}"] for piece in range(len(self.pieces))]
        whole = np.concatenate(columns, axis=1)
        rest: np.ndarray = np.zeros((len(whole), self.plan.capacity - whole.shape[1]), whole.dtype)
        named: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        named |= {name: state[name] for name in _FIGURES}
        changed = {name: jnp.asarray(value, getattr(known, name).dtype) for name, value in named.items()}
        spread = to_rows(np.concatenate([whole, rest], axis=1), self.plan.mesh)
        return spread, known._replace(**changed)
