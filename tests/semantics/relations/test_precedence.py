"""Which relations and concepts come first: orders, tests of them, ratings of words."""

import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, spearmanr

from w2vflow.semantics.relations.emergence import (
    Emergence,
    RelationCourse,
)
from w2vflow.semantics.relations.precedence import (
    compare_groups,
    rank_correlation,
    rate_concepts,
    rate_relations,
)
from w2vflow.theory.solvable import binary_attributes


@pytest.fixture(scope="module")
def corpus():
    return binary_attributes([0.8, 0.6, 0.45, 0.35])


def emerged(*spans):
    """An emergence of relations with these intervals."""
    curve = np.array([0.0, 0.5, 1.0])
    numbers = {"snr": curve, "overlap": curve, "error": curve / 10, "accuracy": curve}
    courses = {
        f"relation {n}": RelationCourse(
            9, 72, 0, detectable_at=low, solved_at=(low + high) / 2, solved_between=(low, high),
            detectable_at_concept=1.0, solved_at_concept=2.0, carried_by=1.0, word_rank=3.0, **numbers,
        )
        for n, (low, high) in enumerate(spans)
    }  # fmt: skip
    return Emergence("time", np.array([0.0, 1.0, 4.0]), np.array([0, 1, 2]), courses, {})


def test_order_is_claimed_where_intervals_are_apart():
    found = emerged((1.0, 2.0), (1.9, 3.0), (2.1, np.inf), (np.nan, np.nan))
    names = list(found.relations)
    ahead = [(i, j) for i in range(4) for j in range(4) if found.precedes(names[i], names[j])]
    assert ahead == [(0, 2)]
    lines = str(found).splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["0", "1", "2", "3"]
    assert lines[1].endswith("1 to 2")
    assert lines[4].split()[-1] == "-"


def test_groups_in_order_against_scipy():
    times = dict(zip("abcdefghij", [3.0, 1, 4, 1.5, 9, 2, 6, 5, 3.5, 8], strict=True))
    group = ["b", "d", "f", "h"]
    exact = mannwhitneyu(
        [times[n] for n in group], [times[n] for n in times if n not in group], method="exact"
    )
    found = compare_groups(times, group)
    assert found.first == pytest.approx(1 - exact.statistic / 24)
    assert found.p == pytest.approx(exact.pvalue)
    assert (found.members, found.others) == (4, 6)
    # Ties and times that never come, where no table helps: all 15 choices by hand.
    tied = {"a": 1.0, "b": 1.0, "c": 2.0, "d": np.nan, "e": np.nan, "f": 0.5}
    ahead = [
        np.mean([(x < y) + (x == y) / 2 for x in chosen for y in rest])
        for chosen, rest in (
            ([v[i] for i in pick], [v[i] for i in range(6) if i not in pick])
            for v in [[1, 1, 2, 99, 99, 0.5]]
            for pick in itertools.combinations(range(6), 2)
        )
    ]
    found = compare_groups(tied, ["c", "f"])
    assert found.first == pytest.approx((0.5 * 0 + 2 + 4) / 8)
    assert found.p == pytest.approx(np.mean(np.abs(np.array(ahead) - 0.5) >= abs(found.first - 0.5)))
    assert str(found) == f"P(first) = {found.first:.2f}, p = {found.p:.3g} (2 against 4)"


def test_rank_correlations():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=12)
    x, y = (shared + 0.5 * rng.normal(size=12) for _ in range(2))
    found, known = rank_correlation(x, y), spearmanr(x, y)
    assert found.rho == pytest.approx(known.statistic)
    # The p-value of SciPy is by Student's t; that of 10,000 orders has an error of its own.
    assert found.p == pytest.approx(known.pvalue, abs=5 * np.sqrt(known.pvalue / 10**4) + 0.01)
    ranks = [np.argsort(np.argsort(values)) + 1.0 for values in (x, y, shared)]
    xy, xz, yz = (np.corrcoef(*pair)[0, 1] for pair in itertools.combinations(ranks, 2))
    partial = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    given = rank_correlation(x, y, given=[shared])
    assert given.rho == pytest.approx(partial)
    assert given.p > found.p
    # Never is last, and what does not vary has no order.
    assert rank_correlation([1, 2, np.inf], [4, 5, 6]).rho == pytest.approx(1)
    with pytest.raises(ValueError, match="`x` must be without NaN, as `y` and `given`"):
        rank_correlation([1, 2, np.nan], [4, 5, 6])
    assert np.isnan(rank_correlation([1, 1, 1], [4, 5, 6]).rho)
    assert np.isnan(rank_correlation([1, 2, 3, 4], [2, 4, 1, 3], given=[[1, 2, 3, 4]]).rho)


def test_p_values_are_uniform_without_an_order():
    """Of 200 unrelated draws, a share p has a p-value below p, to five standard errors."""
    rng = np.random.default_rng(1)
    groups = [compare_groups(dict(enumerate_names(rng.random(9))), ["0", "1", "2"]).p for _ in range(200)]
    partial = [rank_correlation(*rng.random((2, 9)), given=rng.random((1, 9))).p for _ in range(40)]
    assert abs(np.mean(np.array(groups) <= 0.3) - 0.3) < 5 * np.sqrt(0.21 / 200) + 0.05
    assert abs(np.mean(np.array(partial) <= 0.5) - 0.5) < 5 * np.sqrt(0.25 / 40)


def enumerate_names(values):
    return {str(n): value for n, value in enumerate(values)}.items()


def test_noise_that_is_like_its_neighbours_is_no_trend():
    """An autoregression of 0.6 over 60 numbers: orders of single values find a trend in every fourth."""
    rng, found = np.random.default_rng(0), {1: 0, 10: 0}
    for _ in range(80):
        steps, y = rng.normal(size=100), np.zeros(100)
        for now in range(1, 100):
            y[now] = 0.6 * y[now - 1] + steps[now]
        for block in found:
            found[block] += rank_correlation(np.arange(60), y[40:], block=block).p <= 0.05
    # 4 expected of 80 tests at 5%; three standard errors above.
    assert found[10] <= 4 + 3 * np.sqrt(80 * 0.05 * 0.95)
    assert found[1] >= 15
    with pytest.raises(ValueError, match="`block` must be between 1 and a third of the 60 values"):
        rank_correlation(np.arange(60), y[40:], block=21)


def test_a_trend_is_found_in_blocks_too():
    y = np.arange(60) + 30 * np.random.default_rng(0).normal(size=60)
    assert rank_correlation(np.arange(60), y, block=10).p < 0.02


def test_ratings(corpus):
    pairs = {"one": [("+++-", "++++"), ("----", "unknown")], "two": [("----", "---+")], "none": []}
    ratings = {"+++-": 2.0, "++++": 5.0, "----": 4.0, "unknown": 1.0}
    found = rate_relations(pairs, corpus.words, ratings)
    assert found["one"] == (3.5, 1.0)
    assert found["two"] == (4.0, 0.5)
    assert np.isnan(found["none"]).all()
    # An eigenvector of one sign and size on all words: a plain mean of the three rated ones.
    means, shares = rate_concepts(corpus.spectrum, corpus.words, ratings)
    assert means == pytest.approx(np.full(16, 11 / 3))
    assert shares == pytest.approx(np.full(16, 3 / 16))
