"""Eigenpairs as differentiable functions of their operator.

    d lambda_k = v_k^T dM v_k
    d v_k = sum_j v_j (v_j^T dM v_k) / (lambda_k - lambda_j) + (lambda_k - M)^-1 P dM v_k

over the other pairs held, and on the complement of all of them, onto which `P` projects. Of equal
eigenvalues only what is invariant has a derivative: the mean of the group and the projector onto its
plane. Eigenvalues of a group move with its mean, and its vectors do not turn within it.

References:
    Magnus (1985), On differentiating eigenvalues and eigenvectors.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from w2vflow.problem import Operator
from w2vflow.spectrum.directions import peak_signs
from w2vflow.spectrum.lanczos import Eigenpairs, lanczos_eigenpairs
from w2vflow.spectrum.ranking import EQUAL, Order, algebraic, by_size
from w2vflow.support.sharding import matmul

__all__ = ["Wanted", "all_eigenpairs", "polished", "some_eigenpairs"]

# Vectors at a time in products with many: there would else be two copies of all.
_WIDTH = 32
# Of conjugate gradients: of a pair next to one that is not held.
_MOST_STEPS = 2000


class Wanted(NamedTuple):
    """Eigenpairs to be found by iterating, as `lanczos_eigenpairs` takes them; `single` for float32."""

    k: int
    order: Order
    tol: float
    block: int
    max_products: int | None
    max_basis: int | None
    single: bool = False

    def of(self, operator: Operator) -> Operator:
        """Return the operator in the precision in which it is iterated on."""
        return operator.astype(np.float32) if self.single else operator

    def sizes(self) -> dict[str, Any]:
        """Return the arguments of `lanczos_eigenpairs`."""
        found = self._asdict()
        del found["single"]
        return found


@eqx.filter_custom_jvp
def all_eigenpairs(
    matrix: Float[Array, "V V"], *, order: Order, k: int
) -> tuple[Float[Array, " V"], Float[Array, "V V"], Float[Array, " k"]]:
    """Return all eigenvalues of a symmetric matrix in an order, their vectors, residuals of the first `k`.

    The first `k` eigenvalues are Rayleigh quotients.
    """
    values, vectors = jnp.linalg.eigh(matrix, symmetrize_input=False)
    places = order(values)
    values, vectors = values[places], vectors[:, places]
    vectors = vectors * peak_signs(vectors)[None]
    some = vectors[:, :k]
    image = matmul(matrix, some)
    quotients = jnp.sum(some * image, axis=0)
    residuals = jnp.linalg.norm(image - some * quotients[None], axis=0)
    # Values that are equal but for rounding may have changed places.
    values = values.at[:k].set(quotients)
    places = jnp.concatenate([order(quotients), jnp.arange(k, len(values))])
    return values[places], vectors[:, places], residuals[places[:k]]


@all_eigenpairs.def_jvp
def _all_changed(primals: Any, tangents: Any, *, order: Order, k: int) -> Any:
    (matrix,), (change,) = primals, tangents
    values, vectors, residuals = all_eigenpairs(matrix, order=order, k=k)
    found = values, vectors, residuals
    if change is None:
        return found, jax.tree.map(jnp.zeros_like, found)
    # The lower triangle alone would be half of a change of one entry.
    inside = matmul(vectors.T, matmul((change + change.T) / 2, vectors))
    turned, moved = _within(values, inside)
    return found, (moved, matmul(vectors, turned), jnp.zeros_like(residuals))


@eqx.filter_custom_jvp
def some_eigenpairs(operator: Operator, *, wanted: Wanted) -> Eigenpairs:
    """Return eigenpairs of an operator by block Lanczos. The density of the others has no derivative."""
    return polished(operator, lanczos_eigenpairs(wanted.of(operator), **wanted.sizes()))


@some_eigenpairs.def_jvp
def _some_changed(primals: Any, tangents: Any, *, wanted: Wanted) -> Any:
    (operator,), (change,) = primals, tangents
    found = some_eigenpairs(operator, wanted=wanted)
    values, vectors = found.values, found.vectors
    still = jax.tree.map(jnp.zeros_like, found)
    if not jax.tree.leaves(change):
        return found, still
    _, image = eqx.filter_jvp(lambda one: one.product(vectors), (operator,), (change,))
    inside = matmul(vectors.T, image)
    turned, moved = _within(values, (inside + inside.T) / 2)
    outside = _solved(operator, values, vectors, image, wanted.order)
    return found, still._replace(values=moved, vectors=matmul(vectors, turned) + outside)


@eqx.filter_jit
def polished(operator: Operator, found: Eigenpairs) -> Eigenpairs:
    """Return pairs in the precision of the operator: Rayleigh quotients and residuals of their vectors.

    The entry of largest size of each vector becomes positive. Rayleigh quotients have twice the vectors'
    digits.
    """

    def one(vector: Float[Array, " V"]) -> tuple[Array, Array, Array]:
        vector = vector.astype(operator.dtype)
        vector = vector / (jnp.linalg.norm(vector) * peak_signs(vector[:, None])[0])
        image = operator.product(vector[:, None])[:, 0]
        value = vector @ image
        return value, vector, jnp.linalg.norm(image - value * vector)

    values, vectors, residuals = jax.lax.map(one, found.vectors.T, batch_size=_WIDTH)
    return found._replace(values=values, vectors=vectors.T, residuals=residuals)


def _within(
    values: Float[Array, " k"], inside: Float[Array, "k k"]
) -> tuple[Float[Array, "k k"], Float[Array, " k"]]:
    """Return how vectors turn into each other, and how eigenvalues move, by a change seen from them."""
    gaps = values[None] - values[:, None]
    equal = jnp.abs(gaps) <= EQUAL * jnp.max(jnp.abs(values))
    shares = equal / jnp.sum(equal, axis=1, keepdims=True)
    turned = jnp.where(equal, 0, inside / jnp.where(equal, 1, gaps))
    return turned, shares.astype(values.dtype) @ jnp.diagonal(inside)


def _solved(
    operator: Operator,
    values: Float[Array, " k"],
    vectors: Float[Array, "V k"],
    image: Float[Array, "V k"],
    order: Order,
) -> Float[Array, "V k"]:
    """Return `(lambda_k - M)^-1 P y_k` on the complement of the vectors, by conjugate gradients."""

    def outside(y: Float[Array, " V"]) -> Float[Array, " V"]:
        return y - vectors @ (vectors.T @ y)

    # On the complement all eigenvalues of lambda_k - M have one sign, which the order of the pairs decides.
    if order is algebraic:
        signs = jnp.ones_like(values)
    elif order is by_size:
        signs = jnp.where(values < 0, -1, 1).astype(values.dtype)
    else:
        signs = 1 - 2 * (jnp.arange(len(values)) % 2).astype(values.dtype)

    size = jax.lax.stop_gradient(jnp.max(jnp.abs(values)))

    def one(value: Array, sign: Array, y: Float[Array, " V"]) -> Float[Array, " V"]:
        def product(x: Float[Array, " V"]) -> Float[Array, " V"]:
            # Positive along what is held too, where nothing is: of a singular matrix the second derivative
            # would be another.
            along = vectors @ (vectors.T @ x)
            rest = x - along
            return sign * (value * rest - outside(operator.product(rest[:, None])[:, 0])) + size * along

        # JAX's own `cg` cannot be transposed within a rule of differentiation.
        solved = jax.lax.custom_linear_solve(product, outside(y), _by_conjugate_gradients, symmetric=True)
        return sign * solved

    return jax.vmap(one, in_axes=(0, 0, 1), out_axes=1)(values, signs, image)


def _by_conjugate_gradients(
    product: Callable[[Float[Array, " V"]], Float[Array, " V"]], b: Float[Array, " V"]
) -> Float[Array, " V"]:
    """Return the solution of a positive definite system, from zero on."""
    enough = (1e3 * jnp.finfo(b.dtype).eps) ** 2 * jnp.sum(b**2)

    def going(now: Any) -> Bool[Array, ""]:
        return (now[3] > enough) & (now[4] < _MOST_STEPS)

    def step(now: Any) -> Any:
        x, rest, direction, size, count = now
        image = product(direction)
        length = size / jnp.sum(direction * image)
        x, rest = x + length * direction, rest - length * image
        left = jnp.sum(rest**2)
        return x, rest, rest + left / size * direction, left, count + 1

    begin = jnp.zeros_like(b), b, b, jnp.sum(b**2), jnp.zeros((), jnp.int32)
    found: Array = jax.lax.while_loop(going, step, begin)[0]
    return found
