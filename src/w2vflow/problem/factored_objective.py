"""The quartic objective from products with `E = G o M*`, where `G` is of low rank."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from w2vflow.problem.objective import Objective
from w2vflow.problem.operators import DenseOperator, Operator, SparseLayout, SparseOperator
from w2vflow.problem.pair_weights import PairWeights
from w2vflow.problem.sparse_products import csr_sampled_product
from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.sharding import all_rows, all_sum, matmul

__all__ = ["FactoredObjective"]


class FactoredObjective(Objective):
    """The quartic objective where `G` is of low rank, or of low rank plus seen pairs.

        L = 1/4 sum_ij G_ij x_ij^2 - 1/2 sum_ij E_ij x_ij + const,   E = G o M*
        dL/dW = 1/2 [G o (W C^T) - E] C,        (a o (W C^T)) C = L (W (C^T R C)) for a = L R^T

    No matrix of pairs is formed: the cost is that of a product with `E`, plus `V d^2`, plus seen
    pairs times `d` where they are part of `G`.

    Attributes:
        operator: `E`, or its symmetric part.
        turn_left, turn_right: the rest of `E` is `turn_left turn_right^T`; no columns where none.
        left, right: factors of the part of `G` that is of low rank.
        constant: `1/4 sum_ij G_ij M*_ij^2`.
        seen_in_G: whether seen pairs are a part of `G`: half the sparse entries of `operator`.
        kept: else what seen pairs have in `G` beyond `L R^T`, where `B` has less of them by a `skip`.
        scale: `1 + s_j` by which columns of `operator` are multiplied, if they are.
    """

    operator: Operator
    turn_left: Float[Array, "P t"]
    turn_right: Float[Array, "P t"]
    left: Float[Array, "P q"]
    right: Float[Array, "P q"]
    constant: Float[Array, ""]
    seen_in_G: bool = eqx.field(static=True)
    kept: Operator | None = None
    scale: Float[Array, "P 1"] | None = None

    @classmethod
    def of_target(cls, target: Operator, sides: int) -> "FactoredObjective":
        """Return the objective at constant `G = 1`, where `E` is `M*` itself."""
        factors = target.to_rows(np.ones((target.size, 1), target.dtype))
        none = target.to_rows(np.zeros((target.size, 0), target.dtype))
        return cls(sides, target, none, none, factors, factors, target.norm_squared() / 4, False)

    @classmethod
    def of(cls, weights: PairWeights, sides: int, layout: SparseLayout | Mesh) -> "FactoredObjective":
        """Return the objective for weights of low rank, `E = 2 (A - B)`.

        Of a layout of the seen pairs `E` is sparse. Of a mesh it is dense, and `G` must be of low rank.
        """
        L, R, skip = weights.left, weights.right, weights.skip
        twice = (4 if weights.exclusive else 2) * weights.values
        none = np.zeros((len(L), 0))
        kept, scale = None, None
        if skip is not None:
            assert isinstance(layout, SparseLayout)
            beyond = weights.kept()
            kept = SparseOperator.placed(layout, beyond, none, none)
            # A share of either side alike leaves the entries symmetric.
            if skip.shape[1] == 2:
                twice = 2 * (2 * weights.values - beyond)
            else:
                scale = 1 + skip
        turn: tuple[AnyArray, AnyArray] = (none, none)
        operator: Operator
        if isinstance(layout, Mesh):
            A, B = weights.dense()
            operator = DenseOperator.of(2 * (A - B), layout)
        elif is_known(weights) and scale is None and weights.symmetric:
            operator = SparseOperator.placed(layout, twice, -2 * L, R)
        else:
            operator, turn = SparseOperator.placed(layout, twice, none, none), (-2 * L, R)
        out, into, left, right = (
            operator.to_rows(namespace(part).asarray(part, operator.dtype)) for part in (*turn, L, R)
        )
        constant = jnp.asarray(weights.target_norm_squared() / 4, operator.dtype)
        seen_in_G = not weights.exclusive and skip is None
        if scale is not None:
            scale = operator.to_rows(namespace(scale).asarray(scale, operator.dtype))
        return cls(sides, operator, out, into, left, right, constant, seen_in_G, kept, scale)

    def local_value(self, own: Float[Array, "R e"]) -> Float[Array, ""]:
        W, C = own[:, : own.shape[1] // self.sides], own[:, -own.shape[1] // self.sides :]
        force, pull = self._products(W, C, transposed=False)
        return all_sum(jnp.sum(W * (pull / 4 - force / 2)), self.operator.mesh) + self.constant

    def local_gradient(self, own: Float[Array, "R e"]) -> Float[Array, "R e"]:
        if self.sides == 1:
            force, pull = self._products(own, own, transposed=False)
            return pull - force
        W, C = jnp.split(own, 2, axis=1)
        of_words, of_contexts = self._products(W, C, transposed=False), self._products(C, W, transposed=True)
        return jnp.concatenate([(pull - force) / 2 for force, pull in (of_words, of_contexts)], axis=1)

    def _products(self, W: Array, C: Array, *, transposed: bool) -> tuple[Array, Array]:
        """Return own rows of `E C` and of `(G o (W C^T)) C`; with `E^T` and `G^T` where `transposed`."""
        mesh = self.operator.mesh
        left, right, out, into = self.left, self.right, self.turn_left, self.turn_right
        if transposed:
            left, right, out, into = right, left, into, out
        if self.scale is None:
            force = self.operator.local_product(C)
        elif transposed:
            force = self.scale * self.operator.local_product(C)
        else:
            force = self.operator.local_product(self.scale * C)
        if out.shape[1]:
            force = force + matmul(out, all_sum(matmul(into.T, C), mesh))
        pull = jnp.zeros_like(W)
        for q in range(left.shape[1]):
            gram = all_sum(matmul(C.T, right[:, q, None] * C), mesh)
            pull = pull + left[:, q, None] * matmul(W, gram)
        if self.kept is None and self.seen_in_G:
            pull = pull + self._sampled(self.operator, 0.5, W, C)
        elif self.kept is not None and self.scale is not None and transposed:
            # Columns of what is left of seen pairs are rows now.
            pull = pull + (2 - self.scale) * self._sampled(self.operator, 0.5, W, C)
        elif self.kept is not None:
            pull = pull + self._sampled(self.kept, 1.0, W, C)
        return force, pull

    def _sampled(self, seen: Operator, factor: float, W: Array, C: Array) -> Array:
        """Return own rows of `(factor S o (W C^T)) C`, with `S` the sparse entries of an operator."""
        assert isinstance(seen, SparseOperator)
        indptr, indices, values = seen.entries
        return csr_sampled_product(indptr, indices, factor * values, W, all_rows(C, self.operator.mesh))
