"""Embeddings near the minimum of word2vec's loss, by alternating regressions of words and contexts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from w2vflow.counts import CooccurrenceStatistics
from w2vflow.problem import Mikolov, PairWeights, Weighting
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_dimension
from w2vflow.support.csr import row_sums
from w2vflow.support.machine import available_cores, check_fits

if TYPE_CHECKING:
    from w2vflow.embeddings.row_kernel import SeenPairs, Side

__all__ = ["embed", "minimise_logistic"]

Host = np.ndarray

# Steps of conjugate gradients in a turn of one side, and in the last turn of the words.
_STEPS, _LAST_STEPS = 1, 2
_MOST_SWEEPS = 1000
# Part of the mean variance added to every direction, so that those not in use can be divided by.
_RIDGE = 1e-7
# Parts that rows are dealt out in, and rows taken to float64 at a time.
_PARTS, _ROWS = 64, 2**12


def minimise_logistic(
    weights: PairWeights, dim: int, sweeps: int, ridge: float
) -> tuple[Float[Host, "V d"], Float[Host, "V d"]]:
    """Return vectors of words and contexts near a minimum of the loss of `embed`, in float32.

    With either side given, each row of the other is a convex logistic regression of its own, with
    `ridge / 2 |w_i|^2` added, or of the context `ridge / 2 |c_j|^2`. Seen pairs enter one by one. The
    logits of the unseen pairs of a row are taken as Gaussian under the weights `B_ij`, with the mean and the
    variance that they have: those of all pairs, from `sum_j R_jr c_j` and `sum_j R_jr c_j c_j^T` where
    `B = L R^T`, less those of the seen ones. So cost and memory are those of the seen pairs, and `V d^2`.

    A sweep takes a step of conjugate gradients in every row of the contexts and then of the words, from the
    second sweep on; in the last one the words take two. A step goes to the minimum along its line of the
    quadratic that touches the loss from above, with curvature `tanh(x/2) / (2 x)` in place of `sigma'(x)`.
    The start is the range of `D_r^(1/2) M* D_c^(1/2)` (row and column sums of `G`) by a random matrix and one
    product from either side. `W` and `C` are those of their product for which `W^T W = C^T C` is diagonal,
    which is where `|W|^2 + |C|^2` is least.

    `weights` are `A` and `B`, normalised, of low rank where pairs were never seen, hence with symmetric `A`.

    References:
        Jaakkola, Jordan (2000), Bayesian parameter estimation via variational methods, section 3 (the
        quadratic); Halko, Martinsson, Tropp (2011), algorithm 4.4 (the start); Srebro et al. (2004),
        Maximum-margin matrix factorization (the penalty, `ridge` times the sum of the singular values of
        `W C^T`).
    """
    size = weights.vocab_size
    check_dimension(dim, size)
    if not 1 <= sweeps <= _MOST_SWEEPS:
        remedy = "After some tens of them nothing moves any more."
        raise argument_error("sweeps", f"between 1 and {_MOST_SWEEPS}", sweeps, remedy)
    if weights.dense_negative is not None:
        raise argument_error("weighting", "of low rank where pairs were never seen", "arrays of all pairs")
    what = f"a copy of {len(weights.indices):,} pairs, and eight vectors for each of {size:,} words,"
    remedy = "Take the most frequent words alone: `stats.most_frequent(n)`."
    check_fits("vocab_size", what, 8 * len(weights.indices) + 32 * size * dim, remedy)
    pairs, words, contexts = _sides(weights)
    # The cores are busy with rows; between, more threads would wait longer than they work.
    with threadpool_limits(1, "blas"):
        C = _start(pairs, words, contexts, dim)
        W = np.zeros_like(C)
        for sweep in range(sweeps):
            if sweep:
                C = _refitted(C, W, pairs, (contexts, words), ridge, _STEPS)
                W, C = _balanced(W, C)
            steps = _LAST_STEPS if sweep == sweeps - 1 else _STEPS
            W = _refitted(W, C, pairs, (words, contexts), ridge, steps)
            W, C = _balanced(W, C)
    return W, C


def _sides(weights: PairWeights) -> "tuple[SeenPairs, Side, Side]":
    """Return the seen pairs, once for both sides, and the weights as seen from words and from contexts."""
    from w2vflow.embeddings.row_kernel import SeenPairs, Side  # here: it takes numba

    def single(array: Any) -> Host:
        return np.ascontiguousarray(array, np.float32)

    indptr, indices = np.asarray(weights.indptr, np.int64), np.asarray(weights.indices, np.int32)
    skips, low_rank = weights.skip_sides(), (weights.left, weights.right)

    def side(order: int, sums: Any) -> "Side":
        if not (sums > 0).all():
            raise argument_error("weighting", "positive for some pair of every word", "a word without weight")
        own, other = 1.0 - weights.exclusive - skips[order], skips[1 - order]
        return Side(*map(single, (low_rank[order], low_rank[1 - order], own, other, sums)))

    of_words, of_contexts = weights.sums()
    return SeenPairs(indptr, indices, single(weights.values)), side(0, of_words), side(1, of_contexts)


def _start(pairs: "SeenPairs", words: "Side", contexts: "Side", dim: int) -> Float[Host, "V d"]:
    """Return contexts that span about the range of `D_r^(1/2) M* D_c^(1/2)`, over the roots of `D_c`."""
    from w2vflow.embeddings.row_kernel import target_products

    basis = np.random.default_rng(0).standard_normal((len(words.sums), dim), np.float32)
    for side, other in ((words, contexts), (contexts, words)):
        scaled, image = np.sqrt(other.sums)[:, None] * basis, np.empty_like(basis)
        _in_parts(target_products, pairs, dim, pairs, side, scaled, image)
        # A pair never seen has M* = -2.
        basis = np.sqrt(side.sums)[:, None] * (
            image - 2 * scaled.sum(axis=0, dtype=np.float64).astype(np.float32)
        )
        basis = _turned(basis, np.linalg.inv(_factor(basis)).T)
    start = basis / np.sqrt(contexts.sums)[:, None]
    return start * np.float32(np.sqrt(len(start)) / np.linalg.norm(start))


def _refitted(
    own: Host, given: Host, pairs: "SeenPairs", sides: "tuple[Side, Side]", ridge: float, steps: int
) -> Float[Host, "V d"]:
    """Return the vectors of one side after steps of conjugate gradients, those of the other given."""
    from w2vflow.embeddings.row_kernel import Given, refit

    side, other = sides
    right = side.right.astype(np.float64)
    # Axes along which what is given is uncorrelated: of these each has a curvature of its own.
    values, axes = np.linalg.eigh(_gram(given, right.sum(axis=1)))
    rows, vectors = _turned(own, axes), _turned(given, axes)
    one = right.shape[1] == 1
    square = values[None, None] if one else np.stack([_gram(vectors, column) for column in right.T])
    spread = other.sums @ vectors**2 / other.sums.sum(dtype=np.float64)
    moments = (right.sum(axis=0), right.T @ vectors, square, np.maximum(spread, _RIDGE * spread.mean()))
    known = Given(vectors, *(np.ascontiguousarray(one, np.float32) for one in moments))
    _in_parts(refit, pairs, own.shape[1], pairs, side, known, rows, np.float32(ridge), steps)
    return _turned(rows, axes.T)


def _in_parts(work: Callable[..., None], pairs: "SeenPairs", dim: int, *arguments: Any) -> None:
    """Run compiled work on parts of the rows, of about equal cost, on all cores."""
    cost = pairs.indptr + dim * np.arange(len(pairs.indptr))
    cuts = np.unique(np.searchsorted(cost, np.linspace(0, cost[-1], _PARTS + 1)))
    with ThreadPoolExecutor(available_cores()) as pool:
        parts = [pool.submit(work, first, last, *arguments) for first, last in pairwise(cuts)]
        for part in parts:
            part.result()


def _balanced(W: Host, C: Host) -> tuple[Host, Host]:
    """Return the vectors of the same `W C^T` for which `W^T W = C^T C` is diagonal, falling."""
    one, other = _factor(W), _factor(C)
    left, values, right = np.linalg.svd(one.T @ other)
    roots = np.sqrt(values)

    def turn(factor: Host, axes: Host) -> Host:
        return scipy.linalg.solve_triangular(factor, axes * roots, lower=True, trans=1)

    return _turned(W, turn(one, left)), _turned(C, turn(other, right.T))


def _gram(rows: Host, weights: Host) -> Float[Host, "d d"]:
    """Return `X^T diag(weights) X`, some rows at a time in float32, their sums in float64."""
    whole, roots = np.zeros((rows.shape[1],) * 2), np.sqrt(weights, dtype=np.float32)[:, None]
    for at in range(0, len(rows), _ROWS):
        some = roots[at : at + _ROWS] * rows[at : at + _ROWS]
        whole += some.T @ some
    return whole


def _factor(rows: Host) -> Float[Host, "d d"]:
    """Return `L` of `X^T X = L L^T`, by Cholesky: QR takes ten times as long."""
    variance = _gram(rows, np.ones(len(rows), np.float32))
    variance[np.diag_indices_from(variance)] += _RIDGE * np.trace(variance) / len(variance)
    return np.linalg.cholesky(variance)


def _turned(rows: Host, turn: Host) -> Float[Host, "V d"]:
    """Return rows in other coordinates."""
    return rows @ np.ascontiguousarray(turn, np.float32)


@checked
def embed(
    stats: CooccurrenceStatistics,
    dim: int = 200,
    *,
    weighting: Weighting | None = None,
    sweeps: int = 4,
    prior: float = 1.0,
) -> Float[np.ndarray, "V d"]:
    """Return word vectors near the minimum that word2vec's training tends to, from counts alone, in float32.

        min over W, C of  sum_ij A_ij ln(1 + e^(-x_ij)) + B_ij ln(1 + e^(x_ij)) + lambda/2 (|W|^2 + |C|^2),
        x = W C^T,   lambda = prior * median_i(sum_j A_ij / n_i),   n_i occurrences of word i

    No text is read, no pair is drawn: words are fitted to contexts and contexts to words, all pairs at once,
    over and over. Unseen pairs enter by the mean and the variance of their logits (`minimise_logistic`), so
    that cost and memory are those of the seen pairs. Same counts, same vectors, on one kind of processor. For
    accuracy and time beside gensim's see docs/embeddings.md; the closed form at constant `G` or `RankOne`
    weights is `leading_eigenpairs`.

    Args:
        stats: counts; windows of 8, and of 12 in larger texts, served best.
        dim: dimension of the vectors.
        weighting: of pairs; word2vec's own by default, no negatives skipped,
            `Mikolov(subsample=1e-4, power=0.75, negatives=5, skip_target=False)`.
            `B` must be of low rank where pairs were never seen (all but `Custom`).
        sweeps: how often words are fitted; more repay their time in texts of tens of millions of words.
        prior: how many occurrences of a word the penalty on lengths weighs as much as: a word seen less
            often than that stays near the origin, in the directions that most contexts agree on. 0 for none.

    Raises:
        ValueError: `dim` outside 1..V, `sweeps` below 1, a negative `prior`, `Custom` weights, a word without
            any weight, pairs that do not fit into memory.

    References:
        Levy, Goldberg (2014), equation 4: the loss as a matrix factorisation; Hu, Koren, Volinsky (2008):
        unseen pairs by their moments.

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
    if not 0 <= prior < np.inf:
        raise argument_error("prior", "finite and not negative", prior)
    weights = weighting.pair_weights(stats).normalised()
    occurrence = np.median(row_sums(weights.values, weights.indptr) / stats.occurrences)
    try:
        W, _ = minimise_logistic(weights, dim, sweeps, prior * float(occurrence))
    except np.linalg.LinAlgError as error:
        expected = "below the number of words, with a `prior` of the size of counts"
        got = f"{dim} of {stats.vocab_size} words and a prior of {prior:g}"
        raise argument_error("dim", expected, got, "Vectors of a direction are all 0.") from error
    return W
