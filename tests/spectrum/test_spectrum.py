"""Eigenpairs against dense linear algebra; the stability limit against descent itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import quartic_gradient, random_statistics

import w2vflow as wf
from w2vflow.spectrum.eigenpairs import extreme_eigenpairs
from w2vflow.spectrum.order import degenerate_groups, group_numbers, in_learning_order


@pytest.mark.parametrize(("vocab_size", "k"), [(30, 5), (30, 30), (600, 4), (600, 600)])
def test_leading_eigenpairs_equal_dense(vocab_size, k):
    problem = wf.Problem.from_statistics(random_statistics(vocab_size, seed=2))
    spec = wf.leading_eigenpairs(problem, k)
    target = np.asarray(problem.target())
    values = np.linalg.eigvalsh(target)[::-1][:k]
    np.testing.assert_allclose(spec.eigenvalues, values, atol=1e-10 * values[0])
    np.testing.assert_allclose(spec.eigenvectors.T @ spec.eigenvectors, np.eye(k), atol=1e-10)
    residuals = np.linalg.norm(target @ spec.eigenvectors - spec.eigenvectors * spec.eigenvalues, axis=0)
    np.testing.assert_allclose(spec.residuals, residuals, atol=1e-12)
    assert residuals.max() < 1e-9 * values[0]
    peaks = spec.eigenvectors[np.abs(spec.eigenvectors).argmax(axis=0), np.arange(k)]
    assert (peaks > 0).all()


def test_coordinates_become_weights():
    spec = wf.leading_eigenpairs(wf.Problem.from_statistics(random_statistics(30)), 4)
    for lead in ((), (3,), (2, 3)):
        coordinates = np.random.default_rng(0).normal(size=(*lead, 4, 2))
        expected = np.einsum("vk,...kd->...vd", spec.eigenvectors, coordinates)
        np.testing.assert_allclose(spec.to_words(coordinates), expected, atol=1e-14)


def test_most_negative_eigenvalue_comes_last(wikipedia):
    problem = wf.Problem.from_statistics(wikipedia.most_frequent(800))
    spec = wf.leading_eigenpairs(problem, 10)
    every = np.linalg.eigvalsh(np.asarray(problem.target()))
    assert -every[0] > every[-2]
    np.testing.assert_allclose(spec.eigenvalues, every[::-1][:10], rtol=1e-9)


def test_eigenpairs_are_reproducible():
    problem = wf.Problem.from_statistics(random_statistics(600, seed=2))
    one, other = wf.leading_eigenpairs(problem, 4), wf.leading_eigenpairs(problem, 4)
    np.testing.assert_array_equal(one.eigenvectors, other.eigenvectors)


def test_bad_k(problem, basis):
    for k in (0, 31):
        with pytest.raises(ValueError, match="`k` must be between 1 and the vocabulary size 30"):
            wf.leading_eigenpairs(problem, k)
        with pytest.raises(ValueError, match="`k` must be between 1 and the 30 pairs at hand"):
            basis.leading(k)


def test_a_spectrum_says_what_it_does_not_hold(basis):
    assert "not held: none" in repr(basis)
    assert "not held: 25 eigenvalues in 25 nodes" in repr(basis.leading(5))


@pytest.mark.parametrize("lowest", [-0.4, -3.0])
def test_descent_is_stable_up_to_the_limit(lowest):
    """Descent from near the optimum stays there just below the limit and leaves it just above."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    values = np.array([1.0, 0.7, 0.3, 0.1, 0.05, -0.1, -0.2, lowest])
    target = jnp.asarray(Q * values @ Q.T)
    problem = wf.Problem.from_target(target)
    limit = wf.stability_limit(problem)
    np.testing.assert_allclose(limit, 2 / max(2.0, 1 - lowest), rtol=1e-12)
    optimum = jnp.asarray(Q[:, :2] * np.sqrt(values[:2]))
    start = optimum + 1e-6 * rng.normal(size=(8, 2))

    def distance(rate):
        W = jax.lax.fori_loop(0, 3000, lambda i, W: W - rate * quartic_gradient(target, W), start)
        return float(jnp.linalg.norm(W @ W.T - optimum @ optimum.T))

    assert distance(0.98 * limit) < 1e-5
    assert not distance(1.02 * limit) < 1e-2


def slow_problem(size=600):
    """Pairs so close that few products do not part them."""
    half = np.random.default_rng(0).normal(size=(size, size))
    return wf.Problem.from_target(jnp.asarray(half + half.T))


def test_pairs_that_did_not_converge_are_a_warning_or_an_error():
    message = r"of 4 eigenpairs did not reach a residual of 1e-10 lambda_1 .*in 24 products.*`max_products`"
    with pytest.warns(RuntimeWarning, match=message):
        spec = wf.leading_eigenpairs(slow_problem(), 4, max_products=24)
    assert spec.residuals.max() > 1e-10 * spec.eigenvalues[0]
    with pytest.raises(RuntimeError, match=message):
        wf.leading_eigenpairs(slow_problem(), 4, max_products=24, require_convergence=True)


def test_coarse_tolerance_is_met_in_float32():
    problem = wf.Problem.from_statistics(random_statistics(1200, seed=2))
    coarse, fine = wf.leading_eigenpairs(problem, 20, tol=1e-5), wf.leading_eigenpairs(problem, 20)
    assert coarse.residuals.max() < 2e-5 * coarse.eigenvalues[0]
    assert fine.residuals.max() < 2e-10 * fine.eigenvalues[0]
    np.testing.assert_allclose(coarse.eigenvalues, fine.eigenvalues, rtol=1e-6)
    with pytest.raises(ValueError, match="`tol` must be between 0 and 1"):
        wf.leading_eigenpairs(problem, 20, tol=0.0)


def spread_problem(size=700, lowest=-300.0):
    """A spectrum like that of M*: falling slowly, with a huge negative end."""
    rng = np.random.default_rng(0)
    values = np.concatenate([[lowest], 100 / np.arange(1, size // 2) ** 0.7, -rng.random(size - size // 2)])
    Q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    return wf.Problem.from_target(jnp.asarray((Q * values) @ Q.T)), np.sort(values)[::-1]


def test_extreme_eigenpairs_come_by_size_with_their_signs():
    problem, values = spread_problem()
    expected = values[np.argsort(-np.abs(values))]
    found = extreme_eigenpairs(problem, 10)
    np.testing.assert_allclose(found.eigenvalues, expected[:10], rtol=1e-9)
    assert found.eigenvalues[0] < 0 < found.eigenvalues[1]
    np.testing.assert_allclose(found.bath_weights.sum(), 690, rtol=1e-12)
    direct = extreme_eigenpairs(problem, 100)
    np.testing.assert_allclose(direct.eigenvalues, expected[:100], rtol=1e-9)
    np.testing.assert_allclose(direct.bath_nodes, np.sort(expected[100:])[::-1], atol=1e-9)


@pytest.mark.parametrize("vocab_size", [30, 600])
def test_bath_of_the_direct_solver_is_exact(vocab_size):
    problem = wf.Problem.from_statistics(random_statistics(vocab_size, seed=2))
    every = np.linalg.eigvalsh(problem.target_operator().dense())[::-1]
    k = vocab_size // 5
    spec = wf.leading_eigenpairs(problem, k)
    np.testing.assert_allclose(spec.bath_nodes, every[k:], atol=1e-10 * every[0])
    np.testing.assert_array_equal(spec.bath_weights, 1)
    complete = wf.leading_eigenpairs(problem, vocab_size)
    assert complete.bath_nodes.shape == complete.bath_weights.shape == (0,)


@pytest.mark.parametrize("at", [0.5, 1.0, 3.0])
def test_bath_of_an_iteration_stands_for_the_rest(at):
    """Traces of what grows as exp(2 nu t) over the eigenvalues not held, to 3%."""
    problem, values = spread_problem(1200)
    spec = wf.leading_eigenpairs(problem, 20)
    t = at / (2 * spec.eigenvalues[-1])
    assert (spec.bath_nodes <= spec.eigenvalues[-1]).all()
    for k in (20, 7):
        cut = spec.leading(k)
        np.testing.assert_allclose(cut.bath_weights.sum(), 1200 - k, rtol=1e-12)
        trace = cut.bath_weights @ np.exp(2 * cut.bath_nodes * t)
        np.testing.assert_allclose(trace, np.exp(2 * values[k:] * t).sum(), rtol=0.03)
    # The most negative eigenvalue is one, not about one; nodes that fill up have no weight.
    last = np.flatnonzero(spec.bath_weights)[-1]
    assert spec.bath_weights[last] == 1
    np.testing.assert_allclose(spec.bath_nodes[last], -300, rtol=1e-6)


def held_to_its_bounds(spec, values, vectors, order):
    """Return the bounds of a spectrum after checking them against the exact pairs."""
    k = len(spec.eigenvalues)
    exact, axes = values[order[:k]], vectors[:, order[:k]]
    bounds, rounding = spec.error_bounds(), 1e-13 * np.abs(values).max()
    errors = np.abs(spec.eigenvalues - exact)
    assert (errors <= bounds.eigenvalues + rounding).all()
    sines = np.linalg.norm(spec.eigenvectors - axes * (axes * spec.eigenvectors).sum(axis=0), axis=0)
    known = ~np.isnan(bounds.directions)
    assert (sines[known] <= bounds.directions[known] + 1e-11).all()
    times = [np.log(np.abs(v) / 1e-4 - 1) / (2 * np.abs(v)) for v in (spec.eigenvalues, exact)]
    assert (np.abs(times[0] / times[1] - 1) <= bounds.step_times + 1e-12).all()
    return bounds


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8])
def test_errors_of_iterations_are_within_their_bounds(tol):
    problem, _ = spread_problem()
    values, vectors = np.linalg.eigh(problem.target_operator().dense())
    for solve, order in (
        (wf.leading_eigenpairs, np.argsort(-values)),
        (extreme_eigenpairs, np.argsort(-np.abs(values))),
    ):
        bounds = held_to_its_bounds(solve(problem, 12, tol=tol), values, vectors, order)
        assert np.isnan(bounds.directions[-1])
        assert not np.isnan(bounds.directions[:-1]).any()


@pytest.mark.parametrize("size", [1e-8, 1e-4, 1e-2, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_errors_of_perturbed_pairs_are_within_their_bounds(size, seed):
    """Rayleigh-Ritz pairs of perturbed subspaces; two eigenvalues are close together."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([[10, 8, 7.9999, 5, 3], np.linspace(1, -1, 35)])
    Q = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    matrix = (Q * values) @ Q.T
    basis = np.linalg.qr(Q[:, :5] + size * rng.normal(size=(40, 5)) / np.sqrt(40))[0]
    ritz, turn = np.linalg.eigh(basis.T @ matrix @ basis)
    ritz, vectors = ritz[::-1], basis @ turn[:, ::-1]
    residuals = np.linalg.norm(matrix @ vectors - vectors * ritz, axis=0)
    spec = wf.Spectrum(ritz, vectors, residuals, values[5:], np.ones(35))
    bounds = held_to_its_bounds(spec, values, Q, np.arange(40))
    if size <= 1e-2:
        # Not absurdly loose for the pair that stands alone: within some tens of the truth.
        error = np.abs(ritz[0] - values[0])
        sine = np.linalg.norm(vectors[:, 0] - Q[:, 0] * (Q[:, 0] @ vectors[:, 0]))
        assert bounds.eigenvalues[0] < 30 * error + 1e-13
        assert bounds.directions[0] < 10 * sine + 1e-12


def test_bounds_of_a_complete_basis_leave_no_direction_open(basis):
    bounds = basis.error_bounds()
    assert not np.isnan(bounds.directions).any()
    assert bounds.eigenvalues.max() < 1e-12 * np.abs(basis.eigenvalues).max()
    zero = wf.Spectrum(np.zeros(1), np.eye(2)[:, :1], np.zeros(1), np.zeros(1), np.ones(1)).error_bounds()
    assert zero.eigenvalues[0] == 0
    assert zero.step_times[0] == np.inf


@pytest.mark.parametrize("size", [20, 700])
def test_operator_that_is_not_symmetric_is_refused(size):
    skew = jnp.eye(size).at[0, 1:].add(1e-2)
    # Made past the check of whole matrices, as an operator with another kind of entries would be.
    whole = wf.Problem.from_target(jnp.eye(size)).target_operator()
    problem = wf.Problem.from_target(eqx.tree_at(lambda operator: operator.matrix, whole, skew))
    with pytest.raises(ValueError, match=r"`problem` must be of a symmetric M\*.*Symmetrise"):
        wf.leading_eigenpairs(problem, 3)


def test_basis_that_does_not_fit_is_refused_before_it_is_made(monkeypatch):

    from w2vflow.support import machine as resources

    problem, _ = spread_problem()
    monkeypatch.setattr(resources, "available_memory", lambda: 100_000)
    with pytest.raises(
        ValueError, match=r"a basis of 76 vectors over 700 words fits.*fewer pairs.*max_basis"
    ):
        wf.leading_eigenpairs(problem, 12)


def test_dense_matrix_that_does_not_fit_is_iterated_instead(monkeypatch):
    problem, values = spread_problem()

    def refuse(self):
        raise ValueError("no room")

    monkeypatch.setattr(type(problem.target_operator()), "dense", refuse)
    found = wf.leading_eigenpairs(problem, 80)
    np.testing.assert_allclose(found.eigenvalues, values[:80], rtol=1e-9)
    with pytest.raises(ValueError, match="no room"):
        wf.leading_eigenpairs(problem, 690)


@pytest.mark.parametrize("lowest", [-0.4, -300.0])
def test_stability_limit_of_a_large_operator_needs_no_matrix(lowest, monkeypatch):
    problem, values = spread_problem(700, lowest)
    monkeypatch.setattr(type(problem.target_operator()), "dense", None)
    expected = 2 / max(2 * values[0], values[0] - values[-1])
    np.testing.assert_allclose(wf.stability_limit(problem), expected, rtol=1e-9)


def test_checkpoint_is_of_one_problem(tmp_path):
    folder = tmp_path / "state"
    settings = {"max_products": 24, "checkpoint": folder}
    with pytest.warns(RuntimeWarning, match="did not reach"):
        wf.leading_eigenpairs(slow_problem(), 4, **settings)
    with pytest.raises(
        ValueError, match=r"`checkpoint` must be .* of a run with operator = '\w+' \(now '\w+'\)"
    ):
        wf.leading_eigenpairs(spread_problem(600)[0], 4, **settings)
    # More products take it up where it stood, and end where an undisturbed run ends.
    resumed = wf.leading_eigenpairs(slow_problem(), 4, checkpoint=folder)
    np.testing.assert_array_equal(resumed.eigenvectors, wf.leading_eigenpairs(slow_problem(), 4).eigenvectors)
    assert not folder.exists()


@pytest.mark.parametrize("lowest", [-300.0, -3e5])
def test_coarse_tolerance_is_met_whatever_the_other_end(lowest):
    """Rounding errors of float32 products follow the larger end; `tol` is of the wanted one."""
    problem, values = spread_problem(700, lowest)
    found = wf.leading_eigenpairs(problem, 12, tol=1e-5)
    assert found.residuals.max() < 1.5e-5 * values[0]
    np.testing.assert_allclose(found.eigenvalues, values[:12], rtol=1e-6)


@pytest.mark.parametrize("gap", [1e-2, 1.0, 1e2])
def test_bounds_of_a_pair_alone_are_second_order_over_its_gap(gap):
    """A coupling c to an eigenvalue a gap away moves both by `c^2 / gap`, and turns them by `c / gap`."""
    coupling = 1e-3 * gap
    values, vectors = np.linalg.eigh([[5 + gap, coupling], [coupling, 5.0]])
    bounds = wf.Spectrum(
        np.array([5 + gap, 5.0]), np.eye(2), np.full(2, coupling), np.empty(0), np.empty(0)
    ).error_bounds()
    np.testing.assert_allclose(bounds.eigenvalues, values[1] - 5 - gap, rtol=5e-3)
    np.testing.assert_allclose(bounds.directions, abs(vectors[0, 0]), rtol=5e-3)


@pytest.mark.parametrize("values", [[3.0, 2.0, 0.5, -0.4], [-3.0, 2.5, -2.4, 0.5]])
def test_bounds_have_no_unit(values):
    """Of a matrix a thousand times as small, errors are as small, angles and relative errors the same."""
    values, residuals = np.array(values), np.array([0.1, 0.01, 0.02, 0.03])
    one, other = (
        wf.Spectrum(
            unit * values, np.eye(6)[:, :4], unit * residuals, np.empty(0), np.empty(0)
        ).error_bounds()
        for unit in (1.0, 1e-3)
    )
    np.testing.assert_allclose(other.eigenvalues, 1e-3 * one.eigenvalues)
    np.testing.assert_allclose(other.directions, one.directions)
    np.testing.assert_allclose(other.step_times, one.step_times)
    assert (one.directions[:3] < 1).all()


def test_curvature_limit_of_a_single_weight():
    """Of `1/4 (3 - w^2)^2` the second derivative at its minimum is 6."""
    problem = wf.Problem.from_target(np.array([[3.0]]))
    assert wf.spectrum.stability_limit_at(problem, np.sqrt([[3.0]])) == pytest.approx(2 / 6)


def some_pairs(values, *rest):
    """The first of six pairs, the others known by their nodes."""
    vectors = np.eye(6)[:, : len(values)]
    return wf.Spectrum(np.array(values), vectors, np.zeros(len(values)), np.array(rest), np.ones(len(rest)))


def test_groups_number_their_members():
    groups = degenerate_groups(some_pairs([4.0, 3.0, 3.0, 3.0, 1.0, 1.0]))
    np.testing.assert_array_equal(group_numbers(groups), [0, 1, 1, 1, 2, 2])


def test_pairs_in_the_order_of_values_that_rise_in_size_are_told_by_value():
    groups = degenerate_groups(some_pairs([3.0, 2.0, 1.0, -1.005, -2.0, -3.0]))
    assert groups == [slice(k, k + 1) for k in range(6)]


def test_order_of_learning_of_untied_weights_is_that_of_sizes():
    """A larger size among the pairs left out shows that they were ordered by value; a little is error."""
    with pytest.raises(ValueError, match="`spectrum` must be that of `extreme_eigenpairs`"):
        in_learning_order(some_pairs([3.0, 2.0], 1.0, 0.5, 0.1, -2.2), tied=False)
    for size in (2.05, 0.1):
        given = some_pairs([3.0, 2.0], 1.0, 0.5, 0.1, -size)
        np.testing.assert_array_equal(in_learning_order(given, tied=False).eigenvalues, [3.0, 2.0])
    # By value the other end is no hindrance, however large.
    assert in_learning_order(some_pairs([3.0, 2.0], 1.0, -9.0), tied=True).eigenvalues[1] == 2.0
    complete = some_pairs([3.0, 2.0, 1.0, 0.5, -1.5, -4.0])
    turned = in_learning_order(complete, tied=False)
    np.testing.assert_array_equal(turned.eigenvalues, [-4.0, 3.0, 2.0, -1.5, 1.0, 0.5])
    np.testing.assert_array_equal(turned.eigenvectors.argmax(axis=0), [5, 0, 1, 4, 2, 3])
