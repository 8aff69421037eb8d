"""Eigenpairs against dense linear algebra; the stability limit against descent itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf
from w2vflow.losses import Quartic
from w2vflow.problem import gradient


@pytest.mark.parametrize(("vocab_size", "k"), [(30, 5), (30, 30), (600, 4), (600, 600)])
def test_leading_eigenpairs_equal_dense(vocab_size, k):
    problem = wf.Problem.from_statistics(random_statistics(vocab_size, seed=2))
    spec = wf.leading_eigenpairs(problem, k)
    target = np.asarray(problem.target())
    values = np.linalg.eigvalsh(target)[::-1][:k]
    np.testing.assert_allclose(spec.eigenvalues, values, atol=1e-10 * values[0])
    np.testing.assert_allclose(spec.eigenvectors.T @ spec.eigenvectors, np.eye(k), atol=1e-10)
    residuals = np.linalg.norm(target @ spec.eigenvectors - spec.eigenvectors * spec.eigenvalues, axis=0)
    np.testing.assert_allclose(spec.residuals, residuals, atol=1e-12)
    assert residuals.max() < 1e-9 * values[0]
    peaks = spec.eigenvectors[np.abs(spec.eigenvectors).argmax(axis=0), np.arange(k)]
    assert (peaks > 0).all()


def test_most_negative_eigenvalue_comes_last(wikipedia):
    problem = wf.Problem.from_statistics(wikipedia.most_frequent(800))
    spec = wf.leading_eigenpairs(problem, 10)
    every = np.linalg.eigvalsh(np.asarray(problem.target()))
    assert -every[0] > every[-2]
    np.testing.assert_allclose(spec.eigenvalues, every[::-1][:10], rtol=1e-9)


def test_eigenpairs_are_reproducible():
    problem = wf.Problem.from_statistics(random_statistics(600, seed=2))
    one, other = wf.leading_eigenpairs(problem, 4), wf.leading_eigenpairs(problem, 4)
    np.testing.assert_array_equal(one.eigenvectors, other.eigenvectors)


def test_bad_k(problem, basis):
    for k in (0, 31):
        with pytest.raises(ValueError, match="`k` must be between 1 and the vocabulary size 30"):
            wf.leading_eigenpairs(problem, k)
    with pytest.raises(ValueError, match="`k` must be between 1 and the 30 pairs at hand"):
        basis.leading(31)


@pytest.mark.parametrize("lowest", [-0.4, -3.0])
def test_descent_is_stable_up_to_the_limit(lowest):
    """Descent from near the optimum stays there just below the limit and leaves it just above."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    values = np.array([1.0, 0.7, 0.3, 0.1, 0.05, -0.1, -0.2, lowest])
    target = jnp.asarray(Q * values @ Q.T)
    problem = wf.Problem(jnp.zeros((8, 8)), jnp.zeros(8), target, Quartic())
    limit = wf.stability_limit(problem)
    np.testing.assert_allclose(limit, 2 / max(2.0, 1 - lowest), rtol=1e-12)
    optimum = jnp.asarray(Q[:, :2] * np.sqrt(values[:2]))
    start = optimum + 1e-6 * rng.normal(size=(8, 2))

    def distance(rate):
        W = jax.lax.fori_loop(0, 3000, lambda i, W: W - rate * gradient(target, W), start)
        return float(jnp.linalg.norm(W @ W.T - optimum @ optimum.T))

    assert distance(0.98 * limit) < 1e-5
    assert not distance(1.02 * limit) < 1e-2
