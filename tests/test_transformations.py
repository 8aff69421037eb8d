"""Every pure function under jit, vmap, jvp, vjp, and lowered for accelerators."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import random_statistics
from transformations import PROBLEMS, PURE, SIZE, TABLE, weights

import w2vflow as wf

TESTS = Path(__file__).parent
each = pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
kinds = pytest.mark.parametrize("settings", PROBLEMS.values(), ids=PROBLEMS.keys())


@pytest.fixture(autouse=True)
def arrays_of_one_rank():
    """A vector beside a matrix is told which axis it has: it might be the other one."""
    with jax.numpy_rank_promotion("raise"):
        yield


def close(found, expected, tol):
    """All arrays of two results are equal to a share of the largest entry."""
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tol * max(1e-300, np.abs(other).max()))


def directions(row, seed=0):
    """A random direction for every argument, of some size of its own."""
    rng = np.random.default_rng(seed)
    sizes = [np.abs(argument).max() or 1.0 for argument in row.arguments]
    return tuple(s * rng.normal(size=a.shape) for s, a in zip(sizes, row.arguments, strict=True))


@pytest.mark.parametrize("name", PURE)
def test_every_pure_function_has_a_row(name):
    assert any(name in row.split(":")[0].split(", ") for row in TABLE)


@each
def test_jit_and_vmap_give_what_the_function_gives(row):
    expected, tol = row.function(*row.arguments), 1e-5 if row.single else 1e-12
    close(jax.jit(row.function)(*row.arguments), expected, tol)
    moved = tuple(a + 0.1 * d for a, d in zip(row.arguments, directions(row), strict=True))
    stacked = [jnp.stack([one, other]) for one, other in zip(row.arguments, moved, strict=True)]
    both = jax.tree.map(lambda *each: jnp.stack(each), expected, row.function(*moved))
    # Compiled: hundreds of operations one by one would each be compiled alone.
    close(jax.jit(jax.vmap(row.function))(*stacked), both, tol)


@each
def test_derivatives_forward_and_back(row):
    """Forward, central differences of fourth order; back, the dot-product test."""
    along, jitted = directions(row), jax.jit(row.function)

    def at(step):
        return jitted(*(a + step * d for a, d in zip(row.arguments, along, strict=True)))

    # In float32 differences over less than some per cent are of rounding.
    h, tol, dot_tol = (2e-2, 2e-3, 1e-4) if row.single else (2e-4, 1e-6, 1e-10)
    slopes = [
        (8 * (p - m) - (pp - mm)) / (12 * h)
        for pp, p, m, mm in zip(*map(jax.tree.leaves, (at(2 * h), at(h), at(-h), at(-2 * h))), strict=True)
    ]
    function = row.forward or row.function
    values, forward = jax.jit(lambda *at: jax.jvp(function, at, along))(*row.arguments)
    for value, found, slope in zip(*map(jax.tree.leaves, (values, forward, slopes)), strict=True):
        # Of a result that does not change only rounding is left.
        atol = tol * max(np.abs(slope).max(), 1e-4 * np.abs(value).max())
        np.testing.assert_allclose(found, slope, rtol=0, atol=atol)
    rng = np.random.default_rng(3)
    across = jax.tree.map(lambda value: jnp.asarray(rng.normal(size=value.shape), value.dtype), values)
    back = jax.jit(lambda *at: jax.vjp(row.function, *at)[1](across))(*map(jnp.asarray, row.arguments))
    dot = sum(map(jnp.vdot, jax.tree.leaves(across), jax.tree.leaves(forward)))
    other = sum(map(jnp.vdot, back, along))
    size = sum(
        float(jnp.linalg.norm(a) * jnp.linalg.norm(b))
        for a, b in zip(jax.tree.leaves(across), jax.tree.leaves(forward), strict=True)
    )
    assert abs(dot - other) <= dot_tol * size


LOWERING = """
import jax, numpy as np
from transformations import TABLE
for name, row in TABLE.items():
    traced = jax.jit(row.function).trace(*map(np.float32, row.arguments))
    assert "callback" not in str(traced.jaxpr), name
    assert "f64" not in str(traced.jaxpr), name
    for platform in ("cpu", "cuda", "rocm", "tpu"):
        traced.lower(lowering_platforms=(platform,))
    print(name)
"""


def test_all_lower_for_accelerators_without_a_way_back_to_the_host():
    """In float32, in a process of its own: a TPU has no other, and this one is set to float64."""
    # diffrax looks at the times of a traced flow by a callback, unless it is told otherwise.
    quiet = {"JAX_ENABLE_X64": "0", "EQX_ON_ERROR": "nan"}
    told = {**os.environ, **quiet, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", LOWERING], env=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == list(TABLE)


@kinds
def test_a_problem_is_a_pytree(settings):
    """Mapped, copied, pickled and moved it is the same problem; a second one compiles nothing."""
    problem = wf.Problem.from_statistics(random_statistics(SIZE), **settings)
    W = jnp.asarray(weights(problem.sides))
    expected = problem.loss(W)
    same = [jax.tree.map(lambda leaf: leaf, problem), copy.deepcopy(problem), jax.device_put(problem)]
    if not isinstance(problem.weighting, wf.Custom):
        same.append(pickle.loads(pickle.dumps(problem)))
    for one in same:
        close(one.loss(W), expected, 1e-13)
        assert one.words == problem.words
        assert one.describe() == problem.describe()
    traced = []

    @jax.jit
    def loss(problem, W):
        traced.append(W)
        return problem.loss(W)

    close(loss(problem, W), expected, 1e-12)
    counts = problem.statistics.with_values(2.0 + problem.statistics.values)
    other = wf.Problem.from_statistics(counts, **settings)
    close(loss(other, W), other.loss(W), 1e-12)
    assert len(traced) == 1


@kinds
def test_the_gradient_of_a_problem_reaches_every_count(settings):
    """That of the function that makes the problem of its counts."""
    stats = random_statistics(SIZE)
    problem = wf.Problem.from_statistics(stats, **settings)
    W = jnp.asarray(weights(problem.sides))
    found = eqx.filter_grad(lambda problem: problem.loss(W))(problem)

    def loss(values):
        return wf.Problem.from_statistics(stats.with_values(values), **settings).loss(W)

    expected = jax.grad(loss)(jnp.asarray(stats.values))
    assert (expected != 0).all()
    close(found.statistics.values, expected, 1e-12)


def test_problems_of_resampled_corpora_are_mapped_over():
    stats = random_statistics(SIZE)
    W = jnp.asarray(weights())
    drawn = np.random.default_rng(0).uniform(0.9, 1.1, size=(3, 1)) * stats.values
    drawn[:, 0] *= [1.0, 1.5, 2.0]
    problem = wf.Problem.from_statistics(stats)
    several = eqx.tree_at(lambda problem: problem.statistics.values, problem, jnp.asarray(drawn))
    axes = jax.tree.map(lambda leaf: None, several)
    axes = eqx.tree_at(lambda p: p.statistics.values, axes, 0, is_leaf=lambda leaf: leaf is None)
    found = jax.vmap(lambda problem: problem.loss(W), in_axes=(axes,))(several)
    for value, counts in zip(found, drawn, strict=True):
        close(value, wf.Problem.from_statistics(stats.with_values(counts)).loss(W), 1e-12)


def test_single_precision_in_and_out():
    """float32 weights give float32, with and without 64-bit types; the counts stay exact until then."""
    problem = wf.Problem.from_statistics(random_statistics(SIZE))
    W = weights().astype(np.float32)
    exact = problem.gradient(W.astype(np.float64))
    found = problem.gradient(W)
    assert found.dtype == np.float32
    close(found, exact, 1e-5)
    with jax.enable_x64(False):
        alone = wf.Problem.from_statistics(random_statistics(SIZE)).gradient(W)
        assert alone.dtype == np.float32
        close(alone, exact, 1e-5)


def test_wrong_arguments_of_traced_functions_are_named():
    problem = wf.Problem.from_statistics(random_statistics(SIZE))
    with pytest.raises(ValueError, match=r"`W` must be of shape \(24, dim\), but got shape \(24,\)"):
        jax.jit(lambda W: problem.loss(W))(jnp.ones(SIZE))
    with pytest.raises(ValueError, match=r"`W0` must be of shape \(24, dim\)"):
        jax.jit(lambda W: problem.loss(W))(jnp.ones((SIZE + 1, 2)))
    with pytest.raises(ValueError, match=r"`values` must be of shape \(\d+,\), one count for each seen pair"):
        jax.jit(lambda values: problem.statistics.with_values(values))(jnp.ones(3))
    with pytest.raises(ValueError, match="`values` must be finite and not negative"):
        problem.statistics.with_values(-problem.statistics.values)
