"""Samplers without bias, draws and tables that hold what they should, gradients added in any way."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse
from systems import directed_statistics, random_statistics, scattered

import w2vflow as wf
from w2vflow.problem.losses import Logistic, Quartic
from w2vflow.problem.problem import Problem
from w2vflow.problem.weightings import Custom, Mikolov, Plain, RankOne, Symmetrized, Uniform
from w2vflow.sgd.samplers import gradients as kernels
from w2vflow.sgd.samplers import weight_table as pair_table
from w2vflow.sgd.samplers.alias_kernel import alias_table
from w2vflow.sgd.samplers.base import PairSampler
from w2vflow.sgd.samplers.draws import (
    AliasTable,
    DensePairs,
    FactoredPairs,
    SeenPairs,
    draw_fractions,
    draw_index,
    traced_alias_table,
)
from w2vflow.sgd.samplers.gradients import (
    PairBatch,
    RowGradient,
    added_rows,
    block_gradient,
    pair_gradient,
)
from w2vflow.sgd.samplers.pairs import SAMPLERS
from w2vflow.sgd.samplers.weight_table import SearchedTable, WeightTable

V, DIM = 8, 2


def own_weights():
    """Weights of no special form, not symmetric, some of them zero."""
    rng = np.random.default_rng(3)
    psi = rng.uniform(0.2, 2.0, (2, V, V))
    psi[0, 1, 2] = psi[1, 3, 4] = 0
    return Custom(*psi)


# Weighting, whether tied, loss: every form of weights, both kinds of state, both losses.
PROBLEMS = {
    "uniform": (Uniform(), True, "quartic"),
    "rank one, untied": (RankOne(0.5), False, "logistic"),
    "plain": (Plain(), True, "logistic"),
    "Mikolov": (Mikolov(subsample=0.1), False, "logistic"),
    "Mikolov, none skipped": (Mikolov(subsample=0.1, skip_target=False), False, "logistic"),
    "Mikolov, tied": (Symmetrized(Mikolov(subsample=0.1, negatives=2)), True, "quartic"),
    "own": (own_weights(), False, "quartic"),
    "own, tied": (Symmetrized(own_weights()), True, "logistic"),
    "uniform, one way": (Uniform(), False, "quartic"),
    "Mikolov, one way": (Mikolov(subsample=0.1), False, "logistic"),
    "Mikolov, one way, tied": (Symmetrized(Mikolov(subsample=0.1, negatives=2)), True, "quartic"),
}


def posed(name="uniform"):
    weights, tied, loss = PROBLEMS[name]
    stats = (directed_statistics if "one way" in name else random_statistics)(V, seed=1)
    return Problem.from_statistics(stats, weighting=weights, loss=loss, tied=tied)


def start(problem):
    return jnp.asarray(np.random.default_rng(0).normal(size=(problem.sides * V, DIM)), jnp.float32)


def full_gradient(problem, Z):
    """`dL/dZ` by a loop over all pairs."""
    A, B = problem.pair_weights().dense()
    loss, offset = problem.pair_loss, 0 if problem.tied else V
    total = np.zeros(Z.shape)
    for i in range(V):
        for j in range(V):
            x = float(Z[i] @ Z[j + offset])
            slope = A[i, j] * loss.positive_slope(x) + B[i, j] * loss.negative_slope(x)
            total[i] += slope * Z[j + offset]
            total[j + offset] += slope * Z[i]
    return total


@functools.partial(jax.jit, static_argnums=(4, 5))
def minibatch_gradients(sampler, pair_loss, Z, key, batch_size, count):
    def one(key):
        return scattered(Z, sampler.gradient(key, Z, pair_loss, batch_size))

    return jax.lax.map(one, jax.random.split(key, count), batch_size=1000)


@pytest.mark.parametrize(
    ("sampler", "name"),
    [
        (sampler, name)
        for sampler in sorted(SAMPLERS)
        for name in sorted(PROBLEMS)
        # What Mikolov's weights skip of a pair differs by its order: their mean is of no low rank.
        if sampler != "shared" or ("own" not in name and name != "Mikolov, one way, tied")
    ],
)
def test_expected_gradient_is_the_full_gradient(sampler, name):
    problem = posed(name)
    Z, draws = start(problem), SAMPLERS[sampler].of(problem)
    grads = np.asarray(
        minibatch_gradients(draws, problem.pair_loss, Z, jax.random.key(2), 256, 4000), np.float64
    )
    full = full_gradient(problem, np.asarray(Z, np.float64))
    standard = grads.std(axis=0, ddof=1) / np.sqrt(len(grads))
    # Five standard errors, and what float32 rounds off.
    assert (np.abs(grads.mean(axis=0) - full) < 5 * standard + 1e-5 * np.abs(full).max()).all()
    # And the test could tell: the standard error is small beside the gradient.
    assert np.median(standard) < 0.03 * np.abs(full).max()


@pytest.mark.parametrize("weighting", ["uniform", "Mikolov"])
def test_several_blocks_have_no_bias(weighting):
    problem = posed(weighting)
    Z, draws = start(problem), SAMPLERS["blocks"].of(problem)
    assert draws.pairs(8192) == 8192
    grads = np.asarray(minibatch_gradients(draws, problem.pair_loss, Z, jax.random.key(2), 8192, 1000))
    full = full_gradient(problem, np.asarray(Z, np.float64))
    standard = grads.std(axis=0, ddof=1) / np.sqrt(len(grads))
    assert (np.abs(grads.mean(axis=0) - full) < 5 * standard + 1e-5 * np.abs(full).max()).all()


def test_balanced_has_less_noise_than_corpus(problem):
    Z = jnp.asarray(wf.gaussian_init(jax.random.key(0), 30, 3, 0.1), jnp.float32)
    noise = {
        name: minibatch_gradients(SAMPLERS[name].of(problem), Quartic(), Z, jax.random.key(3), 128, 500).var(
            axis=0
        )
        for name in ("balanced", "corpus")
    }
    assert noise["balanced"].sum() < 0.5 * noise["corpus"].sum()


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
@pytest.mark.parametrize("weighting", ["uniform", "Mikolov"])
def test_a_batch_has_the_pairs_it_says(sampler, weighting):
    problem = posed(weighting)
    draws, Z = SAMPLERS[sampler].of(problem), start(problem)
    for asked, close in ((2, 2), (10, 2), (4096, 64), (20_000, 2048)):
        pairs = draws.pairs(asked)
        assert abs(pairs - asked) <= close
        # A pair sampler has two rows for each pair; a block of n m pairs has n + m.
        drawn = jax.eval_shape(lambda n=asked: draws.gradient(jax.random.key(0), Z, Quartic(), n))
        rows = len(drawn.rows)
        assert rows == 2 * pairs if isinstance(draws, PairSampler) else rows <= 2 * pairs


def test_weights_of_your_own_are_not_shared():
    with pytest.raises(ValueError, match=r"`sampler` must be another than 'shared' .*Use 'blocks'"):
        SAMPLERS["shared"].of(posed("own"))


def test_pairs_without_weight_are_not_drawn():
    problem = posed("own")
    draws = SAMPLERS["balanced"].of(problem)
    batch = draws.draw(jax.random.key(0), 20_000)
    A, B = problem.pair_weights().dense()
    drawn = np.zeros((2, V, V))
    rows, columns = np.asarray(batch.first), np.asarray(batch.second) - V
    for part, weight in zip(drawn, (batch.positive, batch.negative), strict=True):
        np.add.at(part, (rows, columns), np.asarray(weight))
    for part, weight in zip(drawn, (A, B), strict=True):
        assert (part[weight == 0] == 0).all()
    # Their sums are those of all pairs, without error: as many of each kind as it has weight.
    np.testing.assert_allclose(drawn.sum(axis=(1, 2)), [A.sum(), B.sum()], rtol=1e-5)


def test_large_vocabularies_search_for_weights(monkeypatch):
    """The same draws, with weights from the other kind of table, are the same gradient."""
    for weighting in ("uniform", "Mikolov"):
        problem = posed(weighting)
        Z = start(problem)
        seen = {}
        for most in (V, V - 1):
            monkeypatch.setattr(pair_table, "_DENSE_UP_TO", most)
            for name, build in SAMPLERS.items():
                gradient = build.of(problem).gradient(jax.random.key(0), Z, Quartic(), 64)
                seen.setdefault(name, []).append(np.asarray(gradient.values))
        for one, other in seen.values():
            np.testing.assert_allclose(one, other, rtol=1e-6)


def searched(matrix):
    return SearchedTable.of(matrix.indptr, matrix.indices, matrix.data)


def test_search_finds_every_entry_and_nothing_else():
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((40, 40)) < rng.random((40, 1)) ** 2, rng.random((40, 40)), 0)
    dense[3], dense[39], dense[7] = 0, 0, rng.random(40)
    table = searched(sparse.csr_array(dense))
    rows, columns = np.arange(40)[:, None], np.arange(40)[None, :]
    np.testing.assert_array_equal(table.at(rows, columns), dense.astype(np.float32))
    np.testing.assert_array_equal(table.at(rows[:, 0], columns[0]), np.diag(dense).astype(np.float32))


def test_weights_do_not_fall_below_zero():
    """`B = G - A` where float32 makes `A` larger than `G`."""
    problem = posed("uniform")
    table = WeightTable.of(problem.pair_weights())
    table = WeightTable(table.positive, table.left * 0.01, table.right, None, True)
    assert (table.at(np.arange(V), np.arange(V))[1] >= 0).all()


def test_pairs_are_drawn_in_proportion():
    rng = np.random.default_rng(1)
    A = np.where(rng.random((V, V)) < 0.5, rng.gamma(0.3, size=(V, V)), 0)
    left, right = rng.gamma(0.5, size=(2, V, 2))
    matrix = sparse.csr_array(A)
    for draws, weights in (
        (SeenPairs.of(matrix.indptr, matrix.indices, matrix.data), A),
        (DensePairs.of(A), A),
        (FactoredPairs.of(left, right), left @ right.T),
    ):
        rows, columns = map(np.asarray, draws.draw(jax.random.key(0), 200_000))
        seen = np.zeros((V, V))
        np.add.at(seen, (rows, columns), 1)
        expected = weights / weights.sum() * len(rows)
        # Five standard errors of a count; a weight of zero is never drawn.
        assert (np.abs(seen - expected) <= 5 * np.sqrt(expected)).all()


def test_alias_table_holds_the_distribution():
    probability = np.random.default_rng(0).gamma(0.2, size=500)
    probability[::7] = 0
    probability /= probability.sum()
    share, alias = alias_table(probability)
    drawn = np.bincount(np.arange(500), weights=share, minlength=500)
    drawn += np.bincount(alias, weights=1 - share, minlength=500)
    np.testing.assert_allclose(drawn / 500, probability, atol=1e-7)


def test_a_traced_alias_table_is_the_same():
    rng = np.random.default_rng(0)
    for probability in (rng.gamma(0.2, size=500), np.ones(7), np.eye(9)[3], np.append(np.zeros(3), 2.0)):
        made = jax.jit(traced_alias_table)(probability)
        for one, other in zip(made, alias_table(probability), strict=True):
            np.testing.assert_array_equal(one, other)


def test_rare_words_are_drawn_with_more_bits():
    assert AliasTable.of(np.ones(1000)).words == 1
    assert AliasTable.of(np.append(np.zeros(3), np.ones(1000))).words == 1
    assert AliasTable.of(np.append(np.ones(1000), 1e-3)).words == 2
    assert AliasTable.of(np.ones(2**18)).words == 2


@pytest.mark.parametrize("size", [1, 3, 1000, 65_537, 2**31 - 1])
@pytest.mark.parametrize("words", [1, 2])
def test_indices_are_uniform(size, words):
    index, fraction = map(np.asarray, draw_index(jax.random.key(size), 200_000, size, words))
    assert index.min() >= 0
    assert index.max() < size
    # Of one word, a large size leaves nothing of the fraction.
    for values in ((index + 0.5) / size, fraction if size < 2**20 or words == 2 else np.zeros(1)):
        if values.max() == values.min():
            continue
        # Mean and second moment of a uniform variable, five standard errors; a discrete one is near.
        assert abs(values.mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(values))
        second = 1 / 3 - (1 / (12 * size**2) if values is not fraction else 0)
        assert abs((values**2).mean() - second) < 5 * np.sqrt(4 / 45 / len(values))
    assert fraction.max() < 1


@pytest.mark.parametrize("words", [1, 2])
def test_index_is_the_wide_product(words):
    """The 32-bit arithmetic against Python's integers, on the random words themselves."""
    key, size = jax.random.key(7), 1_234_567_891
    drawn = np.asarray(jax.random.bits(key, (words, 50), jnp.uint32)).astype(object)
    index, fraction = draw_index(key, 50, size, words)
    for i in range(50):
        value = functools.reduce(lambda high, low: (high << 32) + int(low), drawn[:, i], 0)
        product = value * size
        assert int(index[i]) == product >> 32 * words
        assert abs(float(fraction[i]) - (product % 2 ** (32 * words)) / 2 ** (32 * words)) < 2.0**-23


@pytest.mark.parametrize("rare", [1e-9, 1e-12, 1e-16])
def test_rare_indices_are_drawn_as_often_as_they_should(rare, monkeypatch):
    """On random words just about the border of the rare one, with Python's integers for the probability."""
    table = AliasTable.of(np.array([1 - rare, rare]))
    assert table.words == 2
    # Index 1 is what half of all draws look at; it is kept for the first 2 rare of their fractions.
    border = int(rare * 2**64)
    values = [2**63 + int(border * share) for share in (0.0, 0.5, 0.999, 1.001, 1.5, 30.0)]
    bits = np.array([[value >> 32 for value in values], [value & (2**32 - 1) for value in values]], np.uint32)
    monkeypatch.setattr(jax.random, "bits", lambda *_: jnp.asarray(bits))
    assert table.draw(jax.random.key(0), len(values)).tolist() == [1, 1, 1, 0, 0, 0]
    fractions = np.asarray(draw_fractions(jax.random.key(0), len(values)), np.float64)
    np.testing.assert_allclose(fractions - 0.5, np.zeros(len(values)), atol=2e-14 + 31 * rare)


def test_small_fractions_are_finely_divided(monkeypatch):
    bits = np.array([[0, 0, 3, 2**32 - 1], [5, 2**31, 2**30, 2**32 - 1]], np.uint32)
    monkeypatch.setattr(jax.random, "bits", lambda *_: jnp.asarray(bits))
    exact = [(int(high) * 2**32 + int(low)) / 2**64 for high, low in bits.T]
    found = np.asarray(draw_fractions(jax.random.key(0), 4), np.float64)
    np.testing.assert_allclose(found, exact, rtol=2.0**-23)
    assert found.max() < 1


@pytest.mark.parametrize("offset", [0, 6])
@pytest.mark.parametrize("loss", [Quartic(), Logistic()], ids=["quartic", "logistic"])
def test_gradients_of_pairs_and_blocks_equal_autodiff(loss, offset):
    rng = np.random.default_rng(0)
    Z = jnp.asarray(rng.normal(size=(12, 3)))
    positive, negative = rng.random((2, 20)), rng.random((2, 4, 5))
    first, second = rng.integers(6, size=20), offset + rng.integers(6, size=20)

    def of_pairs(Z):
        x = jnp.sum(Z[first] * Z[second], axis=1)
        return jnp.sum(loss.value(*positive, x))

    def of_block(Z):
        return jnp.sum(loss.value(*negative, Z[first[:4]] @ Z[second[:5]].T))

    pairs = pair_gradient(Z, loss, PairBatch(*map(jnp.asarray, (first, second, *positive))))
    block = block_gradient(Z, loss, *map(jnp.asarray, (first[:4], second[:5], *negative)))
    for value, gradient in ((of_pairs, pairs), (of_block, block)):
        np.testing.assert_allclose(scattered(Z, gradient), jax.grad(value)(Z), rtol=1e-12, atol=1e-12)


def test_rows_are_added_in_any_way():
    rng = np.random.default_rng(0)
    Z, values = rng.normal(size=(9, 3)), rng.normal(size=(500, 3))
    rows = rng.integers(1, 8, size=500)
    expected = Z.copy()
    np.add.at(expected, rows, -0.5 * values)
    gradient = RowGradient(jnp.asarray(rows), jnp.asarray(values))
    for deterministic in (True, False):
        moved = added_rows(jnp.asarray(Z), gradient, -0.5, deterministic)
        np.testing.assert_allclose(moved, expected, rtol=1e-12)
    in_order = np.asarray(kernels._added_in_order(jnp.asarray(Z), gradient.rows, -0.5 * gradient.values))
    np.testing.assert_allclose(in_order, expected, rtol=1e-12)
    np.testing.assert_array_equal(in_order[[0, 8]], Z[[0, 8]])
    one = kernels._added_in_order(jnp.zeros((2, 3)), jnp.asarray([1]), jnp.ones((1, 3)))
    assert one.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_accelerators_add_in_order_without_a_scatter_of_repeated_rows():
    """What a GPU would run, as lowered for one: the sum in order, or its own scatter."""
    gradient = RowGradient(jnp.asarray([1, 1, 0]), jnp.ones((3, 2)))
    for deterministic in (True, False):
        add = jax.jit(lambda Z, d=deterministic: added_rows(Z, gradient, 1.0, d))
        lowered = add.trace(jnp.zeros((3, 2))).lower(lowering_platforms=("cuda",)).as_text()
        assert ("stablehlo.sort" in lowered) == deterministic
        assert ("unique_indices = true" in lowered) == deterministic


def test_bad_problems(monkeypatch):
    from_matrix = Problem.from_target(np.eye(V))
    for build in SAMPLERS.values():
        with pytest.raises(
            ValueError, match="`problem` must be made from statistics, from which pairs are drawn"
        ):
            build.of(from_matrix)
    monkeypatch.setattr("w2vflow.support.machine.available_memory", lambda: 100)
    with pytest.raises(ValueError, match="`problem` must be such that the table of pairs of 8 words fits"):
        SAMPLERS["blocks"].of(posed())
    with pytest.raises(ValueError, match=r"`size` must be below 2\^31, but got 2147483648"):
        draw_index(jax.random.key(0), 1, 2**31)


def test_more_pairs_than_an_index_counts_are_refused():
    class Many:
        def __len__(self):
            return 2**31

    with pytest.raises(
        ValueError, match=r"`problem` must be of fewer than 2\^31 seen pairs, but got 2147483648"
    ):
        SearchedTable.of(np.zeros(3), Many(), np.zeros(0))
