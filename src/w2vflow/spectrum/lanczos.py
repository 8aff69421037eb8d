"""Block Lanczos with thick restarts: eigenpairs at the ends of a symmetric operator."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import scipy.linalg

from w2vflow.support.arguments import checked
from w2vflow.support.checkpoint import Checkpoint
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import check_fits

__all__ = ["Eigenpairs", "algebraic", "both_ends", "by_size", "check_symmetric", "lanczos_eigenpairs"]

Product = Callable[[np.ndarray], np.ndarray]
Order = Callable[[np.ndarray], np.ndarray]

_FIGURES = ("used", "products", "worst", "saved")  # of the state, beside its arrays
_TINY = np.finfo(np.float64).tiny
_THIN = 0.2  # columns that small beside others of their block are orthogonalised once more
_ROWS = 8192  # taken at a time where a change of basis would else need a copy of all


def algebraic(values: np.ndarray) -> np.ndarray:
    """Return the places of the values, largest first."""
    return np.argsort(-values, kind="stable")


def by_size(values: np.ndarray) -> np.ndarray:
    """Return the places of the values, largest `|value|` first."""
    return np.argsort(-np.abs(values), kind="stable")


def both_ends(values: np.ndarray) -> np.ndarray:
    """Return the places of the values: largest, smallest, second largest, second smallest, ..."""
    falling = algebraic(values)
    places = np.empty_like(falling)
    places[::2], places[1::2] = falling[: (len(values) + 1) // 2], falling[::-1][: len(values) // 2]
    return places


class Eigenpairs(NamedTuple):
    """What `lanczos_eigenpairs` found.

    Attributes:
        values: eigenvalues, `(k,)`, in the order asked for.
        vectors: orthonormal eigenvectors as columns, float64 `(size, k)`.
        residuals: estimated residual norms, `(k,)`.
        nodes, weights: `(m,)`, quadrature of the spectral density of all other eigenvalues, nodes
            falling; the weights sum to `size - k`.
        products: how many vectors the operator was applied to.
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    nodes: np.ndarray
    weights: np.ndarray
    products: int


@checked
def lanczos_eigenpairs(
    product: Product,
    size: int,
    k: int,
    *,
    tol: float,
    order: Order = algebraic,
    dtype: type = np.float64,
    block: int = 32,
    max_products: int | None = None,
    max_basis: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> Eigenpairs:
    """Return the first `k` eigenpairs in the given order by block Lanczos with thick restarts.

    The operator is applied to `block` vectors at a time. The basis is orthogonalised in full, so that
    no eigenvalue appears twice; when it is full, the best Ritz vectors are kept and it grows on from
    there. The start is fixed: the result is reproducible.

    The Ritz values `theta_j` of the first cycle, before any restart, come with the weights
    `size / block * ||first rows of s_j||^2` (`s_j` the eigenvectors of the projected operator,
    rows of the random start): block Gauss quadrature of the trace of any smooth function. Where a
    Ritz value is an eigenvalue by its own residual, its weight is set to the exact 1.

    Args:
        product: applies the operator to C-contiguous `(size, block)` vectors of `dtype`.
        size: dimension of the operator, at least `k + 5 block`.
        k: how many pairs.
        tol: largest residual norm wanted, over the largest eigenvalue in size; in float32 from 1e-6 on.
        order: ranks the eigenvalues: `algebraic`, `by_size` or `both_ends`.
        dtype: of the vectors; projected matrices are float64.
        block: vectors in a block.
        max_products: as in `leading_eigenpairs`.
        max_basis: how many vectors to hold at most, at least `k + 5 block`, by default `3 k + 5 block`.
        checkpoint: for the state, when due and at each restart, as in `leading_eigenpairs`; its `run`
            identifies the operator. Kept where the products did not suffice.

    Raises:
        ValueError: too many pairs for the size; a basis that does not fit into memory; or a
            checkpoint of another run.

    References:
        Golub and Underwood (1977), block Lanczos; Wu and Simon (2000), thick restart; Golub and
        Meurant (2010), chapter 6, block Gauss quadrature.
    """
    capacity = _capacity(size, k, block, max_basis, np.dtype(dtype).itemsize)
    limit = max_products or 100 * k + 10_000
    state = _State.begin(size, capacity, block, dtype)
    if checkpoint is not None:
        own = {"size": size, "k": k, "tol": tol, "order": order.__name__, "dtype": np.dtype(dtype).name}
        checkpoint = replace(checkpoint, run=checkpoint.run | own | {"block": block, "capacity": capacity})
        state.load(checkpoint)
    while True:
        exhausted = state.products >= limit and state.used >= k + block
        full = state.used + 2 * block > capacity
        if full or exhausted or (state.used >= 2 * k and state.hopeful(tol)):
            values, ritz, residuals = state.solve(order)
            state.worst = float(residuals[:k].max() / max(np.abs(values[:k]).max(), _TINY))
            done = state.worst <= tol
            if done or exhausted:
                break
            if full:
                if not len(state.nodes):
                    state.nodes, state.weights = state.density(values, ritz, residuals, k)
                state.restart(values, ritz, min(state.used, k + 3 * block))
        if checkpoint is not None and (full or checkpoint.due()):
            state.save(checkpoint)
        state.extend(product)
    if checkpoint is not None and done:
        checkpoint.remove()
    elif checkpoint is not None:
        state.save(checkpoint)
    # Not into the state: a run that goes on with more products measures a longer first cycle.
    first_cycle = not len(state.nodes)
    density = state.density(values, ritz, residuals, k) if first_cycle else (state.nodes, state.weights)
    return Eigenpairs(values[:k], state.vectors(ritz[:, :k]), residuals[:k], *density, state.products)


def check_symmetric(product: Product, size: int, dtype: type) -> None:
    """Raise `ValueError` unless `x^T A y = y^T A x` for four pairs of random vectors, up to rounding.

    A part `E` of `A - A^T` is noticed from about `||E||_F = 1e-6 ||A||_F` on (1e-4 in float32).
    """
    vectors: np.ndarray = np.random.default_rng(2).standard_normal((size, 8)).astype(dtype)
    images = np.asarray(product(vectors))
    if images.shape != vectors.shape:
        raise argument_error("product", f"of shape {vectors.shape}", f"shape {images.shape}")
    if not np.isfinite(images).all():
        remedy = "Check the entries of the operator."
        raise argument_error("product", "finite", "NaN or infinite entries", remedy)
    one, other = vectors[:, :4].astype(np.float64), vectors[:, 4:].astype(np.float64)
    of_one, of_other = images[:, :4].astype(np.float64), images[:, 4:].astype(np.float64)
    difference = np.abs((one * of_other).sum(axis=0) - (other * of_one).sum(axis=0))
    # For independent entries x^T A y is of the size of ||A y||, not of ||x|| ||A y||.
    scale = np.maximum(np.linalg.norm(of_one, axis=0), np.linalg.norm(of_other, axis=0))
    worst = float((difference / np.where(scale > 0, scale, 1)).max())
    if worst > max(1e-6, 1e3 * float(np.finfo(dtype).eps)):
        got = f"x^T A y and y^T A x that differ by {worst:.1e} of their size"
        remedy = "Symmetrise it, `(A + A.T) / 2`: Lanczos iterations find no other eigenvalues."
        raise argument_error("product", "of a symmetric operator", got, remedy)


def _capacity(size: int, k: int, block: int, max_basis: int | None, itemsize: int) -> int:
    """Return how many vectors the basis holds, after checking that this is possible."""
    least = k + 5 * block
    if size < least:
        raise argument_error("k", f"at most {size - 5 * block} to iterate in dimension {size}", k)
    if max_basis is not None and max_basis < least:
        raise argument_error("max_basis", f"at least {least} for {k} pairs", max_basis)
    capacity = min(max_basis or 3 * k + 5 * block, size)
    # A few blocks at work beside the basis; at the end, the pairs in float64.
    need = size * (itemsize * (capacity + 6 * block) + 8 * k) + 5 * 8 * capacity**2
    remedy = f"Ask for fewer pairs, a `tol` from 1e-6 on (float32), or a smaller `max_basis` (from {least})."
    check_fits("k", f"a basis of {capacity} vectors over {size} words", need, remedy)
    return capacity


@dataclass
class _State:
    """The basis `Q` and the projected operator `T = Q^T A Q` between two products.

    Attributes:
        basis: `(size, capacity)`; `used` columns are complete, the `block` after them come next.
        projected: `(capacity, capacity)`; in rows and columns of the next block, its coupling to
            the complete ones.
        products: vectors the operator was applied to.
        nodes, weights: of the quadrature, once the first cycle is over.
        worst: residual of the wanted pairs, over the largest of them, when last looked at.
        saved: columns of the basis that the last state left in a checkpoint holds, piece by piece.
    """

    basis: np.ndarray
    projected: np.ndarray
    block: int
    used: int = 0
    products: int = 0
    nodes: np.ndarray = field(default_factory=lambda: np.zeros(0))
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))
    worst: float = -1.0
    saved: list[int] = field(default_factory=list)

    @classmethod
    def begin(cls, size: int, capacity: int, block: int, dtype: type) -> "_State":
        state = cls(np.empty((size, capacity), dtype, order="F"), np.zeros((capacity, capacity)), block)
        start = np.random.default_rng(0).standard_normal((size, block))
        state.basis[:, :block] = _orthonormal(start)[0]
        return state

    def extend(self, product: Product) -> None:
        """Apply the operator to the next block, and find the block after it."""
        end = self.used + self.block
        new = slice(self.used, end)
        next_block = np.ascontiguousarray(self.basis[:, new])
        rest = np.array(product(next_block), self.basis.dtype, order="F")
        # What the recurrence knows goes first; what is left is so small against the old basis that
        # one pass of full orthogonalisation does what would else take two.
        coefficients = self.projected[:end, new].copy()
        known = np.flatnonzero(coefficients.any(axis=1))
        first = known[0] if len(known) else end
        rest -= self.basis[:, first:end] @ coefficients[first:].astype(rest.dtype)
        own = self.basis[:, new].T @ rest
        rest -= self.basis[:, new] @ own
        coefficients[self.used :] += own
        more = self.basis[:, :end].T @ rest
        rest -= self.basis[:, :end] @ more
        coefficients += more
        self.projected[:end, new] = coefficients
        self.projected[new, :end] = coefficients.T
        self.used = end
        self.products += self.block
        # Entries of the projected operator are of its size: rounding errors are relative to that.
        following, coupling = self._following(rest, float(np.abs(self.projected[:end, :end]).max()))
        after = slice(end, end + self.block)
        self.basis[:, after] = following
        self.projected[after, new] = coupling
        self.projected[new, after] = coupling.T

    def _following(self, rest: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Return orthonormal `F`, orthogonal to the basis, and `C` with `rest = F C`.

        Where the rest has lost rank, random vectors fill up, which nothing couples to.
        """
        following, coupling = _orthonormal(rest)
        left, sizes, right = np.linalg.svd(coupling)
        eps = float(np.finfo(rest.dtype).eps)
        if sizes[-1] > max(_THIN * sizes[0], 1e3 * eps * scale):
            return following, coupling
        # Normalising small columns has magnified what rounding left of the basis in them.
        following = following @ left.astype(rest.dtype)
        coupling = sizes[:, None] * right
        lost = sizes <= 4 * eps * scale
        coupling[lost] = 0
        draw = np.random.default_rng([1, self.products])
        following[:, lost] = draw.standard_normal((len(rest), lost.sum())) / np.sqrt(len(rest))
        basis = self.basis[:, : self.used]
        kept = 0.0
        while kept < 0.5:
            following -= basis @ (basis.T @ following)
            following, turn = _orthonormal(following)
            coupling = turn @ coupling
            # Where this took half of a column, what is left is to be cleaned once more.
            kept = float(np.linalg.svd(turn, compute_uv=False)[-1])
        return following, coupling

    def hopeful(self, tol: float) -> bool:
        """Return whether the pairs may be done, as far as it can be told without a look, which is costly."""
        return self.used // self.block % 2 == 0 and self.worst <= 30 * tol

    def solve(self, order: Order) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return Ritz values in the given order, their vectors in the basis, and residual norms."""
        # Divide and conquer: its vectors are orthogonal to more digits than those of the default driver.
        values, ritz = scipy.linalg.eigh(self.projected[: self.used, : self.used], driver="evd")
        places = order(values)
        values, ritz = values[places], ritz[:, places]
        coupling = self.projected[self.used : self.used + self.block, : self.used]
        return values, ritz, np.linalg.norm(coupling @ ritz, axis=0)

    def density(
        self, values: np.ndarray, ritz: np.ndarray, residuals: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return nodes and weights of all eigenvalues but those that the first `k` values stand for."""
        size = len(self.basis)
        weights = size / self.block * np.square(ritz[: self.block]).sum(axis=0)
        falling = algebraic(values)
        steps = np.concatenate([[np.inf], -np.diff(values[falling]), [np.inf]])
        gaps = np.empty(len(values))
        gaps[falling] = np.minimum(steps[1:], steps[:-1])
        single = residuals < 0.1 * gaps
        nodes, weights, single = values[k:], weights[k:], single[k:]
        if size - k > single.sum() and weights[~single].sum() > 0:
            weights[~single] *= (size - k - single.sum()) / weights[~single].sum()
            weights[single] = 1
        else:
            # Nothing to tell them by: all nodes are eigenvalues, or one eigenvalue is all there is.
            weights = np.full(len(nodes), (size - k) / len(nodes))
        falling = algebraic(nodes)
        return nodes[falling], weights[falling]

    def restart(self, values: np.ndarray, ritz: np.ndarray, kept: int) -> None:
        """Go on from the first `kept` Ritz vectors, and from the next block."""
        used, end = self.used, kept + self.block
        coupling = self.projected[used : used + self.block, :used] @ ritz[:, :kept]
        turn = ritz[:, :kept].astype(self.basis.dtype)
        for at in range(0, len(self.basis), _ROWS):
            rows = self.basis[at : at + _ROWS]
            rows[:, :kept] = rows[:, :used] @ turn
        self.basis[:, kept:end] = self.basis[:, used : used + self.block]
        self.projected[:] = 0
        self.projected[np.arange(kept), np.arange(kept)] = values[:kept]
        self.projected[kept:end, :kept] = coupling
        self.projected[:kept, kept:end] = coupling.T
        self.used = kept
        self.saved = []

    def vectors(self, ritz: np.ndarray) -> np.ndarray:
        """Return the Ritz vectors in float64, by their coordinates in the basis."""
        vectors = np.empty((len(self.basis), ritz.shape[1]))
        turn = ritz.astype(self.basis.dtype)
        for at in range(0, len(vectors), _ROWS):
            vectors[at : at + _ROWS] = self.basis[at : at + _ROWS, : self.used] @ turn
        return vectors

    def save(self, checkpoint: Checkpoint) -> None:
        """Leave the state in the checkpoint; of the basis, only what is new since the last one."""
        end = self.used + self.block
        start = sum(self.saved)
        unchanged = [f"basis-{piece}" for piece in range(len(self.saved))]
        arrays = {"projected": self.projected[:end, :end], "nodes": self.nodes, "weights": self.weights}
        if start < end:
            arrays[f"basis-{len(self.saved)}"] = self.basis[:, start:end]
            self.saved = [*self.saved, end - start]
        checkpoint.save(arrays, {name: getattr(self, name) for name in _FIGURES}, unchanged=unchanged)

    def load(self, checkpoint: Checkpoint) -> None:
        """Take over the state in the checkpoint, if there is one."""
        found = checkpoint.load()
        if found is None:
            return
        arrays, state = found
        for name in _FIGURES:
            setattr(self, name, state[name])
        end = self.used + self.block
        self.projected[:end, :end] = arrays["projected"]
        self.nodes, self.weights = np.array(arrays["nodes"]), np.array(arrays["weights"])
        at = 0
        for piece, columns in enumerate(self.saved):
            self.basis[:, at : at + columns] = arrays[f"basis-{piece}"]
            at += columns


def _orthonormal(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return orthonormal `Q` and `C` with `block = Q C`, `Q` near a block that is near orthonormal.

    By the root of the float64 Gram matrix (Loewdin), or by reflections where that has no digits left.
    """
    gram = np.zeros((block.shape[1], block.shape[1]))
    for at in range(0, len(block), _ROWS):
        rows = block[at : at + _ROWS].astype(np.float64)
        gram += rows.T @ rows
    values, turns = scipy.linalg.eigh(gram, driver="evd")
    if not values[0] > 1e-12 * values[-1]:
        reflected, triangle = np.linalg.qr(block)
        return reflected, triangle.astype(np.float64)
    roots = np.sqrt(values)
    scaled, root = block @ ((turns / roots) @ turns.T).astype(block.dtype), (turns * roots) @ turns.T
    if values[0] > 0.1 * values[-1]:
        return scaled, root
    # The error is that of rounding times the condition of the Gram matrix: near 1 the second time.
    again, turn = _orthonormal(scaled)
    return again, turn @ root
