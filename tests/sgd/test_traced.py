"""Descent and SGD under vmap and grad: seeds, corpora, learning rates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from systems import random_statistics

import w2vflow as wf

V, DIM, SCALE, RATE = 20, 3, 0.1, 2e-3
TIMES = np.array([0.02, 0.05])
SETTINGS = {"batch_size": 64, "sampler": "balanced"}


@pytest.fixture(scope="module")
def counts():
    return random_statistics(V)


def sgd(problem, key, **settings):
    W0 = wf.gaussian_init(key, V, DIM, SCALE)
    own = {"learning_rate": RATE, **SETTINGS, **settings}
    return wf.run_sgd(problem, W0, TIMES, key=jax.random.fold_in(key, 1), **own)


def test_mapped_keys_are_the_ensemble_and_a_loop(counts):
    problem, keys = wf.Problem.from_statistics(counts), jax.random.split(jax.random.key(0), 8)
    mapped = jax.vmap(lambda key: sgd(problem, key))(keys)
    own = {"dim": DIM, "scale": SCALE, "learning_rate": RATE, **SETTINGS}
    ensemble = wf.run_sgd_ensemble(problem, keys, TIMES, **own)
    loop = [sgd(problem, key) for key in keys]
    for name in ("singular_values", "loss"):
        found = np.asarray(getattr(mapped, name))
        np.testing.assert_allclose(found, getattr(ensemble, name), rtol=2e-5)
        np.testing.assert_allclose(found, np.stack([getattr(run, name) for run in loop]), rtol=2e-5)
    np.testing.assert_allclose(mapped.ts[0], ensemble.ts, rtol=1e-12)


@pytest.mark.parametrize("sampler", ["balanced", "corpus", "blocks", "shared"])
def test_mapped_corpora_are_a_loop(counts, sampler):
    rng = np.random.default_rng(0)
    factors = np.exp(0.3 * rng.normal(size=(2, V)))
    rows = np.repeat(np.arange(V), np.diff(counts.indptr))
    values = counts.values * factors[:, rows] * factors[:, counts.indices]

    def run(values):
        problem = wf.Problem.from_statistics(counts.with_values(values))
        return sgd(problem, jax.random.key(2), sampler=sampler).singular_values

    mapped = jax.jit(jax.vmap(run))(jnp.asarray(values))
    np.testing.assert_allclose(mapped, np.stack([run(one) for one in values]), rtol=1e-4)


def test_how_many_pairs_are_seen_ones_must_be_known(counts):
    def run(values):
        problem = wf.Problem.from_statistics(counts.with_values(values), weighting=wf.Plain())
        return sgd(problem, jax.random.key(2)).loss

    with pytest.raises(ValueError, match="`sampler` must be another than 'balanced' where the counts"):
        jax.jit(run)(jnp.asarray(counts.values))


def test_what_minibatches_are_drawn_from_has_no_derivative(counts):
    def run(values):
        return sgd(wf.Problem.from_statistics(counts.with_values(values)), jax.random.key(2)).loss[-1]

    with pytest.raises(ValueError, match="`problem` must be held where minibatches"):
        jax.grad(run)(jnp.asarray(counts.values))


def test_steps_beyond_the_bound_make_nan(counts):
    problem = wf.Problem.from_statistics(counts)
    found = jax.jit(lambda rate: sgd(problem, jax.random.key(0), learning_rate=rate, max_steps=20).loss)(RATE)
    assert np.isnan(found).all()


def test_a_traced_schedule_asks_for_a_bound(counts):
    problem, W0 = wf.Problem.from_statistics(counts), wf.gaussian_init(jax.random.key(0), V, DIM, SCALE)

    def run(first, **settings):
        schedule = optax.exponential_decay(first, 10, 0.5)
        return wf.run_gd(problem, W0, [0.01, 0.02], learning_rate=schedule, **settings)

    with pytest.raises(ValueError, match="`max_steps` must be given for a traced schedule"):
        jax.jit(run)(RATE)
    known, traced = run(RATE), jax.jit(lambda first: run(first, max_steps=40))(RATE)
    np.testing.assert_allclose(traced.ts, known.ts, rtol=1e-12)
    np.testing.assert_allclose(traced.singular_values, known.singular_values, rtol=1e-12)
    # Its sum never comes so far.
    assert np.isnan(jax.jit(lambda first: run(first, max_steps=40).loss)(0.2 * RATE)).all()


@pytest.mark.parametrize("recording", [{"progress": True}, {"metrics": "m.jsonl"}, {"checkpoint": "state"}])
def test_a_traced_run_leaves_no_files(counts, recording):
    problem = wf.Problem.from_statistics(counts)
    with pytest.raises(ValueError, match="`recording` must be of weights alone for a traced run"):
        jax.jit(lambda key: sgd(problem, key, recording=wf.Recording(**recording)).loss)(jax.random.key(0))


def test_weights_of_a_traced_run(counts):
    problem = wf.Problem.from_statistics(counts, tied=False)
    W0 = wf.untied_init(jax.random.key(0), V, DIM, SCALE)
    keep = wf.Recording(save_embeddings=True)

    def run(W0):
        return wf.run_gd(problem, W0, TIMES, learning_rate=RATE, recording=keep)

    for one, other in zip(jax.tree.leaves(jax.jit(run)(W0)), jax.tree.leaves(run(W0)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_no_rate_is_recommended_to_a_traced_run(counts):
    problem = wf.Problem.from_statistics(counts)
    with pytest.raises(ValueError, match="`learning_rate` must be given for a traced run"):
        jax.vmap(lambda key: sgd(problem, key, learning_rate=None).loss)(jax.random.split(jax.random.key(0)))
