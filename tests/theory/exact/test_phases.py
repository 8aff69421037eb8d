"""Phases: the semigroup, another corpus in mid-training, schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import integrate, random_statistics, separated_problem

import w2vflow as wf
from w2vflow.theory.exact.phases import Phase, predict_phases


def grams(traj):
    return traj.embeddings @ np.swapaxes(traj.embeddings, -1, -2)


@pytest.mark.parametrize("scale", [1e-10, 1e-3, 1.0])
@pytest.mark.parametrize("pairs", [20, 8, 4])
@pytest.mark.parametrize("cut", [0.3, 1.7, 40.0])
def test_a_phase_cut_in_two_is_the_whole(scale, pairs, cut):
    """Before, amid and long after the steps; in small modes too, relative to their own size."""
    problem = separated_problem()
    basis = wf.leading_eigenpairs(problem, 20).leading(pairs)
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(3), 2), 20, 4, scale)
    ts = cut * np.array([0.25, 0.5, 1.0, 1.5, 2.0, 30.0])
    whole = wf.predict(problem, W0, ts, spectrum=basis, weight_decay=0.3, save_embeddings=True)
    phases = [
        Phase(problem, ts[:3], weight_decay=0.3, spectrum=basis),
        Phase(problem, np.append(0.0, ts[3:] - cut), weight_decay=0.3, spectrum=basis),
    ]
    parts = predict_phases(phases, W0, save_embeddings=True)
    np.testing.assert_allclose(parts.ts, ts, rtol=1e-14)
    np.testing.assert_allclose(parts.singular_values, whole.singular_values, rtol=1e-10)
    np.testing.assert_allclose(parts.loss, whole.loss, rtol=1e-10)
    size = np.linalg.norm(grams(whole), axis=(-2, -1), keepdims=True)
    assert (np.abs(grams(parts) - grams(whole)) < 1e-10 * size).all()
    again = predict_phases(phases, W0)
    np.testing.assert_allclose(again.singular_values, parts.singular_values, rtol=1e-12)
    assert again.embeddings is None


def test_one_phase_is_predict():
    problem = separated_problem()
    basis = wf.leading_eigenpairs(problem, 20).leading(7)
    W0 = wf.gaussian_init(jax.random.key(3), 20, 4, 0.1)
    ts, options = [0.0, 0.5, 2.0], {"learning_rate": 0.01, "weight_decay": 0.2, "spectrum": basis}
    one = predict_phases([Phase(problem, ts, **options)], W0, save_embeddings=True)
    other = wf.predict(problem, W0, ts, save_embeddings=True, **options)
    for name in ("ts", "singular_values", "loss", "embeddings", "error_bound"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.source == other.source == "theory-discrete"


def test_another_corpus_in_mid_training_against_integration():
    """There and back, with weight decay on the way, from amid a step each time."""
    one, other = (wf.Problem.from_statistics(random_statistics(25, seed)) for seed in (0, 1))
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), 25, 3, 0.05))
    lam = wf.leading_eigenpairs(one, 1).eigenvalues[0]
    ts = np.linspace(0, 4, 9)[1:] / lam
    phases = [
        Phase(one, ts),
        Phase(other, np.append(0, ts), weight_decay=0.1 * lam),
        Phase(one, ts),
    ]
    traj = predict_phases(phases, W0, save_embeddings=True)
    weights, losses, start = [], [], W0
    for phase in phases:
        new = integrate(np.asarray(phase.problem.target()), phase.weight_decay, start, ts)
        weights.append(new)
        losses += [float(phase.problem.loss(W)) for W in new]
        start = new[-1]
    weights = np.concatenate(weights)
    values = np.linalg.svd(weights, compute_uv=False)
    np.testing.assert_allclose(traj.ts, np.concatenate([ts, ts[-1] + ts, 2 * ts[-1] + ts]), rtol=1e-14)
    np.testing.assert_allclose(traj.singular_values, values, atol=1e-8 * values.max())
    np.testing.assert_allclose(traj.loss, losses, rtol=1e-8)
    np.testing.assert_allclose(grams(traj), weights @ np.swapaxes(weights, -1, -2), atol=1e-8 * lam)


def test_another_corpus_after_a_very_long_time():
    """Wherever the first phase ended, in the end the second corpus is learned, if the start has it."""
    one, other = separated_problem(0), separated_problem(1)
    W0 = wf.gaussian_init(jax.random.key(0), 20, 4, 1e-6)
    traj = predict_phases([Phase(one, [1e5]), Phase(other, [0, 1e5])], W0, save_embeddings=True)
    for row, problem in enumerate((one, other)):
        top = wf.leading_eigenpairs(problem, 4)
        expected = top.eigenvectors * top.eigenvalues @ top.eigenvectors.T
        np.testing.assert_allclose(grams(traj)[row], expected, atol=1e-9 * top.eigenvalues[0])
    np.testing.assert_allclose(traj.ts, [1e5, 2e5])


def test_truncated_bases_across_corpora():
    """Close to the complete bases; more pairs, closer."""
    one, other = (wf.Problem.from_statistics(random_statistics(60, seed)) for seed in (0, 1))
    W0 = wf.gaussian_init(jax.random.key(0), 60, 3, 0.01)
    bases = [wf.leading_eigenpairs(problem, 60) for problem in (one, other)]
    lam = bases[0].eigenvalues[0]
    ts = np.linspace(0, 6, 9)[1:] / lam

    def run(pairs):
        return predict_phases(
            [
                Phase(problem, ts, spectrum=basis.leading(pairs))
                for problem, basis in zip((one, other), bases, strict=True)
            ],
            W0,
        )

    full = run(60)
    errors = [np.abs(run(k).singular_values ** 2 - full.singular_values**2).max() / lam for k in (6, 45)]
    assert errors[0] < 0.1
    assert errors[1] < 5e-3
    assert run(45).error_bound is None


def descend(problem, W, schedule, count):
    """Singular values after each of `count` equal parts of every stretch of a schedule."""
    target, values = problem.target(), []
    for rate, decay, steps in schedule:

        def chunk(W, _, rate=rate, decay=decay, steps=steps):
            step = lambda i, w: w - rate * (gradient_of(target, w) + decay * w)  # noqa: E731
            W = jax.lax.fori_loop(0, steps // count, step, W)
            return W, jnp.linalg.svd(W, compute_uv=False)

        W, part = jax.lax.scan(chunk, W, None, length=count)
        values.append(part)
    return np.concatenate(values)


def gradient_of(target, W):
    return W @ (W.T @ W) - target @ W


def test_schedule_against_descent_is_second_order():
    """Step sizes falling from stretch to stretch, with weight decay: the error falls as their square."""
    problem = separated_problem()
    W0 = wf.gaussian_init(jax.random.key(3), 20, 5, 1e-3)
    count, sizes = 10, 0.01 / 2.0 ** np.arange(3)
    corrected, flow = [], []
    for size in sizes:
        # Stretches of times 1.2, 0.6 and 1.2; the first ends amid the second step.
        steps = [round(1.2 / size), round(1.2 / size), round(4.8 / size)]
        schedule = [(size * r, 0.2, n) for r, n in zip((1, 0.5, 0.25), steps, strict=True)]
        descent = descend(problem, W0, schedule, count)
        parts = [(rate, rate * n * np.arange(1, count + 1) / count) for rate, _, n in schedule]
        for errors, on in ((corrected, 1), (flow, 0)):
            phases = [Phase(problem, ts, learning_rate=on * rate, weight_decay=0.2) for rate, ts in parts]
            values = predict_phases(phases, W0).singular_values
            errors.append(np.abs(values - descent).max())
    slope = np.polyfit(np.log(sizes), np.log(corrected), 1)[0]
    assert abs(slope - 2) < 0.3
    assert abs(np.polyfit(np.log(sizes), np.log(flow), 1)[0] - 1) < 0.15
    assert corrected[-1] < 0.05 * flow[-1]


def test_metadata_and_source():
    problem = separated_problem()
    W0 = wf.gaussian_init(jax.random.key(3), 20, 2, 0.1)
    traj = predict_phases([Phase(problem, [1.0, 2.0]), Phase(problem, [0.5], learning_rate=0.01)], W0)
    assert traj.source == "theory-discrete"
    assert traj.metadata["phase_ends"] == [2.0, 2.5]
    assert traj.metadata["eigenpairs"] == [20, 20]
    assert [about["vocab_size"] for about in traj.metadata["problem"]] == [20, 20]
    assert traj.metadata["learning_rate"] == [0.0, 0.01]
    assert traj.singular_values.shape == (3, 2)


@pytest.mark.parametrize(
    ("phases", "match"),
    [
        (lambda p, q: [], "`phases` must be one or more phases, but got none"),
        (lambda p, q: [Phase(p, [1.0]), Phase(q, [1.0])], "`phases` must be of one vocabulary, of 20 words"),
        (lambda p, q: [Phase(p, [1.0]), Phase(p, [2.0, 1.0])], "`ts` must be strictly increasing"),
        (lambda p, q: [Phase(p, [1.0], weight_decay=-1.0)], "`weight_decay` must be"),
    ],
)
def test_bad_phases(problem, phases, match):
    with pytest.raises(ValueError, match=match):
        predict_phases(phases(separated_problem(), problem), np.ones((20, 2)))
