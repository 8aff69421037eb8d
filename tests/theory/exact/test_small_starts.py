"""Starts whose squares no number of the precision can hold, against mpmath."""

import jax
import mpmath
import numpy as np
import pytest

import w2vflow as wf

VALUES = np.array([3.0, 2.0, 0.7, -0.5, -1.0])
DIM = 2
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
SHAPE = np.random.default_rng(1).normal(size=(5, DIM))
SCALES = [
    (1e-150, "float64"),
    (1e-160, "float64"),
    (1e-300, "float64"),
    (1e-20, "float32"),
    (1e-36, "float32"),
]


def strengths(scale, t, shape=SHAPE):
    """`s_k^2(t)` of `dW/dt = (M - W W^T) W`, the eigenvalues of a 2 x 2 matrix, in 1,500 digits."""
    with mpmath.workdps(1500):
        B = mpmath.matrix((TURN.T @ shape).tolist()) * mpmath.mpf(scale)
        E, P = mpmath.zeros(DIM), mpmath.eye(DIM)
        for k, value in enumerate(VALUES):
            value, row = mpmath.mpf(float(value)), B[k, :]
            growth = mpmath.exp(2 * value * mpmath.mpf(t))
            E += growth * (row.T * row)
            P += (growth - 1) / value * (row.T * row)
        M = P**-1 * E
        half, det = (M[0, 0] + M[1, 1]) / 2, mpmath.det(M)
        root = mpmath.sqrt(half**2 - det)
        return [float(mpmath.sqrt(half + root)), float(mpmath.sqrt(det / (half + root)))]


def half_rise(scale, k):
    """The time at which `s_k^2` is half of `lambda_k`, by bisection."""
    low, high = 0.0, 2 * np.log(1 / scale)
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if strengths(scale, middle)[k] ** 2 > VALUES[k] / 2 else (middle, high)
    return high


@pytest.fixture(params=SCALES, ids=lambda given: f"{given[0]:g}, {given[1]}")
def case(request):
    scale, precision = request.param
    with jax.enable_x64(precision == "float64"):
        yield wf.Problem.from_target(TURN * VALUES @ TURN.T), scale, np.dtype(precision)


def test_predict_from_a_start_whose_squares_are_lost(case):
    problem, scale, dtype = case
    rises = [np.log(VALUES[k]) / (2 * VALUES[k]) - np.log(scale) / VALUES[k] for k in range(DIM)]
    ts = np.array([0.0, 0.5 * rises[0], rises[0], (rises[0] + rises[1]) / 2, rises[1], 2 * rises[1]])
    ts = ts.astype(dtype).astype(float)
    found = wf.predict(problem, (scale * SHAPE).astype(dtype), ts, save_embeddings=True)
    assert found.singular_values.dtype == dtype
    exact = np.array([strengths(scale, t) for t in ts])
    # Exponents of some hundred have their rounding; what float32 cannot hold at the start is 0.
    rtol = 1e-10 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(found.singular_values, exact, rtol=rtol)
    assert found.singular_values[-1, 1] ** 2 == pytest.approx(2, rel=1e-5)
    lengths = np.linalg.norm(np.asarray(found.embeddings, float).reshape(len(ts), -1)[2:], axis=1)
    np.testing.assert_allclose(lengths**2, (exact[2:] ** 2).sum(axis=1), rtol=2 * rtol)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_step_times_from_a_start_whose_squares_are_lost(case):
    problem, scale, dtype = case
    W0 = (scale * SHAPE).astype(dtype)
    exact = [half_rise(scale, k) for k in range(DIM)]
    np.testing.assert_allclose(wf.predict_step_times(problem, W0), exact, rtol=1e-5)
    errors = np.asarray(wf.theory.estimate_step_time_errors(problem, W0))
    assert np.isfinite(errors).all()
    assert errors.max() < 1e-3
    law = wf.step_time_law(problem, DIM, scale)
    deviations = (np.asarray(wf.predict_step_times(problem, W0)) - law.mean) / law.standard_deviation
    assert np.abs(deviations).max() < 5
    rises = wf.predict(problem, W0, np.linspace(0, 1.1 * exact[1], 3000).astype(dtype), learning_rate=1e-3)
    with_steps = wf.measure_step_times(rises, wf.leading_eigenpairs(problem, DIM))
    np.testing.assert_allclose(with_steps, wf.predict_step_times(problem, W0, learning_rate=1e-3), rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-160, 1e-300])
def test_untied_weights_from_a_start_whose_squares_are_lost(scale):
    problem = wf.Problem.from_target(TURN * VALUES @ TURN.T, tied=False)
    W0 = scale * np.stack([SHAPE, SHAPE[::-1]])
    times = np.asarray(wf.predict_step_times(problem, W0))
    ts = np.linspace(0, 1.1 * times.max(), 3000)
    traj = wf.predict(problem, W0, ts)
    measured = wf.measure_step_times(traj, wf.extreme_eigenpairs(problem, DIM))
    np.testing.assert_allclose(measured, times, rtol=1e-4)
    # The product of both sides at the start, in units that can be held.
    values = np.linalg.svd(SHAPE @ SHAPE[::-1].T, compute_uv=False)[:DIM]
    np.testing.assert_allclose(traj.singular_values[0], scale * np.sqrt(values), rtol=1e-12)
