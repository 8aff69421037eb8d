"""Weightings: the weights Psi+ and Psi- of positive and negative pairs.

A pair of words counts as a positive example with `A_ij = Psi+_ij P_ij` and as a negative one with
`B_ij = Psi-_ij p_i p_j`. Only their ratio between pairs matters: `G = A + B` is normalised to mean 1.
"""

from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy import sparse

from w2vflow.counts import CooccurrenceStatistics, keep_probability
from w2vflow.problem.pair_weights import PairWeights, seen_entries
from w2vflow.support.checks import argument_error

__all__ = ["Custom", "Mikolov", "Plain", "RankOne", "Symmetrized", "Uniform", "Unigram", "Weighting"]

Elementwise = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Weighting(eqx.Module):
    """Weights of positive and negative pairs, from the statistics of a corpus."""

    @abstractmethod
    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A` and `B` of all pairs, up to a common factor.

        Raises:
            ValueError: a weight is negative or not finite.
        """


class RankOne(Weighting):
    """Weights that make `G` a product: the best embedding is then known in closed form.

        Psi+_ij = Psi-_ij = g_i g_j / (P_ij + p_i p_j),   so   G_ij = g_i g_j,   g = p^alpha

    The minimum of the quartic objective of tied weights is `D^(-1/2) W~`, with `D = diag(g)` and
    `W~ W~^T` the best approximation of rank d to `D^(1/2) M* D^(1/2)`.

    Args:
        alpha: exponent; at 0, `G` is constant: `Uniform()`.

    References:
        Srebro, Jaakkola (2003), Weighted low-rank approximations, section 3.
    """

    alpha: float = eqx.field(default=0.5, converter=float)

    def __check_init__(self) -> None:
        if not np.isfinite(self.alpha):
            raise argument_error("alpha", "finite", self.alpha)

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = g_i g_j P / (P + p_i p_j)` and `B = g_i g_j - A`."""
        p = stats.word_probability
        # Of mean size 1, so that no power of a probability underflows.
        g = (p * len(p)) ** self.alpha

        positive = _seen(stats, lambda pair, product, i, j: g[i] * g[j] * pair / (pair + product))
        return PairWeights(positive, g[:, None], g[:, None], exclusive=True)


class Uniform(Weighting):
    """Weights that make `G` constant, the setting in which the theory is exact.

        Psi+_ij = Psi-_ij = 1 / (P_ij + p_i p_j),   so   G_ij = Psi+_ij P_ij + Psi-_ij p_i p_j = 1

    References:
        arXiv 2502.09863, Setting 3.1.
    """

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = P / (P + p_i p_j)` and `B = 1 - A`."""
        return RankOne(0.0).pair_weights(stats)


class Plain(Weighting):
    """All co-occurrences alike, one negative pair for each positive one: `Psi+ = Psi- = 1`.

    References:
        Levy, Goldberg (2014), section 3, with k = 1 and negatives drawn from the unigram distribution.
    """

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = P` and `B = p p^T`."""
        p = stats.word_probability[:, None]
        return PairWeights(_seen(stats, lambda pair, *_: pair), p, p)


class Unigram(Weighting):
    """Every pair weighed by how unlikely it is by chance: `Psi+ = Psi- = 1 / (p_i p_j)`.

    `G_ij = 1 + P_ij / (p_i p_j)`: large where words attract each other.
    """

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = P / (p_i p_j)` and `B = 1`."""
        ones = np.ones((stats.vocab_size, 1))
        return PairWeights(_seen(stats, lambda pair, product, *_: pair / product), ones, ones)


class Mikolov(Weighting):
    """The weights of word2vec as published: skip-gram with subsampling and negative sampling.

        A_ij = c_i c_j P_ij,   c_i = min(1, sqrt(t / f_i) + t / f_i)
        B_ij = k u_i q_j,      u_i = sum_j A_ij,   q_j = f_j^power / sum_l f_l^power

    `f` are frequencies among the words of the vocabulary. Its window of random size is in the
    counts already: count with `weighting="linear"` and word2vec's `window`. Word and context play
    different roles in `B`; tied weights need `Symmetrized(Mikolov(...))`.

    word2vec drops words before it lays windows, which then reach further; here windows are as counted.

    Args:
        subsample: `t`, as word2vec's `-sample`; 0 for no subsampling.
        power: exponent of the distribution of negative contexts.
        negatives: `k`, negative pairs for each positive one.

    Raises:
        ValueError: a negative threshold, or negatives that are not positive.

    References:
        Mikolov et al. (2013), arXiv 1310.4546, section 2; word2vec.c for the probability of keeping
        a word.
    """

    subsample: float = eqx.field(default=1e-3, converter=float)
    power: float = eqx.field(default=0.75, converter=float)
    negatives: float = eqx.field(default=5.0, converter=float)

    def __check_init__(self) -> None:
        if not np.isfinite(self.power):
            raise argument_error("power", "finite", self.power)
        if not (np.isfinite(self.negatives) and self.negatives > 0):
            raise argument_error("negatives", "positive and finite", self.negatives)

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = c_i c_j P` and `B = k u_i q_j`."""
        frequency = stats.unigram / stats.unigram.sum()
        keep = keep_probability(frequency, self.subsample)
        positive = _seen(stats, lambda pair, _, rows, columns: keep[rows] * keep[columns] * pair)
        share = frequency**self.power
        left = self.negatives * positive.sum(axis=1)
        return PairWeights(positive, left[:, None], (share / share.sum())[:, None])


class Symmetrized(Weighting):
    """The mean of other weights and their transpose: the same objective where vectors are tied."""

    weighting: Weighting

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `(A + A^T) / 2` and `(B + B^T) / 2`."""
        return self.weighting.pair_weights(stats).symmetrized()


class Custom(Weighting):
    """Weights of your own, `Psi+` and `Psi-`: each an array `(V, V)`, or a function.

    A function takes joint probabilities `P_ij` and products `p_i p_j`, arrays of one shape, and
    returns weights of that shape. All pairs are formed: the matrices have to fit into memory.

    Args:
        positive, negative: `Psi+` and `Psi-`.

    Raises:
        ValueError: where used: a weight is negative or not finite, or an array has another shape.

    Example:
        >>> import numpy as np
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[2, 3], [3, 4]]), np.array([5, 7]))
        >>> plain = Custom(np.ones((2, 2)), lambda pair, product: np.ones_like(product))
        >>> plain.pair_weights(stats).total()
        2.0
    """

    positive: Float[np.ndarray, "V V"] | Elementwise
    negative: Float[np.ndarray, "V V"] | Elementwise

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = Psi+ P` and `B = Psi- p p^T`."""
        p = stats.word_probability
        pair, product = stats.counts.toarray() / stats.counts.sum(), np.outer(p, p)
        psi = {}
        for name in ("positive", "negative"):
            given = getattr(self, name)
            psi[name] = np.asarray(given(pair, product) if callable(given) else given, np.float64)
            if psi[name].shape != pair.shape:
                raise argument_error(name, f"of shape {pair.shape}", f"shape {psi[name].shape}")
            bad = psi[name][~((psi[name] >= 0) & np.isfinite(psi[name]))]
            if bad.size:
                raise argument_error(name, "nonnegative and finite for every pair", bad[0])
        none = np.zeros((len(p), 0))
        positive = sparse.csr_array(psi["positive"] * pair)
        return PairWeights(positive, none, none, dense_negative=psi["negative"] * product)


def _seen(
    stats: CooccurrenceStatistics,
    weight: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> sparse.csr_array:
    """Return `weight(P_ij, p_i p_j, i, j)` of all seen pairs."""
    counts, p, total = stats.counts, stats.word_probability, stats.counts.sum()
    values = np.empty(counts.nnz)
    for at, rows, columns in seen_entries(counts):
        values[at] = weight(counts.data[at] / total, p[rows] * p[columns], rows, columns)
    return sparse.csr_array((values, counts.indices, counts.indptr), shape=counts.shape)
