"""Block Lanczos with thick restarts as a pure function: the basis, its extension, its restarts.

Vectors are rows of a device's words times columns of the basis; all else is small, and the same on
every device. Nothing leaves the devices.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from w2vflow.spectrum.ranking import Order
from w2vflow.support.sharding import all_sum, matmul

__all__ = ["Limits", "Plan", "Progress", "iterated", "none_yet", "orthonormal", "ritz_vectors"]

_THIN = 0.2  # columns that small beside others of their block are orthogonalised once more
_ROWS = 8192  # taken at a time where a change of basis would else need a copy of all

Block = Float[Array, "R b"]
Basis = Float[Array, "R m"]
Small = Float[Array, "m m"]


class Plan(NamedTuple):
    """Sizes of an iteration, and what it looks for.

    Attributes:
        size: dimension of the operator.
        k: eigenpairs wanted.
        block: vectors in a block.
        capacity: vectors that the basis holds.
        order: of the eigenvalues.
        mesh: the devices.
    """

    size: int
    k: int
    block: int
    capacity: int
    order: Order
    mesh: Mesh

    @property
    def kept(self) -> int:
        """Ritz vectors with which the basis starts anew."""
        return min(self.capacity - 2 * self.block, self.k + 3 * self.block)


class Progress(NamedTuple):
    """The projected operator `T = Q^T A Q` and what is known of its eigenpairs, between two products.

    Attributes:
        projected: `(m, m)`; in rows and columns of the next block, its coupling to the complete ones.
        used: complete columns of the basis; the next block comes after them.
        kept: columns that the last restart left, 0 before the first.
        products: vectors the operator was applied to.
        values, ritz, residuals: Ritz values in the order asked for, their vectors in the basis as columns,
            and estimated residual norms, when last looked at.
        nodes, weights: `(m - k,)`, of the quadrature, once the first cycle is over.
        worst: residual of the wanted pairs over the largest of them; -1 before the first look.
        full, done: whether the basis is full, and whether nothing is left to do.
    """

    projected: Small
    used: Int[Array, ""]
    kept: Int[Array, ""]
    products: Int[Array, ""]
    values: Float[Array, " m"]
    ritz: Small
    residuals: Float[Array, " m"]
    nodes: Float[Array, " n"]
    weights: Float[Array, " n"]
    worst: Float[Array, ""]
    full: Bool[Array, ""]
    done: Bool[Array, ""]


class Limits(NamedTuple):
    """When to stop: residual over the largest pair, products in all, products of this call."""

    tol: Float[Array, ""]
    products: Int[Array, ""]
    until: Int[Array, ""]


def none_yet(plan: Plan) -> Progress:
    """Return what is known before the first product."""
    m, wide, count = plan.capacity, jnp.zeros(()).dtype, jnp.zeros((), jnp.int32)
    square, row, rest = jnp.zeros((m, m), wide), jnp.zeros(m, wide), jnp.zeros(m - plan.k, wide)
    no = jnp.zeros((), bool)
    return Progress(
        square, count, count, count, row, square, row, rest, rest, jnp.full((), -1.0, wide), no, no
    )


def iterated(
    product: Callable[[Block], Block], plan: Plan, limits: Limits, basis: Basis, known: Progress
) -> tuple[Basis, Progress]:
    """Return basis and progress when all is done, or after so many products."""

    def going(now: tuple[Basis, Progress]) -> Bool[Array, ""]:
        return ~now[1].done & (now[1].products < limits.until)

    def cycle(now: tuple[Basis, Progress]) -> tuple[Basis, Progress]:
        # The basis is in no branch: it would be copied at every step.
        basis, known = jax.lax.while_loop(lambda now: going(now) & ~now[1].full, step, now)
        return _restarted(plan, basis, known)

    def step(now: tuple[Basis, Progress]) -> tuple[Basis, Progress]:
        basis, known = _extended(product, plan, *now)
        return basis, _looked_at(plan, limits, known)

    return jax.lax.while_loop(going, cycle, (basis, known))


def _extended(
    product: Callable[[Block], Block], plan: Plan, basis: Basis, known: Progress
) -> tuple[Basis, Progress]:
    """Apply the operator to the next block, and find the block after it."""
    b, used, end = plan.block, known.used, known.used + plan.block
    new = _columns(basis, used, b)
    rest = product(new)
    # What the recurrence knows goes first; what is left is so small against the old basis that
    # one pass of full orthogonalisation does what would else take two.
    coefficients = _columns(known.projected, used, b)
    known_part = coefficients.astype(basis.dtype)
    last = jnp.maximum(used - b, 0)
    rest = rest - jax.lax.cond(
        used == known.kept,
        lambda: matmul(basis, known_part),
        lambda: matmul(_columns(basis, last, b), jax.lax.dynamic_slice_in_dim(known_part, last, b)),
    )
    own = all_sum(matmul(new.T, rest), plan.mesh)
    rest = rest - matmul(new, own)
    more = _before(end, all_sum(matmul(basis.T, rest), plan.mesh))
    rest = rest - matmul(basis, more)
    coefficients = coefficients + more.astype(coefficients.dtype)
    coefficients = _put(coefficients, _columns(coefficients.T, used, b).T + own, used, 0)
    T = _put(_put(known.projected, coefficients, 0, used), coefficients.T, used, 0)
    # Entries of the projected operator are of its size: rounding errors are relative to that.
    following, coupling = _following(plan, basis, rest, end, jnp.max(jnp.abs(T)), known.products)
    T = _put(_put(T, coupling, end, used), coupling.T, used, end)
    known = known._replace(projected=T, used=end, products=known.products + b)
    return _put(basis, following, 0, end), known


def _following(
    plan: Plan,
    basis: Basis,
    rest: Block,
    end: Int[Array, ""],
    scale: Float[Array, ""],
    seed: Int[Array, ""],
) -> tuple[Block, Float[Array, "b b"]]:
    """Return orthonormal `F`, orthogonal to the first `end` vectors, and `C` with `rest = F C`.

    Where the rest has lost rank, random vectors fill up, which nothing couples to.
    """
    following, coupling = orthonormal(rest, plan.mesh)
    left, sizes, right = jnp.linalg.svd(coupling)
    eps = jnp.finfo(rest.dtype).eps

    def mended() -> tuple[Block, Float[Array, "b b"]]:
        # Normalising small columns has magnified what rounding left of the basis in them.
        lost = sizes <= 4 * eps * scale
        key = jax.random.fold_in(jax.random.key(1), seed)
        if plan.mesh.size > 1:
            key = jax.random.fold_in(key, jax.lax.axis_index(plan.mesh.axis_names[0]))
        drawn = jax.random.normal(key, rest.shape, rest.dtype) / jnp.sqrt(plan.size).astype(rest.dtype)
        turned = jnp.where(lost[None], drawn, matmul(following, left.astype(rest.dtype)))
        kept = jnp.where(lost[:, None], 0, sizes[:, None] * right)

        def clean(now: tuple[Block, Array, Array]) -> tuple[Block, Array, Array]:
            vectors, coupling, _ = now
            along = _before(end, all_sum(matmul(basis.T, vectors), plan.mesh))
            vectors, turn = orthonormal(vectors - matmul(basis, along), plan.mesh)
            # Where this took half of a column, what is left is to be cleaned once more.
            return vectors, matmul(turn, coupling), jnp.linalg.svd(turn, compute_uv=False)[-1]

        none = jnp.zeros((), kept.dtype)
        return jax.lax.while_loop(lambda now: now[2] < 0.5, clean, (turned, kept, none))[:2]

    whole = sizes[-1] > jnp.maximum(_THIN * sizes[0], 1e3 * eps * scale)
    return jax.lax.cond(whole, lambda: (following, coupling), mended)


def _looked_at(plan: Plan, limits: Limits, known: Progress) -> Progress:
    """Return the progress with Ritz values and residuals, where they may be good enough or must be known."""
    k, b = plan.k, plan.block
    exhausted = (known.products >= limits.products) & (known.used >= k + b)
    full = known.used + 2 * b > plan.capacity
    # A look is costly.
    hopeful = (known.used >= 2 * k) & (known.used // b % 2 == 0) & (known.worst <= 30 * limits.tol)

    def look() -> Progress:
        values, ritz, residuals = _solved(plan, known)
        counted = jnp.arange(plan.capacity) < known.used
        wanted = jnp.maximum(jnp.max(jnp.abs(values[:k])), jnp.finfo(values.dtype).tiny)
        worst = jnp.max(residuals[:k]) / wanted
        # Vectors of T are rounded at the size of its largest eigenvalue of either sign.
        rounding = 8 * jnp.finfo(values.dtype).eps * jnp.max(jnp.abs(values) * counted) / wanted
        done = exhausted | (worst <= jnp.maximum(limits.tol, rounding))
        nodes, weights = jax.lax.cond(
            (known.kept == 0) & (done | full),
            lambda: _density(plan, values, ritz, residuals, counted),
            lambda: (known.nodes, known.weights),
        )
        return known._replace(
            values=values,
            ritz=ritz,
            residuals=residuals,
            nodes=nodes,
            weights=weights,
            worst=worst,
            full=full,
            done=done,
        )

    return jax.lax.cond(full | exhausted | hopeful, look, lambda: known)


def _solved(plan: Plan, known: Progress) -> tuple[Float[Array, " m"], Small, Float[Array, " m"]]:
    """Return Ritz values in the order wanted, their vectors in the basis, and residual norms."""
    counted = jnp.arange(plan.capacity) < known.used
    T = jnp.where(counted[:, None] & counted[None], known.projected, 0)
    # Columns not in use are pairs of their own, told by values beyond all others.
    beyond = 2 * jnp.max(jnp.sum(jnp.abs(T), axis=1)) + 1
    values, ritz = jnp.linalg.eigh(T + jnp.diag(jnp.where(counted, 0, beyond)), symmetrize_input=False)
    places = plan.order(values, values < 0.75 * beyond)
    ritz = ritz[:, places]
    coupling = jax.lax.dynamic_slice_in_dim(known.projected, known.used, plan.block)
    residuals = jnp.linalg.norm(matmul(jnp.where(counted[None], coupling, 0), ritz), axis=0)
    return values[places], ritz, residuals


def _density(
    plan: Plan,
    values: Float[Array, " m"],
    ritz: Small,
    residuals: Float[Array, " m"],
    counted: Bool[Array, " m"],
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Return nodes, falling, and weights of all eigenvalues but those the first `k` values stand for.

    Nodes without a weight come last, at the last of those values.
    """
    k, size = plan.k, plan.size
    weights = size / plan.block * jnp.sum(jnp.square(ritz[: plan.block]), axis=0)
    falling = jnp.argsort(-jnp.where(counted, values, -jnp.inf), stable=True)
    in_order = jnp.where(counted[falling], values[falling], -jnp.inf)
    ends = jnp.full(1, jnp.inf, values.dtype)
    steps = jnp.concatenate([ends, in_order[:-1] - in_order[1:], ends])
    steps = jnp.where(jnp.isnan(steps), jnp.inf, steps)
    gaps = jnp.zeros_like(values).at[falling].set(jnp.minimum(steps[1:], steps[:-1]))
    # One eigenvalue each, by their own residuals; not the first k, and none that is not in use.
    mine = counted & (jnp.arange(plan.capacity) >= k)
    single = mine & (residuals < 0.1 * gaps)
    several = jnp.where(mine & ~single, weights, 0)
    alone = jnp.sum(single)
    told = (size - k > alone) & (jnp.sum(several) > 0)
    shared = several * (size - k - alone) / jnp.where(told, jnp.sum(several), 1)
    # Nothing to tell them by: all nodes are eigenvalues, or one eigenvalue is all there is.
    alike = jnp.where(mine, (size - k) / jnp.maximum(jnp.sum(mine), 1), 0)
    weights = jnp.where(told, jnp.where(single, 1.0, shared), alike)
    nodes = jnp.where(mine, values, -jnp.inf)[k:]
    falling = jnp.argsort(-nodes, stable=True)
    nodes = nodes[falling]
    return jnp.where(jnp.isneginf(nodes), values[k - 1], nodes), weights[k:][falling]


def _restarted(plan: Plan, basis: Basis, known: Progress) -> tuple[Basis, Progress]:
    """Go on from the first Ritz vectors and the next block, where the basis is full and more is to do."""
    m, b, kept, used = plan.capacity, plan.block, plan.kept, known.used
    columns = jnp.arange(m)
    # The next block follows the Ritz vectors.
    old, new = columns[:, None], columns[None]
    turn = jnp.where(new < kept, known.ritz, 0)
    turn = turn + ((old - used == new - kept) & (new >= kept) & (new < kept + b))
    turn = turn.astype(basis.dtype)
    rows, part = len(basis), min(_ROWS, len(basis))

    def change(number: Array, basis: Basis) -> Basis:
        # The last part starts earlier than its turn; its first rows are not to be changed twice.
        first = number * part
        start = jnp.minimum(first, rows - part)
        some = jax.lax.dynamic_slice_in_dim(basis, start, part)
        due = (start + jnp.arange(part) >= first)[:, None]
        changed = jnp.where(due, matmul(some, turn), some)
        return jax.lax.dynamic_update_slice_in_dim(basis, changed, start, 0)

    due = known.full & ~known.done
    basis = jax.lax.fori_loop(0, jnp.where(due, -(-rows // part), 0), change, basis)
    coupling = jax.lax.dynamic_slice_in_dim(known.projected, used, b)
    coupling = matmul(jnp.where(new < used, coupling, 0), known.ritz)
    T = jnp.diag(jnp.where(columns < kept, known.values, 0))
    coupling = jnp.where(new < kept, coupling, 0)
    T = T.at[kept : kept + b].add(coupling).at[:, kept : kept + b].add(coupling.T)
    count = jnp.full((), kept, jnp.int32)
    anew = known._replace(projected=T, used=count, kept=count, full=jnp.zeros((), bool))
    return basis, jax.tree.map(lambda one, other: jnp.where(due, one, other), anew, known)


def ritz_vectors(plan: Plan, basis: Basis, known: Progress) -> Float[Array, "R k"]:
    """Return the first `k` Ritz vectors as they were when last looked at."""
    turn = _before(known.used, known.ritz[:, : plan.k])
    return matmul(basis, turn.astype(basis.dtype))


def orthonormal(block: Block, mesh: Mesh) -> tuple[Block, Float[Array, "b b"]]:
    """Return orthonormal `Q` and `C` with `block = Q C`, `Q` near a block that is near orthonormal.

    By the root of the Gram matrix (Loewdin), twice more where that loses digits.
    """

    def once(vectors: Block) -> tuple[Block, Array, Array]:
        wide = vectors.astype(jnp.zeros(()).dtype)
        values, turns = jnp.linalg.eigh(all_sum(matmul(wide.T, wide), mesh))
        floor = 8 * jnp.finfo(vectors.dtype).eps * values[-1]
        roots = jnp.sqrt(jnp.maximum(values, floor))
        safe = jnp.where(roots > 0, roots, 1)
        inverse = matmul(turns / safe[None], turns.T).astype(vectors.dtype)
        return matmul(vectors, inverse), matmul(turns * roots[None], turns.T), values[0] > 0.1 * values[-1]

    def again(found: tuple[Block, Array]) -> tuple[Block, Array]:
        vectors, turn, _ = once(found[0])
        return vectors, matmul(turn, found[1])

    first, coupling, near = once(block)
    # The error is that of rounding times the condition of the Gram matrix: near 1 the third time.
    return jax.lax.fori_loop(0, jnp.where(near, 0, 2), lambda _, found: again(found), (first, coupling))


def _columns(array: Float[Array, "r m"], first: Int[Array, ""], count: int) -> Float[Array, "r b"]:
    return jax.lax.dynamic_slice_in_dim(array, first, count, axis=1)


def _before(end: Int[Array, ""], rows: Float[Array, "m b"]) -> Float[Array, "m b"]:
    """Return the rows with those of vectors that are not in use, and maybe old, zero."""
    return jnp.where(jnp.arange(len(rows))[:, None] < end, rows, 0)


def _put(
    array: Float[Array, "r m"],
    part: Float[Array, "p q"],
    row: Int[Array, ""] | int,
    column: Int[Array, ""] | int,
) -> Float[Array, "r m"]:
    at = (jnp.asarray(row, jnp.int32), jnp.asarray(column, jnp.int32))
    return jax.lax.dynamic_update_slice(array, part.astype(array.dtype), at)
