"""The integrated flow against the exact solution, and what it must never do."""

import warnings

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
from systems import random_statistics

import w2vflow as wf
import w2vflow.flow
from w2vflow.support.checkpoint import Checkpoint


def horizon(problem, basis, dim, scale):
    with warnings.catch_warnings():
        # Good enough for a time axis, from large starts too.
        warnings.simplefilter("ignore", RuntimeWarning)
        return 1.2 * wf.step_time_law(problem, dim, scale, spectrum=basis).mean.max()


@pytest.mark.parametrize("scale", [1e-1, 1e-4, 1e-10])
@pytest.mark.parametrize("method", ["dense flow", "matrix-free flow", "eigenbasis flow"])
def test_flow_equals_exact_solution(stats, basis, scale, method):
    matrix = "sparse" if method == "matrix-free flow" else "dense"
    problem = wf.Problem.from_statistics(stats, matrix=matrix)
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 2), 30, 5, scale)
    ts = np.linspace(0, horizon(problem, basis, 5, scale), 40)
    exact = wf.predict(problem, W0, ts, spectrum=basis)
    way = "eigenvectors" if method == "eigenbasis flow" else "words"
    flow = wf.solve_flow(problem, W0, ts, basis=way, recording=wf.Recording(save_embeddings=True))
    assert flow.metadata["method"] == method
    largest = exact.singular_values.max()
    assert np.abs(flow.singular_values - exact.singular_values).max() < 1e-7 * largest
    np.testing.assert_allclose(flow.loss, exact.loss, rtol=1e-7)
    values = np.linalg.svd(flow.embeddings, compute_uv=False)
    np.testing.assert_allclose(values, flow.singular_values, atol=1e-12 * largest)
    # The concepts did rise: otherwise the agreement would say nothing.
    assert (flow.singular_values[:, -1, 0] ** 2 > 0.99 * basis.eigenvalues[0]).all()


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-1, 1e-4, 1e-10])
def test_flow_equals_exact_solution_on_wikipedia(wikipedia, scale):
    problem = wf.Problem.from_statistics(wikipedia.most_frequent(2000))
    basis = wf.leading_eigenpairs(problem, 2000)
    W0 = wf.gaussian_init(jax.random.key(0), 2000, 16, scale)
    ts = np.linspace(0, horizon(problem, basis, 16, scale), 60)
    exact = wf.predict(problem, W0, ts, spectrum=basis)
    flow = wf.solve_flow(problem, W0, ts, spectrum=basis)
    assert np.abs(flow.singular_values - exact.singular_values).max() < 1e-6 * exact.singular_values.max()


@pytest.mark.slow
def test_dense_flow_equals_exact_solution_on_wikipedia(wikipedia):
    problem = wf.Problem.from_statistics(wikipedia.most_frequent(2000))
    basis = wf.leading_eigenpairs(problem, 2000)
    W0 = wf.gaussian_init(jax.random.key(0), 2000, 16, 1e-4)
    ts = np.linspace(0, horizon(problem, basis, 16, 1e-4), 30)
    exact = wf.predict(problem, W0, ts, spectrum=basis)
    flow = wf.solve_flow(problem, W0, ts, basis="words")
    assert flow.metadata["method"] == "dense flow"
    assert np.abs(flow.singular_values - exact.singular_values).max() < 1e-6 * exact.singular_values.max()


def test_the_cheaper_basis_is_chosen(problem, basis, monkeypatch):
    """Finding the eigenvectors pays where their flow saves more than they cost, and where they fit."""
    one = wf.gaussian_init(jax.random.key(0), 30, 2, 0.1)
    assert wf.solve_flow(problem, one, [0.1]).metadata["method"] == "eigenbasis flow"
    monkeypatch.setattr(w2vflow.flow, "_EVALUATIONS", 1)
    assert wf.solve_flow(problem, one, [0.1]).metadata["method"] == "dense flow"
    assert wf.solve_flow(problem, one, [0.1], spectrum=basis).metadata["method"] == "eigenbasis flow"
    monkeypatch.setattr(w2vflow.flow, "_EVALUATIONS", 4000)
    monkeypatch.setattr(w2vflow.flow, "available_memory", lambda: 1000)
    assert wf.solve_flow(problem, one, [0.1]).metadata["method"] == "dense flow"


def test_weight_decay_is_a_shift_of_the_target(problem):
    """Of the velocity, not of the loss that is reported; in both bases."""
    W0 = wf.gaussian_init(jax.random.key(0), 30, 3, 1e-2)
    ts, decay = np.linspace(0, 0.6, 9), 6.0
    shifted = wf.Problem.from_target(np.asarray(problem.target()) - decay * np.eye(30))
    expected = wf.solve_flow(shifted, W0, ts, recording=wf.Recording(save_embeddings=True))
    for way in ("words", "eigenvectors"):
        flow = wf.solve_flow(
            problem, W0, ts, basis=way, weight_decay=decay, recording=wf.Recording(save_embeddings=True)
        )
        np.testing.assert_allclose(flow.embeddings, expected.embeddings, atol=1e-8)
        losses = [float(problem.loss(W)) for W in flow.embeddings]
        np.testing.assert_allclose(flow.loss, losses, rtol=1e-10)


class Killed(Exception):
    """Stands for a kill: nothing of the flow runs after it."""


@pytest.mark.parametrize("way", ["words", "eigenvectors"])
def test_a_flow_goes_on_from_its_checkpoint(problem, tmp_path, monkeypatch, way):
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 2), 30, 3, 1e-2)
    ts = np.linspace(0, 1.0, 41)

    def solve(checkpoint=None, **options):
        recording = wf.Recording(save_embeddings=True, checkpoint=checkpoint)
        return wf.solve_flow(problem, W0, ts, basis=way, recording=recording, **options)

    undisturbed = solve(checkpoint=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    save, stretches = Checkpoint.save, []

    def killed_after_three(self, *arguments, **options):
        save(self, *arguments, **options)
        stretches.append(1)
        if len(stretches) == 3:
            raise Killed

    monkeypatch.setattr(Checkpoint, "save", killed_after_three)
    with pytest.raises(Killed):
        solve(checkpoint=tmp_path / "b")
    assert (tmp_path / "b" / "manifest.json").is_file()
    with pytest.raises(ValueError, match=r"`checkpoint` must be .* of this same run, .*constants"):
        solve(checkpoint=tmp_path / "b", rtol=1e-8)
    resumed = solve(checkpoint=tmp_path / "b")
    assert len(stretches) == 16, "the first three stretches were computed again"
    for name in ("singular_values", "loss", "embeddings"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(undisturbed, name))
    assert resumed.metadata == undisturbed.metadata
    assert not (tmp_path / "b").exists()
    plain = solve()
    np.testing.assert_allclose(resumed.singular_values, plain.singular_values, atol=1e-8)


def test_loss_never_rises(problem, basis):
    W0 = wf.gaussian_init(jax.random.key(5), 30, 5, 0.5)
    flow = wf.solve_flow(problem, W0, np.linspace(0, horizon(problem, basis, 5, 0.5), 200))
    assert (np.diff(flow.loss) <= 1e-9 * flow.loss[0]).all()


def test_an_atol_above_the_state_would_be_blind(problem, basis):
    """Why `atol` follows the initial weights: a common default gives a wrong answer without a word."""
    W0 = wf.gaussian_init(jax.random.key(0), 30, 3, 1e-8)
    ts = np.linspace(0, horizon(problem, basis, 3, 1e-8), 30)
    with pytest.raises(
        ValueError, match=r"`atol` must be positive and below the size of the initial weights"
    ):
        wf.solve_flow(problem, W0, ts, atol=1e-6)
    flow = wf.solve_flow(problem, W0, ts)
    assert flow.metadata["atol"] < 1e-8 * flow.metadata["rtol"]


@pytest.mark.parametrize(("solver", "order"), [(dfx.Bosh3(), 3), (dfx.Tsit5(), 5), (dfx.Dopri8(), 8)])
def test_steps_and_errors_follow_the_order_of_the_solver(problem, basis, solver, order):
    """The error of a step is of order p + 1: steps grow as `rtol^(-1/p)`, and errors fall as `rtol`."""
    W0 = wf.gaussian_init(jax.random.key(0), 30, 3, 0.3)
    end = horizon(problem, basis, 3, 0.3)
    exact, rtols = wf.predict(problem, W0, [end]).singular_values, 10.0 ** np.arange(-5, -9, -1)
    flows = [wf.solve_flow(problem, W0, [end], solver=solver, rtol=rtol, basis="words") for rtol in rtols]
    steps = [flow.metadata["accepted_steps"][0] for flow in flows]
    assert np.polyfit(np.log(rtols), np.log(steps), 1)[0] == pytest.approx(-1 / order, abs=0.04)
    errors = np.array([np.abs(flow.singular_values - exact).max() for flow in flows])
    assert np.polyfit(np.log(rtols), np.log(errors), 1)[0] == pytest.approx(1, abs=0.25)
    assert (errors < 10 * rtols * exact.max()).all()


def test_out_of_steps_says_how_far_it_came(problem):
    W0 = wf.gaussian_init(jax.random.key(0), 30, 3, 1e-3)
    with pytest.raises(RuntimeError, match=r"used up its 5 steps after time .* of 9\. Increase `max_steps`"):
        wf.solve_flow(problem, W0, [1.0, 9.0], max_steps=5, basis="words")


def test_another_solver_gives_the_same(problem, basis):
    W0 = wf.gaussian_init(jax.random.key(0), 30, 3, 1e-2)
    ts = np.linspace(0, horizon(problem, basis, 3, 1e-2), 10)
    one, other = wf.solve_flow(problem, W0, ts), wf.solve_flow(problem, W0, ts, solver=dfx.Tsit5())
    np.testing.assert_allclose(one.singular_values, other.singular_values, atol=1e-7)
    assert other.metadata["solver"] == "Tsit5"


def test_progress_bar_is_shown(problem, capfd):
    W0 = wf.gaussian_init(jax.random.key(0), 30, 3, 1e-2)
    wf.solve_flow(problem, W0, [1.0], recording=wf.Recording(progress=True))
    assert "100" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rtol": 0.0}, "`rtol` must be between 0 and 1"),
        ({"basis": "dense"}, "`basis` must be 'auto', 'words' or 'eigenvectors'"),
        ({"atol": -1.0}, "`atol` must be positive and below"),
        ({"ts": [-1.0, 2.0]}, "`ts` must be positive"),
        ({"ts": [2.0, 1.0]}, "`ts` must be strictly increasing"),
        ({"W0": np.zeros((30, 2))}, "`W0` must be nonzero somewhere"),
        ({"W0": np.ones((3, 2))}, r"`W0` must be of shape \(30, dim\)"),
    ],
)
def test_bad_arguments(problem, change, match):
    arguments = {"W0": np.full((30, 2), 0.1), "ts": [1.0]} | change
    with pytest.raises(ValueError, match=match):
        wf.solve_flow(problem, **arguments)
    with pytest.raises(ValueError, match="`spectrum` must be the complete eigenbasis"):
        wf.solve_flow(problem, np.ones((30, 2)), [1.0], spectrum=wf.leading_eigenpairs(problem, 4))


@pytest.mark.parametrize(
    ("loss", "weighting", "tied", "matrix"),
    [
        ("quartic", wf.Uniform(), False, "dense"),
        ("quartic", wf.RankOne(0.5), True, "sparse"),
        ("quartic", wf.Mikolov(subsample=1e-2), True, "sparse"),
        ("quartic", wf.Mikolov(subsample=1e-2), False, "dense"),
        ("logistic", wf.Uniform(), True, "dense"),
        ("logistic", wf.Mikolov(subsample=1e-2), False, "sparse"),
        ("taylor(6)", wf.Plain(), True, "dense"),
    ],
)
def test_flow_of_every_problem(stats, loss, weighting, tied, matrix):
    """Against SciPy's DOP853 on the autodiff gradient of a plain sum over pairs."""
    weighting = wf.Symmetrized(weighting) if tied else weighting
    problem = wf.Problem.from_statistics(stats, weighting=weighting, loss=loss, tied=tied, matrix=matrix)
    A, B = map(jnp.asarray, problem.pair_weights().dense())
    one, shape = problem.pair_loss, (30, 2) if tied else (2, 30, 2)

    def objective(flat):
        W = flat.reshape(shape)
        x = W @ W.T if tied else W[0] @ W[1].T
        return jnp.sum(A * one.positive(x) + B * one.negative(x))

    slope = jax.jit(jax.grad(objective))
    W0, ts = 0.1 * np.random.default_rng(0).normal(size=shape), np.array([0.1, 0.3, 0.5])
    exact = scipy.integrate.solve_ivp(
        lambda t, y: -np.asarray(slope(y)), (0, 0.5), W0.ravel(), "DOP853", ts, rtol=1e-11, atol=1e-12
    )
    flow = wf.solve_flow(problem, W0, ts, recording=wf.Recording(save_embeddings=True))
    found = flow.embeddings if tied else np.stack([flow.embeddings, flow.contexts], axis=1)
    np.testing.assert_allclose(found.reshape(3, -1), exact.y.T, rtol=1e-6, atol=1e-8)
    assert (np.diff(flow.loss) < 0).all()
    if tied:
        values = np.linalg.svd(found, compute_uv=False)
    else:
        values = np.sqrt(np.linalg.svd(found[:, 0] @ np.swapaxes(found[:, 1], 1, 2), compute_uv=False)[:, :2])
    np.testing.assert_allclose(flow.singular_values, values, rtol=1e-6)


def test_untied_flow_learns_either_sign_at_half_the_rate():
    """A balanced start of one mode: s' = (|lambda| - s) s, the context the mirror image of the word."""
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    problem = wf.Problem.from_target(Q * np.array([2.0, 1.0, 0.5, 0.1, -3.0]) @ Q.T, tied=False)
    v, ts, a0 = Q[:, -1:], np.linspace(0, 6, 7), 1e-4
    flow = wf.solve_flow(
        problem, np.stack([v, -v]) * np.sqrt(a0), ts, recording=wf.Recording(save_embeddings=True)
    )
    np.testing.assert_allclose(
        flow.singular_values[:, 0] ** 2, 3 / (1 + (3 / a0 - 1) * np.exp(-3 * ts)), rtol=1e-6
    )
    np.testing.assert_allclose(flow.embeddings, -flow.contexts, atol=1e-12)


@pytest.mark.parametrize(
    ("W0", "match"),
    [
        (np.ones((30, 2)), r"`W0` must be of shape \(2, 30, dim\), or \(seeds, 2, 30, dim\).*untied_init"),
        (np.ones((3, 30, 2)), r"`W0` must be of shape \(2, 30, dim\)"),
    ],
)
def test_starts_of_untied_weights_are_checked(stats, W0, match):
    with pytest.raises(ValueError, match=match):
        wf.solve_flow(wf.Problem.from_statistics(stats, tied=False), W0, [1.0])


def test_untied_flow_has_no_eigenbasis_form(stats):
    problem = wf.Problem.from_statistics(stats, tied=False)
    with pytest.raises(ValueError, match="solve_flow in the eigenbasis"):
        wf.solve_flow(problem, np.ones((2, 30, 2)), [1.0], basis="eigenvectors")


@pytest.mark.parametrize("basis", ["words", "eigenvectors"])
def test_in_float32_a_flow_ends_and_is_right(basis):
    """However small some entries are beside others, in whose sums they are rounded."""
    stats = random_statistics(300)
    with jax.enable_x64(False):
        problem = wf.Problem.from_statistics(stats)
        W0 = np.array(wf.gaussian_init(jax.random.key(0), 300, 3, 1e-3))
        W0[7] *= 1e-6
        end = float(1.2 * np.nanmax(wf.predict_step_times(problem, W0)))
        flow = wf.solve_flow(problem, W0, [end / 2, end], basis=basis)
    assert flow.singular_values.dtype == np.float32
    assert sum(flow.metadata["accepted_steps"]) < 500
    exact = wf.predict(wf.Problem.from_statistics(stats), W0.astype(float), [end / 2, end]).singular_values
    np.testing.assert_allclose(flow.singular_values, exact, atol=1e-4 * exact.max())
