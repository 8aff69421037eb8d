"""The objective, its gradient, the target matrix and the initial weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import w2vflow as wf
from w2vflow.problem.losses import Quartic


def pair_sum(stats, W):
    """L(W) by a double loop over pairs, from counts alone."""
    P = stats.counts.toarray() / stats.counts.sum()
    p = P.sum(axis=1)
    loss = Quartic()
    total = 0.0
    for i in range(len(p)):
        for j in range(len(p)):
            psi = 1 / (P[i, j] + p[i] * p[j])
            A, B = psi * P[i, j], psi * p[i] * p[j]
            x = W[i] @ W[j]
            total += A * loss.positive(x) + B * loss.negative(x) + (A - B) ** 2 / (A + B)
    return total


def test_objective_is_the_sum_over_pairs(stats, problem):
    W = np.random.default_rng(1).normal(size=(30, 3))
    np.testing.assert_allclose(problem.loss(W), pair_sum(stats, W), rtol=1e-12)


def test_target_is_the_matrix_of_the_source(stats, problem):
    P = stats.counts.toarray() / stats.counts.sum()
    p = P.sum(axis=1)
    product = np.outer(p, p)
    np.testing.assert_allclose(problem.target(), (P - product) / (0.5 * (P + product)), atol=1e-14)
    assert (np.asarray(problem.target())[P == 0] == -2).all()
    assert (P == 0).any()


def test_initial_weights_have_their_scale():
    W = np.asarray(wf.gaussian_init(jax.random.key(3), 4000, 25, 0.2))
    assert abs(W.std() - 0.2 / 5) < 4 * 0.04 / np.sqrt(2 * W.size)
    keys = jax.random.split(jax.random.key(0), 3)
    ensemble = wf.gaussian_init(keys, 10, 2, 1.0)
    np.testing.assert_array_equal(ensemble[1], wf.gaussian_init(keys[1], 10, 2, 1.0))


def test_initial_weights_are_the_same_in_either_precision():
    W = wf.gaussian_init(jax.random.key(0), 10, 2, 0.1)
    with jax.enable_x64(False):
        single = wf.gaussian_init(jax.random.key(0), 10, 2, 0.1)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(W, single, rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda p, s: wf.gaussian_init(jax.random.key(0), 30, 0, 1.0),
            "`dim` must be between 1 and the vocabulary size 30, but got 0",
        ),
        (
            lambda p, s: wf.gaussian_init(jax.random.key(0), 30, 31, 1.0),
            "`dim` must be between 1 and the vocabulary size 30, but got 31",
        ),
        (lambda p, s: wf.gaussian_init(jax.random.key(0), 30, 2, 0.0), "`scale` must be positive and finite"),
        (lambda p, s: wf.gaussian_init(jax.random.key(0), 30, 2, float("nan")), "`scale` must be positive"),
        (lambda p, s: p.loss(np.zeros((29, 2))), r"`W0` must be of shape \(30, dim\)"),
        (lambda p, s: p.gradient(np.zeros(30)), r"`W` must be of shape \(30, dim\)"),
        (lambda p, s: wf.untied_init(jax.random.key(0), 30, 2, 0.1, contexts="one"), "`contexts` must be"),
        (lambda p, s: wf.Problem.from_statistics(s, loss="hinge"), "`loss` must be 'quartic', 'logistic'"),
        (lambda p, s: wf.Problem.from_statistics(s, loss="taylor(3)"), "`order` must be even .* but got 3"),
        (
            lambda p, s: wf.Problem.from_statistics(s, weighting=wf.Mikolov()),
            r"`weighting` must be symmetric .*Use `tied=False`, or `Symmetrized",
        ),
    ],
)
def test_bad_arguments(problem, stats, call, match):
    with pytest.raises(ValueError, match=match):
        call(problem, stats)


@pytest.mark.parametrize("function", ["predict", "solve_flow", "predict_step_times", "step_time_law"])
def test_nothing_is_refused_for_being_float32(stats, function):
    W0 = np.random.default_rng(0).normal(size=(30, 2)) / 100

    def found(dtype):
        problem = wf.Problem.from_statistics(stats)
        arguments = {"step_time_law": (2, 0.01), "predict_step_times": (W0.astype(dtype),)}
        settings = {"basis": "words"} if function == "solve_flow" else {}
        given = arguments.get(function, (W0.astype(dtype), np.asarray([1.0], dtype)))
        return getattr(wf, function)(problem, *given, **settings)

    double = found(np.float64)
    with jax.enable_x64(False):
        single = found(np.float32)
    for one, other in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-3)
