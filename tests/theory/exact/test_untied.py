"""Untied weights in closed form, against the flow of `W` and `C` integrated to twelve digits."""

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from systems import random_statistics

import w2vflow as wf
from w2vflow.problem.initial_weights import balanced_init, untied_init
from w2vflow.results.step_times import direction_persistence

SIZE = 10


def random_target(seed=1, size=SIZE):
    normal = np.random.default_rng(seed).normal(size=(size, size))
    return (normal + normal.T) * np.sqrt(2 / size)


def separated_target(seed=0):
    """Eigenvalues of both signs further apart than steps are wide; the largest in size is negative."""
    values = np.array([-8.0, 5.0, -3.2, 2.0, 0.3, -0.2, 0.1, 0.05, -0.02, 0.0])
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(SIZE, SIZE)))[0]
    target = Q * values @ Q.T
    return (target + target.T) / 2


def untied(target):
    return wf.Problem.from_target(target, tied=False)


def integrated(target, W0, ts, weight_decay=0.0):
    """`W` and `C` over time, `(T, 2, V, d)`, from the two equations as they are written."""
    shape = np.shape(W0)

    def velocity(_, z):
        W, C = z.reshape(shape)
        rest = target - W @ C.T
        return np.stack([rest @ C / 2 - weight_decay * W, rest.T @ W / 2 - weight_decay * C]).ravel()

    start = np.asarray(W0, float).ravel()
    solved = solve_ivp(velocity, (0, ts[-1]), start, "DOP853", ts, rtol=1e-12, atol=1e-15)
    return solved.y.T.reshape(len(ts), *shape)


def descended(target, W0, rate, steps):
    W, C = np.asarray(W0)
    seen = []
    for _ in range(steps):
        rest = target - W @ C.T
        W, C = W + rate / 2 * rest @ C, C + rate / 2 * rest.T @ W
        seen.append(np.stack([W, C]))
    return np.array(seen)


def products(W, C):
    return W @ np.swapaxes(C, -1, -2)


def strengths(weights, dim):
    return np.linalg.svd(products(weights[:, 0], weights[:, 1]), compute_uv=False)[:, :dim]


def imbalance(W, C):
    return W.T @ W - C.T @ C


@pytest.mark.parametrize("dim", [1, 3, SIZE])
@pytest.mark.parametrize("scale", [1e-3, 0.3, 2.0])
@pytest.mark.parametrize("lam", [0.0, 0.5, -1.3])
def test_closed_form_of_balanced_starts(lam, scale, dim):
    target, ts = random_target(), np.linspace(0, 9, 6)
    W0 = balanced_init(jax.random.key(dim), SIZE, dim, scale, imbalance=lam)
    exact = integrated(target, W0, ts)
    traj = wf.predict(untied(target), W0, ts, save_embeddings=True)
    W, C = traj.embeddings, traj.contexts
    # All that one rotation of both leaves alone.
    for one, other in ((W, C), (W, W), (C, C)):
        sides = [exact[:, 0] if side is W else exact[:, 1] for side in (one, other)]
        np.testing.assert_allclose(products(one, other), products(*sides), atol=2e-10)
    np.testing.assert_allclose(traj.singular_values**2, strengths(exact, dim), atol=2e-10)
    off = target - products(exact[:, 0], exact[:, 1])
    np.testing.assert_allclose(traj.loss, np.sum(off**2, axis=(1, 2)) / 4, atol=1e-10)
    assert traj.metadata["imbalance_over_lambda_1"] < 1e-13


@pytest.mark.parametrize("lam", [0.0, 0.5, -1.3])
def test_far_ends_of_time(lam):
    """At 0 the start itself; at last the best fit of rank d, negative eigenvalues included."""
    target, dim = separated_target(), 4
    W0 = balanced_init(jax.random.key(0), SIZE, dim, 1e-6, imbalance=lam)
    traj = wf.predict(untied(target), W0, [0.0, 1e9], save_embeddings=True)
    np.testing.assert_allclose(traj.embeddings[0], W0[0], atol=1e-14)
    np.testing.assert_allclose(traj.contexts[0], W0[1], atol=1e-14)
    values, vectors = np.linalg.eigh(target)
    largest = np.argsort(-np.abs(values))[:dim]
    best = vectors[:, largest] * values[largest] @ vectors[:, largest].T
    np.testing.assert_allclose(products(traj.embeddings[1], traj.contexts[1]), best, atol=1e-12)
    rest = np.sum(values**2) - np.sum(values[largest] ** 2)
    np.testing.assert_allclose(traj.loss[1], rest / 4, rtol=1e-10)
    W, C = traj.embeddings[1], traj.contexts[1]
    np.testing.assert_allclose(imbalance(W, C), lam * np.eye(dim), atol=1e-12)


def test_negative_eigenvalues_are_learned_with_opposed_vectors():
    target, dim = separated_target(), 4
    values, vectors = np.linalg.eigh(target)
    largest = np.argsort(-np.abs(values))[:dim]
    W0 = untied_init(jax.random.key(3), SIZE, dim, 1e-5)
    traj = wf.predict(untied(target), W0, [60.0], save_embeddings=True)
    words, contexts = vectors[:, largest].T @ traj.embeddings[0], vectors[:, largest].T @ traj.contexts[0]
    np.testing.assert_allclose(words, np.sign(values[largest])[:, None] * contexts, atol=1e-6)
    np.testing.assert_allclose(np.sum(words**2, axis=1), np.abs(values[largest]), rtol=1e-6)


def test_the_largest_in_size_comes_first_and_at_half_the_speed():
    """The negative mode leads; the same weights on both sides, tied, learn a concept in half the time."""
    target = separated_target()
    words = wf.gaussian_init(jax.random.key(5), SIZE, 4, 1e-4)
    ts = np.linspace(0, 30, 3001)
    spec = wf.extreme_eigenpairs(untied(target), 4)
    W0 = balanced_init(jax.random.key(5), SIZE, 4, 1e-4)
    times = wf.measure_step_times(wf.predict(untied(target), W0, ts), spec)
    assert spec.eigenvalues[0] == pytest.approx(-8.0)
    assert (np.diff(times) > 0).all()
    positive = wf.extreme_eigenpairs(wf.Problem.from_target(target @ target), 4)
    squared = wf.Problem.from_target(target @ target)
    same = np.stack([words, words])
    both = wf.predict(untied(target @ target), same, ts)
    tied = wf.predict(squared, words, ts / 2)
    np.testing.assert_allclose(both.singular_values, tied.singular_values, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        wf.measure_step_times(both, positive), 2 * wf.measure_step_times(tied, positive), rtol=1e-9
    )


@pytest.mark.parametrize("contexts", ["random", "zero"])
def test_error_of_unbalanced_starts(contexts):
    """Products of vectors are off by the square of the scale, singular values by a higher power."""
    target, dim = separated_target(), 4
    scales, ts = np.array([0.02, 0.04, 0.08]), np.linspace(0.05, 20, 60)
    start = np.asarray(untied_init(jax.random.key(0), SIZE, dim, 1.0, contexts=contexts))
    of_values, of_products, imbalances = [], [], []
    for scale in scales:
        exact = integrated(target, scale * start, ts)
        traj = wf.predict(untied(target), scale * start, ts, save_embeddings=True)
        of_values.append(np.abs(traj.singular_values**2 - strengths(exact, dim)).max())
        found, true = products(traj.embeddings, traj.contexts), products(exact[:, 0], exact[:, 1])
        of_products.append(np.abs(found - true).max())
        imbalances.append(traj.metadata["imbalance_over_lambda_1"])
    slope = lambda errors: np.polyfit(np.log(scales), np.log(errors), 1)[0]  # noqa: E731
    assert abs(slope(imbalances) - 2) < 1e-6
    assert abs(slope(of_products) - 2) < 0.3
    assert slope(of_values) > 2.5
    assert of_values[-1] < 0.05 * imbalances[-1] * 8.0


def test_imbalance_is_that_of_the_start_and_warns():
    target, W0 = random_target(), np.asarray(untied_init(jax.random.key(0), SIZE, 3, 0.7))
    D = imbalance(*W0)
    size = np.linalg.norm(D - np.trace(D) / 3 * np.eye(3), 2) / np.abs(np.linalg.eigvalsh(target)).max()
    with pytest.warns(RuntimeWarning, match=rf"off by {size:.2%} of the largest .*Use `solve_flow`"):
        traj = wf.predict(untied(target), W0, [1.0])
    np.testing.assert_allclose(traj.metadata["imbalance_over_lambda_1"], size, rtol=1e-12)
    # 200 times smaller, it is no matter: no warning.
    wf.predict(untied(target), 0.05 * W0, [1.0])


def test_imbalance_is_judged_against_the_concept_that_it_disturbs():
    values = np.array([8.0, 1.0, 0.05] + [0.0] * (SIZE - 3))
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(SIZE, SIZE)))[0]
    target, ts = turn * values @ turn.T, np.array([40.0, 80.0, 120.0])
    W0 = np.asarray(untied_init(jax.random.key(1), SIZE, 3, 0.05))
    exact = strengths(integrated(target, W0, ts), 3)
    with pytest.warns(RuntimeWarning, match=r"of that of concept 3, the least .* of concepts from 3 on"):
        traj = wf.predict(untied(target), W0, ts)
    # A small share of the largest eigenvalue, and far off for the last concept alone.
    assert traj.metadata["imbalance_over_lambda_1"] < 0.01
    off = np.abs(np.asarray(traj.singular_values) ** 2 - exact).max(axis=0) / values[:3]
    assert off[0] < 1e-4
    assert off[2] > 0.005
    wf.predict(untied(target), 0.01 * W0, ts)


@pytest.mark.parametrize("lam", [0.0, 0.4])
def test_weight_decay(lam):
    """A multiple of the identity fades with it, which is then part of the imbalance."""
    target, kappa, dim = separated_target(), 0.7, 4
    ts = np.linspace(0.2, 12, 7)
    W0 = balanced_init(jax.random.key(1), SIZE, dim, 0.05, imbalance=lam)
    exact = integrated(target, W0, ts, kappa)
    problem = untied(target)
    if lam:
        with pytest.warns(RuntimeWarning, match="off by 5.00% of the largest"):
            traj = wf.predict(problem, W0, ts, weight_decay=kappa)
        np.testing.assert_allclose(traj.singular_values**2, strengths(exact, dim), atol=0.02 * lam)
        return
    traj = wf.predict(problem, W0, ts, weight_decay=kappa)
    np.testing.assert_allclose(traj.singular_values**2, strengths(exact, dim), atol=1e-10)
    # Half of the gradient has to hold against it: |lambda| - 2 kappa, and 2.0 - 1.4 is still on its way.
    np.testing.assert_allclose(traj.singular_values[-1, :2] ** 2, [6.6, 3.6], rtol=1e-6)
    off = target - products(exact[:, 0], exact[:, 1])
    np.testing.assert_allclose(traj.loss, np.sum(off**2, axis=(1, 2)) / 4, rtol=1e-10)


def test_descent_is_predicted_to_second_order():
    target, dim = separated_target(), 4
    W0 = np.asarray(balanced_init(jax.random.key(2), SIZE, dim, 1e-3))
    horizon, rates = 8.0, 0.08 / 2.0 ** np.arange(3)
    errors = {"corrected": [], "flow": []}
    for rate in rates:
        steps = round(horizon / rate)
        seen = descended(target, W0, rate, steps)[:: steps // 50]
        ts = rate * np.arange(1, steps + 1)[:: steps // 50]
        for name, eta in (("corrected", rate), ("flow", 0.0)):
            values = wf.predict(untied(target), W0, ts, learning_rate=float(eta)).singular_values
            errors[name].append(np.abs(values**2 - strengths(seen, dim)).max())
    slopes = {name: np.polyfit(np.log(rates), np.log(values), 1)[0] for name, values in errors.items()}
    assert abs(slopes["flow"] - 1) < 0.2
    assert abs(slopes["corrected"] - 2) < 0.35
    assert errors["corrected"][-1] < 0.1 * errors["flow"][-1]


def test_seeds_of_different_balance_are_predicted_each_by_itself():
    target, ts = random_target(), [0.0, 1.0, 4.0]
    starts = [balanced_init(jax.random.key(i), SIZE, 3, 0.1, imbalance=0.3 * i) for i in range(3)]
    together = wf.predict(untied(target), np.stack(starts), ts, save_embeddings=True)
    assert together.contexts.shape == together.embeddings.shape == (3, 3, SIZE, 3)
    for seed, start in enumerate(starts):
        alone = wf.predict(untied(target), start, ts, save_embeddings=True)
        own = together.sel(seed=seed)
        np.testing.assert_allclose(own.singular_values, alone.singular_values, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(own.loss, alone.loss, rtol=1e-12)
        pairs = [products(t.embeddings, t.contexts) for t in (own, alone)]
        np.testing.assert_allclose(*pairs, atol=1e-12)


def test_rotating_both_sides_changes_nothing():
    target, W0 = random_target(), np.asarray(untied_init(jax.random.key(2), SIZE, 4, 0.05))
    R = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    one, other = (wf.predict(untied(target), W, np.linspace(0, 6, 5)) for W in (W0, W0 @ R))
    np.testing.assert_allclose(one.singular_values, other.singular_values, atol=1e-9)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-12)


def test_prediction_agrees_with_the_flow_on_counts():
    problem = wf.Problem.from_statistics(random_statistics(30), tied=False)
    W0 = untied_init(jax.random.key(0), 30, 4, 1e-3)
    ts = np.linspace(0, 2, 9)
    exact, flow = wf.predict(problem, W0, ts), wf.solve_flow(problem, W0, ts)
    largest = np.abs(wf.extreme_eigenpairs(problem, 1).eigenvalues[0])
    np.testing.assert_allclose(exact.singular_values**2, flow.singular_values**2, atol=1e-6 * largest)
    np.testing.assert_allclose(exact.loss, flow.loss, rtol=1e-7)


def test_phases_of_untied_weights():
    """A phase cut in two is the whole; another target in mid-training is the flow's."""
    one, other = random_target(1), random_target(2)
    W0 = balanced_init(jax.random.key(0), SIZE, 3, 0.2, imbalance=-0.4)
    whole = wf.predict(untied(one), W0, [1.0, 2.0, 3.0])
    cut = wf.predict_phases([wf.Phase(untied(one), [1.0, 2.0]), wf.Phase(untied(one), [1.0])], W0)
    np.testing.assert_allclose(cut.singular_values, whole.singular_values, atol=1e-9)
    switched = wf.predict_phases(
        [wf.Phase(untied(one), [2.0]), wf.Phase(untied(other), [0.0, 1.5])], W0, save_embeddings=True
    )
    middle = integrated(one, W0, [1.0, 2.0])[-1]
    end = integrated(other, middle, [1.0, 1.5])[-1]
    np.testing.assert_allclose(
        products(switched.embeddings, switched.contexts)[-1], products(*end), atol=1e-9
    )
    with pytest.raises(ValueError, match="`phases` must be all untied, as the first, but got phase 1"):
        wf.predict_phases([wf.Phase(untied(one), [1.0]), wf.Phase(wf.Problem.from_target(one), [1.0])], W0)


@pytest.mark.parametrize("lam", [0.0, 0.7, -0.7])
def test_balanced_init_is_balanced(lam):
    keys = jax.random.split(jax.random.key(0), 3)
    drawn = np.asarray(balanced_init(keys, 30, 4, 0.1, imbalance=lam))
    assert drawn.shape == (3, 2, 30, 4)
    for W, C in drawn:
        np.testing.assert_allclose(imbalance(W, C), lam * np.eye(4), atol=1e-15)
    np.testing.assert_array_equal(drawn[1], balanced_init(keys[1], 30, 4, 0.1, imbalance=lam))
    smaller = drawn[:, 0] if lam <= 0 else drawn[:, 1]
    drawn_alike = np.asarray(untied_init(keys, 30, 4, 0.1))[:, 0]
    np.testing.assert_array_equal(smaller, drawn_alike)


def test_both_sides_of_a_balanced_start_are_gaussian():
    """Mean square and fourth moment of contexts, to five standard errors."""
    scale, dim, seeds = 0.3, 3, 4000
    drawn = balanced_init(jax.random.split(jax.random.key(1), seeds), 5, dim, scale)[:, 1]
    normal = np.asarray(drawn) * np.sqrt(dim) / scale
    for power, mean, deviation in ((1, 0, 1), (2, 1, np.sqrt(2)), (4, 3, np.sqrt(96))):
        per_seed = (normal**power).mean(axis=(1, 2))
        error = per_seed.std(ddof=1) / np.sqrt(seeds)
        assert abs(per_seed.mean() - mean) < 5 * error
        assert error < deviation / np.sqrt(seeds)


def test_step_times_of_negative_eigenvalues():
    """Untied ones are measured at half of their size; tied weights never take those steps."""
    target = separated_target()
    ts = np.linspace(0, 20, 801)
    W0 = balanced_init(jax.random.key(3), SIZE, 4, 1e-3)
    spec = wf.extreme_eigenpairs(untied(target), 4)
    traj = wf.predict(untied(target), W0, ts)
    times = wf.measure_step_times(traj, spec)
    at = [np.interp(t, ts, s2) for t, s2 in zip(times, (traj.singular_values**2).T, strict=True)]
    np.testing.assert_allclose(at, np.abs(spec.eigenvalues) / 2, rtol=2e-3)
    passing = wf.Trajectory("flow", np.arange(4.0), np.sqrt([[0.1], [0.8], [0.2], [0.1]]), np.zeros(4))
    one = wf.Spectrum(np.array([-1.0]), np.eye(3)[:, :1], np.zeros(1), np.zeros(2), np.ones(2))
    assert np.isnan(wf.measure_step_times(passing, one)).all()


def test_opposed_directions_persist():
    target, ts = separated_target(), np.linspace(0, 40, 81)
    W0 = balanced_init(jax.random.key(3), SIZE, 4, 1e-3)
    traj = wf.predict(untied(target), W0, ts, save_embeddings=True)
    persistence = direction_persistence(traj, wf.extreme_eigenpairs(untied(target), 4))
    assert np.isnan(persistence[0]).all()
    np.testing.assert_allclose(persistence[-1], 1, atol=5e-3)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda p: wf.predict(p, np.ones((SIZE, 2)), [1.0]), r"`W0` must be of shape \(2, 10, dim\)"),
        (lambda p: wf.predict(p, np.ones((2, SIZE, 11)), [1.0]), "`dim` must be between 1 and"),
        (
            lambda p: wf.predict(p, np.ones((2, SIZE, 2)), [1.0], spectrum=wf.extreme_eigenpairs(p, 5)),
            "`spectrum` must be the complete eigenbasis of 10 pairs.*Use `leading_eigenpairs",
        ),
        (lambda p: balanced_init(jax.random.key(0), 5, 2, 0.0), "`scale` must be positive and finite"),
        (lambda p: balanced_init(jax.random.key(0), 5, 6, 0.1), "`dim` must be between 1 and"),
        (
            lambda p: balanced_init(jax.random.key(0), 5, 2, 0.1, imbalance=np.nan),
            "`imbalance` must be finite",
        ),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call(untied(random_target()))
