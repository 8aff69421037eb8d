"""A truncated eigenbasis against the complete one: the bath, its bound, weight decay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from systems import random_statistics, separated_problem

import w2vflow as wf
from w2vflow.theory.exact import evolution
from w2vflow.theory.exact.riccati import log_f_and_g, riccati_factor

SIZE, DIM = 60, 4
TIMES = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 24)])


def spectra(kind, rng):
    """Eigenvalues of several kinds: falling as a power, Gaussian, with a gap, all positive."""
    k = np.arange(1, SIZE + 1)
    values = {
        "power": 10 * k**-0.5 - 2,
        "gaussian": 3 * rng.normal(size=SIZE),
        "gap": np.concatenate([8 * k[:12] ** -0.3, -rng.uniform(0, 9, SIZE - 12)]),
        "positive": 5 * k**-0.8,
    }[kind]
    return np.sort(values)[::-1]


def problem_of(values, rng):
    Q = np.linalg.qr(rng.normal(size=(len(values),) * 2))[0]
    target = Q * values @ Q.T
    return wf.Problem.from_target((target + target.T) / 2)


def example(kind="power", seed=0, scale=1e-2, dim=DIM):
    rng = np.random.default_rng(seed)
    problem = problem_of(spectra(kind, rng), rng)
    W0 = scale / np.sqrt(dim) * rng.normal(size=(SIZE, dim))
    return problem, wf.leading_eigenpairs(problem, SIZE), W0


def with_bath(spec, nodes, weights):
    # Filled up with nodes of no weight: one shape, compiled once.
    nodes = np.append(nodes, np.full(SIZE - len(nodes), -1.0))
    weights = np.append(weights, np.zeros(SIZE - len(weights)))
    return wf.Spectrum(spec.eigenvalues, spec.eigenvectors, spec.residuals, nodes, weights)


def error(cut, full):
    return np.abs(cut.singular_values**2 - full.singular_values**2)


def settings(seed):
    """What a random trial varies beside the problem: pairs, scale, weight decay, step size, quadrature."""
    rng = np.random.default_rng(1000 + seed)
    options = {
        "weight_decay": float(rng.choice([0.0, 0.0, 0.5])),
        "learning_rate": float(rng.choice([0.0, 0.0, 0.01])),
    }
    return rng, int(rng.choice([DIM, 12, 12, SIZE - 2])), 10 ** rng.uniform(-4, 0.3), options


@pytest.mark.parametrize("kind", ["power", "gaussian", "gap", "positive"])
def test_bound_is_never_exceeded(kind):
    """Whatever the quadrature says of the rest: the density itself, one node, or nonsense."""
    for seed in range(12):
        rng, pairs, scale, options = settings(seed)
        problem, basis, W0 = example(kind, seed, scale)
        full = wf.predict(problem, W0, TIMES, spectrum=basis, **options)
        leading = basis.leading(pairs)
        count = SIZE - pairs
        nonsense = leading.eigenvalues[-1] + rng.uniform(-6, 1, 3)
        for spec in (
            with_bath(leading, leading.bath_nodes, leading.bath_weights),
            with_bath(leading, [np.mean(leading.bath_nodes)], [count]),
            with_bath(leading, nonsense, rng.uniform(0, 1, 3) * count),
        ):
            cut = wf.predict(problem, W0, TIMES, spectrum=spec, **options)
            largest = full.singular_values.max() ** 2
            assert np.isfinite(cut.error_bound).all()
            assert (error(cut, full) <= cut.error_bound + 1e-11 * largest).all(), (seed, pairs, options)


def test_bound_holds_where_steps_are_too_large_for_what_could_be_left_out():
    """`1 + eta low` is negative: growth no longer falls with the eigenvalue, no limit is left from below."""
    rng = np.random.default_rng(5)
    # Below the limit of stability: what is left out could be larger than the first, but for its many signs.
    problem = problem_of(np.append(np.linspace(3, 1.5, 12), np.linspace(0.9, -0.9, SIZE - 12)), rng)
    basis, W0 = wf.leading_eigenpairs(problem, SIZE), 5e-3 * rng.normal(size=(SIZE, DIM))
    leading = basis.leading(12)
    low = -np.sqrt(np.sum(leading.bath_nodes**2))
    rate = 1.2 / abs(low)
    assert rate < wf.stability_limit(problem)
    assert 1 + rate * float(leading.bath_nodes.min()) > 0.2
    full = wf.predict(problem, W0, TIMES, spectrum=basis, learning_rate=rate)
    cut = wf.predict(problem, W0, TIMES, spectrum=leading, learning_rate=rate)
    assert np.isfinite(cut.error_bound).all()
    assert (error(cut, full) <= cut.error_bound + 1e-11 * full.singular_values.max() ** 2).all()


def bath_means(nodes, t):
    return np.mean(np.expm1(2 * nodes * t) / nodes), np.mean(np.exp(2 * nodes * t))


def test_bound_is_the_one_of_two_other_starts():
    """Upper and lower limit again, each by a factorisation of its own with f and e at their limits."""
    problem, basis, W0 = example("power", 3)
    spec = basis.leading(12)
    B = spec.eigenvectors.T @ W0
    rest = np.linalg.qr(W0 - spec.eigenvectors @ B, mode="r")
    rows, lam = jnp.asarray(np.concatenate([B, rest])), jnp.asarray(spec.eigenvalues)
    low, high = -np.sqrt(np.sum(spec.bath_nodes**2)), spec.eigenvalues[-1]
    for t in (0.05, 0.4, 1.5, 4.0):
        log_f, log_g_squared = log_f_and_g(lam, 2 * lam * t, jnp.asarray(t))
        limits = []
        for inner, outer in ((low, high), (high, low)):
            f = np.expm1(2 * inner * t) / inner
            more_f = jnp.concatenate([log_f, jnp.full(DIM, np.log(f))])
            more_g = jnp.concatenate([log_g_squared, jnp.full(DIM, 2 * outer * t - np.log(f))])
            X = riccati_factor(rows, more_f, more_g)[0]
            limits.append(np.linalg.svd(X, compute_uv=False) ** 2)
        above = np.minimum(limits[0], np.exp(log_g_squared[:DIM]))
        cut = wf.predict(problem, W0, [t], spectrum=spec)
        s2 = cut.singular_values[0] ** 2
        expected = np.maximum(above - s2, s2 - limits[1])
        np.testing.assert_allclose(cut.error_bound[0], expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", ["power", "gaussian", "gap", "positive"])
def test_loewner_order_of_the_learned_matrix(kind):
    """The K x K part of W W^T lies between multiples of the predicted one, in every direction."""
    for seed in range(6):
        problem, basis, W0 = example(kind, seed, scale=0.1)
        spec = basis.leading(12)
        ts = np.array([0.02, 0.2, 0.6])
        V, top = spec.eigenvectors, spec.eigenvalues[-1]
        part = lambda s, V=V, p=problem, W=W0, ts=ts: [  # noqa: E731
            V.T @ W @ W.T @ V for W in wf.predict(p, W, ts, spectrum=s, save_embeddings=True).embeddings
        ]
        B = V.T @ W0
        C = (W0 - V @ B).T @ (W0 - V @ B)
        for t, true, predicted in zip(ts, part(basis), part(spec), strict=True):
            f = np.expm1(2 * spec.eigenvalues * t) / spec.eigenvalues
            fbar = bath_means(spec.bath_nodes, t)[0]
            P = np.eye(DIM) + B.T * f @ B + fbar * C
            q = np.linalg.eigvals(np.linalg.solve(P, fbar * C)).real.max()
            f_high = np.expm1(2 * top * t) / top
            for upper, lower in (
                (predicted / (1 - q), true),
                (true, predicted / (1 + (f_high / fbar - 1) * q)),
            ):
                assert np.linalg.eigvalsh(upper - lower).min() > -1e-12 * np.linalg.norm(true)


@pytest.mark.parametrize("kind", ["power", "gaussian", "gap", "positive"])
def test_rest_of_one_eigenvalue_is_exact(kind):
    """With nothing to average over, leading pairs give the complete solution, embeddings and all."""
    for scale in (1e-8, 1e-2, 1.0):
        rng = np.random.default_rng(1)
        values = spectra(kind, rng)
        values[12:] = values[20]
        problem = problem_of(values, rng)
        basis = wf.leading_eigenpairs(problem, SIZE)
        W0 = scale * rng.normal(size=(2, SIZE, DIM))
        full = wf.predict(problem, W0, TIMES, spectrum=basis, save_embeddings=True)
        cut = wf.predict(problem, W0, TIMES, spectrum=basis.leading(12), save_embeddings=True)
        s_1 = full.singular_values.max(axis=-1, keepdims=True)
        assert (np.abs(cut.singular_values - full.singular_values) < 1e-11 * s_1).all()
        np.testing.assert_allclose(cut.loss, full.loss, rtol=1e-9)
        grams = [e @ np.swapaxes(e, -1, -2) for e in (cut.embeddings, full.embeddings)]
        scale_of = np.linalg.norm(grams[1], axis=(-2, -1), keepdims=True)
        assert np.abs((grams[0] - grams[1]) / scale_of).max() < 1e-10


def test_start_is_exact_and_bound_begins_at_zero():
    problem, basis, W0 = example(scale=0.3)
    cut = wf.predict(problem, W0, TIMES, spectrum=basis.leading(8), save_embeddings=True)
    np.testing.assert_allclose(cut.singular_values[0], np.linalg.svd(W0, compute_uv=False), rtol=1e-12)
    np.testing.assert_allclose(cut.embeddings[0], W0, atol=1e-13)
    assert (cut.error_bound[0] == 0).all()
    early = wf.predict(problem, W0, [1e-9], spectrum=basis.leading(8)).error_bound
    assert early.max() < 1e-7


@pytest.mark.parametrize("scale", [1e-3, 1e-2, 1e-1])
def test_bath_beats_dropping_the_rest(scale):
    """Median over problems of the largest error: 2.5 times smaller at least."""
    gains = []
    for seed in range(15):
        problem, basis, W0 = example("power", seed, scale)
        spec = basis.leading(12)
        full = wf.predict(problem, W0, TIMES, spectrum=basis)
        bath = wf.predict(problem, W0, TIMES, spectrum=spec)
        # Eigenvalues so negative that the rest is gone at once.
        dropped = wf.predict(problem, W0, TIMES, spectrum=with_bath(spec, [-1e30], [1.0]))
        gains.append(error(dropped, full)[1:].max() / error(bath, full)[1:].max())
    assert np.median(gains) > 2.5
    assert np.min(gains) > 1


def test_more_pairs_less_error():
    problem, basis, W0 = example(scale=1e-2)
    full = wf.predict(problem, W0, TIMES, spectrum=basis)
    cuts = [wf.predict(problem, W0, TIMES, spectrum=basis.leading(k)) for k in (4, 10, 20, 40)]
    errors = [error(cut, full).max() for cut in cuts]
    bounds = [cut.error_bound.max() for cut in cuts]
    assert errors == sorted(errors, reverse=True)
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] < 1e-2 * basis.eigenvalues[0]


def test_late_times_are_those_of_the_complete_basis():
    """At e^(2 lambda t) of a million digits nothing overflows, and the bound has closed."""
    problem, basis, W0 = example(scale=1e-3)
    cut = wf.predict(problem, W0, [1e3, 1e6], spectrum=basis.leading(12))
    lam = basis.eigenvalues[:DIM]
    np.testing.assert_allclose(cut.singular_values**2, np.stack([lam, lam]), rtol=1e-10)
    assert cut.error_bound.max() < 1e-8
    rest = problem.target_norm_squared() - np.sum(lam**2)
    np.testing.assert_allclose(cut.loss, rest / 4, rtol=1e-9)


def test_loss_of_a_truncated_basis():
    problem, basis, W0 = example(scale=1e-2)
    full = wf.predict(problem, W0, TIMES, spectrum=basis)
    cut = wf.predict(problem, W0, TIMES, spectrum=basis.leading(20))
    np.testing.assert_allclose(cut.loss, full.loss, rtol=2e-3)


def test_large_vocabularies_take_leading_pairs(monkeypatch):
    problem = wf.Problem.from_statistics(random_statistics(150))
    basis = wf.leading_eigenpairs(problem, 150)
    monkeypatch.setattr(evolution, "COMPLETE_UP_TO", 149)
    W0 = wf.gaussian_init(jax.random.key(0), 150, 2, 1e-2)
    traj = wf.predict(problem, W0, [0.5])
    assert traj.metadata["eigenpairs"] == 4 * 2 + 100
    assert traj.metadata["method"] == "exact Riccati solution, leading eigenpairs"
    assert traj.metadata["largest_error_bound_over_lambda_1"] == pytest.approx(
        traj.error_bound.max() / basis.eigenvalues[0]
    )
    monkeypatch.setattr(evolution, "COMPLETE_UP_TO", 150)
    traj = wf.predict(problem, W0, [0.5])
    assert traj.metadata["eigenpairs"] == 150
    assert traj.metadata["method"] == "exact Riccati solution"
    assert traj.error_bound is None


def test_bound_is_saved_and_dealt_out(tmp_path):
    problem, basis, W0 = example(scale=1e-2)
    seeds = np.stack([W0, 2 * W0, -3 * W0[::-1]])
    traj = wf.predict(problem, seeds, [0.1, 0.5], spectrum=basis.leading(10))
    assert traj.error_bound.shape == traj.singular_values.shape == (3, 2, DIM)
    alone = wf.predict(problem, seeds[2], [0.1, 0.5], spectrum=basis.leading(10))
    np.testing.assert_allclose(traj.sel(seed=2).error_bound, alone.error_bound, rtol=1e-8)
    traj.save(tmp_path / "t.nc")
    again = wf.Trajectory.load(tmp_path / "t.nc")
    np.testing.assert_array_equal(again.error_bound, traj.error_bound)
    assert traj.to_xarray()["error_bound"].dims == ("seed", "time", "mode")
    whole = wf.predict(problem, W0, [0.5], spectrum=basis)
    whole.save(tmp_path / "w.nc")
    assert wf.Trajectory.load(tmp_path / "w.nc").error_bound is None


@pytest.mark.parametrize("pairs", [None, 12])
def test_weight_decay_against_integration(pairs):
    problem, decay = separated_problem(), 1.5
    target = np.asarray(problem.target())
    W0 = np.asarray(wf.gaussian_init(jax.random.key(2), 20, 3, 0.1))
    ts = np.linspace(0, 3, 13)[1:]
    velocity = lambda t, w: (  # noqa: E731
        (target - decay * np.eye(20) - (W := w.reshape(20, 3)) @ W.T) @ W
    ).ravel()
    solution = solve_ivp(velocity, (0, 3), W0.ravel(), "DOP853", ts, rtol=1e-12, atol=1e-14).y.T
    weights = solution.reshape(-1, 20, 3)
    basis = wf.leading_eigenpairs(problem, 20)
    spec = basis if pairs is None else basis.leading(pairs)
    traj = wf.predict(problem, W0, ts, weight_decay=decay, spectrum=spec, save_embeddings=True)
    values = np.linalg.svd(weights, compute_uv=False)
    losses = [float(problem.loss(W)) for W in weights]
    if pairs is None:
        np.testing.assert_allclose(traj.singular_values, values, atol=1e-9)
        np.testing.assert_allclose(traj.loss, losses, rtol=1e-9)
        grams = [e @ np.swapaxes(e, -1, -2) for e in (traj.embeddings, weights)]
        np.testing.assert_allclose(*grams, atol=1e-8)
    else:
        assert (np.abs(traj.singular_values**2 - values**2) <= traj.error_bound + 1e-9).all()
        np.testing.assert_allclose(traj.loss, losses, rtol=1e-3)


@pytest.mark.parametrize("pairs", [20, 8])
def test_weight_decay_is_a_soft_threshold(pairs):
    problem = separated_problem()
    basis = wf.leading_eigenpairs(problem, 20)
    W0 = wf.gaussian_init(jax.random.key(2), 20, 5, 1e-3)
    for decay in (0.5, 1.5, 2.5, 9.0):
        end = wf.predict(problem, W0, [1e3], weight_decay=decay, spectrum=basis.leading(pairs))
        expected = np.maximum(basis.eigenvalues[:5] - decay, 0)
        np.testing.assert_allclose(end.singular_values[0] ** 2, expected, atol=1e-9)
        left = np.sum(basis.eigenvalues**2) - np.sum((basis.eigenvalues[:5] ** 2 - decay**2) * (expected > 0))
        np.testing.assert_allclose(end.loss, left / 4, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"weight_decay": -1.0}, "`weight_decay` must be at least 0 and finite, but got -1"),
        ({"weight_decay": np.nan}, "`weight_decay` must be"),
        ({"learning_rate": np.inf}, "`learning_rate` must be 0 for the flow"),
    ],
)
def test_bad_rates(problem, options, match):
    with pytest.raises(ValueError, match=match):
        wf.predict(problem, np.ones((30, 2)), [1.0], **options)


def test_bad_spectra(problem, basis):
    few = basis.leading(3)
    with pytest.raises(ValueError, match=r"`spectrum` must be at least 4 eigenpairs.*got 3 pairs"):
        wf.predict(problem, np.ones((30, 4)), [1.0], spectrum=few)
    with pytest.raises(ValueError, match="`spectrum` must be complete, or hold a density"):
        wf.predict(problem, np.ones((30, 2)), [1.0], spectrum=with_bath(few, [], []))
    with pytest.raises(ValueError, match="`spectrum` must be of 30 words, as the problem"):
        wf.predict(problem, np.ones((30, 2)), [1.0], spectrum=example()[1])


def test_times_are_shared_out_over_cores_without_a_trace(monkeypatch):
    """More times than cores and not a multiple of them: the same numbers, in their order."""
    problem = wf.Problem.from_statistics(random_statistics(30))
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 2), 30, 3, 1e-2)
    ts = np.linspace(0, 1, 7)
    spectrum = wf.leading_eigenpairs(problem, 9)
    alone = wf.predict(problem, W0, ts, spectrum=spectrum, save_embeddings=True)
    monkeypatch.setattr(evolution, "_WORTH_SHARING", 0)
    monkeypatch.setattr(evolution, "available_cores", lambda: 3)
    shared = wf.predict(problem, W0, ts, spectrum=spectrum, save_embeddings=True)
    for name in ("singular_values", "loss", "error_bound"):
        np.testing.assert_allclose(getattr(shared, name), getattr(alone, name), rtol=1e-9, atol=1e-13)
    grams = [t.embeddings @ np.swapaxes(t.embeddings, -1, -2) for t in (shared, alone)]
    np.testing.assert_allclose(*grams, atol=1e-12)
