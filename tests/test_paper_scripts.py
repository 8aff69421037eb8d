"""What figures of the article compute beyond the package: against definitions, loops and derivatives."""

import importlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import w2vflow as wf

SCRIPTS = Path(__file__).parents[1] / "validation"
NAMES = ("paper_features", "paper_figures", "paper_relations", "paper_simclr", "table")


@pytest.fixture
def script(monkeypatch):
    """A script by its name; none stays loaded, as other folders have files of the same name."""
    monkeypatch.syspath_prepend(SCRIPTS)
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def joint():
    """Positive pairs of seven images, each seen as often as the others."""
    drawn = np.random.default_rng(0).random((7, 7)) + 0.5
    drawn += drawn.T
    for _ in range(500):
        weights = 1 / np.sqrt(drawn.sum(axis=1))
        drawn *= np.outer(weights, weights)
    return drawn / drawn.sum()


def test_loss_of_simclr_is_a_matrix_factorisation_to_second_order(script, joint):
    simclr, beta, n = script("paper_simclr"), 1.7, 7
    target = simclr.target_of(joint, beta)
    np.testing.assert_allclose(target, (n**2 * joint - 1) / beta, rtol=1e-9)
    f = np.random.default_rng(1).normal(size=(n, 3))
    f -= f.mean(axis=0)

    def along(size):
        return simclr.contrastive_loss(jnp.sqrt(size) * f, jnp.asarray(joint), beta)

    # `s` is linear in `size`, so that derivatives in it at 0 are the terms of the series in `s`.
    first = jax.grad(along)(1e-9)
    second = jax.grad(jax.grad(along))(1e-5)
    s = f @ f.T
    assert first == pytest.approx(-(beta**2) / n**2 * (target * s).sum(), rel=1e-4)
    assert second == pytest.approx(beta**2 / n**2 * (s**2).sum(), rel=1e-2)


def test_large_minibatches_have_the_loss_of_all_pairs(script, joint):
    simclr = script("paper_simclr")
    f = jnp.asarray(np.random.default_rng(2).normal(size=(7, 3)))
    drawn = np.random.default_rng(3).choice(49, size=3000, p=joint.ravel())
    loss = float(simclr.batch_loss(f, np.stack([drawn // 7, drawn % 7], axis=1)))
    assert loss == pytest.approx(float(simclr.contrastive_loss(f, jnp.asarray(joint))), abs=0.1)
    # Each view a positive of itself alone: the tolerance can tell.
    assert abs(loss - float(simclr.contrastive_loss(f, jnp.eye(7) / 7))) > 0.5


def test_prediction_of_simclr_is_that_of_its_own_flow(script, joint):
    simclr = script("paper_simclr")
    # The softer, the nearer to the second order.
    problem = wf.Problem.from_target(simclr.target_of(0.05 * joint + 0.95 / 49))
    start = wf.gaussian_init(jax.random.key(0), 7, 2, 1e-3).astype(float)
    basis = wf.leading_eigenpairs(problem, 7)
    predicted = wf.predict_step_times(problem, start, spectrum=basis)
    ts = np.linspace(0, 1.3 * float(predicted.max()), 41)
    step = 0.02 / float(basis.eigenvalues[0])
    soft = jnp.asarray(0.05 * joint + 0.95 / 49)
    descent, _ = simclr.run("gd", start, soft, ts, step, key=jax.random.key(1))
    measured = wf.results.measure_step_times(descent, basis)[:2]
    np.testing.assert_allclose(measured, predicted, rtol=0.01)


def test_geometry_of_analogies_is_that_of_a_loop(script):
    units = np.random.default_rng(0).normal(size=(12, 4))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    questions = [(0, 1, 2, [3]), (2, 3, 4, [5]), (4, 5, 0, [1])]
    near, relative = [], []
    for a, b, c, (w,) in questions:
        guess = units[c] + units[b] - units[a]
        near.append(guess @ units[w] / np.linalg.norm(guess))
        others = [units[v] @ units[w] for v in range(12) if v not in (a, b, c, w)]
        relative.append(near[-1] / max(others))
    found = script("paper_relations").analogy_geometry(units, questions)
    np.testing.assert_allclose(found, [np.mean(near), np.mean(relative)])


def test_directions_know_no_vector_common_to_all_words(script):
    features = script("paper_features")
    vectors = np.random.default_rng(0).normal(size=(30, 4)) * [4, 3, 2, 1]
    found = features.directions_of(vectors + np.array([50, -20, 9, 3]), 3)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-12)
    U = np.linalg.svd(vectors - vectors.mean(axis=0))[0][:, :3]
    np.testing.assert_allclose(np.abs((U * found).sum(axis=0)), 1)
