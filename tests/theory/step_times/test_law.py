"""Step times against the exact solution, an integrated flow of its own, descent and thousands of seeds."""

import warnings

import jax
import numpy as np
import pytest
import scipy.integrate
from systems import separated_problem

import w2vflow as wf
from w2vflow.spectrum.order import degenerate_groups
from w2vflow.theory.step_times.law import effective_initial_strengths, estimate_step_time_errors


def problem_of(values, tied=True, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return wf.Problem.from_target(Q * np.asarray(values, float) @ Q.T, tied=tied)


def starts(problem, seeds, dim, scale, seed=0, **contexts):
    draw = wf.gaussian_init if problem.tied else wf.untied_init
    return draw(jax.random.split(jax.random.key(seed), seeds), problem.vocab_size, dim, scale, **contexts)


def crossings(ts, squares, levels):
    """When each column of falling squares first passes its level, by the logit between two times."""
    found = []
    for column, (level, ceiling) in zip(squares.T, levels, strict=True):
        logit = np.log(column / (ceiling - column)) - np.log(level / (ceiling - level))
        after = int(np.argmax(logit >= 0))
        low, high = logit[after - 1], logit[after]
        found.append(ts[after - 1] - low / (high - low) * (ts[after] - ts[after - 1]))
    return np.array(found)


def exact_times(problem, W0, values, fraction=0.5):
    """Measured on the exact solution of each seed."""
    end = 1.6 * np.log(1 / (W0**2).max()) / (2 * values[-1]) + 8 / values[-1]
    ts = np.linspace(0, end, 400)
    traj = wf.predict(problem, W0, ts)
    levels = [(fraction * value, value) for value in values]
    squares = np.minimum(traj.singular_values[..., : len(values)] ** 2, values * (1 - 1e-9))
    return np.stack([crossings(ts, np.maximum(each, 1e-300), levels) for each in squares])


SEPARATED = np.array([8.0, 5.0, 3.2, 2.0, 1.2])


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize(("scale", "error"), [(1e-3, 4e-3), (1e-8, 2e-5)])
def test_time_to_any_fraction(fraction, scale, error):
    problem = separated_problem()
    W0 = starts(problem, 10, 5, scale)
    predicted = wf.predict_step_times(problem, W0, fraction=fraction)
    relative = predicted / exact_times(problem, W0, SEPARATED, fraction) - 1
    assert np.sqrt(np.mean(relative**2)) < error


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_step_times_of_descent(tied, fraction):
    """The error falls as the square of the step size, at every fraction; the flow's falls linearly."""
    problem = separated_problem() if tied else problem_of([4.0, -2.5, 1.5, 0.3, -0.2, 0.1], tied=False)
    values = np.array([8.0, 5.0]) if tied else np.array([4.0, 2.5])
    W0 = starts(problem, 1, 2, 1e-7)[0]
    target = np.asarray(problem.target())
    errors, plain = [], []
    rates = np.array([0.02, 0.01]) * (1 if tied else 3)
    for rate in rates:
        W, squares = np.asarray(W0), []
        steps = int(9 / rate) if tied else int(30 / rate)
        for _ in range(steps):
            if tied:
                W = W + rate * (target - W @ W.T) @ W
                squares.append(np.linalg.svd(W, compute_uv=False) ** 2)
            else:
                rest = target - W[0] @ W[1].T
                W = W + rate / 2 * np.stack([rest @ W[1], rest.T @ W[0]])
                squares.append(np.linalg.svd(W[0] @ W[1].T, compute_uv=False)[:2])
        squares = np.clip(squares, 1e-300, values * (1 - 1e-12))
        measured = crossings(rate * np.arange(1, steps + 1), squares, [(fraction * v, v) for v in values])
        errors.append(
            wf.predict_step_times(problem, W0, fraction=fraction, learning_rate=float(rate)) - measured
        )
        plain.append(wf.predict_step_times(problem, W0, fraction=fraction) - measured)
    slopes = [np.log2(np.abs(a / b)) for a, b in (errors, plain)]
    assert (np.abs(slopes[1] - 1) < 0.2).all()
    assert (np.abs(slopes[0] - 2) < 0.4).all()
    assert (np.abs(errors[1]) < 0.1 * np.abs(plain[1])).all()


@pytest.mark.parametrize("contexts", ["random", "zero"])
def test_untied_step_times_against_an_integrated_flow(contexts):
    """Negative eigenvalues in their turn by size; half the rate; SciPy's integrator, in the words."""
    values = np.array([-6.0, 4.0, 2.6, -1.7, 0.5, -0.3, 0.2, -0.1])
    problem = problem_of(values, tied=False)
    target, sizes = np.asarray(problem.target()), np.abs(values[:4])
    W0 = starts(problem, 2, 4, 1e-5, contexts=contexts)
    for start, predicted in zip(W0, wf.predict_step_times(problem, W0), strict=True):

        def velocity(t, z):
            W, C = z.reshape(2, 8, 4)
            rest = target - W @ C.T
            return np.concatenate([(rest @ C).ravel(), (rest.T @ W).ravel()]) / 2

        ts = np.linspace(0, 1.3 * predicted[-1], 800)
        solved = scipy.integrate.solve_ivp(
            velocity, (0, ts[-1]), np.ravel(start), method="DOP853", t_eval=ts, rtol=1e-10, atol=1e-16
        )
        W, C = np.moveaxis(solved.y.reshape(2, 8, 4, -1), -1, 1)
        squares = np.linalg.svd(W @ np.swapaxes(C, 1, 2), compute_uv=False)[:, :4]
        squares = np.clip(squares, 1e-300, sizes * (1 - 1e-9))
        measured = crossings(ts, squares, [(s / 2, s) for s in sizes])
        np.testing.assert_allclose(predicted, measured, rtol=3e-3)


def law_by_seeds(problem, dim, scale, seeds, **settings):
    W0 = starts(problem, seeds, dim, scale, seed=1, **settings)
    times = wf.predict_step_times(problem, W0)
    mean, deviation = wf.step_time_law(problem, dim, scale, **settings)
    # Five standard errors of mean and deviation; the logarithm of a chi-square has heavier tails.
    np.testing.assert_array_less(np.abs(times.mean(axis=0) - mean), 5 * deviation / np.sqrt(seeds))
    np.testing.assert_allclose(times.std(axis=0, ddof=1), deviation, rtol=5 * np.sqrt(2 / seeds))
    return times


@pytest.mark.parametrize("contexts", ["random", "zero"])
def test_law_of_untied_step_times(contexts):
    problem = problem_of([-9.0, 6.0, 4.0, -2.5, 0.5, -0.4, 0.3, 0.2], tied=False)
    times = law_by_seeds(problem, 4, 1e-6, 4000, contexts=contexts)
    correlation = np.corrcoef(times.T) - np.eye(4)
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_law_of_a_group():
    """Of three equal eigenvalues the members are ordered; drawn moments have errors of their own."""
    problem, seeds = problem_of([5.0, 2.0, 2.0, 2.0, 1.0, -1.0, -2.0, -3.0]), 4000
    times = wf.predict_step_times(problem, starts(problem, seeds, 5, 1e-6, seed=1))
    mean, deviation = wf.step_time_law(problem, 5, 1e-6)
    error = deviation * np.sqrt(1 / seeds + 1 / 4096)
    np.testing.assert_array_less(np.abs(times.mean(axis=0) - mean), 5 * error)
    np.testing.assert_allclose(times.std(axis=0), deviation, rtol=5 * np.sqrt(1 / seeds + 1 / 4096))
    # The mean over the group is that of single modes: determinants do not know a basis.
    apart = wf.step_time_law(problem_of([5.0, 2.1, 2.0, 1.9, 1.0, -1.0, -2.0, -3.0]), 5, 1e-6).mean
    assert mean[1:4].mean() == pytest.approx(float(apart[1:4].mean()), rel=0.01)
    assert (np.diff(mean[1:4]) > 0.2).all()


@pytest.mark.parametrize("dim", [2, 3, 5])
@pytest.mark.parametrize("tied", [True, False])
def test_equal_eigenvalues_are_one_subspace(dim, tied):
    """Exact for a group, also one that the embedding does not hold whole; a basis of it changes nothing."""
    values = np.array([5.0, 2.0, -2.0, 2.0, 0.8, -0.5, 0.2, -0.1])
    if tied:
        values = np.abs(values) * [1, 1, 1, 1, 1, -1, 1, -1]
    problem = problem_of(values, tied)
    W0 = starts(problem, 6 if tied else 2, dim, 1e-6)
    predicted = wf.predict_step_times(problem, W0)
    sizes = np.array([5.0, 2.0, 2.0, 2.0, 0.8])[:dim]
    if tied:
        measured = exact_times(problem, W0, sizes)
    else:
        ts = np.linspace(0, 1.3 * predicted.max(), 1500)
        squares = wf.solve_flow(problem, W0, ts).singular_values ** 2
        squares = np.clip(squares, 1e-300, sizes * (1 - 1e-9))
        measured = np.stack([crossings(ts, each, [(s / 2, s) for s in sizes]) for each in squares])
    np.testing.assert_allclose(predicted, measured, rtol=1e-4)
    spectrum = (wf.leading_eigenpairs if tied else wf.extreme_eigenpairs)(problem, 8)
    turned = np.array(spectrum.eigenvectors)
    angle = np.linalg.qr(np.random.default_rng(3).normal(size=(2, 2)))[0]
    plane = np.flatnonzero(np.isclose(spectrum.eigenvalues, 2.0))[:2]
    turned[:, plane] = turned[:, plane] @ angle
    other = wf.Spectrum(spectrum.eigenvalues, turned, spectrum.residuals, *[np.empty(0)] * 2)
    np.testing.assert_allclose(wf.predict_step_times(problem, W0, spectrum=other), predicted, rtol=1e-9)


@pytest.mark.parametrize("gap", [1e-4, 1e-3, 9e-3])
def test_nearly_equal_eigenvalues(gap):
    """Taken as one, they are off by no more than their distance; told apart, by several times that."""
    problem = problem_of([5.0, 2.0 * (1 + gap), 2.0, 0.8, 0.5, 0.2, -0.1, -1.0])
    W0 = starts(problem, 20, 3, 1e-8)
    spectrum = wf.leading_eigenpairs(problem, 8)
    assert degenerate_groups(spectrum)[1] == slice(1, 3)
    measured = exact_times(problem, W0, spectrum.eigenvalues[:3])
    errors = wf.predict_step_times(problem, W0) / measured - 1
    assert np.sqrt(np.mean(errors[:, 1:] ** 2)) < gap
    overlaps = np.swapaxes(spectrum.eigenvectors[:, :3].T @ np.asarray(W0), 1, 2)
    apart = np.diagonal(np.linalg.qr(overlaps)[1], axis1=1, axis2=2) ** 2
    naive = np.log(spectrum.eigenvalues[:3] / apart - 1) / (2 * spectrum.eigenvalues[:3])
    assert np.sqrt(np.mean((naive / measured - 1)[:, 1:] ** 2)) > 0.01


def test_groups_are_told_by_value_or_by_size():
    problem = problem_of([3.0, 2.0, 2.0, 1.0, -2.0])
    leading, extreme = wf.leading_eigenpairs(problem, 5), wf.extreme_eigenpairs(problem, 5)
    assert degenerate_groups(leading) == [slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 5)]
    assert degenerate_groups(extreme, tied=False) == [slice(0, 1), slice(1, 4), slice(4, 5)]
    # Residuals as large as the gap: nobody knows which is which.
    rough = wf.Spectrum(np.array([3.0, 2.0, 1.9]), np.eye(3), np.full(3, 0.06), *[np.empty(0)] * 2)
    assert degenerate_groups(rough) == [slice(0, 1), slice(1, 3)]


def test_strengths_of_a_group_are_singular_values():
    problem = problem_of([5.0, 2.0, 2.0, 1.0, -1.0, -2.0])
    spectrum = wf.leading_eigenpairs(problem, 6)
    W0 = np.asarray(starts(problem, 1, 4, 1.0)[0])
    b = spectrum.eigenvectors.T @ W0
    first = b[0] / np.linalg.norm(b[0])
    plane = b[1:3] - np.outer(b[1:3] @ first, first)
    found = effective_initial_strengths(spectrum, W0)
    np.testing.assert_allclose(found[1:3], np.linalg.svd(plane)[1] ** 2, rtol=1e-12)
    np.testing.assert_allclose(np.prod(found), np.linalg.det(b[:4]) ** 2, rtol=1e-9)


def test_a_negative_eigenvalue_of_equal_size_is_in_no_group_of_tied_weights():
    """Of 3, 1 and -1 in the order of values, only the first two are ever learned, each by itself."""
    spectrum = wf.leading_eigenpairs(wf.Problem.from_target(np.diag([3.0, 1.0, -1.0])), 3)
    W0 = np.random.default_rng(0).normal(size=(3, 2))
    length = np.linalg.norm(W0[0])
    found = effective_initial_strengths(spectrum, W0)
    np.testing.assert_allclose(found, [length**2, (np.linalg.det(W0[:2]) / length) ** 2], rtol=1e-12)
    # Untied weights learn both at once.
    assert degenerate_groups(spectrum, tied=False)[1] == slice(1, 3)
    assert degenerate_groups(spectrum) == [slice(0, 1), slice(1, 2), slice(2, 3)]


@pytest.mark.parametrize("scale", [1e-1, 1e-2, 1e-4, 1e-8])
def test_estimated_errors_are_those_made(scale):
    """In the median over seeds, concept by concept, within a factor of 3, over nine decades."""
    values = np.concatenate([[8.0, 6.0, 4.2, 3.0, 2.2, 1.6, 1.2], -np.linspace(0.0, 4.0, 33)])
    problem = problem_of(values)
    W0 = starts(problem, 40, 5, scale)
    predicted, measured = wf.predict_step_times(problem, W0), exact_times(problem, W0, values[:5])
    made = np.median(np.abs(predicted / measured - 1), axis=0)
    estimated = np.median(estimate_step_time_errors(problem, W0), axis=0)
    assert (np.abs(np.log(estimated / made)) < np.log(3)).all()


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("gap", [0.1, 0.02])
def test_estimated_errors_of_two_that_rise_together(gap, fraction):
    """Of each seed within a factor of 2.5, in whatever order its overlaps let the two rise."""
    values = np.array([3.0, 2.0, 2.0 * (1 - gap), 1.0, 0.5])
    problem = problem_of(np.append(values, np.zeros(19)))
    W0 = starts(problem, 12, 4, 1e-4)
    predicted = wf.predict_step_times(problem, W0, fraction=fraction)
    measured = exact_times(problem, W0, values[:4], fraction)
    assert gap > 0.05 or (predicted[:, 1] > predicted[:, 2]).any()
    made = np.abs(predicted / measured - 1)
    estimated = estimate_step_time_errors(problem, W0, fraction=fraction)
    assert (made[:, 1:3] < 2.5 * estimated[:, 1:3] + 1e-4).all()
    assert (np.median(made, axis=0)[1:3] > np.median(estimated, axis=0)[1:3] / 2.5).all()


@pytest.mark.parametrize("tied", [True, False])
def test_estimated_error_counts_the_many_that_no_vector_is_held_of(tied):
    """Of 60 eigenvalues not far below the first, nine are held: what disturbs it is the others."""
    problem = problem_of([2.0, *np.linspace(1.3, 1.0, 60)], tied)
    W0 = starts(problem, 10, 1, 1e-3)
    predicted = wf.predict_step_times(problem, W0)
    ts = np.linspace(0, 1.5 * predicted.max(), 200)
    squares = np.minimum(wf.predict(problem, W0, ts).singular_values ** 2, 2.0 * (1 - 1e-9))
    measured = np.array([crossings(ts, each, [(1.0, 2.0)]) for each in squares])
    made = np.median(np.abs(predicted / measured - 1))
    assert np.median(estimate_step_time_errors(problem, W0)) == pytest.approx(made, rel=0.3)


def test_a_large_start_is_warned_of():
    problem = separated_problem()
    W0 = starts(problem, 4, 5, 2.0)
    expected = (
        r"`{}` holds for small starts.* for the middle concept \(bound: 5%\) and by .*\(bound: 30%\)"
        r".* for concepts .*Use `predict` and `measure_step_times`"
    )
    with pytest.warns(RuntimeWarning, match=expected.format("predict_step_times")):
        times = wf.predict_step_times(problem, W0)
    with pytest.warns(RuntimeWarning, match=expected.format("step_time_law")):
        wf.step_time_law(problem, 5, 2.0)
    # Where the start is above half there is no step; the estimate says so too.
    above = np.isnan(times)
    assert above.any()
    np.testing.assert_array_equal(np.isinf(estimate_step_time_errors(problem, W0)), above)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wf.predict_step_times(problem, W0 * 1e-3)
        # One seed of many is no matter.
        wf.predict_step_times(problem, W0 * np.array([1e-3, 1e-3, 1.0, 1e-3])[:, None, None])
        wf.step_time_law(problem, 5, 2e-3)


def test_a_start_above_a_small_fraction_has_no_time_and_no_error():
    problem = separated_problem()
    W0 = starts(problem, 4, 5, 0.3)
    assert np.isposinf(estimate_step_time_errors(problem, W0, fraction=1e-7)).all()
    with pytest.warns(RuntimeWarning, match="holds for small starts"):
        assert np.isnan(wf.predict_step_times(problem, W0, fraction=1e-7)).all()


def test_directions_that_are_never_learned():
    problem = problem_of([3.0, 1.0, 0.0, -1.0, -2.0])
    W0 = starts(problem, 3, 4, 1e-4)
    with pytest.warns(RuntimeWarning, match=r"Only 2 of 4 concepts have a positive eigenvalue.* NaN"):
        times = wf.predict_step_times(problem, W0)
    assert np.isfinite(times[:, :2]).all()
    assert np.isnan(times[:, 2:]).all()
    # More columns than concepts: what is learned does not change but for the first two overlaps.
    np.testing.assert_allclose(times[:, :2], exact_times(problem, W0, np.array([3.0, 1.0])), rtol=2e-3)
    with pytest.raises(ValueError, match="`dim` must be at most the number of positive eigenvalues, 2"):
        wf.step_time_law(problem, 4, 1e-4)
    untied = problem_of([3.0, 1.0, 0.0, -1.5, -2.0], tied=False)
    W0 = starts(untied, 3, 5, 1e-4)
    with pytest.warns(RuntimeWarning, match=r"Only 4 of 5 concepts have a nonzero eigenvalue"):
        assert np.isfinite(wf.predict_step_times(untied, W0)[:, :4]).all()
    with pytest.raises(ValueError, match="`dim` must be at most the number of nonzero eigenvalues, 4"):
        wf.step_time_law(untied, 5, 1e-4)
    nothing = wf.Problem.from_target(-np.eye(3))
    with pytest.warns(RuntimeWarning, match="Only 0 of 2 concepts"):
        assert np.isnan(wf.predict_step_times(nothing, np.eye(3)[:, :2])).all()


def test_a_start_of_low_rank_keeps_it():
    problem = separated_problem()
    W0 = np.array(starts(problem, 1, 2, 1e-4)[0])
    W0[:, 1] = 2 * W0[:, 0]
    with pytest.warns(RuntimeWarning, match="holds for small starts"):
        times = wf.predict_step_times(problem, W0)
    assert np.isfinite(times[0])
    assert np.isnan(times[1])


def test_spectra_at_hand():
    """More pairs, or the complete basis in another order, give the same; wrong ones are refused."""
    values = [-6.0, 4.0, 3.0, 2.0, 1.0, 0.5, -0.2, 0.1]
    for tied in (True, False):
        problem = problem_of(values, tied)
        W0 = starts(problem, 2, 3, 1e-6)
        expected = wf.predict_step_times(problem, W0)
        for find in (wf.leading_eigenpairs, wf.extreme_eigenpairs):
            given = wf.predict_step_times(problem, W0, spectrum=find(problem, 8))
            np.testing.assert_allclose(given, expected, rtol=1e-9)
        fewest = (wf.leading_eigenpairs if tied else wf.extreme_eigenpairs)(problem, 3)
        np.testing.assert_allclose(
            wf.predict_step_times(problem, W0, spectrum=fewest), expected, rtol=1e-9
        )  # fmt: skip
        other = (wf.extreme_eigenpairs if tied else wf.leading_eigenpairs)(problem, 4)
        name = "leading" if tied else "extreme"
        with pytest.raises(
            ValueError, match=f"`spectrum` must be that of `{name}_eigenpairs`.*another order"
        ):
            wf.predict_step_times(problem, W0, spectrum=other)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda p, W: wf.predict_step_times(p, W, spectrum=wf.leading_eigenpairs(p, 2)),
            "`spectrum` must be at least 3 eigenpairs, one for every direction.*, but got 2 pairs",
        ),
        (
            lambda p, W: wf.step_time_law(p, 3, 0.1, spectrum=wf.leading_eigenpairs(p, 2)),
            "`spectrum` must be at least 3 eigenpairs",
        ),
        (
            lambda p, W: effective_initial_strengths(wf.leading_eigenpairs(p, 2), W),
            "`spectrum` must be at least 3 eigenpairs",
        ),
        (
            lambda p, W: wf.predict_step_times(
                p, W, spectrum=wf.leading_eigenpairs(problem_of([2, 1, 0]), 3)
            ),
            "`spectrum` must be of 20 words, as the problem, but got eigenvectors of 3",
        ),
        (lambda p, W: wf.predict_step_times(p, W, fraction=1.0), "`fraction` must be between 0 and 1"),
        (lambda p, W: wf.step_time_law(p, 3, 0.1, fraction=0.0), "`fraction` must be between 0 and 1"),
        (lambda p, W: wf.predict_step_times(p, W, learning_rate=-1.0), "`learning_rate` must be 0 for"),
        (lambda p, W: wf.step_time_law(p, 3, 0.0), "`scale` must be positive and finite, but got 0.0. At 0"),
        (lambda p, W: wf.step_time_law(p, 3, 0.1, contexts="zero"), "`contexts` must be 'random', but got"),
        (
            lambda p, W: wf.step_time_law(problem_of([2, 1, 0], tied=False), 1, 0.1, contexts="none"),
            "`contexts` must be 'random' or 'zero', but got 'none'",
        ),
        (lambda p, W: wf.predict_step_times(p, W[:, :5]), r"`W0` must be of shape \(20, dim\)"),
    ],
)
def test_bad_arguments(call, match):
    problem = separated_problem()
    with pytest.raises(ValueError, match=match):
        call(problem, starts(problem, 2, 3, 1e-3))


@pytest.mark.slow
def test_the_demo_does_not_warn(wikipedia):
    problem = wf.Problem.from_statistics(wikipedia.most_frequent(2000))
    spectrum = wf.leading_eigenpairs(problem, 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scale in (1e-1, 1e-2, 1e-10):
            wf.step_time_law(problem, 16, scale, spectrum=spectrum)
        wf.predict_step_times(problem, starts(problem, 8, 16, 1e-2), spectrum=spectrum)
    with pytest.warns(RuntimeWarning, match="holds for small starts"):
        wf.step_time_law(problem, 16, 0.5, spectrum=spectrum)
