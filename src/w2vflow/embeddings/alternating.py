"""Embeddings near the minimum of word2vec's loss, by alternating regressions of words and contexts."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float
from scipy import sparse

from w2vflow.counts import CooccurrenceStatistics
from w2vflow.problem import Mikolov, PairWeights, Weighting
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray
from w2vflow.support.checks import argument_error, check_dimension
from w2vflow.support.machine import check_fits

__all__ = ["embed", "minimise_logistic"]

Host = np.ndarray

# Rows at a time: their logits against all words stay near the cores.
_ROWS = 256
# Steps of conjugate gradients on one side before the other side has its turn.
_STEPS = 2
# Products with M* and its transpose that shape the start.
_POWER = 2
# Part of the mean variance added to every direction, so that those not in use can be divided by.
_RIDGE = 1e-7


class _Side(NamedTuple):
    """Weights of all pairs as seen from words or from contexts, rows in blocks.

    Attributes:
        positive: `A`, `(blocks, R, V)`, zero in the rows that fill up the last block.
        left, right: `G = left right^T + share o A`; the last columns are those of the share.
        roots: square roots of the sums of `G` over the other side, `(V,)`, on the host.
    """

    positive: Float[Array, "blocks R V"]
    left: Float[Array, "blocks R q"]
    right: Float[Array, "V q"]
    roots: Float[Host, " V"]


def minimise_logistic(
    weights: PairWeights, dim: int, sweeps: int
) -> tuple[Float[Host, "V d"], Float[Host, "V d"]]:
    """Return vectors of words and contexts, untied, near a minimum of word2vec's loss (see `embed`).

    With either side given, each row of the other is a convex logistic regression of its own. A sweep takes
    two steps of conjugate gradients in every row of one side and then of the other, in coordinates that are
    white under the column sums of `G`. A step goes to the minimum along its line of the quadratic that
    touches the loss from above, with curvature `tanh(x/2) / (2 x)` in place of `sigma'(x)`: the loss never
    rises. The start is the range of `D_r^(1/2) M* D_c^(1/2)` (row and column sums of `G`) by a random matrix
    and two products from either side. `W` and `C` are those of their product for which `W^T D_r W = C^T D_c
    C` is diagonal.

    `weights` are `A` and `B`, of low rank where pairs were never seen, hence with symmetric `A`. Contexts are
    fitted once less than words.

    References:
        Jaakkola, Jordan (2000), Bayesian parameter estimation via variational methods, section 3 (the
        quadratic); Halko, Martinsson, Tropp (2011), algorithm 4.4 (the start).
    """
    size = weights.vocab_size
    check_dimension(dim, size)
    if sweeps < 1:
        raise argument_error("sweeps", "at least 1", sweeps)
    if weights.dense_negative is not None:
        raise argument_error("weighting", "of low rank where pairs were never seen", "arrays of all pairs")
    what = f"a matrix of {size} x {size} float32 numbers, and a copy of it,"
    remedy = "Take the most frequent words alone: `stats.most_frequent(n)`."
    check_fits("vocab_size", what, 8 * size * (size + 2 * _ROWS), remedy)
    words, contexts = _sides(weights.normalised())
    C = _start(words, contexts, dim)
    W = np.zeros_like(C)
    for sweep in range(sweeps):
        if sweep:
            C = _refitted(C, W, contexts, words)
        W = _refitted(W, C, words, contexts)
    return _balanced(W, C, words, contexts)


def _sides(weights: PairWeights) -> tuple[_Side, _Side]:
    """Return the weights as seen from words and from contexts; the seen pairs, symmetric, once for both."""
    size, seen = weights.vocab_size, weights.positive
    single = sparse.csr_array((seen.data.astype(np.float32), seen.indices, seen.indptr), seen.shape)
    blocks = np.zeros((-(-size // _ROWS) * _ROWS, size), np.float32)
    single.toarray(out=blocks[:size])
    positive = jnp.asarray(blocks).reshape(-1, _ROWS, size)

    of_skip = [np.asarray(one)[:, None] for one in weights.skip_sides()]
    whole = 1.0 - weights.exclusive

    def side(order: int, sums: AnyArray) -> _Side:
        left, right = ((weights.left, weights.right), (weights.right, weights.left))[order]
        own, other = of_skip[order], of_skip[1 - order]
        left, right = np.hstack([left, whole - own]), np.hstack([right, -other])
        if not (sums > 0).all():
            raise argument_error("weighting", "positive for some pair of every word", "a word without weight")
        parts = _in_blocks(np.asarray(left)), jnp.asarray(right, jnp.float32)
        return _Side(positive, *parts, np.sqrt(sums))

    of_words, of_contexts = weights.sums()
    return side(0, of_words), side(1, of_contexts)


def _start(words: _Side, contexts: _Side, dim: int) -> Float[Host, "V d"]:
    """Return contexts that span about the range of `D_r^(1/2) M* D_c^(1/2)`, over the roots of `D_c`."""
    basis = np.random.default_rng(0).standard_normal((len(words.roots), dim))
    for _ in range(_POWER):
        for side, other in ((words, contexts), (contexts, words)):
            scaled = jnp.asarray(other.roots[:, None] * basis, jnp.float32)
            image = side.roots[:, None] * _from_blocks(_products(side, scaled), len(basis))
            basis = _white(image, np.ones(len(image)))[0]
    return basis / contexts.roots[:, None]


def _refitted(own: Host, given: Host, side: _Side, other: _Side) -> Float[Host, "V d"]:
    """Return the vectors of one side after steps of conjugate gradients, those of the other given."""
    white, factor = _white(given, other.roots**2)
    moved = _descended(side, _in_blocks(own @ factor), jnp.asarray(white, jnp.float32))
    rows = _from_blocks(moved, len(own))
    return scipy.linalg.solve_triangular(factor, rows.T, lower=True, trans=1).T


def _balanced(W: Host, C: Host, words: _Side, contexts: _Side) -> tuple[Host, Host]:
    """Return the vectors of the same `W C^T` for which `W^T D_r W = C^T D_c C` is diagonal, falling."""
    (white, factor), (other_white, other_factor) = (
        _white(side, own.roots**2) for side, own in ((W, words), (C, contexts))
    )
    left, values, right = np.linalg.svd(factor.T @ other_factor)
    roots = np.sqrt(values)
    return white @ (left * roots), other_white @ (right.T * roots)


def _white(vectors: Host, weights: Host) -> tuple[Float[Host, "V d"], Float[Host, "d d"]]:
    """Return `X L^(-T)` and `L` of `X^T diag(weights) X = L L^T`, by Cholesky: QR takes ten times as long."""
    variance = vectors.T @ (weights[:, None] * vectors)
    variance[np.diag_indices_from(variance)] += _RIDGE * np.trace(variance) / len(variance)
    factor = np.linalg.cholesky(variance)
    return scipy.linalg.solve_triangular(factor, vectors.T, lower=True).T, factor


def _in_blocks(rows: Host) -> Float[Array, "blocks R d"]:
    blocks = -(-len(rows) // _ROWS)
    filled = np.zeros((blocks * _ROWS, rows.shape[1]), np.float32)
    filled[: len(rows)] = rows
    return jnp.asarray(filled).reshape(blocks, _ROWS, -1)


def _from_blocks(blocks: Array, size: int) -> Float[Host, "V d"]:
    return np.asarray(blocks, np.float64).reshape(-1, blocks.shape[-1])[:size]


def _totals(side: _Side, positive: Array, left: Array) -> Array:
    """Return `G` of a block of rows."""
    share = left[:, -1:] + side.right[None, :, -1]
    return left[:, :-1] @ side.right[:, :-1].T + share * positive


@eqx.filter_jit
def _products(side: _Side, vectors: Float[Array, "V d"]) -> Float[Array, "blocks R d"]:
    """Return `M*` times vectors, from either side."""

    def of_block(block: tuple[Array, Array]) -> Array:
        positive, left = block
        G = _totals(side, positive, left)
        return jnp.where(G > 0, (4 * positive - 2 * G) / G, 0) @ vectors

    return jax.lax.map(of_block, (side.positive, side.left))


@eqx.filter_jit
def _descended(
    side: _Side, own: Float[Array, "blocks R d"], given: Float[Array, "V d"]
) -> Float[Array, "blocks R d"]:
    """Return rows after `_STEPS` steps of conjugate gradients, each with a step length of its own."""

    def of_block(block: tuple[Array, Array, Array]) -> Array:
        positive, left, rows = block
        G = _totals(side, positive, left)
        x = rows @ given.T
        direction = previous = jnp.zeros_like(rows)
        for step in range(_STEPS):
            half = jnp.tanh(x / 2)
            # The steepest descent, A - G sigma(x), already in white coordinates.
            descent = (positive - G * (half + 1) / 2) @ given
            if step:
                turned = _ratio(jnp.sum(descent * (descent - previous), axis=1), jnp.sum(previous**2, axis=1))
                direction = jnp.maximum(turned, 0)[:, None] * direction
            direction, previous = direction + descent, descent
            change = direction @ given.T
            curvature = jnp.where(jnp.abs(x) > 1e-3, half / (2 * x), 0.25)
            along = jnp.sum(descent * direction, axis=1)
            length = _ratio(along, jnp.sum(G * curvature * change**2, axis=1))[:, None]
            rows, x = rows + length * direction, x + length * change
        return rows

    return jax.lax.map(of_block, (side.positive, side.left, own))


def _ratio(value: Array, total: Array) -> Array:
    """Return the quotient; 0 over 0 is 0, for rows that are done or only fill up a block."""
    return jnp.where(total > 0, value / jnp.where(total > 0, total, 1), 0)


@checked
def embed(
    stats: CooccurrenceStatistics, dim: int = 200, *, weighting: Weighting | None = None, sweeps: int = 4
) -> Float[np.ndarray, "V d"]:
    """Return word vectors near the minimum that word2vec's training tends to, from counts alone, in float32.

        min over W, C of  sum_ij A_ij ln(1 + e^(-x_ij)) + B_ij ln(1 + e^(x_ij)),   x = W C^T

    No text is read, no pair is drawn: words are fitted to contexts and contexts to words, all pairs at once,
    over and over. Of the factors of `W C^T` the words balanced under the sums of `G` are returned. Same
    counts, same vectors. For accuracy and time beside gensim's see docs/embeddings.md; the closed form at
    constant `G` or `RankOne` weights is `leading_eigenpairs`. Cost and memory grow as `V^2`: 13 GB at
    V = 30,000. Words of very few counts are fitted too closely; word2vec drops those of fewer than 5.

    Args:
        stats: counts; the window that served best is the default of `count`, 16.
        dim: dimension of the vectors.
        weighting: of pairs; word2vec's own by default, no negatives skipped,
            `Mikolov(subsample=1e-4, power=0.75, negatives=5, skip_target=False)`.
            `B` must be of low rank where pairs were never seen (all but `Custom`).
        sweeps: how often words are fitted.

    Raises:
        ValueError: `dim` outside 1..V, `sweeps` below 1, `Custom` weights, a word without any weight, a
            vocabulary whose pairs do not fit into memory.

    References:
        Levy, Goldberg (2014), equation 4: the loss as a matrix factorisation.

    Example:
        >>> import numpy as np
        >>> pairs = np.array([[4, 9, 1, 1], [9, 4, 1, 1], [1, 1, 4, 9], [1, 1, 9, 4]])
        >>> stats = CooccurrenceStatistics(("tea", "milk", "bolt", "nut"), pairs, pairs.sum(axis=1))
        >>> tea, milk, bolt, nut = embed(stats, 2)
        >>> bool(np.dot(tea, milk) > np.dot(tea, bolt))
        True
    """
    if weighting is None:
        weighting = Mikolov(subsample=1e-4, power=0.75, negatives=5, skip_target=False)
    if stats.directions != "both":
        expected = "of both directions, whose counts are symmetric"
        got = f"contexts on the {stats.directions} of the word alone"
        raise argument_error("stats", expected, got, "Use `stats.symmetrized()`.")
    W, _ = minimise_logistic(weighting.pair_weights(stats), dim, sweeps)
    return W.astype(np.float32)
