"""The optimisation problem: statistics x weighting x loss, its objective and gradient."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy import sparse

from w2vflow.checks import argument_error, check_dimension
from w2vflow.devices import word_mesh
from w2vflow.losses import LOSSES, Quartic
from w2vflow.operators import PRECISION, DenseOperator, Operator, SparseOperator
from w2vflow.resources import available_memory, check_fits
from w2vflow.statistics import CooccurrenceStatistics
from w2vflow.weighting import AnyArray, Uniform

__all__ = ["Problem", "factored_loss", "gaussian_init", "gradient", "loss_from_products", "objective"]

# Below this share of seen pairs a sparse product costs less than a dense one (benchmarks/operators.py).
_SPARSE_BELOW = 0.2
# Small matrices are dense: everything about them is fast, and LAPACK finds their whole eigenbasis.
_DENSE_UP_TO = 3000


def factored_loss(
    target_norm_squared: Float[Array, ""], W: Float[Array, "n d"], target_W: Float[Array, "n d"]
) -> Float[Array, ""]:
    """Return `1/4 ||M - W W^T||_F^2` from `||M||_F^2`, `W` and `M W`, without a matrix of pairs.

        ||M - W W^T||^2 = ||M||^2 - 2 tr(W^T M W) + ||W^T W||^2

    `W` and `M W` may be in any orthonormal basis, the eigenbasis of `M` for one.
    """
    gram = jnp.matmul(W.T, W, precision=PRECISION)
    return loss_from_products(target_norm_squared, jnp.sum(W * target_W), gram)


def loss_from_products(
    target_norm_squared: Float[Array, ""], alignment: Float[Array, ""], gram: Float[Array, "d d"]
) -> Float[Array, ""]:
    """Return `1/4 (||M||_F^2 - 2 tr(W^T M W) + ||W^T W||^2)` from its three parts."""
    return (target_norm_squared - 2 * alignment + jnp.sum(gram**2)) / 4


def objective(target: Float[Array, "V V"], W: Float[Array, "V d"]) -> Float[Array, ""]:
    """Return the quartic objective at constant `G = 1`: `L(W) = 1/4 sum_ij (M*_ij - (W W^T)_ij)^2`."""
    return factored_loss(jnp.sum(target**2), W, jnp.matmul(target, W, precision=PRECISION))


def gradient(target: Float[Array, "V V"], W: Float[Array, "V d"]) -> Float[Array, "V d"]:
    """Return `dL/dW = (W W^T - M*) W` of `objective`; the gradient flow is `dW/dt = -dL/dW`."""
    return factored_gradient(W, jnp.matmul(target, W, precision=PRECISION))


def factored_gradient(W: Float[Array, "V d"], target_W: Float[Array, "V d"]) -> Float[Array, "V d"]:
    """Return `(W W^T - M) W` from `W` and `M W`, without a matrix of pairs."""
    gram = jnp.matmul(W.T, W, precision=PRECISION)
    return jnp.matmul(W, gram, precision=PRECISION) - target_W


class Problem(eqx.Module):
    """What word2vec is asked to learn from given statistics, in the units of the whole package.

        A_ij = Psi+_ij P_ij,  B_ij = Psi-_ij p_i p_j,  G = A + B,  M* = 2 (A - B) / (A + B)
        L(W) = 1/4 sum_ij G_ij (M*_ij - (W W^T)_ij)^2,   dW/dt = -dL/dW,   mean(G) = 1

    A discrete step of learning rate `eta` advances time by `eta`. Precision is JAX's default:
    float64 under `jax_enable_x64`, which theory and flow need, else float32. Make one with
    `Problem.from_statistics`, or with `Problem.from_target` from a matrix of your own.

    Attributes:
        operator: `M*`, dense or sparse plus rank one; -2 where a pair was never seen.
        pair_loss: loss of one pair.
        statistics: what it was made from; SGD draws its pairs from them.

    References:
        arXiv 2502.09863, sections 2 and 3.
    """

    operator: Operator
    pair_loss: Quartic
    statistics: CooccurrenceStatistics | None = eqx.field(static=True, default=None)

    @classmethod
    def from_statistics(
        cls,
        stats: CooccurrenceStatistics,
        *,
        weighting: Uniform | None = None,
        loss: str = "quartic",
        tied: bool = True,
        matrix: str = "auto",
    ) -> "Problem":
        """Return the problem that `stats` pose.

        Args:
            stats: co-occurrence statistics.
            weighting: pair weights; `Uniform()` (constant `G`) where not given.
            loss: `"quartic"`.
            tied: word and context vectors are one and the same; must be true.
            matrix: `"dense"`; `"sparse"` for seen pairs plus rank one, of which only products are
                formed; or `"auto"`: sparse above 3,000 words where fewer than a fifth of the pairs
                were seen, or where the dense form does not fit into memory.

        Raises:
            ValueError: a setting that is not available, or a matrix that does not fit into memory
                (the message says how much it needs and how much there is).

        Example:
            >>> import numpy as np
            >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[2, 3], [3, 4]]), np.array([5, 7]))
            >>> np.asarray(Problem.from_statistics(stats).target()).round(3).tolist()
            [[-0.041, 0.028], [0.028, -0.021]]
        """
        weighting = Uniform() if weighting is None else weighting
        if not isinstance(weighting, Uniform):
            raise argument_error("weighting", "`Uniform()`", repr(weighting))
        if loss not in LOSSES:
            raise argument_error("loss", f"one of {sorted(LOSSES)}", repr(loss))
        if not tied:
            raise argument_error("tied", "True (word and context vectors are one)", tied)
        if matrix not in ("auto", "dense", "sparse"):
            raise argument_error("matrix", "'auto', 'dense' or 'sparse'", repr(matrix))
        build = _sparse_target if _is_sparse(stats, matrix) else _dense_target
        return cls(build(stats, weighting), LOSSES[loss](), stats)

    @classmethod
    def from_target(cls, target: AnyArray | Operator) -> "Problem":
        """Return the problem whose `M*` is given: data of any kind, at constant `G`.

        Args:
            target: symmetric matrix `(V, V)`, or an operator. SGD cannot run on it: it draws its
                pairs from statistics.

        Raises:
            ValueError: the matrix is not square or not symmetric.
        """
        return cls(target if isinstance(target, Operator) else DenseOperator.of(target), Quartic())

    @property
    def vocab_size(self) -> int:
        """Number of words `V`."""
        return self.operator.size

    def target(self) -> Float[Array, "V V"]:
        """Return the matrix `M*` whose leading eigenvectors are the concepts, dense `(V, V)`.

        Raises:
            ValueError: it does not fit into memory.
        """
        if isinstance(self.operator, DenseOperator) and self.operator.mesh.size == 1:
            return self.operator.matrix
        return jnp.asarray(self.operator.dense(), self.operator.dtype)

    def target_operator(self) -> Operator:
        """Return `M*` as an operator, of which products with blocks of vectors can be taken."""
        return self.operator

    def target_norm_squared(self) -> float:
        """Return `||M*||_F^2`."""
        return self.operator.norm_squared()

    def require_statistics(self, purpose: str) -> CooccurrenceStatistics:
        """Return the statistics.

        Raises:
            ValueError: the problem was made from a matrix.
        """
        if self.statistics is None:
            raise argument_error(
                "problem",
                f"made from statistics, from which {purpose}",
                "one made from a matrix",
                "Use `Problem.from_statistics(stats)`.",
            )
        return self.statistics

    def shard(self, devices: Sequence[jax.Device]) -> "Problem":
        """Return the same problem with the rows of words dealt out over several devices.

        `solve_flow`, `leading_eigenpairs` and all else work on it as on one device. With several
        processes, call `jax.distributed.initialize` in each first, build the same problem in each
        and pass `jax.devices()`, which then names the devices of all.

        Raises:
            ValueError: no devices, or one without float64.
        """
        return Problem(self.operator.shard(word_mesh(devices)), self.pair_loss, self.statistics)

    def loss(self, W: AnyArray) -> Float[Array, ""]:
        """Return `L(W) = 1/4 sum_ij (M*_ij - (W W^T)_ij)^2`.

        Raises:
            ValueError: `W` is not of shape `(V, dim)`.
        """
        weights = self._checked(W)
        target_W = jnp.asarray(self.operator.product(weights))
        return factored_loss(jnp.asarray(self.target_norm_squared(), weights.dtype), weights, target_W)

    def gradient(self, W: AnyArray) -> Float[Array, "V d"]:
        """Return `dL/dW = (W W^T - M*) W`.

        Raises:
            ValueError: `W` is not of shape `(V, dim)`.
        """
        weights = self._checked(W)
        return factored_gradient(weights, jnp.asarray(self.operator.product(weights)))

    def _checked(self, W: Any) -> Array:
        weights = jnp.asarray(W)
        if weights.ndim != 2 or weights.shape[0] != self.vocab_size:
            raise argument_error("W", f"of shape ({self.vocab_size}, dim)", f"shape {weights.shape}")
        return weights.astype(self.operator.dtype)


def _dense_bytes(vocab_size: int) -> int:
    # M* stays; building it takes about four more of its size for a moment.
    return 5 * 8 * vocab_size**2


def _sparse_bytes(stats: CooccurrenceStatistics) -> int:
    # Values and columns stay; building them takes the values once more, and so do float32 products.
    return (3 * 8 + 2 * 4) * stats.counts.nnz


def _is_sparse(stats: CooccurrenceStatistics, matrix: str) -> bool:
    size, need = stats.vocab_size, _dense_bytes(stats.vocab_size)
    if matrix == "dense":
        check_fits(
            "matrix",
            f"a dense matrix of {size} words",
            need,
            "Use matrix='sparse', which forms only products, or `stats.most_frequent(n)` with a smaller n.",
        )
        return False
    few = size > _DENSE_UP_TO and stats.counts.nnz < _SPARSE_BELOW * size**2
    sparse_form = matrix == "sparse" or few or need > available_memory()
    if sparse_form:
        check_fits(
            "stats",
            f"the sparse matrix of {stats.counts.nnz} seen pairs",
            _sparse_bytes(stats),
            "Use `stats.most_frequent(n)` with a smaller n.",
        )
    return sparse_form


def _dense_target(stats: CooccurrenceStatistics, weighting: Uniform) -> DenseOperator:
    pair = stats.counts.toarray() / stats.counts.sum()
    product = np.outer(stats.word_probability, stats.word_probability)
    psi_positive, psi_negative = weighting.psi(pair, product)
    positive, negative = psi_positive * pair, psi_negative * product
    return DenseOperator.of(2 * (positive - negative) / (positive + negative))


def _sparse_target(stats: CooccurrenceStatistics, weighting: Uniform) -> SparseOperator:
    """Return `S - 2 * 1 1^T` with `S = M* + 2 = 4 A / (A + B)` on the pairs seen."""
    counts, word, total = stats.counts, stats.word_probability, stats.counts.sum()
    values = np.empty(counts.nnz, jnp.zeros(()).dtype)
    # Some million pairs at a time: temporary arrays of all of them would double the memory.
    cuts = np.unique(np.searchsorted(counts.indptr, np.arange(0, counts.nnz, 2**22)))
    for first, last in zip(cuts, np.append(cuts[1:], len(word)), strict=True):
        at = slice(counts.indptr[first], counts.indptr[last])
        rows = np.repeat(word[first:last], np.diff(counts.indptr[first : last + 1]))
        pair, product = counts.data[at] / total, rows * word[counts.indices[at]]
        psi_positive, psi_negative = weighting.psi(pair, product)
        positive = psi_positive * pair
        values[at] = 4 * positive / (positive + psi_negative * product)
    matrix = sparse.csr_array((values, counts.indices, counts.indptr), shape=counts.shape)
    ones = np.ones((len(word), 1))
    return SparseOperator.of(matrix, -2 * ones, ones)


def gaussian_init(key: Key[Array, "*S"], vocab_size: int, dim: int, scale: float) -> Float[Array, "*S V d"]:
    """Return initial weights: i.i.d. Gaussian entries of standard deviation `scale / sqrt(dim)`.

    The overlap of any unit vector with the weights then has mean square `scale^2`. Drawn in
    float32 in either precision mode, so that SGD and theory can start from the same weights.

    Args:
        key: one JAX key, or an array of keys for an ensemble `(S, V, dim)`.
        vocab_size: `V`.
        dim: embedding dimension `d`.
        scale: size of the start, above 0.

    Raises:
        ValueError: `dim` outside 1..V, or a scale that is not positive and finite.

    Example:
        >>> import jax
        >>> gaussian_init(jax.random.key(0), 5, 2, 0.1).shape
        (5, 2)
    """
    check_dimension(dim, vocab_size)
    if not (np.isfinite(scale) and scale > 0):
        raise argument_error("scale", "positive and finite", scale, "At 0 nothing ever grows.")

    def draw(one: Key[Array, ""]) -> Float[Array, "V d"]:
        return jax.random.normal(one, (vocab_size, dim), jnp.float32)

    normal = jnp.vectorize(draw, signature="()->(v,d)")(key)
    return normal.astype(jnp.zeros(()).dtype) * (scale / np.sqrt(dim))
