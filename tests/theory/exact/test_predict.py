"""Closed forms against 50-digit arithmetic, the aligned sigmoid, limits, and descent itself."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from systems import quartic_gradient, separated_problem

import w2vflow as wf
from w2vflow.theory.aligned import aligned_strengths, half_rise_times, staircase_loss
from w2vflow.theory.exact.riccati import log_f_and_g, riccati_factor
from w2vflow.theory.step_times.law import effective_initial_strengths


def exact_gram(eigenvalues, B, t, digits):
    """W W^T in the eigenbasis from the formula as written, in arithmetic of many digits."""
    with mp.workdps(digits):
        lam = [mp.mpf(float(x)) for x in eigenvalues]
        rows = mp.matrix(B.tolist())
        grown = mp.matrix(len(lam), B.shape[1])
        f = [2 * t if x == 0 else mp.expm1(2 * x * t) / x for x in lam]
        P = mp.eye(B.shape[1])
        for k, weight in enumerate(f):
            P += weight * (rows[k, :].T * rows[k, :])
        for k, x in enumerate(lam):
            grown[k, :] = mp.exp(x * t) * rows[k, :]
        Q = grown * mp.inverse(P) * grown.T
        return np.array([[float(Q[i, j]) for j in range(len(lam))] for i in range(len(lam))])


SPECTRUM = np.array([3.0, 2.4, 2.3, 1.0, 0.4, 0.1, 0.0, -0.2, -1.0, -5.0])


def flow_factor(B, t):
    eigenvalues = jnp.asarray(SPECTRUM)
    rows = log_f_and_g(eigenvalues, 2 * eigenvalues * t, jnp.asarray(t))
    return np.asarray(riccati_factor(jnp.asarray(B), *rows)[0])


@pytest.mark.parametrize("scale", [2.0, 1e-2, 1e-12])
@pytest.mark.parametrize("dim", [1, 4, 12])
@pytest.mark.parametrize("t", [1e-6, 0.5, 10.0, 60.0, 400.0])
def test_exact_solution_against_many_digits(scale, dim, t):
    B = np.random.default_rng(5).normal(size=(10, dim)) * scale / np.sqrt(dim)
    X = flow_factor(B, t)
    # e^(2 lambda_1 t) has up to 1,042 digits before the point, and they cancel.
    exact = exact_gram(SPECTRUM, B, t, digits=60 + int(3 * t * SPECTRUM[0]))
    error = np.linalg.norm(X @ X.T - exact) / np.linalg.norm(exact)
    assert error < 1e-12


def test_exact_solution_keeps_small_entries():
    """Entries far below the largest are right too, relative to the size of their own modes."""
    B = np.random.default_rng(6).normal(size=(10, 3)) * 1e-10
    for t in (2.0, 8.0, 20.0):
        X = flow_factor(B, t)
        exact = exact_gram(SPECTRUM, B, t, digits=400)
        size = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
        assert np.abs((X @ X.T - exact) / size).max() < 1e-11


def test_exact_solution_at_start_and_at_infinity(problem, basis):
    W0 = wf.gaussian_init(jax.random.key(1), 30, 4, 1e-6)
    traj = wf.predict(problem, W0, [0.0, 1e7], save_embeddings=True)
    start, end = traj.embeddings
    np.testing.assert_allclose(start @ start.T, W0 @ W0.T, atol=1e-12 * float(jnp.max(W0**2)))
    V, lam = basis.eigenvectors[:, :4], basis.eigenvalues[:4]
    np.testing.assert_allclose(end @ end.T, V * lam @ V.T, atol=1e-10 * lam[0])
    np.testing.assert_allclose(traj.singular_values[1] ** 2, lam, rtol=1e-10)
    rest = np.sum(basis.eigenvalues**2) - np.sum(lam**2)
    np.testing.assert_allclose(traj.loss[1], rest / 4, rtol=1e-10)


def test_exact_solution_of_an_aligned_start_is_the_sigmoid(problem, basis):
    initial = np.array([1e-4, 1e-5, 1e-7])
    W0 = basis.eigenvectors[:, :3] * np.sqrt(initial)
    half = half_rise_times(basis.eigenvalues[:3], initial)
    ts = np.linspace(0, 2 * half.max(), 50)
    traj = wf.predict(problem, W0, ts)
    curves = np.asarray(aligned_strengths(basis.eigenvalues[:3], initial, ts))
    np.testing.assert_allclose(traj.singular_values**2, curves, rtol=1e-8, atol=1e-14)
    norm = np.sum(basis.eigenvalues**2)
    np.testing.assert_allclose(traj.loss, staircase_loss(norm, basis.eigenvalues[:3], curves), rtol=1e-12)
    measured = wf.measure_step_times(traj, basis.leading(3))
    np.testing.assert_allclose(measured, half, rtol=1e-3)


def test_aligned_sigmoid_solves_its_equation():
    """d(s^2)/dt = 2 (lambda - s^2) s^2 for either sign of lambda and for 0."""
    lam, initial = jnp.array([2.0, 0.3, 0.0, -1.0]), jnp.array([1e-3, 0.2, 0.1, 0.4])
    for t in (0.0, 0.7, 5.0):
        value, slope = jax.jvp(
            lambda u: aligned_strengths(lam, initial, u[None])[0], (jnp.asarray(t),), (jnp.ones(()),)
        )
        np.testing.assert_allclose(slope, 2 * (lam - value) * value, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(aligned_strengths(lam, initial, jnp.zeros(1))[0], initial, rtol=1e-14)
    far = np.asarray(aligned_strengths(lam, initial, jnp.full(1, 1e6)))[0]
    np.testing.assert_allclose(far, [2.0, 0.3, 0.0, 0.0], atol=1e-5)


def test_half_rise_is_where_half_is():
    lam, initial = jnp.array([3.0, 1.0, 0.5]), jnp.array([1e-8, 1e-2, 0.2])
    t = half_rise_times(lam, initial)
    at = np.diag(aligned_strengths(lam, initial, t))
    np.testing.assert_allclose(at, lam / 2, rtol=1e-12)
    assert np.isnan(half_rise_times(jnp.array([1.0, -1.0]), jnp.array([2.0, 0.1]))).all()


def test_rotating_the_start_changes_nothing(problem):
    W0 = wf.gaussian_init(jax.random.key(2), 30, 4, 1e-3)
    R = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    ts = np.linspace(0.0, 1.5, 9)
    one, other = wf.predict(problem, W0, ts), wf.predict(problem, W0 @ R, ts)
    np.testing.assert_allclose(one.singular_values, other.singular_values, atol=1e-11)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-12)


def test_ensemble_is_its_seeds(problem):
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(4), 3), 30, 4, 1e-3)
    ts = [0.1, 0.5]
    together = wf.predict(problem, W0, ts, save_embeddings=True)
    alone = wf.predict(problem, W0[2], ts, save_embeddings=True)
    np.testing.assert_allclose(together.sel(seed=2).singular_values, alone.singular_values, rtol=1e-12)
    grams = [e @ np.swapaxes(e, -1, -2) for e in (together.sel(seed=2).embeddings, alone.embeddings)]
    np.testing.assert_allclose(*grams, atol=1e-12)


@pytest.mark.parametrize(("scale", "error"), [(1e-3, 4e-3), (1e-8, 1e-5)])
def test_step_times_of_every_seed(scale, error):
    problem = separated_problem()
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 20), 20, 5, scale)
    predicted = wf.predict_step_times(problem, W0)
    ts = np.linspace(0, 1.1 * predicted.max(), 2000)
    measured = wf.measure_step_times(wf.predict(problem, W0, ts), wf.leading_eigenpairs(problem, 5))
    relative = np.abs(predicted / measured - 1)
    assert np.sqrt(np.mean(relative**2)) < error


def test_law_of_step_times_over_seeds():
    problem, dim, scale, seeds = separated_problem(), 5, 1e-6, 4000
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(1), seeds), 20, dim, scale)
    times = wf.predict_step_times(problem, W0)
    mean, deviation = wf.step_time_law(problem, dim, scale)
    # Five standard errors of mean and deviation; the logarithm of a chi-square has heavier tails.
    np.testing.assert_array_less(np.abs(times.mean(axis=0) - mean), 5 * deviation / np.sqrt(seeds))
    np.testing.assert_allclose(times.std(axis=0, ddof=1), deviation, rtol=5 * np.sqrt(2 / seeds))
    correlation = np.corrcoef(times.T) - np.eye(dim)
    assert np.abs(correlation).max() < 5 / np.sqrt(seeds)


def test_effective_strength_of_first_mode_is_its_overlap(basis):
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), 30, 4, 0.1))
    strengths = effective_initial_strengths(basis, W0)
    overlaps = basis.eigenvectors[:, :4].T @ W0
    np.testing.assert_allclose(strengths[0], np.sum(overlaps[0] ** 2), rtol=1e-12)
    np.testing.assert_allclose(np.prod(strengths), np.linalg.det(overlaps) ** 2, rtol=1e-9)


def test_prediction_of_descent_is_second_order():
    """Against full-batch descent the error falls as the square of the step size; the flow's linearly."""
    problem, scale = separated_problem(), 1e-4
    target = problem.target()
    W0 = wf.gaussian_init(jax.random.key(3), 20, 5, scale)
    horizon, rates = 4.0, 0.02 / 2.0 ** np.arange(4) / 8.0 * 4
    errors = {"corrected": [], "flow": []}
    for rate in rates:
        ts = np.arange(1, 41) * horizon / 40
        per = round(horizon / 40 / rate)

        def chunk(W, _, rate=rate, per=per):
            W = jax.lax.fori_loop(0, per, lambda i, w: w - rate * quartic_gradient(target, w), W)
            return W, jnp.linalg.svd(W, compute_uv=False)

        descent = np.asarray(jax.lax.scan(chunk, W0, None, length=40)[1])
        for name, eta in (("corrected", rate), ("flow", 0.0)):
            values = wf.predict(problem, W0, ts, learning_rate=float(eta)).singular_values
            errors[name].append(np.abs(values - descent).max())
    slopes = {name: np.polyfit(np.log(rates), np.log(values), 1)[0] for name, values in errors.items()}
    assert abs(slopes["flow"] - 1) < 0.15
    assert abs(slopes["corrected"] - 2) < 0.3
    assert errors["corrected"][-1] < 0.02 * errors["flow"][-1]


def test_predicted_step_times_of_descent():
    problem, rate = separated_problem(), 0.02
    W0 = wf.gaussian_init(jax.random.key(3), 20, 5, 1e-6)
    target = problem.target()
    spec = wf.leading_eigenpairs(problem, 5)
    step = lambda W, _: (W - rate * quartic_gradient(target, W),) * 2  # noqa: E731
    weights = np.asarray(jax.lax.scan(step, W0, None, length=1000)[1])
    traj = wf.Trajectory(
        "sgd", rate * np.arange(1, 1001), np.linalg.svd(weights, compute_uv=False), np.zeros(1000)
    )
    measured = wf.measure_step_times(traj, spec)
    predicted = wf.predict_step_times(problem, W0, learning_rate=rate)
    uncorrected = wf.predict_step_times(problem, W0)
    assert np.abs(predicted / measured - 1).max() < 2e-3
    assert np.abs(uncorrected / measured - 1).max() > 1e-2
    from_curve = wf.measure_step_times(wf.predict(problem, W0, traj.ts, learning_rate=rate), spec)
    assert np.abs(from_curve / measured - 1).max() < 2e-3


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda p: wf.predict(p, np.ones((30, 2)), [2.0, 1.0]),
            "`ts` must be strictly increasing, but got 2.0 before 1.0",
        ),
        (lambda p: wf.predict(p, np.ones((30, 2)), [1.0, 1.0]), "`ts` must be strictly increasing"),
        (lambda p: wf.predict(p, np.ones((30, 2)), [-1.0, 1.0]), "`ts` must be positive"),
        (lambda p: wf.predict(p, np.ones((30, 2)), [0.0]), "`ts` must be positive"),
        (lambda p: wf.predict(p, np.ones((30, 2)), []), "`ts` must be a non-empty list"),
        (lambda p: wf.predict(p, np.ones((30, 2)), [np.nan]), "`ts` must be finite"),
        (lambda p: wf.predict(p, np.ones((29, 2)), [1.0]), r"`W0` must be of shape \(30, dim\)"),
        (lambda p: wf.predict(p, np.ones((30, 31)), [1.0]), "`dim` must be between 1 and"),
        (lambda p: wf.predict(p, np.full((30, 2), np.nan), [1.0]), "`W0` must be finite"),
        (
            lambda p: wf.predict(p, np.ones((30, 2)), [1.0], learning_rate=-1.0),
            "`learning_rate` must be 0 for the flow",
        ),
        (
            lambda p: wf.predict(p, np.ones((30, 2)), [1.0], spectrum=wf.leading_eigenpairs(p, 1)),
            "`spectrum` must be at least 2 eigenpairs",
        ),
        (lambda p: wf.step_time_law(p, 30, 0.1), "`dim` must be at most the number of positive eigenvalues"),
        (lambda p: wf.step_time_law(p, 0, 0.1), "`dim` must be between 1 and"),
    ],
)
def test_bad_arguments(problem, call, match):
    with pytest.raises(ValueError, match=match):
        call(problem)
