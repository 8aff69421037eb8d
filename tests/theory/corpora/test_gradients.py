"""Influences and slopes by formula are what JAX differentiates, through the spectrum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf

V, K = 40, 6


@pytest.fixture(scope="module")
def counts():
    return random_statistics(V)


@pytest.fixture(scope="module")
def pairs(counts):
    return wf.leading_eigenpairs(wf.Problem.from_statistics(counts), V)


def both_orders(slopes, counts):
    """`d / d ln n_ij` with both orders of a pair moved together, from the slopes of single entries."""
    rows = np.repeat(np.arange(V), np.diff(counts.indptr))
    found = np.zeros((V, V))
    found[rows, counts.indices] = counts.values * slopes
    return found + found.T - np.diag(np.diag(found))


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-9 * np.abs(other).max())


@pytest.mark.parametrize("matrix", ["dense", "sparse"])
@pytest.mark.parametrize("k", [0, 3])
def test_influence_of_counts(counts, pairs, k, matrix):
    def value(values):
        problem = wf.Problem.from_statistics(counts.with_values(values), matrix=matrix)
        return wf.leading_eigenpairs(problem, K).eigenvalues[k]

    slopes = jax.grad(value)(jnp.asarray(counts.values))
    problem = wf.Problem.from_statistics(counts)
    close(both_orders(slopes, counts), wf.theory.count_influence(problem, pairs, k))


def test_influence_of_words(counts, pairs):
    rows = np.repeat(np.arange(V), np.diff(counts.indptr))

    def values(louder):
        grown = counts.values * jnp.exp(louder[rows] + louder[counts.indices])
        return wf.leading_eigenpairs(wf.Problem.from_statistics(counts.with_values(grown)), K).eigenvalues

    slopes = jax.jacrev(values)(jnp.zeros(V)).T
    found = wf.theory.word_influence(wf.Problem.from_statistics(counts), pairs)
    close(slopes, found[:, :K])


def test_influence_of_pmi(counts, pairs):
    problem = wf.Problem.from_statistics(counts)
    # M* = 2 tanh(PMI / 2); of a pair never seen it is -2, which no finite PMI has.
    pmi = np.log((2 + np.asarray(problem.target())) / (2 - np.asarray(problem.target())) + 1e-300)

    def value(pmi):
        both = (pmi + pmi.T) / 2
        return wf.leading_eigenpairs(wf.Problem.from_target(2 * jnp.tanh(both / 2)), K).eigenvalues[1]

    slopes = np.asarray(jax.grad(value)(jnp.asarray(pmi)))
    slopes = slopes + slopes.T - np.diag(np.diag(slopes))
    close(slopes, wf.theory.pmi_influence(problem, pairs, 1))


@pytest.mark.parametrize("tied", [True, False])
def test_slopes_of_step_times(counts, tied):
    """From so small a start that the strength it is held at is nothing beside the eigenvalue."""
    k, scale = 1, 1e-7

    def times(values):
        problem = wf.Problem.from_statistics(counts.with_values(values), tied=tied)
        return wf.step_time_law(problem, 4, scale).mean

    problem = wf.Problem.from_statistics(counts, tied=tied)
    find = wf.leading_eigenpairs if tied else wf.extreme_eigenpairs
    pairs = find(problem, V)
    slope = wf.theory.step_time_slopes(pairs.eigenvalues[:4], times(counts.values), sides=problem.sides)[k]
    slopes = both_orders(jax.grad(lambda values: times(values)[k])(jnp.asarray(counts.values)), counts)
    close(slopes, slope * wf.theory.count_influence(problem, pairs, k))


def test_changed_step_times_have_those_slopes():
    values, times = np.array([5.0, 2.0]), np.array([3.0, 7.0])
    step = 1e-6
    ends = (wf.theory.changed_step_times(values, times, values * (1 + s)) for s in (step, -step))
    slopes = np.subtract(*ends) / (2 * step * values)
    np.testing.assert_allclose(slopes, wf.theory.step_time_slopes(values, times), rtol=1e-8)
