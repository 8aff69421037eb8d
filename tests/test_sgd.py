"""Samplers without bias, seeds that are their own, and SGD that follows the prediction."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from systems import random_statistics

import w2vflow as wf
from w2vflow.problem import gradient
from w2vflow.sgd import ensemble
from w2vflow.sgd.alias import alias_table
from w2vflow.sgd.ensemble import minibatch_gradient
from w2vflow.sgd.samplers import SAMPLERS, draw_index


@pytest.mark.parametrize("size", [1, 3, 1000, 65_537, 2**31 - 1])
def test_indices_are_uniform(size):
    index, fraction = map(np.asarray, draw_index(jax.random.key(size), 200_000, size))
    assert index.min() >= 0
    assert index.max() < size
    for values in ((index + 0.5) / size, fraction):
        if values.max() == values.min():
            continue
        # Mean and second moment of a uniform variable, five standard errors; a discrete one is near.
        assert abs(values.mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(values))
        second = 1 / 3 - (1 / (12 * size**2) if values is not fraction else 0)
        assert abs((values**2).mean() - second) < 5 * np.sqrt(4 / 45 / len(values))
    assert fraction.max() < 1


def test_index_is_the_wide_product():
    """The 32-bit arithmetic against Python's integers, on the random words themselves."""
    key, size = jax.random.key(7), 1_234_567_891
    high, low = np.asarray(jax.random.bits(key, (2, 50), jnp.uint32)).astype(object)
    index, fraction = draw_index(key, 50, size)
    for i in range(50):
        product = ((int(high[i]) << 32) + int(low[i])) * size
        assert int(index[i]) == product >> 64
        assert abs(float(fraction[i]) - (product % 2**64) / 2**64) < 2.0**-23


def test_alias_table_holds_the_distribution():
    probability = np.random.default_rng(0).gamma(0.2, size=500)
    probability[::7] = 0
    probability /= probability.sum()
    share, alias = alias_table(probability)
    drawn = np.bincount(np.arange(500), weights=share, minlength=500)
    drawn += np.bincount(alias, weights=1 - share, minlength=500)
    np.testing.assert_allclose(drawn / 500, probability, atol=1e-7)


def test_minibatch_gradient_equals_autodiff(problem):
    W = wf.gaussian_init(jax.random.key(0), 30, 3, 1.0)
    loss = problem.pair_loss
    for name in SAMPLERS:
        batch = SAMPLERS[name].of(problem).draw(jax.random.key(1), 64)
        weights = [w.astype(jnp.float64) for w in (batch.positive, batch.negative)]

        def minibatch_loss(W, batch=batch, weights=weights):
            x = jnp.sum(W[batch.rows] * W[batch.columns], axis=1)
            return jnp.mean(weights[0] * loss.positive(x) + weights[1] * loss.negative(x))

        batch = batch._replace(positive=weights[0], negative=weights[1])
        np.testing.assert_allclose(
            minibatch_gradient(loss, W, batch), jax.grad(minibatch_loss)(W), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_expected_gradient_is_the_full_gradient(sampler):
    problem = wf.Problem.from_statistics(random_statistics(8, seed=1))
    W = wf.gaussian_init(jax.random.key(0), 8, 2, 1.0)
    draws = SAMPLERS[sampler].of(problem)

    def one(key):
        return minibatch_gradient(problem.pair_loss, W, draws.draw(key, 256))

    grads = np.asarray(jax.lax.map(one, jax.random.split(jax.random.key(2), 20_000), batch_size=1000))
    error = grads.mean(axis=0) - np.asarray(gradient(problem.target(), W))
    standard = grads.std(axis=0, ddof=1) / np.sqrt(len(grads))
    # 16 entries: 4.5 standard errors are passed by chance once in 10,000 times.
    assert (np.abs(error) < 4.5 * standard).all()
    # And the test could tell: the standard error is small beside the gradient.
    assert np.median(standard) < 0.05 * np.abs(gradient(problem.target(), W)).max()


def test_balanced_has_less_variance_than_corpus(problem):
    W = wf.gaussian_init(jax.random.key(0), 30, 3, 0.1)
    spread = {}
    for name, build in SAMPLERS.items():
        draws = build.of(problem)
        one = lambda key, d=draws: minibatch_gradient(problem.pair_loss, W, d.draw(key, 128))  # noqa: E731
        spread[name] = jax.vmap(one)(jax.random.split(jax.random.key(3), 500)).var(axis=0).sum()
    assert spread["balanced"] < 0.5 * spread["corpus"]


def settings(problem, **changes):
    rate = 0.03 / float(np.linalg.eigvalsh(problem.target())[-1])
    return {
        "ts": rate * np.array([0, 40, 100, 160]),
        "learning_rate": rate,
        "batch_size": 4096,
        "sampler": "balanced",
    } | changes


def test_a_seed_does_not_depend_on_the_others(problem):
    keys = jax.random.split(jax.random.key(0), 4)
    run = {**settings(problem), "dim": 3, "scale": 0.1, "save_embeddings": True}
    four = wf.run_sgd_ensemble(problem, keys, **run)
    again = wf.run_sgd_ensemble(problem, keys, **run)
    three = wf.run_sgd_ensemble(problem, keys[1:], **run)
    # Four devices share four seeds, three devices share three: same numbers.
    assert (four.metadata["devices"], three.metadata["devices"]) == (4, 3)
    np.testing.assert_array_equal(four.embeddings, again.embeddings)
    np.testing.assert_array_equal(four.embeddings[1:], three.embeddings)
    assert np.abs(four.embeddings[0, -1] - four.embeddings[1, -1]).max() > 1e-3


def test_ensemble_starts_where_the_prediction_does(problem):
    keys = jax.random.split(jax.random.key(0), 2)
    run = wf.run_sgd_ensemble(problem, keys, **settings(problem), dim=3, scale=0.1, save_embeddings=True)
    W0 = wf.gaussian_init(keys, 30, 3, 0.1)
    np.testing.assert_allclose(run.embeddings[:, 0], W0, rtol=1e-6)
    np.testing.assert_allclose(run.loss[0, 0], problem.loss(W0[0]), rtol=1e-6)


def test_one_run_is_an_ensemble_of_one(problem):
    key = jax.random.key(5)
    W0 = wf.gaussian_init(key, 30, 3, 0.1)
    alone = wf.run_sgd(problem, W0, key=jax.random.fold_in(key, 1), **settings(problem))
    together = wf.run_sgd_ensemble(problem, key[None], **settings(problem), dim=3, scale=0.1)
    np.testing.assert_array_equal(alone.singular_values, together.singular_values[0])
    assert alone.seeds is None


def test_batches_too_big_for_a_cache_are_cut_without_a_change_of_law(problem):
    """65,536 pairs of dimension 16 are four parts; the mean gradient over parts is the batch's."""
    W0 = wf.gaussian_init(jax.random.key(0), 30, 16, 0.1)
    rate = settings(problem)["learning_rate"]
    run = wf.run_sgd(
        problem, W0, [rate], key=jax.random.key(1), learning_rate=rate,
        batch_size=65_536, sampler="balanced", save_embeddings=True,
    )  # fmt: skip
    moved = (np.asarray(W0) - run.embeddings[0]) / rate
    full = np.asarray(gradient(problem.target(), W0))
    # A part weighted wrongly would be off by a factor of 4; noise is 12%.
    assert np.linalg.norm(moved - full) < 0.2 * np.linalg.norm(full)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_sgd_follows_the_prediction(sampler):
    """Large batches and small steps: within a few per cent of the exact solution at this step size."""
    problem = wf.Problem.from_statistics(random_statistics(12, seed=1))
    spec = wf.leading_eigenpairs(problem, 12)
    scale, dim = 1e-2, 2
    rate = 0.02 / float(spec.eigenvalues[0])
    ts = np.linspace(0, 1.5 * wf.step_time_law(problem, dim, scale)[0].max(), 40)
    keys = jax.random.split(jax.random.key(0), 4)
    # Importance weights make the sampler "corpus" noisier by orders of magnitude.
    batch = {"balanced": 8192, "corpus": 262_144}[sampler]
    sgd = wf.run_sgd_ensemble(
        problem, keys, ts, dim=dim, scale=scale, learning_rate=rate, batch_size=batch, sampler=sampler
    )
    exact = wf.predict(problem, wf.gaussian_init(keys, 12, dim, scale), sgd.ts, learning_rate=rate)
    table = wf.compare(sgd, exact, spectrum=spec.leading(dim))
    assert (table.step_time_errors("sgd", "theory-discrete") < 0.03).all()


def test_float32_works_without_x64(stats):
    with jax.enable_x64(False):
        problem = wf.Problem.from_statistics(stats)
        run = wf.run_sgd_ensemble(
            problem, jax.random.split(jax.random.key(0), 2), dim=2, scale=0.1, **settings(problem)
        )
    assert run.singular_values.dtype == np.float32
    assert np.isfinite(run.loss).all()


def test_progress_bar_is_shown(problem, capfd):
    W0 = wf.gaussian_init(jax.random.key(0), 30, 3, 1e-2)
    wf.run_sgd(problem, W0, key=jax.random.key(0), progress=True, **settings(problem))
    assert "SGD: 100%" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"learning_rate": 1.0}, r"`learning_rate` must be below the stability limit 0\.\d+ .* but got 1\.0"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive and finite"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be positive and finite"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"batch_size": 7, "sampler": "corpus"}, "`batch_size` must be at least 1, and even"),
        ({"sampler": "every"}, r"`sampler` must be one of \['balanced', 'corpus'\]"),
        ({"ts": [-1.0, 2.0]}, "`ts` must be positive"),
        ({"ts": [2.0, 1.0]}, "`ts` must be strictly increasing"),
        ({"ts": [1.0, 1.0 + 1e-9]}, "`ts` must be at least one step"),
        ({"scale": -1.0}, "`scale` must be positive"),
        ({"dim": 0}, "`dim` must be between 1 and"),
        ({"dim": 31}, "`dim` must be between 1 and"),
    ],
)
def test_bad_arguments(problem, change, match):
    arguments = {**settings(problem), "dim": 2, "scale": 0.1} | change
    if change.get("learning_rate") == 1.0:
        arguments["ts"] = [1.0, 2.0]
    with pytest.raises(ValueError, match=match):
        wf.run_sgd_ensemble(problem, jax.random.split(jax.random.key(0), 2), **arguments)


def test_divergence_is_an_error_with_the_remedy(problem):
    """Below the limit of full-batch descent, but with batches of a few pairs."""
    limit = wf.stability_limit(problem)
    with pytest.raises(RuntimeError, match=r"SGD diverged before time .* Use a smaller `learning_rate`"):
        wf.run_sgd(
            problem, np.full((30, 2), 1.0), limit * np.arange(1, 200), key=jax.random.key(0),
            learning_rate=0.9 * limit, batch_size=4, sampler="corpus",
        )  # fmt: skip


def dtypes_within(jaxpr):
    """The types of everything a traced computation computes, loops and branches included."""
    for equation in jaxpr.eqns:
        yield from (v.aval.dtype for v in (*equation.invars, *equation.outvars) if hasattr(v.aval, "dtype"))
        for inner in jaxprs_in_params(equation.params):
            yield from dtypes_within(inner)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_no_float64_on_the_path_of_sgd(problem, monkeypatch, sampler):
    """A TPU has none. The theory's float64 is switched on here, and must not leak in."""
    traced = []
    simulate = ensemble._simulate

    def trace(*arguments):
        jaxpr, _, _ = eqx.filter_make_jaxpr(simulate)(*arguments)
        traced.append(set(dtypes_within(jaxpr.jaxpr)))
        return simulate(*arguments)

    monkeypatch.setattr(ensemble, "_simulate", trace)
    wf.run_sgd_ensemble(
        problem, jax.random.split(jax.random.key(0), 2), [0.01, 0.02],
        dim=2, scale=0.1, learning_rate=0.01, batch_size=8, sampler=sampler,
    )  # fmt: skip
    assert np.dtype("float32") in traced[0]
    assert np.dtype("float64") not in traced[0]
