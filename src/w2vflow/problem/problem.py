"""The optimisation problem: statistics x weighting x loss x tied or untied."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from w2vflow.counts import CooccurrenceStatistics
from w2vflow.problem.blocked_objective import BlockedObjective, BlockLayout
from w2vflow.problem.factored_objective import FactoredObjective
from w2vflow.problem.losses import Loss, Quartic, as_loss
from w2vflow.problem.matrix_form import matrix_form
from w2vflow.problem.objective import Objective, spread_gradient, spread_value
from w2vflow.problem.operators import DenseOperator, Operator, SparseLayout, SparseOperator, check_dense_fits
from w2vflow.problem.pair_weights import PairWeights
from w2vflow.problem.weightings import Symmetrized, Uniform, Weighting, check_all_pair
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import floating, is_known, out_of_trace
from w2vflow.support.checks import argument_error, check_squares, check_weights_shape
from w2vflow.support.devices import word_mesh
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.sharding import Spread, in_words, place, to_rows
from w2vflow.support.static import remembered

__all__ = ["Problem"]

# Below this share a product over seen pairs alone costs less than one over all pairs in blocks, of
# which a pair takes a sixtieth of the time (benchmarks/gradients.py).
_SAMPLED_BELOW = 1 / 60


@checked
class Problem(Spread):
    """What word2vec is asked to learn from given statistics, in the units of the whole package.

        A_ij = Psi+_ij P_ij,  B_ij = Psi-_ij p_i q_j,  G = A + B,  M* = 2 (A - B) / (A + B)
        L = sum_ij A_ij l+(x_ij) + B_ij l-(x_ij),   x = W W^T (tied) or W C^T,   mean(G) = 1
        dW/dt = -dL/dW,   dC/dt = -dL/dC

    For the quartic loss `L = 1/4 sum_ij G_ij (M*_ij - x_ij)^2`. A discrete step of learning rate
    `eta` advances time by `eta`. Untied weights learn at half the rate of tied ones. `q = p` unless counts
    are of one direction: `M*` is then not symmetric, and vectors are untied or the weighting `Symmetrized`.
    Made with `Problem.from_statistics`, or with `Problem.from_target` from a matrix of your own.

    A pytree: its floating leaves are the counts, or the `M*` it was given, and the settings of the
    weighting. All else follows from them whenever it is asked for, so that `jax.jit`, `jax.vmap` and
    `equinox.filter_grad` of a function of a problem reach every count.

    Attributes:
        pair_loss: loss of one pair.
        weighting: weights of the pairs; None where `M*` was given, at constant `G`.
        tied: whether words and contexts share their vectors.
        statistics: what it was made from; SGD draws its pairs from them.
        matrix: whether matrices of pairs are `"dense"` or `"sparse"`.
        mesh: the devices over which words are dealt.
        given: `M*` where it was given.
        layout, blocks: places of the seen pairs on several devices and in blocks of rows, where they are
            needed.

    References:
        arXiv 2502.09863, sections 2 and 3.
    """

    _made_by: ClassVar[str] = "`Problem.from_statistics(stats)`"

    pair_loss: Loss
    weighting: Weighting | None
    tied: bool = eqx.field(static=True)
    statistics: CooccurrenceStatistics | None
    matrix: str = eqx.field(static=True)
    mesh: Mesh = eqx.field(static=True)
    given: Operator | None = None
    layout: SparseLayout | None = None
    blocks: BlockLayout | None = None

    @classmethod
    def from_statistics(
        cls,
        stats: CooccurrenceStatistics,
        *,
        weighting: Weighting | None = None,
        loss: str | Loss = "quartic",
        tied: bool = True,
        matrix: str = "auto",
    ) -> "Problem":
        """Return the problem that `stats` pose.

        Args:
            stats: co-occurrence statistics in which every word has pairs; if of one direction, as a word and
                as a context.
            weighting: pair weights; `Uniform()` (constant `G`) by default.
            loss: `"quartic"`, `"logistic"` (word2vec's own), `"taylor(n)"`, or a loss of `losses.py`.
            tied: word and context vectors are one and the same. word2vec's are two.
            matrix: `"dense"`; `"sparse"` for seen pairs plus low rank, of which only products or
                blocks of rows are formed; or `"auto"`: sparse above 3,000 words where fewer than a
                fifth of the pairs were seen, or where the dense form does not fit into memory.

        Raises:
            ValueError: a word without pairs, a setting that is not available, negative or infinite weights,
                tied vectors with weights or counts that are not symmetric, or a matrix that does not fit
                into memory (the message says how much it needs and how much there is).

        Example:
            >>> import numpy as np
            >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[2, 3], [3, 4]]), np.array([5, 7]))
            >>> np.asarray(Problem.from_statistics(stats).target()).round(3).tolist()
            [[-0.041, 0.028], [0.028, -0.021]]
        """
        weighting = Uniform() if weighting is None else weighting
        pair_loss = as_loss(loss)
        check_all_pair(stats)
        if tied and stats.directions != "both" and not isinstance(weighting, Symmetrized):
            expected = "of both directions, for words and contexts that share their vectors"
            got = f"contexts on the {stats.directions} of the word alone"
            remedy = "Use `stats.symmetrized()`, `tied=False` or the weighting `Symmetrized(...)`."
            raise argument_error("stats", expected, got, remedy)
        problem = cls(pair_loss, weighting, tied, stats, matrix_form(stats, matrix), word_mesh())
        # At constant G weights cannot be wrong. Others are looked at now, and made when they are asked for.
        weights = None if problem.constant_G else problem.pair_weights()
        if tied and weights is not None and is_known(weights) and not weights.symmetric:
            expected = "symmetric where words and contexts share their vectors"
            remedy = "Use `tied=False`, or `Symmetrized(...)` of it, which to tied vectors is the same."
            raise argument_error("weighting", expected, repr(weighting), remedy)
        return problem._over(problem.mesh, weights)

    @classmethod
    def from_target(cls, target: ArrayLike | Operator, *, tied: bool = True) -> "Problem":
        """Return the quartic problem whose `M*` is given: data of any kind, at constant `G`.

        Args:
            target: symmetric matrix `(V, V)`, or an operator. SGD cannot run on it: it draws its
                pairs from statistics.
            tied: see `from_statistics`.

        Raises:
            ValueError: the matrix is not square or not symmetric.
        """
        operator = target if isinstance(target, Operator) else DenseOperator.of(target)
        form = "dense" if isinstance(operator, DenseOperator) else "sparse"
        return cls(Quartic(), None, tied, None, form, operator.mesh, operator)

    def _over(self, mesh: Mesh, weights: PairWeights | None) -> "Problem":
        """Return the problem over a mesh, with the places of its pairs; `weights` if they are at hand."""
        if self.statistics is None:
            return replace(self, mesh=mesh, given=self._operator.shard(mesh))
        layout = blocks = None
        seen = self.require_statistics("pairs are placed")
        indptr, indices = seen.indptr, seen.indices
        if self.matrix == "sparse":
            if mesh.size > 1:
                layout = SparseLayout.of(np.asarray(indptr), np.asarray(indices), mesh)
            known = is_known(indptr, indices)
            if known and not (self.quartic_at_constant_G or self._factored(weights or self.pair_weights())):
                blocks = BlockLayout.of(np.asarray(indptr), np.asarray(indices), mesh)
        return replace(self, mesh=mesh, layout=layout, blocks=blocks)

    def _factored(self, weights: PairWeights) -> bool:
        """Return whether the objective needs no matrix of pairs, or one of few pairs."""
        few = self.matrix == "sparse" and len(weights.values) < _SAMPLED_BELOW * self.vocab_size**2
        low_rank = weights.dense_negative is None and not weights.directed and (weights.exclusive or few)
        return isinstance(self.pair_loss, Quartic) and low_rank

    @property
    def vocab_size(self) -> int:
        """Number of words `V`."""
        return self._operator.size if self.statistics is None else self.statistics.vocab_size

    @property
    def words(self) -> tuple[str, ...] | None:
        """The vocabulary, where the problem was made from statistics."""
        return None if self.statistics is None else self.statistics.words

    @property
    def sides(self) -> int:
        """How many vectors a word has: 1 where they are tied, else 2."""
        return 1 if self.tied else 2

    @property
    def speed(self) -> float:
        """Growth rate of small weights along an eigenvector, over its eigenvalue: 1 if tied, else 1/2."""
        return 1 / self.sides

    @property
    def constant_G(self) -> bool:
        """Whether all pairs weigh the same, as the theory supposes."""
        return self.weighting is None or isinstance(self.weighting, Uniform)

    @property
    def directed(self) -> bool:
        """Whether it is of counts of one direction, as they are: `M*` is not symmetric."""
        one_way = self.statistics is not None and self.statistics.directions != "both"
        return one_way and not isinstance(self.weighting, Symmetrized)

    @property
    def quartic_at_constant_G(self) -> bool:
        """Whether the theory is exact: `L = 1/4 ||M* - x||^2` with a symmetric `M*`.

        That is so if the loss is quartic, all pairs weigh the same, and both directions were counted.
        """
        return isinstance(self.pair_loss, Quartic) and self.constant_G and not self.directed

    @property
    def _operator(self) -> Operator:
        return self.given or remembered(self, "operator", self._found_operator)

    def _found_operator(self) -> Operator:
        weights = self.pair_weights()
        if is_known(weights):
            # What is remembered must not belong to a computation that a problem of known counts is part of.
            with out_of_trace():
                return self._made_operator(weights)
        return self._made_operator(weights)

    def _made_operator(self, weights: PairWeights) -> Operator:
        """Return `M*`: dense, or `S - 2 * 1 1^T` with `S = 4 A / G` on the pairs seen."""
        if self.directed or (not self.constant_G and is_known(weights) and not weights.symmetric):
            expected = "one with a symmetric M*, which has eigenvectors"
            remedy = "Use `Symmetrized(...)` of its weighting, or the dense `problem.target()`."
            got = "weights that treat words and contexts differently"
            raise argument_error("problem", expected, got, remedy)
        if self.matrix == "dense" or weights.dense_negative is not None:
            return DenseOperator.of(weights.dense_target(), self.mesh)
        ones = np.ones((weights.vocab_size, 1))
        return SparseOperator.placed(self._sparse_layout(), weights.shifted_target(), -2 * ones, ones)

    def _sparse_layout(self) -> SparseLayout:
        stats = self.require_statistics("pairs are placed")
        return self.layout or SparseLayout.of(stats.indptr, stats.indices, self.mesh)

    def pair_weights(self) -> PairWeights:
        """Return `A` and `B` of all pairs, with `mean(A + B) = 1`.

        Raises:
            ValueError: the problem was made from a matrix.
        """
        stats = self.statistics or self.require_statistics("weights of pairs are made")
        assert self.weighting is not None
        # Of the counts as they are: of `Symmetrized` weights the mean is taken after they are made.
        return self.weighting.pair_weights(stats).normalised()

    def target(self) -> Float[Array, "V V"]:
        """Return the matrix `M*` whose leading eigenvectors are the concepts, dense `(V, V)`.

        Raises:
            ValueError: it does not fit into memory.
        """
        if self.given is None and (self.matrix == "dense" or self.directed):
            if self.matrix == "sparse":
                check_dense_fits(self.vocab_size, np.dtype(float))
            return place(self.pair_weights().dense_target(), self.mesh, PartitionSpec())
        return self._operator.dense()

    def target_operator(self) -> Operator:
        """Return `M*` as an operator, of which products with blocks of vectors can be taken.

        Raises:
            ValueError: it is not symmetric.
        """
        return self._operator

    def target_norm_squared(self) -> Float[Array, ""]:
        """Return `||M*||_F^2`, which a known problem is asked for once."""
        if not is_known(self):
            return self._operator.norm_squared()
        with out_of_trace():
            return remembered(self, "norm_squared", self._operator.norm_squared)

    def objective(self, dtype: Any = None, mesh: Mesh | None = None) -> Objective:
        """Return loss and gradient as pure functions, in the form that costs least.

        The quartic loss with `G` of low rank, or of low rank plus few seen pairs, needs no matrix of
        pairs. All else takes a block of rows of that matrix at a time. By default in JAX's own
        precision, on one device.
        """
        dtype = np.dtype(jnp.zeros(()).dtype if dtype is None else dtype)
        mesh = word_mesh() if mesh is None else mesh
        here = self if mesh == self.mesh else self._over(mesh, None)
        found: Objective
        if self.quartic_at_constant_G:
            found = FactoredObjective.of_target(here._operator, self.sides)
        else:
            weights, dense = self.pair_weights(), self.matrix == "dense"
            if not self._factored(weights):
                places = mesh if dense else here._blocks()
                return BlockedObjective.of(weights, self.pair_loss, self.sides, places, dtype)
            found = FactoredObjective.of(weights, self.sides, mesh if dense else here._sparse_layout())
        return jax.tree.map(
            lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, found
        )

    def _blocks(self) -> BlockLayout:
        stats = self.require_statistics("pairs are placed")
        if self.blocks is None and not is_known(stats.indptr, stats.indices):
            expected = "made outside of a function that traces its seen pairs, for this loss and weighting"
            remedy = "Make it from known pairs, `stats.with_values(values)`, or use matrix='dense'."
            raise argument_error("problem", expected, "one made within", remedy)
        return self.blocks or BlockLayout.of(np.asarray(stats.indptr), np.asarray(stats.indices), self.mesh)

    def describe(self) -> dict[str, Any]:
        """Return what results say of the problem, as JSON values; the counts by their SHA-256."""
        return {
            "vocab_size": self.vocab_size,
            "loss": repr(self.pair_loss),
            "weighting": None if self.weighting is None else repr(self.weighting),
            "tied": self.tied,
            "statistics_sha256": self.statistics.sha256
            if self.statistics is not None and is_known(self.statistics)
            else None,
        }

    def require_statistics(self, purpose: str) -> CooccurrenceStatistics:
        """Return the statistics whose seen pairs the weights have: symmetrized where the weighting is.

        Raises:
            ValueError: the problem was made from a matrix.
        """
        if self.statistics is None:
            expected = f"made from statistics, from which {purpose}"
            remedy = "Use `Problem.from_statistics(stats)`."
            raise argument_error("problem", expected, "one made from a matrix", remedy)
        if self.statistics.directions == "both" or self.directed:
            return self.statistics
        return remembered(self, "symmetrized", self.statistics.symmetrized)

    def require_solvable(self, purpose: str) -> None:
        """Raise `ValueError` unless the theory's closed forms hold: quartic loss, constant `G`."""
        why = {
            f"the loss {self.pair_loss!r}": not isinstance(self.pair_loss, Quartic),
            f"the weighting {self.weighting!r}": not self.constant_G,
            "counts of one direction": self.directed,
        }
        found = [name for name, holds in why.items() if holds]
        if found:
            expected = f"quartic and at constant G for `{purpose}`, which is exact for those"
            other = "`Problem.from_target(problem.target_operator())`, by which the theory approximates it"
            remedy = f"Use `solve_flow`; or {other}."
            raise argument_error("problem", expected, f"one with {' and '.join(found)}", remedy)

    def require_tied(self, purpose: str) -> None:
        """Raise `ValueError` unless words and contexts share their vectors."""
        if not self.tied:
            expected = f"one of tied weights for `{purpose}`"
            raise argument_error("problem", expected, "one of untied weights", "Use `solve_flow`.")

    def shard(self, devices: Sequence[jax.Device]) -> "Problem":
        """Return the same problem with the rows of words dealt out over several devices.

        `solve_flow`, `leading_eigenpairs` and all else work on it as on one device. With several
        processes, call `jax.distributed.initialize` in each first, build the same problem in each
        and pass `jax.devices()`, which then names the devices of all.

        Raises:
            ValueError: no devices, or one without float64.
        """
        return self._over(word_mesh(devices), None)

    def loss(self, W: ArrayLike) -> Float[Array, ""]:
        """Return `L` of weights `(V, dim)`, or `(2, V, dim)` where they are untied.

        Raises:
            ValueError: `W` is not of that shape.
        """
        rows = self._checked(W)
        return spread_value(self.objective(rows.dtype, self.mesh), rows, self.mesh)

    def gradient(self, W: ArrayLike) -> Float[Array, "*side V d"]:
        """Return `dL/dW`, and `dL/dC` where weights are untied, of the shape of `W`.

        Raises:
            ValueError: `W` is not of the shape that `loss` takes.
        """
        rows = self._checked(W)
        found = spread_gradient(self.objective(rows.dtype, self.mesh), rows, self.mesh)
        words = in_words(found, self.vocab_size, self.mesh)
        return words if self.tied else jnp.stack(jnp.split(words, 2, axis=1))

    def velocity(self, W: ArrayLike) -> Float[Array, "*side V d"]:
        """Return `dW/dt = -dL/dW`, and `dC/dt` where weights are untied, of the shape of `W`.

        Raises:
            ValueError: `W` is not of the shape that `loss` takes.
        """
        return -self.gradient(W)

    def _checked(self, W: Any) -> Array:
        if np.ndim(W) != self.sides + 1:
            own = f"{self.vocab_size}, dim" if self.tied else f"2, {self.vocab_size}, dim"
            raise argument_error("W", f"of shape ({own})", f"shape {np.shape(W)}")
        check_weights_shape(np.shape(W), self.vocab_size, self.sides)
        Z = floating(W)
        if is_known(Z):
            check_squares("W0", np.asarray(Z))
        return to_rows(Z if self.tied else jnp.concatenate([Z[0], Z[1]], axis=1), self.mesh)
