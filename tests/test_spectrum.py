"""Eigenpairs against dense linear algebra; the stability limit against descent itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf
from w2vflow.krylov import largest_eigenpairs
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


@pytest.mark.parametrize(("dtype", "tol"), [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize("block", [1, 8, 32])
def test_block_lanczos_equals_dense(dtype, tol, block):
    """A spectrum like that of M*: a huge negative end, close pairs, and restarts on the way."""
    rng = np.random.default_rng(0)
    size, k = 700, 12
    values = np.sort(np.concatenate([[-300.0], 100 / np.arange(1, 350) ** 0.7, -rng.random(350)]))[::-1]
    values[5] = values[4] * (1 - 1e-4)
    Q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = ((Q * values) @ Q.T).astype(dtype)
    applied = []

    def product(vectors):
        applied.append(vectors.shape[1])
        return matrix @ vectors

    found, vectors, residuals = largest_eigenpairs(product, size, k, tol=tol, dtype=dtype, block=block)
    np.testing.assert_allclose(found, np.sort(values)[::-1][:k], rtol=10 * tol)
    assert np.abs(vectors.T @ vectors - np.eye(k)).max() < 100 * np.finfo(dtype).eps
    true = np.linalg.norm(matrix.astype(float) @ vectors - vectors * found, axis=0)
    assert true.max() < 3 * tol * found[0]
    assert residuals.max() < tol * found[0]
    if dtype is np.float64 and block == 8:
        # It did restart: more products than the basis ever holds.
        assert sum(applied) > 4 * k + 5 * block


def test_pairs_that_did_not_converge_are_told_by_their_residuals():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(400, 400))
    matrix = half + half.T
    values, vectors, residuals = largest_eigenpairs(
        lambda v: matrix @ v, 400, 20, tol=1e-12, block=4, max_products=100
    )
    assert residuals.max() > 1e-12 * values[0]
    np.testing.assert_allclose(
        np.linalg.norm(matrix @ vectors - vectors * values, axis=0), residuals, rtol=1e-6
    )


def test_pairs_that_did_not_converge_are_a_warning(monkeypatch):
    from w2vflow import spectrum

    problem = wf.Problem.from_statistics(random_statistics(600, seed=2))
    monkeypatch.setattr(
        spectrum, "largest_eigenpairs", lambda *a, **o: largest_eigenpairs(*a, **o, max_products=24)
    )
    with pytest.warns(RuntimeWarning, match=r"of 4 eigenpairs did not reach a residual of 1e-10 lambda_1"):
        wf.leading_eigenpairs(problem, 4)


def test_coarse_tolerance_is_met_in_float32():
    problem = wf.Problem.from_statistics(random_statistics(1200, seed=2))
    coarse, fine = wf.leading_eigenpairs(problem, 20, tol=1e-5), wf.leading_eigenpairs(problem, 20)
    assert coarse.residuals.max() < 2e-5 * coarse.eigenvalues[0]
    assert fine.residuals.max() < 2e-10 * fine.eigenvalues[0]
    np.testing.assert_allclose(coarse.eigenvalues, fine.eigenvalues, rtol=1e-6)
    with pytest.raises(ValueError, match="`tol` must be between 0 and 1"):
        wf.leading_eigenpairs(problem, 20, tol=0.0)
