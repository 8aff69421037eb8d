"""Full-batch descent: steps as made by hand, the flow in the limit, and the largest step that settles."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from systems import random_statistics, separated_problem

import w2vflow as wf
from w2vflow.sgd.full_batch import run_gd
from w2vflow.sgd.timeline import lay_out


@pytest.fixture(scope="module")
def small():
    return random_statistics(9, seed=2)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("loss", ["quartic", "logistic"])
def test_steps_are_those_made_by_hand(small, loss, tied):
    weighting = wf.Symmetrized(wf.Mikolov()) if tied else wf.Mikolov()
    problem = wf.Problem.from_statistics(small, loss=loss, tied=tied, weighting=weighting)
    W0 = 0.5 * np.random.default_rng(0).normal(size=(3, 9, 2) if tied else (3, 2, 9, 2))
    run = run_gd(problem, W0, [0.04, 0.1], learning_rate=0.02, recording=wf.Recording(save_embeddings=True))
    W = W0.copy()
    for n in range(5):
        W -= 0.02 * np.stack([problem.gradient(w) for w in W])
        if n in (1, 4):
            at = 0 if n == 1 else 1
            seen = run.embeddings[:, at]
            if not tied:
                np.testing.assert_allclose(run.contexts[:, at], W[:, 1], rtol=1e-10)
            np.testing.assert_allclose(seen, W if tied else W[:, 0], rtol=1e-10)
            np.testing.assert_allclose(run.loss[:, at], [problem.loss(w) for w in W], rtol=1e-10)
            product = W @ np.swapaxes(W, 1, 2) if tied else W[:, 0] @ np.swapaxes(W[:, 1], 1, 2)
            exact = np.linalg.svd(product, compute_uv=False)[:, :2]
            np.testing.assert_allclose(run.singular_values[:, at] ** 2, exact, rtol=1e-9)
    assert (run.source, run.seeds, run.metadata["precision"]) == ("gd", 3, "float64")
    assert (run.contexts is None) == tied


def test_a_seed_is_that_of_a_run_of_its_own():
    problem = separated_problem()
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 3), 20, 3, 0.1)
    settings = {
        "learning_rate": 0.01,
        "optimizer": optax.adam,
        "recording": wf.Recording(save_embeddings=True),
    }
    together = run_gd(problem, W0, [0.1, 0.5], **settings)
    alone = run_gd(problem, W0[1], [0.1, 0.5], **settings)
    np.testing.assert_array_equal(alone.embeddings, together.embeddings[1])
    np.testing.assert_array_equal(alone.loss, together.loss[1])
    assert alone.seeds is None


def test_momentum_with_a_schedule():
    problem = separated_problem()
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), 20, 3, 0.5))
    schedule = optax.cosine_decay_schedule(0.01, 50)
    ts = np.cumsum([float(schedule(n)) for n in range(40)])[[9, 39]]
    heavy = functools.partial(optax.sgd, momentum=0.5)
    run = run_gd(
        problem, W0, ts, learning_rate=schedule, optimizer=heavy, recording=wf.Recording(save_embeddings=True)
    )
    W, memory = W0.copy(), np.zeros_like(W0)
    for n in range(40):
        memory = 0.5 * memory + np.asarray(problem.gradient(W))
        W = W - 0.01 * 0.5 * (1 + np.cos(np.pi * n / 50)) * memory
        if n == 9:
            np.testing.assert_allclose(run.embeddings[0], W, rtol=1e-6)
    np.testing.assert_allclose(run.embeddings[1], W, rtol=1e-6)
    np.testing.assert_allclose(run.ts, ts, rtol=1e-6)
    assert run.metadata["steps"] == 40
    assert run.metadata["optimizer"] == "sgd(momentum=0.5)"


def test_descent_approaches_the_flow_with_order_one():
    """Against the closed form, while modes rise: half the step, half the error."""
    problem = separated_problem()
    W0 = wf.gaussian_init(jax.random.key(1), 20, 4, 0.1)
    ts = np.array([0.32, 0.64, 0.96])
    rates = 0.02 / 2.0 ** np.arange(5)
    exact = wf.predict(problem, W0, ts).singular_values ** 2
    errors = [
        np.abs(run_gd(problem, W0, ts, learning_rate=rate).singular_values ** 2 - exact).max()
        for rate in rates
    ]
    slope = np.polyfit(np.log(rates), np.log(errors), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.1)


def test_descent_approaches_the_flow_of_a_problem_without_closed_form(small):
    problem = wf.Problem.from_statistics(small, loss="logistic", tied=False, weighting=wf.Mikolov())
    W0 = wf.untied_init(jax.random.key(1), 9, 2, 0.3)
    ts = np.array([0.2, 0.4, 0.8])
    rates = 0.02 / 2.0 ** np.arange(4)
    flow = wf.solve_flow(problem, W0, ts).singular_values
    errors = [
        np.abs(run_gd(problem, W0, ts, learning_rate=rate).singular_values - flow).max() for rate in rates
    ]
    assert np.polyfit(np.log(rates), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.1)


def solution(eigenvalues, dim, tied, seed=0):
    """A quartic problem and the weights on which descent settles: the leading eigenpairs."""
    size = len(eigenvalues)
    V = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    problem = wf.Problem.from_target(V * eigenvalues @ V.T, tied=tied)
    order = np.argsort(-np.asarray(eigenvalues) if tied else -np.abs(eigenvalues))[:dim]
    W = V[:, order] * np.sqrt(np.abs(eigenvalues[order]))
    return problem, W if tied else np.stack([W, W * np.sign(eigenvalues[order])])


SPECTRA = {
    "above": np.array([3.0, 2.0, 1.0, 0.4, -0.2, -0.5, -1.0]),
    "below": np.array([2.0, 1.5, 1.0, 0.4, -0.2, -1.0, -5.0]),
}


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("spectrum", sorted(SPECTRA))
def test_stability_limit_is_met_within_two_per_cent(spectrum, tied, dim):
    """From close to the solution: a step just below the limit settles, one just above leaves.

    `optimizer=optax.sgd` is plain descent, of which no limit is asked beforehand.
    """
    values = SPECTRA[spectrum]
    problem, W = solution(values, dim, tied)
    limit = wf.stability_limit(problem)
    formula = 2 / max(2 * values.max(), values.max() - values.min()) if tied else 2 / np.abs(values).max()
    assert limit == pytest.approx(formula, rel=1e-6)
    start = W + 1e-4 * np.random.default_rng(1).normal(size=W.shape)
    least = float(problem.loss(W))
    excess = {}
    for factor in (0.98, 1.02):
        rate = factor * limit
        run = run_gd(problem, start, rate * np.array([0, 150]), learning_rate=rate, optimizer=optax.sgd)
        excess[factor] = (run.loss - least) / (run.loss[0] - least)
    assert excess[0.98][1] < 0.01
    assert excess[1.02][1] > 100
    with pytest.raises(ValueError, match="`learning_rate` must be below the stability limit"):
        run_gd(problem, start, [1.0], learning_rate=1.001 * limit)


def test_descent_that_diverges_names_step_time_loss_and_limit():
    problem, W = solution(SPECTRA["above"], 2, True)
    message = (
        r"GD diverged by step \d+, time \d.*: the loss is \S+, from \S+ at the start. Plain full-batch "
        r"descent is stable below a learning rate of 0\.3\d*; here it is 0\.8. Use a smaller"
    )
    with pytest.raises(RuntimeError, match=message):
        run_gd(problem, 1.01 * W, [80.0, 800.0], learning_rate=0.8, optimizer=optax.sgd)


def test_a_loss_that_falls_without_bound_is_a_divergence(small):
    """The Taylor series cut after its negative term of order 4 has no minimum."""
    problem = wf.Problem.from_statistics(small, loss="taylor(4)")
    with pytest.raises(RuntimeError, match=r"GD diverged by step \d+, time .*: the loss is (-|nan)"):
        run_gd(problem, np.full((9, 2), 3.0), [0.1, 50.0], learning_rate=0.01)


def test_large_but_settling_losses_are_no_divergence():
    """A start far above the solution, and momentum that overshoots."""
    problem = separated_problem()
    W0 = 30 * np.random.default_rng(0).normal(size=(20, 3))
    run = run_gd(problem, W0, [0.0, 0.2], learning_rate=1e-5)
    assert run.loss[-1] < 0.1 * run.loss[0]
    heavy = functools.partial(optax.sgd, momentum=0.98)
    run = run_gd(problem, W0 / 100, [0.1, 20.0], learning_rate=0.005, optimizer=heavy)
    assert run.loss[-1] < 1.01 * (np.sort(np.linalg.eigvalsh(problem.target()))[:-3] ** 2).sum() / 4


def test_float32_works_without_x64():
    with jax.enable_x64(False):
        problem = wf.Problem.from_target(np.diag([3.0, 2.0, 1.0]))
        run = run_gd(problem, np.eye(3)[:, :2] * 0.1, [1.0, 10.0], learning_rate=0.01)
    assert run.singular_values.dtype == np.float32
    np.testing.assert_allclose(run.singular_values[-1] ** 2, [3, 2], rtol=1e-4)


def test_times_of_a_schedule_are_sums_of_its_rates():
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.1, 30, 300, end_value=0.01)
    rates = np.concatenate(
        [np.arange(30) / 300, 0.1 * (0.9 * (1 + np.cos(np.pi * np.arange(270) / 270)) / 2 + 0.1)]
    )
    after = np.concatenate([[0], np.cumsum(rates)])
    ts = np.array([0.0, 0.5, 2.0, 9.0, 15.0])
    timeline = lay_out(ts, schedule)
    nearest = np.abs(after[None] - ts[:, None]).argmin(axis=1)
    # Step 0 has rate 0: after none and after one the time is the same.
    assert timeline.steps.tolist() == nearest.tolist()
    np.testing.assert_allclose(timeline.times, after[nearest], rtol=1e-6)
    np.testing.assert_allclose([timeline.time(n) for n in (0, 7, 150)], after[[0, 7, 150]], rtol=1e-6)
    assert timeline.largest_rate == pytest.approx(0.1)


def test_steps_that_do_not_move_are_not_made():
    """Of all steps that have reached a time, the first is meant."""
    now_and_then = lambda n: jnp.where(n % 4 == 0, 1.0, 0.0)  # noqa: E731
    timeline = lay_out([0.9, 2.2, 2.8], now_and_then)
    assert (timeline.steps.tolist(), timeline.times.tolist()) == ([1, 5, 9], [1.0, 2.0, 3.0])


def test_times_of_a_long_schedule():
    """Over more blocks of steps than one, and beyond what float32 counts."""
    timeline = lay_out([100.0, 60_000.0, 100_000.0], lambda n: 1.0 + 0.5 * (n % 2))
    assert timeline.steps.tolist() == [80, 48_000, 80_000]
    np.testing.assert_allclose(timeline.times, [100, 60_000, 100_000])
    assert [timeline.time(n) for n in (65_536, 65_537, 80_000)] == [81_920.0, 81_921.0, 100_000.0]


@pytest.mark.parametrize(
    ("schedule", "ts", "match"),
    [
        (lambda n: -0.1 + 0.0 * n, [1.0], r"of finite rates that are not negative, but got -0.1 at step 0"),
        (lambda n: 1.0 / (3.0 - n), [1.0], r"of finite rates that are not negative, but got inf at step 3"),
        (
            optax.linear_schedule(0.1, 0.0, 100),
            [6.0],
            r"a schedule whose sum reaches `ts\[-1\]` = 6, .* 5.05",
        ),
        (optax.linear_schedule(0.1, 0.0, 100), [1.04, 1.05], "`ts` must be at least one step of 0.1 apart"),
        (lambda n: 5.0 + 0.0 * n, [50.0], "`learning_rate` must be below the stability limit"),
    ],
)
def test_bad_schedules(schedule, ts, match):
    with pytest.raises(ValueError, match=match):
        run_gd(separated_problem(), np.ones((20, 2)), ts, learning_rate=schedule)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"learning_rate": 0.0}, "`learning_rate` must be positive and finite"),
        ({"W0": np.ones((5, 2))}, r"`W0` must be of shape \(20, dim\)"),
        ({"ts": [1e-9]}, "`ts` must be at least half a step"),
    ],
)
def test_bad_arguments(change, match):
    arguments = {"W0": np.ones((20, 2)), "ts": [1.0], "learning_rate": 0.01} | change
    with pytest.raises(ValueError, match=match):
        run_gd(separated_problem(), **arguments)
