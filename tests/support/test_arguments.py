"""Wrong names and types of arguments: refused by name, with the nearest right thing."""

import inspect
import re

import jax
import numpy as np
import pytest
from public import public_names
from systems import random_statistics

import w2vflow as wf

KEY = jax.random.key(0)
STATS = random_statistics(12)
PROBLEM = wf.Problem.from_statistics(STATS)
W0 = np.full((12, 2), 0.1)
RUN = {"learning_rate": 0.01, "batch_size": 64, "sampler": "balanced", "key": KEY}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: wf.leading_eigenpairs(STATS, 4),
            "Argument `problem` must be a `Problem`, but got CooccurrenceStatistics. "
            "Use `Problem.from_statistics(stats)`.",
        ),
        (
            lambda: wf.Problem(STATS),
            "`Problem` is not made from a `CooccurrenceStatistics` directly. "
            "Use `Problem.from_statistics(stats)`.",
        ),
        (lambda: wf.leading_eigenpairs(PROBLEM, "8"), "`k` must be a whole number, but got '8'. Pass `k=8`."),
        (lambda: wf.leading_eigenpairs(PROBLEM, 8.0), "`k` must be a whole number, but got 8.0. Pass `k=8`."),
        (
            lambda: wf.leading_eigenpairs(PROBLEM, True),
            "`k` must be a whole number, but got True. Pass `k=1`.",
        ),
        (lambda: wf.leading_eigenpairs(PROBLEM, [8]), "`k` must be a whole number, but got list."),
        (lambda: wf.leading_eigenpairs(PROBLEM), "Argument `k` of `leading_eigenpairs` is missing"),
        (
            lambda: wf.leading_eigenpairs(PROBLEM, 2, 1e-3),
            "takes 2 arguments by place, but got 3. Pass others",
        ),
        (
            lambda: wf.gaussian_init(0, 12, 2, 0.1),
            "`key` must be a JAX key, e.g. `jax.random.key(0)`, but got 0",
        ),
        (lambda: wf.gaussian_init(jax.random.PRNGKey(0), 12, 2, 0.1), "`key` must be a JAX key"),
        (
            lambda: wf.gaussian_init(KEY, 12, 2, "0.1"),
            "`scale` must be a number, but got '0.1'. Pass `scale=0.1`",
        ),
        (lambda: wf.run_sgd(PROBLEM, W0, [1.0], **{**RUN, "key": 0}), "`key` must be a JAX key"),
        (
            lambda: wf.run_sgd_ensemble(PROBLEM, 2, [1.0], dim=2, scale=0.1, batch_size=64),
            "`keys` must be a JAX",
        ),
        (
            lambda: wf.run_sgd(PROBLEM, W0, [1.0], **{**RUN, "batch_size": 64.0}),
            "`batch_size` must be a whole number, but got 64.0. Pass `batch_size=64`.",
        ),
        (
            lambda: wf.run_sgd(PROBLEM, W0, [1.0], save_embeddings=True, **RUN),
            "Argument `save_embeddings` must be one that `run_sgd` has, but got another.",
        ),
        (
            lambda: wf.predict(PROBLEM, W0, [1.0], specturm=None),
            "Argument `specturm` must be one that `predict` has, but got another. Did you mean `spectrum`?",
        ),
        (
            lambda: wf.predict(PROBLEM, W0, [1.0], spectrum=PROBLEM),
            "`spectrum` must be a `Spectrum` or None, but got Problem. Make one with `leading_eigenpairs",
        ),
        (lambda: wf.compare(W0), "a `Trajectory`"),
        (
            lambda: wf.Problem.from_statistics(STATS, weighting="plain"),
            "`weighting` must be a `Weighting` or None",
        ),
        (lambda: wf.count(3), "`paths` must be a string or a path or a list or another collection"),
        (
            lambda: wf.count("text.txt", window="16"),
            "`window` must be a whole number, but got '16'. Pass `window=16`",
        ),
        (lambda: wf.load_statistics(STATS), "`name` must be a string or a path"),
        (lambda: STATS.most_frequent("5"), "`vocab_size` must be a whole number, but got '5'"),
        (lambda: wf.Recording(progress="yes"), "`progress` must be True or False, but got 'yes'"),
        (lambda: wf.Recording("c"), "takes 1 arguments by place, but got 2"),
        (
            lambda: wf.label_features(W0, "words", n=1),
            "`words` must be a list of strings, but got 'words'",
        ),
    ],
)
def test_refused_by_name_with_the_nearest_right_thing(call, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        call()


def test_what_counts_as_a_number_is_taken():
    one = wf.leading_eigenpairs(PROBLEM, 2)
    for k in (np.int64(2), np.array(2), jax.numpy.asarray(2)):
        np.testing.assert_array_equal(wf.leading_eigenpairs(PROBLEM, k).eigenvalues, one.eigenvalues)
    for scale in (np.float32(0.5), jax.numpy.asarray(0.5)):
        assert wf.gaussian_init(KEY, 5, 2, scale).shape == (5, 2)


def test_every_public_function_is_checked():
    functions = {name: value for name, value in public_names() if inspect.isfunction(value)}
    assert len(functions) > 100
    assert not [name for name, value in functions.items() if not hasattr(value, "__wrapped__")]
