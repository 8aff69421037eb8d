"""Weightings: the weights Psi+ and Psi- of positive and negative pairs.

A pair of words counts as a positive example with `A_ij = Psi+_ij P_ij` and as a negative one with
`B_ij = Psi-_ij p_i p_j`. Only their ratio between pairs matters: `G = A + B` is normalised to mean 1.
Of counts of one direction, `p_j` of the context is its own marginal, `q_j = sum_i P_ij`.
"""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from w2vflow.counts import CooccurrenceStatistics, keep_probability
from w2vflow.problem.pair_weights import PairWeights
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.checks import argument_error, check_at_least, check_positive
from w2vflow.support.csr import entry_rows, of_entries, row_sums, taken

__all__ = [
    "Custom",
    "Mikolov",
    "Plain",
    "RankOne",
    "Symmetrized",
    "Uniform",
    "Unigram",
    "Weighting",
    "check_all_pair",
]

Elementwise = Callable[[AnyArray, AnyArray], AnyArray]


def _number(value: float) -> Any:
    """Return a setting as a float, or as it is if JAX traces it."""
    return value if isinstance(value, jax.Array) else float(value)


def _as_leaf(given: Any) -> Any:
    """Return weights as a part of a pytree: an array, or a function without arrays of its own."""
    return jax.tree_util.Partial(given) if callable(given) else given


class Weighting(eqx.Module):
    """Weights of positive and negative pairs, from the statistics of a corpus."""

    def __repr__(self) -> str:
        """Return the settings that differ from the defaults, as they were given or as JAX has made them."""
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if np.ndim(value) == 0 and not isinstance(value, Weighting | jax.tree_util.Partial | bool):
                value = float(value) if is_known(value) else "traced"
            if isinstance(value, jax.tree_util.Partial):
                value = getattr(value.func, "__qualname__", "a function")
            if np.ndim(value):
                value = f"an array {np.shape(value)}"
            if value != field.default:
                shown.append(f"{field.name}={value}")
        return f"{type(self).__name__}({', '.join(shown)})"

    @abstractmethod
    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A` and `B` of all pairs, up to a common factor.

        Raises:
            ValueError: a weight is negative or not finite.
        """


@checked
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

    alpha: float = eqx.field(default=0.5, converter=_number)

    def __check_init__(self) -> None:
        if is_known(self.alpha) and not np.isfinite(self.alpha):
            raise argument_error("alpha", "finite", self.alpha)

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = g_i g_j P / (P + p_i p_j)` and `B = g_i g_j - A`."""
        size = stats.vocab_size
        # Of mean size 1, so that no power of a probability underflows.
        g = (stats.word_probability * size) ** self.alpha
        h = (stats.context_probability * size) ** self.alpha

        values = _seen(stats, lambda pair, product, i, j: taken(g, i) * taken(h, j) * pair / (pair + product))
        return _weights(stats, values, g[:, None], h[:, None], exclusive=True)


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
        p, q = stats.word_probability[:, None], stats.context_probability[:, None]
        return _weights(stats, _seen(stats, lambda pair, *_: pair), p, q)


class Unigram(Weighting):
    """Every pair weighed by how unlikely it is by chance: `Psi+ = Psi- = 1 / (p_i p_j)`.

    `G_ij = 1 + P_ij / (p_i p_j)`: large where words attract each other.
    """

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = P / (p_i p_j)` and `B = 1`."""
        values = _seen(stats, lambda pair, product, *_: pair / product)
        ones = namespace(values).ones((stats.vocab_size, 1), values.dtype)
        return _weights(stats, values, ones, ones)


@checked
class Mikolov(Weighting):
    """The weights of word2vec as published: skip-gram with subsampling and negative sampling.

        A_ij = c_i c_j P_ij,          c_i = min(1, sqrt(t / f_i) + t / f_i)
        B_ij = k q_j (u_i - A_ij),    u_i = sum_j A_ij,   q_j = f_j^power / sum_l f_l^power

    A negative context that happens to be the pair's own is skipped, and no other is drawn for it: of the
    positive pairs of word i, only those with another context than j have it as a negative one. With
    `skip_target=False` none is skipped, `B_ij = k u_i q_j`, as in most of the literature.

    `f` are frequencies among the words of the vocabulary. Its window of random size is in the
    counts already: count with `weighting="linear"` and word2vec's `window`. Word and context play
    different roles in `B`; tied weights need `Symmetrized(Mikolov(...))`.

    word2vec drops words before it lays windows, which then reach further; here windows are as counted:
    first growth rates differ by 9% to 39% (see docs/word2vec.md, "Two details of the published code").

    Args:
        subsample: `t`, as word2vec's `-sample`; 0 for no subsampling.
        power: exponent of the distribution of negative contexts.
        negatives: `k`, negative pairs for each positive one.
        skip_target: whether negatives that are the pair's own context are skipped, as word2vec.c and
            gensim do.

    Raises:
        ValueError: a negative threshold, or negatives that are not positive.

    References:
        Mikolov et al. (2013), arXiv 1310.4546, section 2; word2vec.c for the probability of keeping
        a word.
    """

    subsample: float = eqx.field(default=1e-3, converter=_number)
    power: float = eqx.field(default=0.75, converter=_number)
    negatives: float = eqx.field(default=5.0, converter=_number)
    skip_target: bool = eqx.field(default=True, static=True)

    def __check_init__(self) -> None:
        if not is_known(self):
            return
        check_at_least("subsample", 0, self.subsample, "0 keeps all words.")
        if not np.isfinite(self.power):
            raise argument_error("power", "finite", self.power)
        check_positive("negatives", self.negatives)

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = c_i c_j P` and `B = k q_j (u_i - A)`."""
        check_all_pair(stats)
        occurrences = namespace(stats.values, stats.occurrences).asarray(stats.occurrences)
        frequency = occurrences / occurrences.sum()
        keep = keep_probability(frequency, self.subsample)
        values = _seen(stats, lambda pair, _, rows, columns: taken(keep, rows) * taken(keep, columns) * pair)
        share = frequency**self.power
        left = self.negatives * row_sums(values, stats.indptr)
        negative = (share / share.sum())[:, None]
        form = {"skip": self.negatives * negative} if self.skip_target else {}
        return _weights(stats, values, left[:, None], negative, **form)


@checked
class Symmetrized(Weighting):
    """The mean of other weights and their transpose: the same objective where vectors are tied.

    So tied vectors learn from counts of one direction, too; weights are made before the mean is taken, not
    from `stats.symmetrized()`.
    """

    weighting: Weighting

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `(A + A^T) / 2` and `(B + B^T) / 2`."""
        return self.weighting.pair_weights(stats).symmetrized()


@checked
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
        >>> float(plain.pair_weights(stats).total())
        2.0
    """

    positive: Float[AnyArray, "V V"] | Elementwise = eqx.field(converter=_as_leaf)
    negative: Float[AnyArray, "V V"] | Elementwise = eqx.field(converter=_as_leaf)

    def pair_weights(self, stats: CooccurrenceStatistics) -> PairWeights:
        """Return `A = Psi+ P` and `B = Psi- p p^T`."""
        check_all_pair(stats)
        p, q, size = stats.word_probability, stats.context_probability, stats.vocab_size
        xp = namespace(p, stats.values)
        seen = entry_rows(stats.indptr, len(stats.values)), stats.indices
        shares, product = stats.values / stats.values.sum(), xp.outer(p, q)
        if xp is np:
            pair = np.zeros((size, size))
            pair[seen] = shares
        else:
            pair = xp.zeros((size, size), shares.dtype).at[seen].set(shares)
        psi = {}
        for name in ("positive", "negative"):
            given = getattr(self, name)
            psi[name] = xp.asarray(given(pair, product) if callable(given) else given, product.dtype)
            if psi[name].shape != pair.shape:
                raise argument_error(name, f"of shape {pair.shape}", f"shape {psi[name].shape}")
            if not is_known(psi[name]):
                continue
            bad = psi[name][~((psi[name] >= 0) & np.isfinite(psi[name]))]
            if bad.size:
                raise argument_error(name, "nonnegative and finite for every pair", bad[0])
        none = xp.zeros((size, 0), product.dtype)
        return _weights(stats, psi["positive"][seen] * shares, none, none, psi["negative"] * product)


def check_all_pair(stats: CooccurrenceStatistics) -> None:
    """Raise `ValueError` unless every word has a pair, where known: as a word and as a context."""
    if not is_known(stats.indptr, stats.indices):
        return
    sides = {"words": np.diff(np.asarray(stats.indptr)) > 0}
    if stats.directions != "both":
        sides["contexts"] = np.bincount(np.asarray(stats.indices), minlength=stats.vocab_size) > 0
    for side, seen in sides.items():
        if seen.all():
            continue
        first, more = stats.words[int(seen.argmin())], len(seen) - seen.sum() - 1
        got = f"none of {first!r}{f' and {more} more' if more else ''}"
        remedy = "`merge` with counts of more text first, or leave such words out: `stats.restrict()`."
        expected = "of words that all have pairs"
        if stats.directions != "both":
            expected, remedy = (
                f"of {side} that all have pairs",
                f"{remedy[:-1]}; or use `stats.symmetrized()`.",
            )
        raise argument_error("stats", expected, got, remedy)


def _weights(stats: CooccurrenceStatistics, values: AnyArray, *parts: Any, **form: Any) -> PairWeights:
    """Return weights whose seen pairs are those of the counts."""
    check_all_pair(stats)
    form = {**form, "directed": stats.directions != "both"}
    return PairWeights(values, stats.indices, stats.indptr, *parts, **form)


def _seen(stats: CooccurrenceStatistics, weight: Callable[..., AnyArray]) -> Float[AnyArray, " n"]:
    """Return `weight(P_ij, p_i p_j, i, j)` of all seen pairs."""
    check_all_pair(stats)
    p, q, total = stats.word_probability, stats.context_probability, stats.values.sum()

    def of_some(at: slice, rows: AnyArray, columns: AnyArray) -> AnyArray:
        return weight(stats.values[at] / total, taken(p, rows) * taken(q, columns), rows, columns)

    return of_entries(stats, of_some)
