"""Muon's closed form against Muon itself: exact polar factors, and optax."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from systems import separated_problem

import w2vflow as wf
from w2vflow.theory.aligned import staircase_loss
from w2vflow.theory.muon import muon_step_times, muon_strengths

# An accurate polar factor, and no momentum.
MUON = functools.partial(
    optax.contrib.muon, beta=0.0, nesterov=False, ns_coeffs=(1.875, -1.25, 0.375), ns_steps=30, eps=1e-30
)


def polar(matrix):
    U, _, V = np.linalg.svd(matrix, full_matrices=False)
    return U @ V


def trained(target, W, rate, steps):
    """Weights after every step, `(steps + 1, V, d)`."""
    weights = [W]
    for _ in range(steps):
        W = W - rate * polar((W @ W.T - target) @ W)
        weights.append(W)
    return np.array(weights)


def system(start, seed=0):
    """A problem, its leading eigenpairs, and an aligned start of given `s_k`."""
    problem = separated_problem()
    spectrum = wf.leading_eigenpairs(problem, 20)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(start),) * 2))[0]
    return problem, spectrum, spectrum.eigenvectors[:, : len(start)] * start @ turn


def test_aligned_start_above_and_below():
    """In the eigenbasis, above and below where they end; the last two have no positive eigenvalue."""
    start = np.array([0.3, 0.01, 2.2, 0.5, 1.5, 0.4, 0.2])
    problem, spectrum, W0 = system(start)
    rate = 1e-3
    weights = trained(np.asarray(problem.target()), W0, rate, 3000)
    strengths = np.linalg.norm(np.einsum("vk,tvd->tkd", spectrum.eigenvectors[:, :7], weights), axis=2)
    ts = rate * np.arange(3001)
    predicted = muon_strengths(jnp.asarray(spectrum.eigenvalues[:7]), jnp.asarray(start**2), jnp.asarray(ts))
    error = np.abs(strengths - np.sqrt(predicted)).max(axis=0)
    assert (error[:5] <= 1.01 * rate).all()
    assert (error[5:] <= 10 * rate).all()


def test_optax_run_step_times_and_loss():
    """All grow alike; the weakest arrives first."""
    problem, spectrum, W0 = system(np.full(5, 0.05))
    values, initial = jnp.asarray(spectrum.eigenvalues[:5]), jnp.full(5, 0.05**2)
    run = wf.run_gd(problem, W0, np.linspace(0.05, 3.2, 64), learning_rate=2e-3, optimizer=MUON)
    predicted = muon_strengths(values, initial, jnp.asarray(run.ts))
    falling = -np.sort(-np.sqrt(predicted), axis=1)
    np.testing.assert_allclose(run.singular_values, falling, rtol=0, atol=2e-3)
    loss = staircase_loss(jnp.asarray(problem.target_norm_squared()), values, predicted)
    np.testing.assert_allclose(run.loss, loss, rtol=2e-4)
    times = muon_step_times(values, initial)
    np.testing.assert_allclose(times, np.sqrt(values / 2) - 0.05, rtol=1e-14)
    np.testing.assert_allclose(wf.measure_step_times(run, spectrum), times, atol=5e-3)
    assert (np.diff(times) < 0).all()


@pytest.mark.parametrize(("stacked", "speed"), [(False, 1.0), (True, 0.5**0.5)])
def test_untied_weights(stacked, speed):
    """Each matrix for itself at the full speed; stacked, as `run_gd` has them, at `1 / sqrt 2` of it."""
    problem = separated_problem()
    spectrum = wf.extreme_eigenpairs(problem, 4)
    assert (spectrum.eigenvalues < 0).any()
    target, values, start, rate = np.asarray(problem.target()), spectrum.eigenvalues, 0.1, 1e-3
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    W = start * spectrum.eigenvectors @ turn
    C = start * spectrum.eigenvectors * np.sign(values) @ turn
    untied = wf.Problem.from_target(problem.target(), tied=False)
    ts = np.linspace(0.1, 4.0, 40)
    if stacked:
        run = wf.run_gd(untied, np.stack([W, C]), ts, learning_rate=rate, optimizer=MUON)
        measured = run.singular_values
    else:
        measured = []
        for number in range(1, 4001):
            error = target - W @ C.T
            W, C = W + rate * polar(error @ C), C + rate * polar(error.T @ W)
            if number % 100 == 0:
                measured.append(np.sqrt(np.linalg.svd(W @ C.T, compute_uv=False)[:4]))
    predicted = muon_strengths(jnp.asarray(np.abs(values)), jnp.full(4, start**2), jnp.asarray(speed * ts))
    np.testing.assert_allclose(measured, -np.sort(-np.sqrt(predicted), axis=1), rtol=0, atol=2e-3)


def test_random_starts_rise_as_one():
    """Whatever their directions; the largest singular value by a theorem, the others as was seen."""
    problem = separated_problem()
    target = np.asarray(problem.target())
    values = np.linalg.eigvalsh(target)[::-1][:5]
    rate = 1e-3
    for seed in range(3):
        W0 = np.asarray(wf.gaussian_init(jax.random.key(seed), 20, 5, 0.02))
        size = np.linalg.norm(W0, 2)
        # Until the weakest of the five levels off.
        weights = trained(target, W0, rate, round(0.9 * np.sqrt(values[-1]) / rate))
        singular = np.linalg.svd(weights, compute_uv=False)
        ts = rate * np.arange(len(weights))
        assert (singular[:, 0] <= size + ts + 1e-12).all()
        assert (np.abs(singular - ts[:, None]) <= 1.1 * size + 2 * rate).all()


def test_misalignment_falls_as_a_power():
    """A little of another mode beside a concept falls as `(t / s(0))^(lambda_j / lambda_k - 1)`."""
    values = np.array([4.0, 3.0, 1.0, -2.0])
    start, tiny, rate = 1e-3, 1e-7, 1e-6
    W0 = np.zeros((4, 2))
    W0[0, 0] = W0[1, 1] = start
    W0[2, 0] = W0[3, 1] = W0[2, 1] = tiny
    weights = trained(np.diag(values), W0, rate, 20_000)[-1]
    grown = 1 + 20_000 * rate / start
    np.testing.assert_allclose(np.diag(weights[:2]), start * grown, rtol=1e-4)
    for row, column in ((2, 0), (2, 1), (3, 1)):
        expected = tiny * grown ** (values[row] / values[column])
        assert weights[row, column] == pytest.approx(expected, rel=2e-3)


def test_where_there_is_no_step():
    values, initial = jnp.array([4.0, 4.0, 4.0, -1.0, 0.0]), jnp.array([3.0, 5.0, 0.0, 1.0, 1.0])
    times = np.asarray(muon_step_times(values, initial))
    assert times[0] == pytest.approx(np.sqrt(2) - np.sqrt(3))
    assert times[2] == pytest.approx(np.sqrt(2))
    assert np.isnan(times[[1, 3, 4]]).all()
    end = muon_strengths(values, initial, jnp.array([0.0, 100.0]))
    np.testing.assert_allclose(end[0], initial, atol=1e-15)
    np.testing.assert_allclose(end[1], [4, 4, 4, 0, 0], atol=1e-14)
