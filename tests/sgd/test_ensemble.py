"""Seeds that are their own, optimizers and schedules, and SGD that follows the prediction."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.extend.core import jaxprs_in_params
from systems import random_statistics

import w2vflow as wf
from w2vflow.sgd import engine
from w2vflow.sgd.full_batch import run_gd
from w2vflow.sgd.minibatches import Minibatches
from w2vflow.sgd.samplers.pairs import SAMPLERS


def settings(problem, **changes):
    rate = 0.03 / float(np.linalg.eigvalsh(problem.target())[-1])
    return {
        "ts": rate * np.array([0, 40, 100, 160]),
        "learning_rate": rate,
        "batch_size": 4096,
        "sampler": "balanced",
    } | changes


def test_a_seed_does_not_depend_on_the_others(problem, monkeypatch):
    """Nor on where they run: one after the other on one device, or vmapped in pairs, each pair on its own."""
    keys = jax.random.split(jax.random.key(0), 4)
    run = {**settings(problem), "dim": 3, "scale": 0.1, "recording": wf.Recording(save_embeddings=True)}
    four = wf.run_sgd_ensemble(problem, keys, **run)
    again = wf.run_sgd_ensemble(problem, keys, **run)
    three = wf.run_sgd_ensemble(problem, keys[1:], **run)
    np.testing.assert_array_equal(four.embeddings, again.embeddings)
    np.testing.assert_array_equal(four.embeddings[1:], three.embeddings)
    assert np.abs(four.embeddings[0, -1] - four.embeddings[1, -1]).max() > 1e-3
    devices = jax.devices()
    pairs = lambda seeds, wide: [(devices[n], slice(2 * n, 2 * n + 2)) for n in range(2)]  # noqa: E731
    monkeypatch.setattr(engine, "placement", pairs)
    spread = wf.run_sgd_ensemble(problem, keys, **run)
    np.testing.assert_allclose(spread.embeddings, four.embeddings, rtol=1e-4, atol=1e-5)


def test_ensemble_starts_where_the_prediction_does(problem):
    keys = jax.random.split(jax.random.key(0), 2)
    run = wf.run_sgd_ensemble(
        problem, keys, **settings(problem), dim=3, scale=0.1, recording=wf.Recording(save_embeddings=True)
    )
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
        batch_size=65_536, sampler="balanced", recording=wf.Recording(save_embeddings=True),
    )  # fmt: skip
    moved = (np.asarray(W0) - run.embeddings[0]) / rate
    full = np.asarray(problem.gradient(W0))
    # A part weighted wrongly would be off by a factor of 4; noise is 12%.
    assert np.linalg.norm(moved - full) < 0.2 * np.linalg.norm(full)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_sgd_follows_the_prediction(sampler):
    """Large batches and small steps: within a few per cent of the exact solution at this step size."""
    problem = wf.Problem.from_statistics(random_statistics(12, seed=1))
    spec = wf.leading_eigenpairs(problem, 12)
    scale, dim = 1e-2, 2
    rate = 0.02 / float(spec.eigenvalues[0])
    ts = np.linspace(0, 1.5 * wf.step_time_law(problem, dim, scale).mean.max(), 40)
    keys = jax.random.split(jax.random.key(0), 2)
    # Importance weights make the sampler "corpus" noisier by orders of magnitude.
    batch = {"balanced": 8192, "blocks": 16_384, "corpus": 262_144, "shared": 131_072}[sampler]
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
    wf.run_sgd(problem, W0, key=jax.random.key(0), recording=wf.Recording(progress=True), **settings(problem))
    assert "SGD: 100%" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"learning_rate": 1.0}, r"`learning_rate` must be below the stability limit 0\.\d+ .* but got 1\.0"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive and finite"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be positive and finite"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"batch_size": 7, "sampler": "corpus"}, "`batch_size` must be at least 1, and even"),
        ({"sampler": "every"}, r"`sampler` must be one of \['balanced', 'blocks', 'corpus', 'shared'\]"),
        ({"ts": [-1.0, 2.0]}, "`ts` must be positive"),
        ({"ts": [2.0, 1.0]}, "`ts` must be strictly increasing"),
        ({"ts": [1.0, 1.0 + 1e-9]}, "`ts` must be at least one step"),
        ({"ts": [1e-6]}, "`ts` must be at least half a step"),
        ({"learning_rate": 1e-12}, r"`learning_rate` must be at least `ts\[-1\] / 2\^31`"),
        ({"contexts": "zero"}, "`contexts` must be left out where words and contexts are tied"),
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


def test_a_start_of_another_shape_is_refused(problem, untied):
    keys = jax.random.split(jax.random.key(0), 2)
    run = {"key": keys[0], **settings(problem)}
    with pytest.raises(ValueError, match=r"`W0` must be of one seed, \(V, dim\)"):
        wf.run_sgd(problem, np.ones((2, 30, 2)), **run)
    with pytest.raises(ValueError, match=r"`W0` must be of shape \(2, 30, dim\)"):
        wf.run_sgd(untied, np.ones((30, 2)), **run)
    with pytest.raises(ValueError, match="`keys` must be an array of keys"):
        wf.run_sgd_ensemble(problem, keys[0], dim=2, scale=0.1, **settings(problem))
    with pytest.raises(ValueError, match="`contexts` must be 'random' or 'zero'"):
        wf.run_sgd_ensemble(untied, keys, dim=2, scale=0.1, contexts="half", **settings(problem))


def test_divergence_is_an_error_with_the_remedy(problem):
    """Below the limit of full-batch descent, but with batches of a few pairs; a schedule is not held
    against their own limit."""
    limit = wf.stability_limit(problem)
    message = (
        rf"SGD diverged by step \d+, time .*: the loss is \S+, from \S+ at the start. .* stable below a "
        rf"learning rate of {limit:.4g}; here it is .* Use a smaller `learning_rate`"
    )
    with pytest.raises(RuntimeError, match=message):
        wf.run_sgd(
            problem, np.full((30, 2), 1.0), limit * np.arange(1, 200), key=jax.random.key(0),
            learning_rate=lambda step: 0.9 * limit, batch_size=4, sampler="corpus",
        )  # fmt: skip


def test_divergence_elsewhere_names_the_limit_at_the_last_weights(stats):
    """Where no limit is known beforehand it is that of the Hessian; and the seed that diverged is named."""
    problem = wf.Problem.from_statistics(stats, weighting=wf.Plain())
    run = {"dim": 2, "scale": 0.1, "learning_rate": 3.0, "batch_size": 64, "sampler": "balanced"}
    with pytest.raises(
        RuntimeError, match=r"the loss of seed \d is .* stable below a learning rate of 0?\.?\d"
    ):
        wf.run_sgd_ensemble(problem, jax.random.split(jax.random.key(0), 2), 3.0 * np.arange(1, 400), **run)


@pytest.fixture(scope="module")
def untied(stats):
    return wf.Problem.from_statistics(stats, tied=False)


@pytest.mark.parametrize("contexts", ["random", "zero"])
def test_untied_sgd_follows_full_batch_descent(untied, contexts):
    keys = jax.random.split(jax.random.key(0), 2)
    W0 = wf.untied_init(keys, 30, 2, 0.3, contexts=contexts)
    rate = 0.02 * wf.stability_limit(untied)
    ts = rate * np.array([0, 100, 200, 400])
    run = {"dim": 2, "scale": 0.3, "batch_size": 16_384, "sampler": "balanced", "contexts": contexts}
    sgd = wf.run_sgd_ensemble(
        untied, keys, ts, learning_rate=rate, recording=wf.Recording(save_embeddings=True), **run
    )
    full = run_gd(untied, W0, ts, learning_rate=rate, recording=wf.Recording(save_embeddings=True))
    np.testing.assert_allclose(sgd.embeddings[:, 0], W0[:, 0], rtol=1e-6)
    np.testing.assert_allclose(sgd.contexts[:, 0], W0[:, 1], rtol=1e-6)
    largest = full.singular_values.max()
    assert np.abs(sgd.singular_values - full.singular_values).max() < 0.03 * largest
    assert full.singular_values[:, -1].min() > 0.5 * largest
    np.testing.assert_allclose(sgd.loss[:, -1], full.loss[:, -1], rtol=0.02)


def by_hand(problem, W0, key, count, rates, update, **batches):
    """Weights after some steps, one call of the sampler after the other, with an update of our own."""
    W = jnp.asarray(W0, jnp.float32)
    source = Minibatches.of(problem, "balanced", 64, W.shape[1], True)
    for n in range(count):
        gradient = source.gradient(jnp.int32(n), jax.random.fold_in(key, n), W)
        W = W + update(gradient, np.float32(rates(n)), n)
    return np.asarray(W)


def adam(gradient, rate, n, memory={"m": 0.0, "v": 0.0}):  # noqa: B006
    """Kingma and Ba (2015), algorithm 1."""
    if n == 0:
        memory.update(m=0.0, v=0.0)
    memory["m"] = 0.9 * memory["m"] + 0.1 * gradient
    memory["v"] = 0.999 * memory["v"] + 0.001 * gradient**2
    return (
        -rate * (memory["m"] / (1 - 0.9 ** (n + 1))) / (jnp.sqrt(memory["v"] / (1 - 0.999 ** (n + 1))) + 1e-8)
    )


def momentum(gradient, rate, n, memory={"m": 0.0}):  # noqa: B006
    memory["m"] = gradient + (0.9 * memory["m"] if n else 0.0)
    return -rate * memory["m"]


@pytest.mark.parametrize("schedule", [False, True], ids=["constant", "schedule"])
@pytest.mark.parametrize(
    ("optimizer", "update"),
    [
        (None, lambda gradient, rate, n: -rate * gradient),
        (optax.adam, adam),
        (functools.partial(optax.sgd, momentum=0.9), momentum),
    ],
    ids=["plain", "adam", "momentum"],
)
def test_steps_are_those_made_by_hand(problem, optimizer, update, schedule):
    rates = (lambda n: 0.004 / (1 + 0.5 * n)) if schedule else (lambda n: 0.004)
    W0, key = np.asarray(wf.gaussian_init(jax.random.key(0), 30, 3, 1.0)), jax.random.key(1)
    ts = np.cumsum([rates(n) for n in range(7)])[[1, 3, 6]]
    run = wf.run_sgd(
        problem, W0, ts, key=key, learning_rate=rates if schedule else 0.004, batch_size=64,
        sampler="balanced", optimizer=optimizer, recording=wf.Recording(save_embeddings=True),
    )  # fmt: skip
    np.testing.assert_allclose(run.ts, ts, rtol=1e-12)
    assert run.metadata["steps"] == 7
    for seen, count in zip(run.embeddings, (2, 4, 7), strict=True):
        expected = by_hand(problem, W0, key, count, rates, update)
        np.testing.assert_allclose(seen, expected, rtol=2e-5, atol=2e-6)


def test_only_rows_that_were_drawn_are_touched(problem):
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), 30, 3, 1.0), np.float32)
    run = {"key": jax.random.key(1), "learning_rate": 1e-5, "batch_size": 4, "sampler": "balanced"}
    after = wf.run_sgd(problem, W0, [1e-5], recording=wf.Recording(save_embeddings=True), **run).embeddings[0]
    moved = (after != W0).any(axis=1)
    assert 2 <= moved.sum() <= 8
    source = Minibatches.of(problem, "balanced", 4, 3, True)
    batch = source.sampler.draw(jax.random.split(jax.random.fold_in(run["key"], 0), 1)[0], 4)
    assert set(np.flatnonzero(moved)) == {int(i) for i in (*batch.first, *batch.second)}


def dtypes_within(jaxpr):
    """The types of everything a traced computation computes, loops and branches included."""
    for equation in jaxpr.eqns:
        yield from (v.aval.dtype for v in (*equation.invars, *equation.outvars) if hasattr(v.aval, "dtype"))
        for inner in jaxprs_in_params(equation.params):
            yield from dtypes_within(inner)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
@pytest.mark.parametrize("optimizer", [None, optax.adam])
def test_no_float64_on_the_path_of_sgd(problem, monkeypatch, sampler, optimizer):
    """A TPU has none. The theory's float64 is switched on here, and must not leak in."""
    traced = {}
    for name in ("_advance", "_observe", "_started"):
        original = getattr(engine, name)

        def trace(*arguments, name=name, original=original):
            jaxpr, _, _ = eqx.filter_make_jaxpr(original)(*arguments)
            traced[name] = set(dtypes_within(jaxpr.jaxpr))
            return original(*arguments)

        monkeypatch.setattr(engine, name, trace)
    wf.run_sgd_ensemble(
        problem, jax.random.split(jax.random.key(0), 2), [0.01, 0.02], dim=2, scale=0.1, batch_size=8,
        learning_rate=optax.linear_schedule(0.01, 0.005, 100), sampler=sampler, optimizer=optimizer,
    )  # fmt: skip
    assert np.dtype("float32") in traced["_advance"] & traced["_observe"]
    assert not {np.dtype("float64"), np.dtype("int64")} & set.union(*traced.values())
