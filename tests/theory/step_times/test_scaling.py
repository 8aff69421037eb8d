"""Visible steps, alignment, rank and power laws against the exact solution and explicit sums."""

import jax
import numpy as np
import pytest
from systems import separated_problem

import w2vflow as wf
from w2vflow.theory.step_times.scaling import (
    PowerLaw,
    effective_rank,
    fit_power_law,
    participation_ratio,
    predict_rank,
    silent_alignment,
    step_visibility,
    visible_steps,
)


def trajectory(values, ts=None):
    values = np.asarray(values, float)
    ts = np.arange(values.shape[-2], dtype=float) if ts is None else ts
    return wf.Trajectory("theory", ts, values, np.zeros(values.shape[:-1]))


def diagonal(values, tied=True):
    return wf.Problem.from_target(np.diag(np.asarray(values, float)), tied=tied)


@pytest.mark.parametrize("tied", [True, False])
def test_visibility_is_the_gap_over_the_measured_rise(tied):
    """The 10-90% rise is measured on the exact solution of one concept alone."""
    values = np.array([4.0, 3.0, 0.5])
    problem = diagonal(values if tied else values * [1, -1, 1], tied)
    times = np.array([[1.0, 4.0, 6.0], [2.0, 2.5, 9.0]])
    W0 = np.array([[1e-6], [0.0], [0.0]])
    ts = np.linspace(2.0, 10.0, 4001)
    if tied:
        squares = wf.predict(problem, W0, ts).singular_values[:, 0] ** 2
    else:
        squares = wf.solve_flow(problem, np.stack([W0, W0]), ts).singular_values[:, 0] ** 2
    rise = ts[np.argmax(squares > 3.6)] - ts[np.argmax(squares > 0.4)]
    found = step_visibility(problem, times)
    # Grid of times: two thousandths.
    np.testing.assert_allclose(found[:, 0], np.diff(times)[:, 0] / rise, rtol=4e-3)
    np.testing.assert_allclose(found[:, 1] / found[:, 0], np.diff(times)[:, 1] / np.diff(times)[:, 0] * 0.75)
    np.testing.assert_array_equal(visible_steps(found), np.sum(np.cumprod(found >= 1, axis=1), axis=1))


def test_visible_steps_stop_at_the_first_that_is_not():
    assert visible_steps([2.0, 1.0, 0.9, 3.0]) == 2
    np.testing.assert_array_equal(visible_steps([[0.5, 2.0], [2.0, 2.0], [1.5, np.nan]]), [0, 2, 1])


def test_visible_steps_of_a_power_law():
    """`a ln(lambda / scale^2) / ln 81` of them, whatever the number of concepts."""
    a, scale = 0.6, 1e-12
    values = 2.0 * np.arange(1, 41) ** -a
    times = np.log(values / scale**2) / (2 * values)
    count = visible_steps(step_visibility(diagonal(values), times))
    expected = a * np.log(values / scale**2) / np.log(81)
    # Consecutive k differ by 1 / k of themselves, not infinitesimally.
    assert abs(count - expected[int(count)]) <= 1


def test_silent_alignment_is_the_angle_left():
    """The exact solution of one column: the angle to the eigenvector at half-rise, over that at the start."""
    values, scale = np.array([3.0, 2.0, 1.0]), 1e-3
    problem = diagonal(values)
    start = np.array([[scale], [scale], [scale]])
    half = np.log(values[0] / scale**2) / (2 * values[0])
    W = wf.predict(problem, start, [0.0, half], save_embeddings=True).embeddings[..., 0]
    assert (W[1, 0] ** 2) == pytest.approx(1.5, rel=1e-2)
    shrunk = np.log((W[0, 1] / W[0, 0]) / (W[1, 1] / W[1, 0]))
    found = silent_alignment(problem, 3, scale)
    assert found[0] == pytest.approx(shrunk, rel=1e-9)
    assert found[1] == pytest.approx((1 - 1 / 2) * np.log(2.0 / scale**2) / 2)
    # The same of untied weights, by size.
    untied = silent_alignment(diagonal(values * [1, -1, 1], tied=False), 3, scale)
    np.testing.assert_allclose(untied, found)


def test_rank_over_time_is_that_of_the_step_times():
    problem = separated_problem()
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 4), 20, 5, 1e-6)
    times = wf.predict_step_times(problem, W0)
    ts = np.linspace(0, 1.2 * times.max(), 500)
    traj = wf.predict(problem, W0, ts)
    spectrum = wf.leading_eigenpairs(problem, 5)
    measured, predicted = effective_rank(traj, spectrum), predict_rank(times, ts)
    assert measured.shape == (4, 500)
    assert (measured[:, -1] == 5).all()
    assert (measured[:, 0] == 0).all()
    # They differ only within 0.1% of a step.
    near = (np.abs(ts[:, None] / times[:, None] - 1) < 1e-3).any(axis=-1)
    np.testing.assert_array_equal(measured[~near], predicted[~near])
    np.testing.assert_array_equal(predict_rank([1.0, np.nan, 3.0], [0.5, 1.0, 5.0]), [0, 1, 2])


def test_effective_rank_of_untied_weights_counts_negative_eigenvalues():
    spectrum = wf.Spectrum(np.array([-4.0, 2.0, 0.0]), np.eye(3), np.zeros(3), np.empty(0), np.empty(0))
    values = np.sqrt([[1.9, 0.5, 0.1], [2.1, 0.9, 0.1], [4.0, 1.1, 0.1]])
    np.testing.assert_array_equal(effective_rank(trajectory(values), spectrum), [0, 1, 2])


def test_participation_ratio():
    traj = trajectory([[2.0, 2.0, 0.0], [1e-200, 1e-203, 1e-210], [3.0, 3.0, 3.0]])
    np.testing.assert_allclose(participation_ratio(traj), [2.0, 1.0, 3.0], rtol=1e-5)
    W = np.random.default_rng(0).normal(size=(200, 40, 5))
    ratio = participation_ratio(trajectory(np.linalg.svd(W, compute_uv=False)))
    expected = 40 * 5 / (40 + 5 + 1)
    # Ratio of means; that of single draws differs in second order of 1 / (V d).
    assert abs(ratio.mean() - expected) < 5 * ratio.std() / np.sqrt(200) + 0.02


@pytest.mark.parametrize("a", [0.7, 1.0, 1.5])
def test_power_laws_of_rank_and_loss(a):
    """Explicit sums over an aligned start, with the logarithm that the exponents leave out."""
    places = np.arange(1, 200_001)
    values, strength = 10.0 * places**-a, 1e-100
    law = fit_power_law(values, last=1000)
    assert law.exponent == pytest.approx(a, abs=1e-10)
    assert law.error < 1e-8
    assert law.prefactor == pytest.approx(10.0)
    ts = np.geomspace(40**a, 200**a, 12) * np.log(1 / strength) / (2 * values[0])
    rank, loss = [], []
    for t in ts:
        squares = values / (1 + (values / strength - 1) * np.exp(-2 * values * t))
        # Counted with their fractions, so that the count is smooth.
        rank.append(np.sum(squares / values))
        loss.append(np.sum((values - squares) ** 2) / 4)
    # What the sum leaves out beyond its end.
    loss = np.array(loss) + 100 / 4 * places[-1] ** (1 - 2 * a) / (2 * a - 1)
    middle = np.log(10.0 * np.mean(rank) ** -a / strength)
    slow = 1 - 1 / middle
    assert np.polyfit(np.log(ts), np.log(rank), 1)[0] * slow == pytest.approx(law.rank_exponent, rel=0.02)
    assert np.polyfit(np.log(ts), np.log(loss), 1)[0] * slow == pytest.approx(law.loss_exponent, rel=0.04)


def test_a_slow_power_law_has_no_loss_exponent():
    law = fit_power_law(3.0 * np.arange(1, 50) ** -0.4, first=5)
    assert law.rank_exponent == pytest.approx(2.5)
    with pytest.raises(ValueError, match=r"`exponent` must be above 1/2.*but got 0\.4.*tail.*`predict`"):
        _ = law.loss_exponent
    assert PowerLaw(1.0, 0.1, 1.0).loss_exponent == -1.0


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_standard_error_of_the_exponent(memory):
    """The spread over 400 fits, for independent scatter and for scatter that neighbours share."""
    rng, fits = np.random.default_rng(0), []
    for _ in range(400):
        noise = rng.normal(size=200) * 0.1
        for k in range(1, 200):
            noise[k] += memory * noise[k - 1]
        fits.append(fit_power_law(np.exp(-0.6 * np.log(np.arange(1, 201)) + noise)))
    spread = np.std([law.exponent for law in fits])
    told = np.mean([law.error for law in fits])
    # Half of the correlation is in the fit itself: within 10% where there is none, 40% where there is.
    assert told == pytest.approx(spread, rel=0.1 if memory == 0 else 0.4)
    assert np.mean([law.exponent for law in fits]) == pytest.approx(0.6, abs=5 * spread / 20)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda p: step_visibility(p, [1.0]), r"`step_times` must be of shape \(\[seeds,\] concepts\)"),
        (
            lambda p: step_visibility(p, [1.0, 2.0], spectrum=wf.leading_eigenpairs(p, 1)),
            "`spectrum` must be at",
        ),
        (lambda p: silent_alignment(p, 1, 0.1), "`dim` must be between 2 and the vocabulary size 20"),
        (lambda p: silent_alignment(p, 6, 0.1), "`dim` must be at most the 5 concepts that are ever learned"),
        (
            lambda p: silent_alignment(p, 5, 1.2),
            r"`scale` must be positive and below the square root of lambda_5, 1\.1, but got 1\.2",
        ),
        (lambda p: silent_alignment(p, 5, 0.0), "`scale` must be positive and below"),
        (lambda p: fit_power_law([3.0, 2.0, 1.0]), r"`last` must be at least `first` \+ 3 and at most the 3"),
        (lambda p: fit_power_law(np.ones(9), first=3, last=10), "`last` must be at least"),
        (
            lambda p: fit_power_law([3.0, 2.0, 1.0, 0.5, 0.0]),
            "`last` must be below the first eigenvalue that is not positive, number 5, but got 5",
        ),
        (lambda p: predict_rank([1.0], [2.0, 1.0]), "`ts` must be strictly increasing"),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call(separated_problem())


@pytest.mark.parametrize(
    "call", [lambda p: step_visibility(p, [1.0, 2.0]), lambda p: silent_alignment(p, 2, 0.1)]
)
def test_other_problems_are_refused(stats, call):
    with pytest.raises(ValueError, match="`problem` must be quartic and at constant G"):
        call(wf.Problem.from_statistics(stats, loss="logistic"))
