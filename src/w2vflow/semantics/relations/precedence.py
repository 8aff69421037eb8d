"""Order of emergence of relations: exact rank tests for few of them, and their confounders."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike

__all__ = [
    "GroupOrder",
    "RankCorrelation",
    "compare_groups",
    "rank_correlation",
    "rate_concepts",
    "rate_relations",
]

Host = np.ndarray

# All ways to choose a group are gone through up to so many; for 5 of 14 there are 2,002.
_MOST_CHOICES = 10**6
# Orders drawn where not all are gone through: the error of a p-value of 5% is 0.2%.
_SHUFFLES = 10**4


@checked
@dataclass(frozen=True)
class GroupOrder:
    """Whether one group comes before the rest. Made by `compare_groups`.

    Attributes:
        first: chance that one drawn from the group comes before one drawn from the rest, ties half:
            Mann and Whitney's U over the number of such pairs. 1/2 if there is no order.
        p: share of all choices of a group of that size for which `first` is at least as far from 1/2.
        members, others: how many there are.
    """

    first: float
    p: float
    members: int
    others: int

    def __str__(self) -> str:
        return f"P(first) = {self.first:.2f}, p = {self.p:.3g} ({self.members} against {self.others})"


@checked
@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation of ranks. Made by `rank_correlation`.

    Attributes:
        rho: the correlation, or the partial one; NaN where a rank does not vary.
        p: share of 10,000 random orders for which it is at least as large in size, and the one found.
        n: how many values.
    """

    rho: float
    p: float
    n: int

    def __str__(self) -> str:
        return f"rho = {self.rho:+.2f}, p = {self.p:.2g} (n = {self.n})"


@checked
def compare_groups(times: Mapping[str, float], group: Collection[str]) -> GroupOrder:
    """Return whether the members of a group come before the others, tested exactly.

    A time of NaN is never: after all others, and at once with other such times. All choices of a group of the
    same size are gone through, so that `p` is exact; the smallest it can be for 5 of 14 is 0.001.

    Args:
        times: when each one comes.
        group: some of their names.

    Raises:
        ValueError: a name is not among `times`, the group is empty or all of them, or there are more
            than a million choices.

    References:
        Mann and Whitney 1947, Ann. Math. Statist. 18.

    Example:
        >>> print(compare_groups({"a": 1, "b": 2, "c": 3, "d": float("nan")}, ["a", "b"]))
        P(first) = 1.00, p = 0.333 (2 against 2)
    """
    unknown = sorted(set(group) - set(times))
    if unknown:
        raise argument_error("group", f"of names among {sorted(times)}", unknown[0])
    members = np.array([name in set(group) for name in times])
    count, total = int(members.sum()), len(members)
    if not 0 < count < total:
        raise argument_error("group", f"some but not all of the {total}", f"{count} of them")
    if comb(total, count) > _MOST_CHOICES:
        raise argument_error("times", f"few enough for {_MOST_CHOICES:,} choices", comb(total, count))
    ranks = rankdata([np.inf if np.isnan(time) else time for time in times.values()])
    others = total - count

    def first(rank_sums: Any) -> Any:
        return 1 - (rank_sums - count * (count + 1) / 2) / (count * others)

    found = float(first(ranks[members].sum()))
    choices = np.array(list(combinations(range(total), count)))
    far = np.abs(first(ranks[choices].sum(axis=1)) - 0.5) >= abs(found - 0.5) - 1e-12
    return GroupOrder(found, float(far.mean()), count, others)


@checked
def rank_correlation(
    x: ArrayLike, y: ArrayLike, *, given: Sequence[ArrayLike] = (), block: int = 1
) -> RankCorrelation:
    """Return Spearman's correlation, partial if there are confounders `given`.

    The partial correlation is that of the residuals of both ranks on the ranks of `given`. Its p-value is by
    orders of the residuals of `x`: exact without `given`, to about `1 / n` with it. Infinity is what never
    comes, after all others.

    Values in a sequence, as of concept after concept, are like their neighbours, and orders that tear them
    apart make chance look like a trend: of noise with a correlation of 0.6 to the next, 33 of 100 trends over
    200 values pass at 5%, and 6 where orders are of blocks of 20 values.

    Args:
        x, y: `(n,)`.
        given: confounders, each `(n,)`.
        block: how many values in a row stay together in the orders, the first of them anywhere: longer than
            they are alike, and at most a third of all. By default each goes alone.

    Raises:
        ValueError: values of different numbers, NaN among them, fewer than 3 more than there are confounders,
            or blocks longer than a third of the values.

    References:
        Freedman and Lane 1983, J. Bus. Econ. Statist. 1; Kunsch 1989, Ann. Statist. 17, for blocks.
    """
    columns = [np.asarray(values, np.float64) for values in (x, y, *given)]
    n = columns[0].size
    if any(values.shape != (n,) for values in columns):
        raise argument_error("x", "as long as `y` and `given`", [values.shape for values in columns])
    if any(np.isnan(values).any() for values in columns):
        remedy = "Infinity stands for what never comes; leave out what is not known."
        raise argument_error("x", "without NaN, as `y` and `given`", "some", remedy)
    if n < len(columns) + 1:
        raise argument_error("x", f"at least {len(columns) + 1} values", n)
    if not 1 <= block <= max(1, n // 3):
        raise argument_error("block", f"between 1 and a third of the {n} values", block)
    ranks = [rankdata(values) for values in columns]
    base = np.column_stack([np.ones(n), *ranks[2:]])
    one, other = (values - base @ np.linalg.lstsq(base, values)[0] for values in ranks[:2])
    size = np.linalg.norm(one) * np.linalg.norm(other)
    if size < 1e-9 * n**3:
        return RankCorrelation(float("nan"), float("nan"), n)
    shuffled = one[_orders(n, block)]
    shuffled -= (base @ np.linalg.lstsq(base, shuffled.T)[0]).T
    found = one @ other
    drawn = shuffled @ other / np.maximum(np.linalg.norm(shuffled, axis=1), 1e-300) * np.linalg.norm(one)
    p = (1 + np.count_nonzero(np.abs(drawn) >= abs(found) * (1 - 1e-12))) / (1 + _SHUFFLES)
    return RankCorrelation(float(found / size), float(p), n)


def _orders(n: int, block: int) -> Int[Host, "S n"]:
    """Return random orders of n values: of blocks of them that begin anywhere in the sequence as a ring."""
    rng = np.random.default_rng(0)
    # Sorted by a random number of the block, and stable within it.
    places = np.argsort(
        rng.random((_SHUFFLES, -(-n // block)))[:, np.arange(n) // block], axis=1, kind="stable"
    )
    return places if block == 1 else (places + rng.integers(n, size=(_SHUFFLES, 1))) % n


def rate_relations(
    pairs: Mapping[str, Sequence[tuple[str, str]]], words: Collection[str], ratings: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Return by relation the mean rating of the words of its known pairs, and the share of words rated.

    Args:
        pairs: of every relation, as `read_pairs` returns them.
        words: the vocabulary: pairs with another word do not count.
        ratings: of case-folded words, e.g. of concreteness. The mean is NaN if no word is rated.
    """
    known = {word.casefold() for word in words}
    found = {}
    for name, listed in pairs.items():
        used = [word for pair in listed if known.issuperset(pair) for word in pair]
        rated = [ratings[word] for word in used if word in ratings]
        mean = float(np.mean(rated)) if rated else float("nan")
        found[name] = (mean, len(rated) / len(used) if used else float("nan"))
    return found


def rate_concepts(
    spectrum: Spectrum, words: Sequence[str], ratings: Mapping[str, float]
) -> tuple[Float[Host, " k"], Float[Host, " k"]]:
    """Return the mean rating of every concept's words, both ends alike, and the share of rated words.

        sum_i v_ik^2 r_i / sum_i v_ik^2   over rated words i;   sum over rated words of v_ik^2

    Raises:
        ValueError: `words` are not as many as the eigenvectors have rows, or none is rated.
    """
    if len(words) != len(spectrum.eigenvectors):
        raise argument_error("words", f"{len(spectrum.eigenvectors)}, one a row", f"{len(words)} words")
    rating = np.array([ratings.get(word.casefold(), np.nan) for word in words])
    rated = ~np.isnan(rating)
    if not rated.any():
        raise argument_error("ratings", "of some of `words`", f"none of {len(words)}")
    squares = spectrum.eigenvectors[rated] ** 2
    return rating[rated] @ squares / squares.sum(axis=0), squares.sum(axis=0)
