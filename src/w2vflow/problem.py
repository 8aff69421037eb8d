"""The optimisation problem: statistics x weighting x loss, its objective and gradient."""

import os
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from w2vflow.checks import argument_error, check_dimension
from w2vflow.losses import LOSSES, Quartic
from w2vflow.statistics import CooccurrenceStatistics
from w2vflow.weighting import AnyArray, Uniform

__all__ = ["Problem", "factored_loss", "gaussian_init", "gradient", "objective", "require_float64"]

# TF32 or bfloat16 products would decide step times on an accelerator.
_PRECISION = jax.lax.Precision.HIGHEST


def factored_loss(
    target_norm_squared: Float[Array, ""], W: Float[Array, "n d"], target_W: Float[Array, "n d"]
) -> Float[Array, ""]:
    """Return `1/4 ||M - W W^T||_F^2` from `||M||_F^2`, `W` and `M W`, without a matrix of pairs.

        ||M - W W^T||^2 = ||M||^2 - 2 tr(W^T M W) + ||W^T W||^2

    `W` and `M W` may be in any orthonormal basis, the eigenbasis of `M` for one.
    """
    gram = jnp.matmul(W.T, W, precision=_PRECISION)
    return (target_norm_squared - 2 * jnp.sum(W * target_W) + jnp.sum(gram**2)) / 4


def objective(target: Float[Array, "V V"], W: Float[Array, "V d"]) -> Float[Array, ""]:
    """Return the quartic objective at constant `G = 1`: `L(W) = 1/4 sum_ij (M*_ij - (W W^T)_ij)^2`."""
    return factored_loss(jnp.sum(target**2), W, jnp.matmul(target, W, precision=_PRECISION))


def gradient(target: Float[Array, "V V"], W: Float[Array, "V d"]) -> Float[Array, "V d"]:
    """Return `dL/dW = (W W^T - M*) W` of `objective`; the gradient flow is `dW/dt = -dL/dW`."""
    gram = jnp.matmul(W.T, W, precision=_PRECISION)
    return jnp.matmul(W, gram, precision=_PRECISION) - jnp.matmul(target, W, precision=_PRECISION)


_objective = jax.jit(objective)
_gradient = jax.jit(gradient)


class Problem(eqx.Module):
    """What word2vec is asked to learn from given statistics, in the units of the whole package.

        A_ij = Psi+_ij P_ij,  B_ij = Psi-_ij p_i p_j,  G = A + B,  M* = 2 (A - B) / (A + B)
        L(W) = 1/4 sum_ij G_ij (M*_ij - (W W^T)_ij)^2,   dW/dt = -dL/dW,   mean(G) = 1

    A discrete step of learning rate `eta` advances time by `eta`. Precision is JAX's default:
    float64 under `jax_enable_x64`, which theory and flow need, else float32. Make one with
    `Problem.from_statistics`.

    Attributes:
        pair_probability: `P`, `(V, V)`, symmetric, sums to 1.
        word_probability: `p`, `(V,)`, the marginal of `P`.
        target_matrix: `M*`, `(V, V)`; -2 where a pair was never seen.
        pair_loss: loss of one pair.

    References:
        arXiv 2502.09863, sections 2 and 3.
    """

    pair_probability: Float[Array, "V V"]
    word_probability: Float[Array, " V"]
    target_matrix: Float[Array, "V V"]
    pair_loss: Quartic

    @classmethod
    def from_statistics(
        cls,
        stats: CooccurrenceStatistics,
        *,
        weighting: Uniform | None = None,
        loss: str = "quartic",
        tied: bool = True,
    ) -> "Problem":
        """Return the problem that `stats` pose.

        Args:
            stats: co-occurrence statistics.
            weighting: pair weights; `Uniform()` (constant `G`) where not given.
            loss: `"quartic"`.
            tied: word and context vectors are one and the same; must be true.

        Raises:
            ValueError: a setting that is not available, or a vocabulary whose dense matrices do
                not fit into memory (the message says how much they need).

        Example:
            >>> import numpy as np
            >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[2, 3], [3, 4]]), np.array([5, 7]))
            >>> Problem.from_statistics(stats).target().round(3).tolist()
            [[-0.041, 0.028], [0.028, -0.021]]
        """
        weighting = Uniform() if weighting is None else weighting
        if not isinstance(weighting, Uniform):
            raise argument_error("weighting", "`Uniform()`", repr(weighting))
        if loss not in LOSSES:
            raise argument_error("loss", f"one of {sorted(LOSSES)}", repr(loss))
        if not tied:
            raise argument_error("tied", "True (word and context vectors are one)", tied)
        _check_fits(stats.vocab_size)
        pair = stats.counts.toarray() / stats.counts.sum()
        word = stats.word_probability
        product = np.outer(word, word)
        psi_positive, psi_negative = weighting.psi(pair, product)
        positive, negative = psi_positive * pair, psi_negative * product
        target = 2 * (positive - negative) / (positive + negative)
        return cls(jnp.asarray(pair), jnp.asarray(word), jnp.asarray(target), LOSSES[loss]())

    @property
    def vocab_size(self) -> int:
        """Number of words `V`."""
        return self.word_probability.shape[0]

    def target(self) -> Float[Array, "V V"]:
        """Return the matrix `M*` whose leading eigenvectors are the concepts, dense `(V, V)`."""
        return self.target_matrix

    def loss(self, W: AnyArray) -> Float[Array, ""]:
        """Return `L(W) = 1/4 sum_ij (M*_ij - (W W^T)_ij)^2`.

        Raises:
            ValueError: `W` is not of shape `(V, dim)`.
        """
        return _objective(self.target_matrix, self._checked(W))

    def gradient(self, W: AnyArray) -> Float[Array, "V d"]:
        """Return `dL/dW = (W W^T - M*) W`.

        Raises:
            ValueError: `W` is not of shape `(V, dim)`.
        """
        return _gradient(self.target_matrix, self._checked(W))

    def _checked(self, W: Any) -> Array:
        weights = jnp.asarray(W)
        if weights.ndim != 2 or weights.shape[0] != self.vocab_size:
            raise argument_error("W", f"of shape ({self.vocab_size}, dim)", f"shape {weights.shape}")
        return weights.astype(self.target_matrix.dtype)


def _check_fits(vocab_size: int) -> None:
    # P and M* stay; building them takes about four more of their size for a moment.
    need = 6 * 8 * vocab_size**2
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > have:
        raise argument_error(
            "stats",
            f"of a vocabulary whose matrices fit into the {have / 1e9:.0f} GB of this machine",
            f"{vocab_size} words (about {need / 1e9:.0f} GB)",
            "Use `stats.most_frequent(n)` with a smaller n.",
        )


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


def require_float64(function: str) -> None:
    """Raise `ValueError` unless JAX computes in float64, which tiny initial weights need."""
    if jax.dtypes.canonicalize_dtype(np.float64) != np.float64:
        raise ValueError(
            f"`{function}` needs float64, but JAX is set to float32: in float32 a growth from 1e-8 loses its "
            'digits. Call `jax.config.update("jax_enable_x64", True)` before building the `Problem`, '
            "or set the environment variable JAX_ENABLE_X64=1."
        )
