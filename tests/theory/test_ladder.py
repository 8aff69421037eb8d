"""The ladder of plateaus against closed forms at constant and rank-one G, and against SciPy's integration."""

import warnings

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import hadamard
from systems import random_statistics, separated_problem

import w2vflow as wf
from w2vflow.theory.ladder import pairs
from w2vflow.theory.ladder.ladder import predict_ladder

V = 16


def flat_statistics():
    """Every pair seen once, so that weights of one's own are `A` and `B` themselves, up to a factor."""
    return wf.CooccurrenceStatistics(tuple(f"w{i}" for i in range(V)), np.ones((V, V)), np.full(V, V))


def uneven_weights(seed, symmetric, sizes=(12.0, 6.0, 3.0)):
    """`A` and `B` of mean one, with G anywhere in 0.05 .. 13 and three concepts, far apart or not."""
    rng = np.random.default_rng(seed)
    columns = hadamard(V)[:, 1:7] / np.sqrt(V)
    left, right = columns[:, :3], columns[:, :3] if symmetric else columns[:, 3:]
    M = left * sizes @ right.T
    g = rng.permutation(np.geomspace(0.3, 3.0, V))
    G = np.outer(g, g) * rng.uniform(0.5, 1.5, (V, V))
    G = (G + G.T) / 2 if symmetric else G
    G /= G.mean()
    assert np.abs(M).max() < 2
    return G * (1 + M / 2) / 2, G * (1 - M / 2) / 2


@pytest.mark.parametrize(
    "weighting",
    [
        wf.Uniform(),
        wf.Plain(),
        wf.Mikolov(0.1),
        wf.Symmetrized(wf.Mikolov(0.1)),
        wf.Mikolov(0.1, skip_target=False),
        wf.Custom(np.ones((V, V)), lambda pair, product: 1 + pair),
    ],
)
def test_stiffness_is_the_sum_of_both_weights(weighting, monkeypatch):
    monkeypatch.setattr(pairs, "_BLOCK_PAIRS", 3 * V)
    problem = wf.Problem.from_statistics(random_statistics(V), weighting=weighting, tied=False)
    blocks = list(pairs.Stiffness.of(problem).blocks())
    assert len(blocks) == -(-V // 3)
    whole = np.concatenate([G for _, G in blocks])
    np.testing.assert_allclose(whole, sum(problem.pair_weights().dense()), rtol=1e-12)


def uneven_problem(A, B, **settings):
    return wf.Problem.from_statistics(flat_statistics(), weighting=wf.Custom(A, B), **settings)


def slope_of(A, B, loss):
    def slope(x):
        return (A + B) * (np.tanh(x / 2) if loss == "logistic" else x / 2) - (A - B)

    return slope


def loss_of(A, B, loss, x):
    if loss == "logistic":
        return np.sum(2 * A * np.logaddexp(0, -x) + 2 * B * np.logaddexp(0, x))
    return np.sum((A + B) * (x - 2 * (A - B) / (A + B)) ** 2) / 4


def integrated(A, B, loss, W0, ts):
    """The flow by SciPy, from a gradient written here; `x` and the strengths at each time."""
    slope, tied = slope_of(A, B, loss), W0.ndim == 2
    shape = W0.shape

    def velocity(t, flat):
        Z = flat.reshape(shape)
        if tied:
            return -2 * (slope(Z @ Z.T) @ Z).ravel()
        S = slope(Z[0] @ Z[1].T)
        return -np.stack([S @ Z[1], S.T @ Z[0]]).ravel()

    run = solve_ivp(
        velocity, (0, ts[-1]), W0.ravel(), method="DOP853", t_eval=ts, rtol=1e-8, atol=1e-9 * np.abs(W0).max()
    )
    x = [Z @ Z.T if tied else Z[0] @ Z[1].T for Z in run.y.T.reshape(-1, *shape)]
    return x, np.array([np.linalg.svd(one, compute_uv=False) for one in x])


def crossings(ts, strengths, ladder):
    found = []
    for k in range(ladder.steps):
        half = ladder.strengths[k, k] / 2
        after = np.argmax(strengths[:, k] > half)
        pair = slice(after - 1, after + 1)
        found.append(np.interp(np.log(half), np.log(strengths[pair, k]), ts[pair]))
    return np.array(found)


@pytest.fixture(scope="module")
def separated():
    problem = separated_problem()
    return problem, predict_ladder(problem, 4)


def test_at_constant_G_it_is_the_closed_form(separated):
    problem, ladder = separated
    lam = np.array([8.0, 5.0, 3.2, 2.0, 1.2, *-np.linspace(0.1, 9.0, 15)])
    np.testing.assert_allclose(ladder.strengths, np.tril(np.tile(lam[:4], (4, 1))), atol=2e-4)
    remaining = np.sum(lam**2) - np.concatenate([[0], np.cumsum(lam[:4] ** 2)])
    np.testing.assert_allclose(ladder.losses, remaining / 4, rtol=1e-8)
    np.testing.assert_allclose(ladder.growth[:, 0], lam[:5], rtol=1e-4)
    for scale in (1e-8, 1e-100):
        W0 = np.asarray(wf.gaussian_init(jax.random.split(jax.random.key(0), 3), 20, 5, 1e-8)) * scale / 1e-8
        closed = wf.predict_step_times(problem, W0[..., :4])
        times = ladder.step_times(W0[..., :4])
        np.testing.assert_allclose(times, closed, rtol=2e-3)
        # Further columns of the weights are more of a start, and no more steps.
        np.testing.assert_allclose(
            ladder.step_times(W0), wf.predict_step_times(problem, W0)[:, :4], rtol=2e-3
        )
        np.testing.assert_allclose(ladder.step_times(W0[1, :, :4]), times[1], rtol=1e-12)


def test_untied_at_constant_G_both_signs_are_learned():
    lam = np.array([-6.0, 4.0, -2.2, 0.5, 0.1, -0.1])
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    problem = wf.Problem.from_target(Q * lam @ Q.T, tied=False)
    ladder = predict_ladder(problem, 3)
    np.testing.assert_allclose(np.diag(ladder.strengths), np.abs(lam[:3]), rtol=1e-4)
    W0, C0 = Z0 = np.asarray(wf.untied_init(jax.random.key(3), 6, 3, 1e-8))
    overlaps = (Q.T @ W0 + np.sign(lam)[:, None] * (Q.T @ C0))[:3] / 2
    R = np.diag(np.linalg.qr(overlaps.T)[1])
    size = np.abs(lam[:3])
    np.testing.assert_allclose(ladder.step_times(Z0), np.log(size / R**2 - 1) / size, rtol=2e-3)
    assert ladder.plateaus[2].shape == (2, 6, 2)


def test_plateaus_at_rank_one_G_are_weighted_approximations():
    stats = random_statistics(20)
    problem = wf.Problem.from_statistics(stats, weighting=wf.RankOne(0.5))
    A, B = problem.pair_weights().dense()
    g = np.sqrt(np.diag(A + B))
    M = 2 * (A - B) / np.outer(g, g)
    values, vectors = np.linalg.eigh(np.sqrt(np.outer(g, g)) * M)
    ladder = predict_ladder(problem, 3)
    remaining = np.sum(values**2) - np.concatenate([[0], np.cumsum(values[::-1][:3] ** 2)])
    np.testing.assert_allclose(ladder.losses, remaining / 4, rtol=1e-7)
    top = vectors[:, ::-1][:, :3] / np.sqrt(g)[:, None]
    W = ladder.plateaus[3]
    np.testing.assert_allclose(W @ W.T, top * values[::-1][:3] @ top.T, atol=2e-3)


@pytest.mark.parametrize(("loss", "tied"), [("quartic", True), ("logistic", True), ("logistic", False)])
def test_uneven_weights_against_integration(loss, tied):
    A, B = uneven_weights(2, tied)
    problem = uneven_problem(A, B, loss=loss, tied=tied)
    ladder = predict_ladder(problem, 3)
    draw = wf.gaussian_init if tied else wf.untied_init
    W0 = np.asarray(draw(jax.random.key(4), V, 3, 1e-10))
    predicted = ladder.step_times(W0)
    ts = np.linspace(0, 1.3 * predicted[-1], 800)
    x, strengths = integrated(A, B, loss, W0, ts)
    measured = crossings(ts, strengths, ladder)
    # Between plateaus only the quartic loss is followed exactly.
    np.testing.assert_allclose(predicted, measured, rtol=2e-3 if loss == "quartic" else 7e-3)
    # The rates at zero weights alone say something else.
    rates = np.linalg.svd(A - B, compute_uv=False)[:3] * (2 if tied else 1)
    assert np.abs(ladder.growth[0][:3] - rates).max() < 1e-10
    assert abs(ladder.growth[2][0] / rates[2] - 1) > 0.1
    losses = [loss_of(A, B, loss, one) for one in x]
    at = [np.argmin(np.abs(ts - t)) for t in (measured[:-1] + measured[1:]) / 2]
    heights = -np.diff(ladder.losses)
    np.testing.assert_allclose(ladder.losses[0], losses[0], rtol=1e-9)
    for k, place in enumerate(at):
        assert abs(ladder.losses[k + 1] - losses[place]) < 2e-3 * heights[k]
    assert (heights > 0).all()


def test_plateaus_are_stationary_and_grow_as_they_say():
    A, B = uneven_weights(5, True)
    ladder = predict_ladder(uneven_problem(A, B, loss="logistic"), 2, modes=6)
    slope = slope_of(A, B, "logistic")
    for W, growth in zip(ladder.plateaus, ladder.growth, strict=True):
        E = -2 * slope(W @ W.T)
        assert np.abs(E @ W).max(initial=0) < 1e-3
        np.testing.assert_allclose(growth, np.linalg.eigvalsh(E)[::-1][:6], atol=1e-9)
    np.testing.assert_allclose(ladder.strengths[1], np.linalg.svd(ladder.plateaus[2])[1] ** 2, rtol=1e-9)


def test_the_ladder_ends_where_nothing_grows():
    problem = wf.Problem.from_target(np.diag([3.0, 1.0, -1.0, -2.0]))
    with pytest.warns(RuntimeWarning, match=r"found 2 steps of the 3 asked for: .* never learned"):
        ladder = predict_ladder(problem, 3)
    np.testing.assert_allclose(ladder.losses, [15 / 4, 6 / 4, 5 / 4], rtol=1e-9)
    assert ladder.step_times(np.full((4, 3), 1e-9) + 1e-9 * np.eye(4, 3)).shape == (2,)
    with pytest.warns(RuntimeWarning, match="found 0 steps of the 1"):
        none = predict_ladder(wf.Problem.from_target(-np.eye(3)), 1)
    assert none.losses.tolist() == [0.75]
    assert none.step_times(np.ones((5, 3, 2))).shape == (5, 0)


@pytest.mark.parametrize("scale", [1e-6, 1e-2])
def test_close_steps_rise_jointly(scale):
    """Against the exact solution, where the rates alone are off by much."""
    problem = wf.Problem.from_target(np.diag([2.0, 1.98, 1.5, 1.4, -1.0, -3.0]))
    ladder = predict_ladder(problem, 4)
    W0 = np.asarray(wf.gaussian_init(jax.random.split(jax.random.key(1), 3), 6, 4, scale))
    ts = np.linspace(0.0, 40.0, 4001)
    exact = wf.measure_step_times(wf.predict(problem, W0, ts), wf.leading_eigenpairs(problem, 4))
    np.testing.assert_allclose(ladder.step_times(W0), exact, rtol=3e-3)


@pytest.mark.parametrize(("loss", "tied"), [("quartic", True), ("logistic", True), ("logistic", False)])
def test_uneven_weights_whose_steps_overlap_against_integration(loss, tied):
    A, B = uneven_weights(2, tied, (9.0, 7.5, 6.5))
    ladder = predict_ladder(uneven_problem(A, B, loss=loss, tied=tied), 3)
    draw = wf.gaussian_init if tied else wf.untied_init
    W0 = np.asarray(draw(jax.random.key(4), V, 3, 1e-3))
    predicted = ladder.step_times(W0)
    ts = np.linspace(0, 1.3 * predicted[-1], 800)
    measured = crossings(ts, integrated(A, B, loss, W0, ts)[1], ladder)
    np.testing.assert_allclose(predicted, measured, rtol=1e-3 if loss == "quartic" else 0.01)


def test_starts_that_it_does_not_hold_for_are_named():
    problem = wf.Problem.from_statistics(random_statistics(40))
    ladder = predict_ladder(problem, 2, modes=12)
    with pytest.warns(RuntimeWarning, match=r"too large for `Ladder.step_times`.* already .*`solve_flow`"):
        ladder.step_times(wf.gaussian_init(jax.random.key(0), 40, 2, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ladder.step_times(wf.gaussian_init(jax.random.key(0), 40, 2, 1e-3))


def test_a_loss_without_a_bound_is_refused():
    ones = np.ones((V, V))
    falling = uneven_problem(0.95 * ones, 0.05 * ones, loss="taylor(4)")
    with pytest.raises(
        ValueError, match=r"`problem` must be one whose loss has a minimum.* falls without bound"
    ):
        predict_ladder(falling, 1)


def test_bad_arguments_are_refused(separated):
    problem, ladder = separated
    with pytest.raises(ValueError, match="`dim` must be between 1 and the vocabulary size 20, but got 21"):
        predict_ladder(problem, 21)
    with pytest.raises(ValueError, match="`modes` must be between `steps` = 3 and 20, but got 2"):
        predict_ladder(problem, 3, modes=2)
    with pytest.raises(ValueError, match=r"`W0` must be of shape \(20, dim\)"):
        ladder.step_times(np.zeros((7, 2)))
    with jax.enable_x64(False), pytest.raises(ValueError, match="`predict_ladder` needs float64"):
        predict_ladder(problem, 2)


@pytest.mark.slow
def test_many_words_by_products_alone(wikipedia):
    """Above some hundred words the eigenpairs of a plateau are found from products."""
    problem = wf.Problem.from_statistics(wikipedia.most_frequent(700))
    ladder = predict_ladder(problem, 3)
    spectrum = wf.leading_eigenpairs(problem, 4)
    np.testing.assert_allclose(ladder.growth[:, 0], spectrum.eigenvalues, rtol=1e-4)
    W0 = wf.gaussian_init(jax.random.key(0), 700, 3, 1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        times = ladder.step_times(W0)
    np.testing.assert_allclose(times, wf.predict_step_times(problem, W0), rtol=2e-3)
