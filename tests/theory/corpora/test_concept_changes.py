"""Interventions: words reweighed, corpora and rates switched in mid-training; what becomes of concepts."""

import functools

import jax
import numpy as np
import optax
import pytest
from systems import integrate, random_statistics, separated_problem

import w2vflow as wf
from w2vflow.counts.reweighing import reweigh_words
from w2vflow.theory.corpora.concept_changes import _first_order, concept_changes
from w2vflow.theory.exact.schedules import schedule_phases


def known_change(angle):
    """Two problems of 12 words: concepts 2 and 3 change places, 4 turns by an angle, 5 goes and one comes."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    turned = Q.copy()
    turned[:, 3] = np.cos(angle) * Q[:, 3] + np.sin(angle) * Q[:, 11]
    turned[:, 11] = np.cos(angle) * Q[:, 11] - np.sin(angle) * Q[:, 3]
    before = np.array([9.0, 7.0, 5.0, 3.0, 2.0, 0.5, 0.4, 0.3, 0.2, 0.1, -1.0, -2.0])
    after = np.array([10.0, 4.0, 6.0, 3.5, -3.0, 0.5, 0.4, 0.3, 0.2, 0.1, 2.5, -2.0])
    return (wf.Problem.from_target(V * v @ V.T) for V, v in ((Q, before), (turned, after)))


def test_changes_of_known_concepts():
    before, after = known_change(0.4)
    found = concept_changes(before, after, 5, dim=5, scale=1e-6)
    assert found.places.tolist() == [0, 2, 1, 3, 11]
    np.testing.assert_allclose(found.eigenvalues, [9, 7, 5, 3, 2], rtol=1e-12)
    np.testing.assert_allclose(found.eigenvalues_after, [10, 4, 6, 3.5, -3], rtol=1e-12)
    turned = 3.5 * np.cos(0.4) ** 2 - 2 * np.sin(0.4) ** 2
    np.testing.assert_allclose(found.eigenvalues_first_order, [10, 4, 6, turned, -3], rtol=1e-12)
    np.testing.assert_allclose(found.overlaps, [1, 1, 1, np.cos(0.4) ** 2, 1], rtol=1e-12)
    np.testing.assert_allclose(found.retained, [1, 1, 1, np.cos(0.4) ** 2, 0], atol=1e-12)
    assert found.hastened.tolist() == [2, 3, 0]
    assert found.delayed.tolist() == [1]
    assert found.lost.tolist() == [4]
    assert found.new.tolist() == [4]
    assert not found.degenerate.any()
    law = [wf.step_time_law(p, 5, 1e-6).mean for p in (before, after)]
    np.testing.assert_allclose(found.step_times, law[0], rtol=1e-12)
    np.testing.assert_allclose(found.step_times_after[:4], law[1][np.array([0, 2, 1, 3])], rtol=1e-12)
    assert found.step_times_after[4] == np.inf
    # Concept 1 keeps its place: its first-order time is the exact one.
    assert found.step_times_first_order[0] == pytest.approx(found.step_times_after[0], rel=1e-12)
    assert found.step_times_first_order[4] == np.inf
    assert "becomes" in str(found)
    assert "new afterwards: 5" in str(found)


def test_out_of_the_learned_directions():
    """Concept 2 falls to the third place: with two dimensions it is not learned any more."""
    before, after = known_change(0.0)
    found = concept_changes(before, after, 2, dim=2, scale=1e-6)
    assert found.places.tolist() == [0, 2]
    assert found.step_times_after[1] == np.inf
    assert found.lost.tolist() == [1]
    assert found.delayed.tolist() == []
    np.testing.assert_allclose(found.retained, [1, 0], atol=1e-12)
    # What has come up to second place was the third before: new to two dimensions, not to three.
    assert found.new.tolist() == [1]
    assert concept_changes(before, after, 2, dim=3, scale=1e-6).new.tolist() == []


def test_a_concept_that_becomes_none():
    """Its direction is shared out among three others: mixed as long as these are learned, else gone."""
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 9)))[0]
    fourier = np.linalg.qr(np.column_stack([np.ones(3), [1, -1, 0], [1, 1, -2]]))[0]
    turned = Q.copy()
    turned[:, 1:4] = Q[:, 1:4] @ fourier.T
    values = np.array([9.0, 5, 3, 2, 1, 0.5, -1, -2, -3])
    before, after = (wf.Problem.from_target(V * values @ V.T) for V in (Q, turned))
    found = concept_changes(before, after, 2, dim=4, scale=1e-6)
    assert found.places.tolist() == [0, -1]
    assert np.isnan([found.eigenvalues_after[1], found.step_times_after[1]]).all()
    assert found.lost.tolist() == [1]
    assert found.overlaps[1] < 0.5
    assert found.retained[1] == pytest.approx(1)
    first, second = str(found).split("\n")[1:3]
    assert first.split(")")[1].split()[0] == "1"
    assert second.split(")")[1].split()[0] == "none"


def test_degenerate_concepts_are_spaces():
    """A pair of equal eigenvalues, turned in its plane beforehand and split afterwards."""
    rng = np.random.default_rng(1)
    Q = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    turned = Q.copy()
    turned[:, 1:3] = Q[:, 1:3] @ np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    rest = -np.arange(1.0, 7.0)
    before, after, same = (
        wf.Problem.from_target(V * np.append(top, rest) @ V.T)
        for V, top in ((Q, [8.0, 5, 5, 2]), (turned, [8.0, 6, 4.5, 2]), (turned, [8.0, 5, 5, 2]))
    )
    split = concept_changes(before, after, 4, dim=4, scale=1e-6)
    assert split.degenerate.tolist() == [False, True, True, False]
    assert sorted(split.places.tolist()) == [0, 1, 2, 3]
    np.testing.assert_allclose(split.overlaps, 1, rtol=1e-12)
    np.testing.assert_allclose(split.eigenvalues_first_order, [8, 6, 4.5, 2], rtol=1e-12)
    kept = concept_changes(before, same, 4, dim=4, scale=1e-6)
    np.testing.assert_allclose(kept.overlaps, 1, rtol=1e-12)
    np.testing.assert_allclose(kept.eigenvalues_after, kept.eigenvalues, rtol=1e-12)


def test_first_order_is_first_order():
    """On a corpus, reweighing a word by 1 + e: the error falls as e^2."""
    stats = random_statistics(30, 2)
    before, errors, sizes = wf.Problem.from_statistics(stats), [], 0.02 / 2.0 ** np.arange(4)
    for size in sizes:
        after = wf.Problem.from_statistics(reweigh_words(stats, {stats.words[4]: 1 + size}))
        found = concept_changes(before, after, 3, dim=3, scale=1e-6)
        exact = np.linalg.eigvalsh(np.asarray(after.target()))[::-1][:3]
        np.testing.assert_allclose(found.eigenvalues_after, exact, rtol=1e-10)
        errors.append(np.abs(found.eigenvalues_first_order - exact).max())
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(2, abs=0.15)


def test_a_removed_word_by_name():
    """Words are matched by name, whatever their rows; against zero rows in a dense matrix."""
    stats = random_statistics(30, 2)
    before = wf.Problem.from_statistics(stats)
    after = wf.Problem.from_statistics(reweigh_words(stats, {stats.words[0]: 0}))
    found = concept_changes(before, after, 4, dim=6, scale=1e-6)
    padded = np.zeros((30, 30))
    padded[1:, 1:] = after.target()
    V = np.linalg.eigh(np.asarray(before.target()))[1][:, ::-1]
    U = np.linalg.eigh(padded)[1][:, ::-1]
    quotients = np.einsum("ik,ij,jk->k", V, padded, V) / np.sum(V[1:] ** 2, axis=0)
    np.testing.assert_allclose(found.eigenvalues_first_order, quotients[:4], rtol=1e-9)
    for mode, place in enumerate(found.places):
        if place >= 0:
            assert found.overlaps[mode] == pytest.approx((V[:, mode] @ U[:, place]) ** 2, rel=1e-8)
    assert (found.places >= 0).any()


def test_first_order_of_removed_words():
    """Half of what `v^T dM v` says, with all of the second order in which the concept turns away."""
    v = np.random.default_rng(3).normal(size=30)
    v /= np.linalg.norm(v)
    stats = wf.CooccurrenceStatistics(
        [f"w{i}" for i in range(30)], 100 * np.exp(np.outer(v, v)), np.full(30, 100)
    )
    most = int(np.argmax(v**2))
    after = wf.Problem.from_statistics(reweigh_words(stats, {f"w{most}": 0}))
    found = concept_changes(wf.Problem.from_statistics(stats), after, 1, dim=1, scale=1e-6)
    exact = found.eigenvalues_after[0] - found.eigenvalues[0]
    assert found.eigenvalues_first_order[0] - found.eigenvalues[0] == pytest.approx(exact, rel=0.1)
    assert -2 * v[most] ** 2 * found.eigenvalues[0] == pytest.approx(2 * exact, rel=0.2)


def test_first_order_of_what_is_not_there():
    """Of two concepts of one eigenvalue, one has lost all its words."""
    problem = wf.Problem.from_target(np.diag([3.0, 2.0, 1.0]))
    vectors = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 0.5]])
    np.testing.assert_allclose(_first_order(problem, vectors, np.array([0, 0, 1])), [3, 0, 1])


def test_words_reweighed_in_mid_training():
    """Predicted against integration; and the words change which concept comes first."""
    stats = random_statistics(25, 1)
    one = wf.Problem.from_statistics(stats)
    heavy = dict.fromkeys(stats.words[:6], 4.0)
    other = wf.Problem.from_statistics(reweigh_words(stats, heavy))
    lam = wf.leading_eigenpairs(one, 1).eigenvalues[0]
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), 25, 3, 0.05))
    ts = np.linspace(0, 5, 6)[1:] / lam
    traj = wf.predict_phases([wf.Phase(one, ts), wf.Phase(other, ts, weight_decay=0.05 * lam)], W0)
    first = integrate(np.asarray(one.target()), 0.0, W0, ts)
    second = integrate(np.asarray(other.target()), 0.05 * lam, first[-1], ts)
    values = np.linalg.svd(np.concatenate([first, second]), compute_uv=False)
    np.testing.assert_allclose(traj.singular_values, values, atol=1e-9 * values.max())


def test_corpus_switched_under_descent_and_sgd():
    """One corpus, then another from where it ended: descent to second order, SGD within its noise."""
    problems = [wf.Problem.from_statistics(random_statistics(20, seed)) for seed in (0, 1)]
    lam = max(wf.leading_eigenpairs(p, 1).eigenvalues[0] for p in problems)
    starts = wf.gaussian_init(jax.random.split(jax.random.key(0), 4), 20, 3, 0.05)
    ts, rate = np.linspace(0, 4, 9)[1:] / lam, 0.01 / lam
    predicted = wf.predict_phases([wf.Phase(p, ts, learning_rate=rate) for p in problems], starts)
    first = wf.run_gd(
        problems[0], starts, ts, learning_rate=rate, recording=wf.Recording(save_embeddings=True)
    )
    second = wf.run_gd(problems[1], first.embeddings[:, -1], ts, learning_rate=rate)
    descent = np.concatenate([first.singular_values, second.singular_values], axis=1)
    flow = wf.predict_phases([wf.Phase(p, ts) for p in problems], starts)
    error, plain = (np.abs(p.singular_values - descent).max() for p in (predicted, flow))
    assert error < 2e-3 * np.sqrt(lam)
    assert error < 0.2 * plain
    keys = jax.random.split(jax.random.key(1), 2)
    options = {"learning_rate": rate, "batch_size": 2048, "sampler": "balanced"}
    one = wf.run_sgd(
        problems[0], starts[0], ts, key=keys[0], recording=wf.Recording(save_embeddings=True), **options
    )
    two = wf.run_sgd(problems[1], one.embeddings[-1], ts, key=keys[1], **options)
    sgd = np.concatenate([one.singular_values, two.singular_values])
    # Five standard deviations of the noise of a value, 0.006 over four other keys.
    assert np.abs(sgd - predicted.singular_values[0]).max() < 0.03 * np.sqrt(lam)


def test_weight_decay_under_flow_and_descent():
    problem = separated_problem()
    W0 = wf.gaussian_init(jax.random.key(0), 20, 5, 1e-3)
    ts, decay = np.linspace(0, 6, 13)[1:], 1.5
    flow = wf.solve_flow(problem, W0, ts, weight_decay=decay)
    predicted = wf.predict(problem, W0, ts, weight_decay=decay)
    np.testing.assert_allclose(predicted.singular_values, flow.singular_values, atol=1e-8)
    # lambda_5 = 1.2 is below the decay: never learned. The others end at lambda - decay.
    np.testing.assert_allclose(predicted.singular_values[-1, :3] ** 2, [6.5, 3.5, 1.7], rtol=5e-3)
    assert predicted.singular_values[-1, 4] < 1e-3
    rate = 0.002

    def decaying(rate):
        return optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))

    run = wf.run_gd(problem, W0, ts, learning_rate=rate, optimizer=decaying)
    corrected = wf.predict(problem, W0, ts, weight_decay=decay, learning_rate=rate)
    error, plain = (np.abs(p.singular_values - run.singular_values).max() for p in (corrected, predicted))
    assert error < 2e-3
    assert error < 0.1 * plain


SCHEDULES = {
    "cosine": lambda size, steps: optax.cosine_decay_schedule(size, steps, alpha=0.05),
    "linear, as word2vec's": lambda size, steps: optax.linear_schedule(size, 1e-4 * size, steps),
    "warm-up": lambda size, steps: optax.warmup_cosine_decay_schedule(0.0, size, steps // 10, steps),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_under_descent_are_second_order(name):
    """The error of the prediction falls as the square of the step size; that of the flow as the size."""
    problem = separated_problem()
    W0 = wf.gaussian_init(jax.random.key(3), 20, 4, 1e-3)
    sizes, corrected, flow = 0.02 / 2.0 ** np.arange(3), [], []
    for size in sizes:
        steps = round(7 / size)
        schedule = SCHEDULES[name](size, steps)
        marks = np.linspace(0, steps, 41).round().astype(int)[1:]
        phases = schedule_phases(problem, schedule, marks, pieces=20)
        assert len(phases) == 20
        predicted = wf.predict_phases(phases, W0)
        run = wf.run_gd(problem, W0, predicted.ts, learning_rate=schedule)
        assert run.metadata["steps"] == steps
        np.testing.assert_allclose(run.ts, predicted.ts, rtol=1e-6)
        corrected.append(np.abs(predicted.singular_values - run.singular_values).max())
        plain = wf.predict(problem, W0, predicted.ts)
        flow.append(np.abs(plain.singular_values - run.singular_values).max())
    assert np.polyfit(np.log(sizes), np.log(flow), 1)[0] == pytest.approx(1, abs=0.25)
    assert np.polyfit(np.log(sizes), np.log(corrected), 1)[0] > 1.6
    assert corrected[-1] < 0.05 * flow[-1]


def test_one_phase_has_the_growth_of_the_whole_schedule():
    """Small modes grow by `sum ln(1 + eta_i lambda)`: one constant rate gives it to third order."""
    problem = wf.Problem.from_target(np.diag([2.0, 1.0, -1.0]))
    rates = 0.05 * np.linspace(1, 0, 200, endpoint=False)
    (phase,) = schedule_phases(problem, rates, [200])
    W0 = np.array([[1e-8, 0], [0, 1e-8], [0, 0]])
    grown = wf.predict_phases([phase], W0).singular_values[-1] / 1e-8
    expected = np.array([np.prod(1 + rates * value) for value in (2.0, 1.0)])
    np.testing.assert_allclose(grown, expected, rtol=5e-3)
    plain = wf.predict(problem, W0, [rates.sum()]).singular_values[-1] / 1e-8
    assert (np.abs(plain / expected - 1) > 0.05).all()
    assert phase.ts[-1] == pytest.approx(rates.sum())


def test_sgd_with_a_schedule():
    problem = wf.Problem.from_statistics(random_statistics(20, 0))
    lam = wf.leading_eigenpairs(problem, 1).eigenvalues[0]
    W0 = wf.gaussian_init(jax.random.key(0), 20, 3, 0.05)
    schedule = optax.linear_schedule(0.02 / lam, 0.002 / lam, 800)
    phases = schedule_phases(problem, schedule, np.arange(100, 801, 100))
    predicted = wf.predict_phases(phases, W0)
    options = {"learning_rate": schedule, "batch_size": 2048, "sampler": "balanced"}
    run = wf.run_sgd(problem, W0, predicted.ts, key=jax.random.key(1), **options)
    # Five standard deviations of the noise of a value, 0.006 over four other keys.
    assert np.abs(run.singular_values - predicted.singular_values).max() < 0.03 * np.sqrt(lam)


@pytest.mark.parametrize(
    ("schedule", "steps", "options", "match"),
    [
        ([0.1] * 5, [0, 3], {}, "`steps` must be whole numbers that increase from 1 on"),
        ([0.1] * 5, [3, 3], {}, "`steps` must be whole numbers that increase"),
        ([0.1] * 5, [1.5], {}, "`steps` must be whole numbers"),
        ([0.1] * 5, [6], {}, r"`schedule` must be the rates of 6 steps or more, but got shape \(5,\)"),
        (
            [0.1, -0.1],
            [2],
            {},
            "`schedule` must be of finite rates that are not negative, but got -0.1 at step 1",
        ),
        (lambda step: 0.1 / step, [2], {}, "of finite rates that are not negative, but got inf at step 0"),
        ([0.1, 0.0, 0.1], [1, 2], {}, "`steps` must be such that some rate between any two is positive"),
        ([0.1] * 5, [5], {"pieces": 0}, "`pieces` must be at least 1"),
    ],
)
def test_bad_schedules(schedule, steps, options, match):
    with pytest.raises(ValueError, match=match):
        schedule_phases(separated_problem(), schedule, steps, **options)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda p, q: concept_changes(p, p, 3, dim=2, scale=1e-3),
            "`k` must be between 1 and the dimension 2",
        ),
        (
            lambda p, q: concept_changes(p, q, 1, dim=2, scale=1e-3),
            "`after` must be of the 20 words of `before`",
        ),
        (
            lambda p, q: concept_changes(q, p, 1, dim=2, scale=1e-3),
            "`after` must be of the 30 words of `before`",
        ),
        (
            functools.partial(lambda p, q: concept_changes(q, renamed(q), 1, dim=2, scale=1e-3)),
            "`after` must be of a vocabulary that has words of `before`, but got none",
        ),
        (
            lambda p, q: concept_changes(
                p, wf.Problem.from_target(p.target(), tied=False), 1, dim=2, scale=1
            ),
            "one of tied weights for `concept_changes`",
        ),
        (
            lambda p, q: concept_changes(
                wf.Problem.from_statistics(q.statistics, loss="logistic"), q, 1, dim=2, scale=1
            ),
            "quartic and at constant G for `concept_changes`",
        ),
    ],
)
def test_bad_problems(problem, call, match):
    with pytest.raises(ValueError, match=match):
        call(separated_problem(), problem)


def renamed(problem):
    """The same problem, its words called otherwise."""
    stats = problem.statistics
    words = [f"other{i}" for i in range(stats.vocab_size)]
    return wf.Problem.from_statistics(wf.CooccurrenceStatistics(words, stats.counts, stats.unigram))
