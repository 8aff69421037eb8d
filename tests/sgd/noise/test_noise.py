"""Noise of minibatches against the samplers themselves, against runs of SGD, and the rate chosen from it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from systems import random_statistics, scattered

import w2vflow as wf
from w2vflow.problem.losses import Quartic
from w2vflow.sgd.full_batch import run_gd
from w2vflow.sgd.noise.gradient_noise import concepts_of, gradient_noise
from w2vflow.sgd.noise.learning_rate import recommended_learning_rate
from w2vflow.sgd.noise.stationary import _repulsion, spread_of_strengths, stationary_noise
from w2vflow.sgd.noise.step_times import step_time_noise
from w2vflow.sgd.samplers.batches import blocked, shared_out
from w2vflow.sgd.samplers.pairs import SAMPLERS

V, DIM = 12, 3
# Batches of one small block, of several blocks of 64 x 64, and of pairs.
BATCHES = [
    ("balanced", 64),
    ("corpus", 64),
    ("blocks", 36),
    ("blocks", 8192),
    ("shared", 300),
    ("shared", 20_000),
]


@pytest.fixture(scope="module")
def tied():
    return wf.Problem.from_statistics(random_statistics(V, seed=1))


@pytest.fixture(scope="module")
def untied():
    return wf.Problem.from_statistics(random_statistics(V, seed=1), tied=False)


@functools.partial(jax.jit, static_argnums=(3, 4))
def gradients(sampler, Z, key, batch_size, count):
    def one(key):
        return scattered(Z, sampler.gradient(key, Z, Quartic(), batch_size))

    return jax.lax.map(one, jax.random.split(key, count), batch_size=1000)


def drawn_noise(problem, learned, sampler, batch_size):
    """Variance of `v_k^T (S + S^T) v_j` over batches of the sampler, and its standard error."""
    spec = wf.leading_eigenpairs(problem, V)
    size = np.sqrt(spec.eigenvalues[:DIM]) if learned else np.full(DIM, 1e-3)
    count = 10_000 if batch_size < 1000 else 2000
    W = jnp.asarray(spec.eigenvectors[:, :DIM] * size)
    found = np.asarray(gradients(SAMPLERS[sampler].of(problem), W, jax.random.key(1), batch_size, count))
    found = np.einsum("vj,nvk->nkj", spec.eigenvectors, found) / size[:, None]
    squares = (found - found.mean(axis=0)) ** 2
    return squares.mean(axis=0), squares.std(axis=0) / np.sqrt(count)


@pytest.mark.parametrize("learned", [True, False], ids=["solution", "start"])
@pytest.mark.parametrize(("sampler", "batch_size"), BATCHES)
def test_noise_of_the_gradient_is_that_of_the_sampler(tied, sampler, batch_size, learned):
    concepts = concepts_of(tied, DIM, None)
    noise = gradient_noise(tied, concepts, learned=learned, batch_size=batch_size, sampler=sampler)
    drawn, error = drawn_noise(tied, learned, sampler, batch_size)
    # Exact for a concept by itself: five standard errors.
    own = np.arange(DIM)
    assert (np.abs(noise[own, own] - drawn[own, own]) < 5 * error[own, own]).all()
    assert (error[own, own] < 0.1 * drawn[own, own]).all()
    # Between concepts a sum is left out that is nothing only for equal weights.
    between = np.triu_indices(DIM, 1)
    np.testing.assert_allclose(noise[between], drawn[:, :DIM][between], rtol=0.4)
    if not learned:
        np.testing.assert_allclose(noise[:, DIM:].sum(axis=1), drawn[:, DIM:].sum(axis=1), rtol=0.2)
        if sampler == "balanced":
            # Of the rest only the mean, in the order of the concepts that were learned.
            assert (np.abs(noise[:, :DIM] - drawn[:, :DIM]) < 5 * error[:, :DIM]).all()


def test_noise_of_pairs_by_a_loop_over_all_of_them(tied):
    """The samplers "balanced" and "corpus" at the solution, from their definitions."""
    spec = wf.leading_eigenpairs(tied, DIM)
    A, B = tied.pair_weights().dense()
    p, P = tied.statistics.word_probability, tied.statistics.counts.toarray() / tied.statistics.counts.sum()
    x = spec.eigenvectors * spec.eigenvalues @ spec.eigenvectors.T
    expected = {"balanced": np.zeros(DIM), "corpus": np.zeros(DIM)}
    for k, v in enumerate(spec.eigenvectors.T):
        first = np.zeros(3)
        for i in range(V):
            for j in range(V):
                up, down = v[i] * v[j] * (x[i, j] / 2 - 1), v[i] * v[j] * (x[i, j] / 2 + 1)
                expected["balanced"][k] += V**2 * (A[i, j] * up**2 + B[i, j] * down**2) / 64
                first += [A[i, j] * up + B[i, j] * down, A[i, j] * up, B[i, j] * down]
                if P[i, j]:
                    expected["corpus"][k] += A[i, j] ** 2 / P[i, j] * up**2 / 32
                expected["corpus"][k] += B[i, j] ** 2 / (p[i] * p[j]) * down**2 / 32
        expected["balanced"][k] -= first[0] ** 2 / 64
        expected["corpus"][k] -= (first[1] ** 2 + first[2] ** 2) / 32
    for sampler, variance in expected.items():
        noise = gradient_noise(tied, spec, learned=True, batch_size=64, sampler=sampler)
        np.testing.assert_allclose(np.diag(noise), 4 * variance, rtol=1e-10)


@pytest.mark.parametrize(("sampler", "batch_size"), [("blocks", 36), ("blocks", 8192), ("shared", 20_000)])
@pytest.mark.parametrize("learned", [True, False], ids=["solution", "start"])
def test_noise_of_blocks_by_the_means_of_rows_and_columns(tied, learned, sampler, batch_size):
    """Hoeffding's variance of a block from the whole matrix of what each of its pairs adds."""
    spec = wf.leading_eigenpairs(tied, DIM)
    A, _ = tied.pair_weights().dense()
    x = learned * spec.eigenvectors * spec.eigenvalues @ spec.eigenvectors.T
    noise = gradient_noise(tied, spec, learned=learned, batch_size=batch_size, sampler=sampler)
    for k, v in enumerate(spec.eigenvectors.T):
        pairs, expected = 2 * np.outer(v, v), 0.0
        if sampler == "blocks":
            blocking, added = blocked(batch_size), V**2 * pairs * (1 + x / 2 - 2 * A)
        else:
            drawn, blocking = shared_out(batch_size)
            chances, seen = A / A.sum(), -2 * A.sum() * pairs
            expected = (np.sum(chances * seen**2) - np.sum(chances * seen) ** 2) / drawn
            added = V**2 * pairs * (1 + x / 2)
        count, rows, columns = blocking
        of_rows, of_columns, whole = added.mean(axis=1).var(), added.mean(axis=0).var(), added.var()
        rest = whole - of_rows - of_columns
        expected += (of_rows / rows + of_columns / columns + rest / (rows * columns)) / count
        assert noise[k, k] == pytest.approx(float(expected), rel=1e-9)


def settled(problem, spec, rate, count, **run):
    """Singular values of one run of SGD from the solution, far apart in time."""
    size = np.sqrt(np.abs(spec.eigenvalues))
    W = spec.eigenvectors * size
    W0 = W if problem.tied else np.stack([W, W * np.sign(spec.eigenvalues)])
    apart = 3 / (2 if problem.tied else 1) / size[-1] ** 2
    ts = apart * np.arange(1, count + 5)
    return wf.run_sgd(problem, W0, ts, key=jax.random.key(0), learning_rate=rate, **run).singular_values[4:]


@pytest.mark.parametrize(
    ("kind", "sampler", "batch_size"),
    [
        ("tied", "balanced", 512),
        pytest.param("untied", "balanced", 512, marks=pytest.mark.slow),
        pytest.param("tied", "corpus", 4096, marks=pytest.mark.slow),
        pytest.param("tied", "blocks", 256, marks=pytest.mark.slow),
        pytest.param("untied", "shared", 8192, marks=pytest.mark.slow),
    ],
)
def test_settled_sgd_fluctuates_as_predicted(request, kind, sampler, batch_size):
    problem = request.getfixturevalue(kind)
    spec = concepts_of(problem, 2, None)
    run = {"batch_size": batch_size, "sampler": sampler}
    rate = 0.04 / abs(spec.eigenvalues[0])
    predicted = stationary_noise(problem, 2, learning_rate=rate, **run)
    found = settled(problem, spec, rate, 500, **run).std(axis=0)
    # Five standard errors of a standard deviation, 3% each.
    np.testing.assert_allclose(found, predicted, rtol=5 / np.sqrt(2 * 500))


def test_close_concepts_push_each_other_apart():
    """Two equal eigenvalues are those of a 2 x 2 GOE matrix: `Var = (3/2 - pi/4) sigma^2`."""
    deviation = np.array([[0.3, 0.3 / np.sqrt(2)], [0.3 / np.sqrt(2), 0.3]])
    ratio = _repulsion(np.array([5.0, 5.0]), deviation)
    np.testing.assert_allclose(ratio, np.sqrt(1.5 - np.pi / 4), rtol=0.04)
    np.testing.assert_allclose(_repulsion(np.array([50.0, 5.0]), deviation), 1, rtol=1e-3)


@pytest.mark.parametrize(("is_tied", "speed"), [(True, 1.0), (False, 0.5)])
def test_spread_is_that_of_the_recursion_about_the_solution(is_tied, speed):
    """A step leaves `1 - b` of a deviation and adds `b` times the noise, `b = eta (lambda_k + lambda_l)`."""
    sizes, noise, rate = np.array([3.0, 1.0]), np.array([[0.2, 0.5], [0.5, 0.7]]), 0.25
    pulls, variance = speed * rate * np.add.outer(sizes, sizes), np.zeros((2, 2))
    for _ in range(2000):
        variance = (1 - pulls) ** 2 * variance + pulls**2 * noise
    assert pulls.max() > 0.7
    np.testing.assert_allclose(spread_of_strengths(sizes, noise, rate, is_tied), variance, rtol=1e-12)
    with pytest.raises(ValueError, match=rf"`learning_rate` must be below {1 / (3 * speed):.4g}, where the"):
        spread_of_strengths(sizes, noise, 1 / (3 * speed), is_tied)


def test_noise_is_of_first_order_in_the_rate(tied):
    run = {"batch_size": 4096, "sampler": "balanced"}
    small, large = (stationary_noise(tied, DIM, learning_rate=rate, **run) for rate in (1e-6, 4e-6))
    np.testing.assert_allclose(large, 2 * small, rtol=1e-3)


@pytest.fixture(scope="module")
def four_words():
    counts = np.array([[60.0, 2, 3, 1], [2, 32, 1, 2], [3, 1, 19, 2], [1, 2, 2, 9]])
    return wf.CooccurrenceStatistics(tuple("abcd"), counts, counts.sum(axis=1))


def response_of_step_times(problem, spec, W0, noise):
    """`Var(t_k) / eta` from small kicks to linear growth, one for each entry of the noise and each moment."""
    rates, signs = np.abs(spec.eigenvalues)[:, None] / 2, np.sign(spec.eigenvalues)[:, None]
    size = len(rates)
    # Sums and differences of words and contexts, which share one vector where they are tied.
    sides = spec.eigenvectors.T @ np.reshape(W0, (problem.sides, size, -1))
    start = np.stack([sides[0] + signs * sides[-1], sides[0] - signs * sides[-1]]) / 2
    dim = W0.shape[-1]

    def grown(state, t):
        if problem.tied:
            return state * np.exp(2 * rates * signs * t)
        return state * np.exp(np.stack([rates, -rates]) * t)

    def logarithms(state):
        triangle = np.linalg.qr(np.swapaxes(state[..., 0, :dim, :], -1, -2), mode="r")
        return np.log(np.diagonal(triangle, axis1=-2, axis2=-1) ** 2)

    def kicked(state, i, j):
        words, contexts = state[..., 0, :, :] + state[..., 1, :, :], state[..., 0, :, :] - state[..., 1, :, :]
        contexts = signs * contexts if not problem.tied else words
        more, other = np.zeros_like(words), np.zeros_like(words)
        more[..., i, :], other[..., j, :] = contexts[..., j, :], words[..., i, :]
        if problem.tied:
            return np.stack([more + other, 0 * more], axis=-3)
        return np.stack([more + signs * other, more - signs * other], axis=-3) / 2

    slopes, found = 2 * problem.speed * 2 * rates[:dim, 0], np.zeros(dim)
    times = (np.log(2 * rates[:dim, 0]) - logarithms(start)) / slopes
    for k, t in enumerate(times):
        moments = ((np.arange(400) + 0.5) * t / 400)[:, None, None, None]
        before = grown(start, moments)
        for i, j in np.ndindex(size, size):
            ends = [grown(before + e * kicked(before, i, j), t - moments) for e in (1e-6, -1e-6)]
            response = (logarithms(ends[0])[:, k] - logarithms(ends[1])[:, k]) / 2e-6
            # `S_ij` of `N = S + S^T`.
            found[k] += noise[i, j] / (4 if i == j else 2) * np.mean(response**2) * t
    return found / slopes**2


@pytest.mark.parametrize(("is_tied", "error"), [(True, 0.01), (False, 0.15)])
@pytest.mark.parametrize("sampler", ["balanced", "corpus"])
def test_noise_of_step_times_is_the_response_to_that_of_the_gradient(four_words, is_tied, error, sampler):
    """Of four words three are learned: the rest is one eigenvector, whose overlaps and noise are known."""
    problem = wf.Problem.from_statistics(four_words, tied=is_tied)
    spec = (wf.leading_eigenpairs if is_tied else wf.extreme_eigenpairs)(problem, 4)
    noise = gradient_noise(problem, spec, learned=False, batch_size=64, sampler=sampler)
    draw = wf.gaussian_init if is_tied else wf.untied_init
    W0 = np.asarray(draw(jax.random.key(1), 4, 3, 1e-4))
    found = step_time_noise(problem, W0, learning_rate=1e-4, batch_size=64, sampler=sampler)
    expected = 1e-2 * np.sqrt(response_of_step_times(problem, spec, W0, noise))
    np.testing.assert_allclose(found, expected, rtol=error)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_step_times_scatter_as_predicted(request, kind):
    problem = request.getfixturevalue(kind)
    spec = concepts_of(problem, 2, None)
    keys, scale = jax.random.split(jax.random.key(3), 48), 1e-3
    rate, run = 0.05 / abs(spec.eigenvalues[0]), {"batch_size": 2560, "sampler": "balanced"}
    draw = wf.gaussian_init if problem.tied else wf.untied_init
    W0 = draw(keys, V, 2, scale)
    predicted = step_time_noise(problem, W0, learning_rate=rate, **run)
    end = (
        (1 if problem.tied else 2)
        * 1.2
        * np.log(spec.eigenvalues[1] ** 2 / scale**4)
        / abs(spec.eigenvalues[1])
    )
    ts = np.linspace(0, end, 100)[1:]
    sgd = wf.run_sgd_ensemble(problem, keys, ts, dim=2, scale=scale, learning_rate=rate, **run)
    full = run_gd(problem, W0, sgd.ts, learning_rate=rate)
    lines = wf.Spectrum(np.abs(spec.eigenvalues), *[getattr(spec, name) for name in
        ("eigenvectors", "residuals", "bath_nodes", "bath_weights")])  # fmt: skip
    off = (wf.measure_step_times(sgd, lines) - wf.measure_step_times(full, lines)) / predicted
    assert np.isfinite(off).mean() > 0.9
    # 1 but for five standard errors of a root mean square of 48, and for close concepts.
    rms = np.sqrt(np.nanmean(off**2, axis=0))
    assert (np.abs(rms - 1) < 5 / np.sqrt(2 * 48)).all(), rms


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_the_recommended_rate_reaches_the_accuracy(request, kind):
    problem = request.getfixturevalue(kind)
    spec = concepts_of(problem, 2, None)
    accuracy, scale, run = 0.03, 1e-3, {"batch_size": 2048, "sampler": "balanced"}
    found = recommended_learning_rate(problem, 2, accuracy=accuracy, scale=scale, **run)
    assert found.rate == found.limits[found.bound_by] == min(found.limits.values())
    noise = stationary_noise(problem, 2, learning_rate=found.rate, **run)
    size = np.sqrt(np.abs(spec.eigenvalues))
    assert (noise <= 1.01 * accuracy * size).all()
    observed = settled(problem, spec, found.rate, 300, **run)
    assert (observed.std(axis=0) < 1.2 * accuracy * size).all()
    draw = wf.gaussian_init if problem.tied else wf.untied_init
    W0 = draw(jax.random.split(jax.random.key(0), 200), V, 2, scale)
    relative = step_time_noise(problem, W0, learning_rate=found.rate, **run)
    speed = 2 if problem.tied else 1
    relative /= np.log(np.abs(spec.eigenvalues) * 2 * problem.sides / scale**2) / (
        speed * np.abs(spec.eigenvalues)
    )
    assert np.nanmedian(relative) < 1.25 * accuracy


@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_rate_for_step_times_is_that_of_a_typical_start(request, kind):
    """At that rate a step time scatters by the accuracy, in the median over starts and concepts."""
    problem = request.getfixturevalue(kind)
    run, scale = {"batch_size": 64, "sampler": "corpus"}, 1e-4
    limits = recommended_learning_rate(problem, 2, accuracy=0.02, scale=scale, **run).limits
    draw = wf.gaussian_init if problem.tied else wf.untied_init
    W0 = draw(jax.random.split(jax.random.key(0), 400), V, 2, scale)
    deviations = step_time_noise(problem, W0, learning_rate=limits["noise of step times"], **run)
    assert np.median(deviations / wf.predict_step_times(problem, W0)) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("sampler", ["corpus", "balanced"])
def test_rate_for_single_pairs_is_that_of_the_heaviest(tied, sampler):
    """A pair drawn once pulls `x` back by `eta w (|w_i|^2 + |w_j|^2) / 2`: all of it at no smaller rate."""
    found = recommended_learning_rate(tied, DIM, batch_size=64, sampler=sampler)
    spec = wf.leading_eigenpairs(tied, DIM)
    lengths = np.sum(spec.eigenvectors**2 * spec.eigenvalues, axis=1)
    p = tied.statistics.word_probability
    _, B = tied.pair_weights().dense()
    weight = B / np.outer(p, p) / 32 if sampler == "corpus" else np.full((V, V), V**2 / 64)
    heaviest = np.max(weight * np.add.outer(lengths, lengths) / 2)
    assert 0.3 < found.limits["single pairs"] * heaviest <= 1


def test_which_condition_binds(tied):
    few = recommended_learning_rate(tied, 2, batch_size=16, sampler="corpus")
    many = recommended_learning_rate(tied, 2, batch_size=2**30, sampler="balanced")
    rough = recommended_learning_rate(tied, 2, batch_size=2**30, sampler="balanced", accuracy=0.9)
    assert few.bound_by.startswith("noise of")
    assert (many.bound_by, rough.bound_by) == ("step size", "stability")
    leading = float(wf.leading_eigenpairs(tied, 1).eigenvalues[0])
    assert many.rate == pytest.approx(2 * 0.01 / leading)
    assert rough.rate == pytest.approx(float(wf.stability_limit(tied)) / 2)
    # Noise of minibatches goes with the square of the accuracy, and with the batch.
    other = recommended_learning_rate(tied, 2, batch_size=32, sampler="corpus", accuracy=0.005)
    for name in ("noise of step times", "noise of settled values"):
        assert other.limits[name] == pytest.approx(few.limits[name] / 2, rel=1e-2)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_sgd_without_a_rate_takes_the_recommended_one(tied, sampler):
    keys = jax.random.split(jax.random.key(0), 2)
    W0 = np.asarray(wf.gaussian_init(keys, V, 2, 0.1))
    scale = np.linalg.norm(W0) / np.sqrt(2 * V)
    found = recommended_learning_rate(tied, 2, batch_size=64, sampler=sampler, scale=scale)
    ts = found.rate * np.array([3.0, 10.0])
    run = {"dim": 2, "scale": 0.1, "batch_size": 64, "sampler": sampler}
    without = wf.run_sgd_ensemble(tied, keys, ts, **run)
    assert without.metadata["learning_rate"] == pytest.approx(found.rate, rel=1e-6)
    assert without.metadata["learning_rate_bound_by"] == found.bound_by
    np.testing.assert_array_equal(
        wf.run_sgd_ensemble(tied, keys, ts, learning_rate=without.metadata["learning_rate"], **run).loss,
        without.loss,
    )


def test_a_rate_is_found_without_float64(tied):
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), V, 2, 0.1))
    run = {"key": jax.random.key(0), "batch_size": 64, "sampler": "balanced"}
    with jax.enable_x64(False):
        problem = wf.Problem.from_statistics(random_statistics(V, seed=1))
        found = wf.run_sgd(problem, W0, [0.01], **run).metadata["learning_rate"]
    assert found == pytest.approx(wf.run_sgd(tied, W0, [0.01], **run).metadata["learning_rate"], rel=1e-3)


def test_sgd_without_a_rate_where_none_is_recommended(tied, stats):
    plain = wf.Problem.from_statistics(stats, weighting=wf.Plain())
    run = {"key": jax.random.key(0), "batch_size": 64}
    for problem, size, more in ((plain, 30, {}), (tied, V, {"optimizer": optax.adam})):
        with pytest.raises(
            ValueError, match=r"`learning_rate` must be given for .*`stability_limit_at\(problem, W\)`"
        ):
            wf.run_sgd(problem, np.ones((size, 2)), [1.0], **run, **more)


def test_large_noise_warns(tied):
    with pytest.warns(
        RuntimeWarning, match=r"noise of `stationary_noise` is .* above 0\.2, .*measure it with `run_sgd`"
    ):
        stationary_noise(tied, 1, learning_rate=0.01, batch_size=2, sampler="corpus")


def noise_of(problem, dim=2, learning_rate=1e-4, batch_size=64, **more):
    return stationary_noise(problem, dim, learning_rate=learning_rate, batch_size=batch_size, **more)


def steps_of(problem, dim=2, learning_rate=1e-4, batch_size=64, **more):
    W0 = np.full((problem.vocab_size, dim), 1e-2)
    return step_time_noise(problem, W0, learning_rate=learning_rate, batch_size=batch_size, **more)


def rate_of(problem, dim=2, batch_size=64, **more):
    return recommended_learning_rate(problem, dim, batch_size=batch_size, **more)


ARGUMENTS = {"noise": noise_of, "steps": steps_of, "rate": rate_of}


@pytest.mark.parametrize(
    ("call", "change", "match"),
    [
        ("noise", {"learning_rate": 0.0}, "`learning_rate` must be positive and finite"),
        ("noise", {"learning_rate": 10.0}, "`learning_rate` must be below the stability limit"),
        ("steps", {"learning_rate": float("nan")}, "`learning_rate` must be positive and finite"),
        ("rate", {"accuracy": 0.0}, "`accuracy` must be between 0 and 1"),
        ("rate", {"scale": 0.0}, "`scale` must be positive and finite"),
        *[(call, {"sampler": "every"}, r"`sampler` must be one of \['balanced'") for call in ARGUMENTS],
        *[(call, {"batch_size": 7}, "`batch_size` must be at least 1, and even") for call in ARGUMENTS],
        *[(call, {"dim": V}, "`dim` must be at most the number of positive") for call in ARGUMENTS],
    ],
)  # fmt: skip
def test_bad_arguments(tied, call, change, match):
    with pytest.raises(ValueError, match=match):
        ARGUMENTS[call](tied, **change)


@pytest.mark.parametrize("call", sorted(ARGUMENTS))
def test_other_problems_are_refused(stats, call):
    with pytest.raises(ValueError, match="`problem` must be quartic and at constant G"):
        ARGUMENTS[call](wf.Problem.from_statistics(stats, loss="logistic"))


def test_a_problem_without_statistics_is_refused():
    with pytest.raises(ValueError, match="`problem` must be made from statistics"):
        stationary_noise(wf.Problem.from_target(np.diag([3.0, 1.0])), 1, learning_rate=0.1, batch_size=2)
