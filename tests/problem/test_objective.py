"""Losses, weights and gradients of every problem, against double loops over pairs and autodiff."""

import itertools

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systems import directed_statistics, random_statistics

import w2vflow as wf
from w2vflow.problem import problem as problem_module
from w2vflow.problem.blocked_objective import BlockedObjective
from w2vflow.problem.factored_objective import FactoredObjective
from w2vflow.problem.losses import as_loss
from w2vflow.support.sharding import PRECISION

LOSSES = ["quartic", "logistic", "taylor(2)", "taylor(4)", "taylor(6)"]
WEIGHTINGS = {
    "uniform": wf.Uniform(),
    "plain": wf.Plain(),
    "unigram": wf.Unigram(),
    "rank one": wf.RankOne(0.5),
    "mikolov": wf.Mikolov(subsample=1e-2, negatives=3),
    "mikolov, none skipped": wf.Mikolov(subsample=1e-2, negatives=3, skip_target=False),
    "symmetrized": wf.Symmetrized(wf.Mikolov(subsample=1e-2, negatives=3)),
    "custom": wf.Custom(lambda pair, product: 1 + pair, lambda pair, product: np.sqrt(product)),
}


def psi(name, stats):
    """Psi+ and Psi- of a pair, by the definitions, from counts alone."""
    P = stats.counts.toarray() / stats.counts.sum()
    p, q = P.sum(axis=1), P.sum(axis=0)
    f = stats.unigram / stats.unigram.sum()
    keep = np.minimum(1, np.sqrt(1e-2 / f) + 1e-2 / f)
    thinned = (np.outer(keep, keep) * P).sum(axis=1)
    noise = f**0.75 / (f**0.75).sum()

    def mikolov(i, j, skip=1):
        met = thinned[i] - skip * keep[i] * keep[j] * P[i, j]
        return keep[i] * keep[j], 3 * met * noise[j] / (p[i] * q[j])

    pairs = {
        "uniform": lambda i, j: (1 / (P[i, j] + p[i] * q[j]),) * 2,
        "plain": lambda i, j: (1, 1),
        "unigram": lambda i, j: (1 / (p[i] * q[j]),) * 2,
        "rank one": lambda i, j: (np.sqrt(p[i] * q[j]) / (P[i, j] + p[i] * q[j]),) * 2,
        "mikolov": mikolov,
        "mikolov, none skipped": lambda i, j: mikolov(i, j, skip=0),
        "symmetrized": lambda i, j: (mikolov(i, j)[0], (mikolov(i, j)[1] + mikolov(j, i)[1]) / 2),
        "custom": lambda i, j: (1 + P[i, j], np.sqrt(p[i] * q[j])),
    }
    return pairs[name], P, p, q


def loops(name, stats):
    """A and B by a double loop, with mean(A + B) = 1."""
    weight, P, p, q = psi(name, stats)
    A, B = np.zeros_like(P), np.zeros_like(P)
    for i, j in itertools.product(range(len(p)), repeat=2):
        positive, negative = weight(i, j)
        A[i, j], B[i, j] = positive * P[i, j], negative * p[i] * q[j]
    return A / np.mean(A + B), B / np.mean(A + B)


def pair_sum(loss, A, B, W, C):
    """The objective as a sum over pairs, differentiable."""
    x = jnp.matmul(W, C.T, precision=PRECISION)
    value = jnp.sum(A * loss.positive(x) + B * loss.negative(x))
    return value + jnp.sum((A - B) ** 2 / (A + B)) if isinstance(loss, wf.Quartic) else value


CASES = [
    (weighting, loss, tied, form)
    for weighting, loss, tied, form in itertools.product(
        WEIGHTINGS, LOSSES, (True, False), ("dense", "sparse")
    )
    if not ("mikolov" in weighting and tied) and not (weighting == "custom" and form == "sparse")
]


@pytest.mark.parametrize(("weighting", "loss", "tied", "form"), CASES)
def test_value_and_gradient(stats, weighting, loss, tied, form, monkeypatch):
    # Of few words all seen pairs are many: as if they were few.
    monkeypatch.setattr(problem_module, "_SAMPLED_BELOW", 2)
    problem = wf.Problem.from_statistics(
        stats, weighting=WEIGHTINGS[weighting], loss=loss, tied=tied, matrix=form
    )
    A, B = loops(weighting, stats)
    W, C = np.random.default_rng(0).normal(size=(2, 30, 3))
    one = as_loss(loss)
    if tied:
        expected = pair_sum(one, A, B, W, W)
        slopes = jax.grad(lambda w: pair_sum(one, A, B, w, w))(W)
        found = problem.loss(W), problem.gradient(W)
    else:
        expected = pair_sum(one, A, B, W, C)
        slopes = jnp.stack(jax.grad(lambda w, c: pair_sum(one, A, B, w, c), argnums=(0, 1))(W, C))
        found = problem.loss(np.stack([W, C])), problem.gradient(np.stack([W, C]))
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)
    np.testing.assert_allclose(found[1], slopes, rtol=1e-11, atol=1e-11 * np.abs(slopes).max())


@pytest.mark.parametrize(
    ("weighting", "loss", "tied", "form"),
    [
        case
        for case in itertools.product(WEIGHTINGS, ["quartic", "logistic"], (True, False), ("dense", "sparse"))
        if "symmetrized" not in case and ("custom" not in case or "dense" in case)
    ],
)
def test_value_and_gradient_of_counts_of_one_direction(weighting, loss, tied, form):
    stats, weights = directed_statistics(30), WEIGHTINGS[weighting]
    A, B = loops(weighting, stats)
    W, C = np.random.default_rng(0).normal(size=(2, 30, 3))
    if tied:
        A, B, C = (A + A.T) / 2, (B + B.T) / 2, W
        weights = wf.Symmetrized(weights)
    problem = wf.Problem.from_statistics(stats, weighting=weights, loss=loss, tied=tied, matrix=form)
    Z = W if tied else np.stack([W, C])
    assert problem.directed != tied
    np.testing.assert_allclose(problem.target(), 2 * (A - B) / (A + B), atol=1e-12)
    one = as_loss(loss)
    np.testing.assert_allclose(problem.loss(Z), pair_sum(one, A, B, W, C), rtol=1e-12)
    slopes = jax.grad(lambda z: pair_sum(one, A, B, *((z, z) if tied else z)))(jnp.asarray(Z))
    np.testing.assert_allclose(problem.gradient(Z), slopes, rtol=1e-11, atol=1e-11 * np.abs(slopes).max())
    if not tied:
        # Contexts on the other side: the transposed problem, words and contexts exchanged.
        other = wf.CooccurrenceStatistics(stats.words, stats.counts.T, stats.unigram, directions="left")
        mirrored = wf.Problem.from_statistics(other, weighting=weights, loss=loss, tied=False, matrix=form)
        if "mikolov" not in weighting:
            np.testing.assert_allclose(mirrored.gradient(Z[::-1]), slopes[::-1], rtol=1e-10, atol=1e-10)


def test_counts_of_one_direction_where_they_cannot_serve():
    stats = directed_statistics(12)
    with pytest.raises(
        ValueError, match=r"`stats` must be of both directions, .* contexts on the right .*symmetrized"
    ):
        wf.Problem.from_statistics(stats)
    problem = wf.Problem.from_statistics(stats, tied=False)
    W0 = wf.untied_init(jax.random.key(0), 12, 2, 1e-3)
    for call in (
        lambda: wf.predict(problem, W0, [1.0]),
        lambda: wf.predict_step_times(problem, W0),
        lambda: wf.leading_eigenpairs(problem, 2),
        lambda: wf.stability_limit(problem),
        lambda: wf.recommended_learning_rate(problem, 2, batch_size=64, scale=1e-3),
    ):
        with pytest.raises(ValueError, match="`problem` must be"):
            call()
    # A word that ends every document has no context on its right.
    lone = wf.CooccurrenceStatistics(
        ("a", "b", "c"), np.array([[1, 2, 0], [1, 0, 3], [0, 0, 0]]), np.array([3, 4, 3]), directions="right"
    )
    assert lone.words_without_pairs == ()
    with pytest.raises(ValueError, match="of words that all have pairs, but got none of 'c'"):
        wf.Problem.from_statistics(lone, tied=False)
    assert lone.restrict().words == ("a", "b")
    wf.Problem.from_statistics(lone.restrict(), tied=False)


def test_leaving_one_word_out_takes_the_last_context_of_another():
    chain = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    stats = wf.CooccurrenceStatistics(tuple("abcd"), chain, np.array([2, 1, 1, 1]), directions="right")
    assert stats.restrict().words == ("a",)


def test_flow_and_descent_of_counts_of_one_direction():
    """Small steps of descent follow the flow, and both the differential equation of NumPy matrices."""
    from scipy.integrate import solve_ivp

    stats = directed_statistics(12)
    A, B = loops("uniform", stats)
    M = 2 * (A - B) / (A + B)
    problem = wf.Problem.from_statistics(stats, tied=False)
    W0 = np.asarray(wf.untied_init(jax.random.key(1), 12, 2, 0.05))
    ts = np.linspace(0, 4, 5) / np.linalg.norm(M, 2)

    def velocity(t, z):
        W, C = z.reshape(2, 12, 2)
        rest = M - W @ C.T
        return np.stack([rest @ C, rest.T @ W]).ravel() / 2

    exact = solve_ivp(velocity, (0, ts[-1]), W0.ravel(), "DOP853", ts, rtol=1e-11, atol=1e-13).y.T
    kept = wf.Recording(save_embeddings=True)
    flow = wf.solve_flow(problem, W0, ts, rtol=1e-9, atol=1e-11, recording=kept)
    np.testing.assert_allclose(flow.embeddings, exact.reshape(5, 2, 12, 2)[:, 0], atol=1e-7)
    np.testing.assert_allclose(flow.contexts, exact.reshape(5, 2, 12, 2)[:, 1], atol=1e-7)
    descent = wf.run_gd(problem, W0, ts, learning_rate=float(ts[1]) / 500, recording=kept)
    np.testing.assert_allclose(descent.embeddings, flow.embeddings, atol=0.01)


def test_counts_of_one_direction_may_be_traced():
    stats = directed_statistics(12)
    Z = np.random.default_rng(0).normal(size=(2, 12, 3))

    def loss(values):
        return wf.Problem.from_statistics(stats.with_values(values), weighting=wf.Plain(), tied=False).loss(Z)

    values = jnp.asarray(stats.values)
    slope = jax.jit(jax.grad(loss))(values)
    step = np.random.default_rng(1).normal(size=len(values))
    differences = (loss(values + 1e-4 * step) - loss(values - 1e-4 * step)) / 2e-4
    np.testing.assert_allclose(slope @ step, differences, rtol=1e-6)


@pytest.mark.parametrize("weighting", ["uniform", "mikolov"])
def test_the_sum_over_pairs_is_the_double_loop(stats, weighting):
    """The oracle of the other tests, once more without matrices."""
    A, B = loops(weighting, stats)
    W, C = np.random.default_rng(0).normal(size=(2, 30, 3))
    loss, total = wf.Logistic(), 0.0
    for i, j in itertools.product(range(30), repeat=2):
        x = W[i] @ C[j]
        total += 2 * A[i, j] * np.log1p(np.exp(-x)) + 2 * B[i, j] * np.log1p(np.exp(x))
    np.testing.assert_allclose(pair_sum(loss, A, B, W, C), total, rtol=1e-12)


@pytest.mark.parametrize("weighting", sorted(WEIGHTINGS))
def test_pair_weights(stats, weighting):
    weights = WEIGHTINGS[weighting].pair_weights(stats).normalised()
    A, B = loops(weighting, stats)
    for found, expected in zip(weights.dense(), (A, B), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(weights.dense_target(), 2 * (A - B) / (A + B), atol=1e-13)
    np.testing.assert_allclose(weights.target_norm_squared(), np.sum(4 * (A - B) ** 2 / (A + B)), rtol=1e-12)
    assert weights.symmetric == ("mikolov" not in weighting)
    # The largest |M*| at a pair never seen, whatever the weights: that is what makes M* sparse.
    unseen = stats.counts.toarray() == 0
    assert unseen.any()
    np.testing.assert_allclose(weights.dense_target()[unseen], -2, atol=1e-13)


def test_blocks_of_rows_are_the_matrix(stats, monkeypatch):
    """Blocks of three rows, the last one not full, give what one block gives; dense and sparse."""
    from w2vflow.problem import blocked_objective

    Z = np.random.default_rng(0).normal(size=(60, 3))
    for form in ("dense", "sparse"):
        settings = {"weighting": wf.Mikolov(), "loss": "logistic", "tied": False, "matrix": form}
        whole = wf.Problem.from_statistics(stats, **settings).objective()
        with monkeypatch.context() as patch:
            patch.setattr(blocked_objective, "_BLOCK_PAIRS", 100)
            cut = wf.Problem.from_statistics(stats, **settings).objective()
        assert isinstance(cut, BlockedObjective)
        assert (whole.positive.blocks, cut.positive.blocks) == (1, 9)
        np.testing.assert_allclose(cut.value(Z), whole.value(Z), rtol=1e-13)
        np.testing.assert_allclose(cut.gradient(Z), whole.gradient(Z), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("weighting", "form"),
    [
        ("uniform", "dense"),
        ("rank one", "dense"),
        ("plain", "sparse"),
        ("mikolov", "sparse"),
        ("symmetrized", "sparse"),
    ],
)
def test_quartic_of_low_rank_forms_no_matrix_of_pairs(stats, weighting, form, monkeypatch):
    monkeypatch.setattr(problem_module, "_SAMPLED_BELOW", 2)
    problem = wf.Problem.from_statistics(stats, weighting=WEIGHTINGS[weighting], tied=False, matrix=form)
    assert isinstance(problem.objective(), FactoredObjective)
    monkeypatch.setattr(problem_module, "_SAMPLED_BELOW", 0)
    few = weighting in ("plain", "mikolov", "symmetrized")
    assert isinstance(problem.objective(), BlockedObjective if few else FactoredObjective)


def test_single_precision(stats):
    problem = wf.Problem.from_statistics(stats, weighting=wf.Plain(), loss="logistic")
    W = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    single, double = problem.objective(np.float32), problem.objective()
    assert single.gradient(jnp.asarray(W)).dtype == np.float32
    np.testing.assert_allclose(single.value(jnp.asarray(W)), double.value(jnp.asarray(W, float)), rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_their_own_derivatives(loss):
    x, one = jnp.linspace(-3, 3, 13), as_loss(loss)
    for value, slope in ((one.positive, one.positive_slope), (one.negative, one.negative_slope)):
        np.testing.assert_allclose(slope(x), jax.vmap(jax.grad(value))(x), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(one.curvature(x), jax.vmap(jax.grad(slope))(x), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(one.negative(x) - one.positive(x), 2 * x, atol=1e-13)
    np.testing.assert_allclose(
        one.slope(0.3, 0.9, x), 0.3 * one.positive_slope(x) + 0.9 * one.negative_slope(x), atol=1e-14
    )
    np.testing.assert_allclose(one.value(0.3, 0.9, x), 0.3 * one.positive(x) + 0.9 * one.negative(x))


@pytest.mark.parametrize("order", [2, 4, 6, 8, 14])
def test_taylor_is_the_expansion_of_the_logistic_loss(order):
    series = mp.taylor(lambda x: 2 * mp.log(1 + mp.exp(-x)), 0, order)
    for x in (-2.0, -0.3, 0.0, 0.7, 2.5):
        expected = float(sum(c * mp.mpf(x) ** n for n, c in enumerate(series)))
        np.testing.assert_allclose(wf.Taylor(order).positive(x), expected, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e300, 1e300))
def test_logistic_is_safe_at_any_x(x):
    loss = wf.Logistic()
    with mp.workdps(40):
        exact = mp.mpf(2) * (mp.log1p(mp.exp(-abs(mp.mpf(x)))) + max(0, -mp.mpf(x)))
        slope = -2 / (1 + mp.exp(mp.mpf(min(max(x, -1e4), 1e4))))
    assert float(loss.positive(x)) == pytest.approx(float(exact), rel=1e-13, abs=1e-300)
    assert float(loss.positive_slope(x)) == pytest.approx(float(slope), rel=1e-13, abs=1e-300)
    assert np.isfinite(float(loss.curvature(x)))


@pytest.mark.parametrize("order", [0, -2, 1, 3])
def test_taylor_orders_are_even(order):
    with pytest.raises(ValueError, match=f"`order` must be even and at least 2, but got {order}"):
        wf.Taylor(order)


def test_rank_one_weights_have_a_minimum_in_closed_form():
    """W = D^(-1/2) V_d Lambda_d^(1/2), of D^(1/2) M* D^(1/2), leaves no gradient."""
    stats = random_statistics(20, seed=3)
    problem = wf.Problem.from_statistics(stats, weighting=wf.RankOne(0.5))
    g = problem.pair_weights().left[:, 0] * np.sqrt(
        problem.pair_weights().right[0, 0] / problem.pair_weights().left[0, 0]
    )
    root = np.sqrt(g)
    values, vectors = np.linalg.eigh(root[:, None] * np.asarray(problem.target()) * root)
    W = vectors[:, -3:] * np.sqrt(values[-3:]) / root[:, None]
    assert np.abs(problem.gradient(W)).max() < 1e-11


BAD = np.ones((30, 30))


@pytest.mark.parametrize(
    ("weighting", "match"),
    [
        (
            lambda: wf.Custom(-BAD, BAD),
            "`positive` must be nonnegative and finite for every pair, but got -1.0",
        ),
        (lambda: wf.Custom(BAD, np.nan * BAD), "`negative` must be nonnegative and finite .* but got nan"),
        (lambda: wf.Custom(BAD[:3], BAD), r"`positive` must be of shape \(30, 30\), but got shape \(3, 30\)"),
        (lambda: wf.Custom(0 * BAD, 0 * BAD), "`weighting` must be positive for some pair"),
        (
            lambda: wf.Custom(np.triu(BAD), BAD),
            "`weighting` must be symmetric where words and contexts share",
        ),
        (lambda: wf.Mikolov(subsample=-1.0), "`subsample` must be at least 0 and finite"),
        (lambda: wf.Mikolov(negatives=0), "`negatives` must be positive and finite"),
        (lambda: wf.Mikolov(power=float("nan")), "`power` must be finite"),
        (lambda: wf.RankOne(float("inf")), "`alpha` must be finite"),
        (lambda: wf.RankOne(-400.0), "`weighting` must be nonnegative and finite in Psi"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:divide by zero")
def test_bad_weights(stats, weighting, match):
    with pytest.raises(ValueError, match=match):
        wf.Problem.from_statistics(stats, weighting=weighting())


def test_eigenvectors_of_asymmetric_weights_are_refused(stats):
    problem = wf.Problem.from_statistics(stats, weighting=wf.Mikolov(), tied=False)
    assert problem.target().shape == (30, 30)
    with pytest.raises(ValueError, match=r"`problem` must be one with a symmetric M\*.*Symmetrized"):
        wf.leading_eigenpairs(problem, 3)


@pytest.mark.parametrize(
    "settings",
    [{"loss": "logistic"}, {"weighting": wf.Plain()}],
)
def test_closed_forms_refuse_what_they_do_not_hold_for(stats, settings):
    problem = wf.Problem.from_statistics(stats, **settings)
    W0 = np.full((30, 2), 0.1)
    for call in (
        lambda: wf.predict(problem, W0, [1.0]),
        lambda: wf.predict_step_times(problem, W0),
        lambda: wf.step_time_law(problem, 2, 0.1),
        lambda: wf.predict_phases([wf.Phase(problem, [1.0])], W0),
    ):
        with pytest.raises(
            ValueError, match=r"`problem` must be quartic and at constant G .*Use `solve_flow`"
        ):
            call()
    approximation = wf.Problem.from_target(problem.target_operator())
    assert np.isfinite(wf.predict(approximation, W0, [1.0]).loss).all()


@pytest.mark.parametrize("tied", [True, False])
def test_curvature_limit_is_that_of_the_closed_form(tied):
    """At the solution of a solvable problem the Hessian's largest eigenvalue is the known one."""
    values = np.array([3.0, 2.0, 1.0, -0.5, -2.5, -4.0])
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    problem = wf.Problem.from_target(Q * values @ Q.T, tied=tied)
    learned = np.argsort(-values)[:2] if tied else np.argsort(-np.abs(values))[:2]
    W = Q[:, learned] * np.sqrt(np.abs(values[learned]))
    if not tied:
        W = np.stack([W, np.sign(values[learned]) * W])
    expected = 2 / max(2 * 3.0, 3.0 + 4.0) if tied else 2 / 4.0
    np.testing.assert_allclose(wf.stability_limit(problem), expected, rtol=1e-6)
    np.testing.assert_allclose(wf.spectrum.stability_limit_at(problem, W), expected, rtol=2e-3)


def test_stability_limit_of_other_problems_is_asked_for_at_weights(stats):
    problem = wf.Problem.from_statistics(stats, loss="logistic")
    with pytest.raises(ValueError, match=r"`problem` must be quartic and at constant G.*stability_limit_at"):
        wf.stability_limit(problem)
    assert wf.spectrum.stability_limit_at(problem, np.full((30, 2), 0.1)) > 0
