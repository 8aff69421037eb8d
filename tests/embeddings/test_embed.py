"""Embeddings from counts: the loss they minimise against SciPy's minimum, gradients and other weights."""

import numpy as np
import pytest
import scipy.optimize
from scipy.special import expit
from systems import random_statistics

import w2vflow as wf
from w2vflow.embeddings import alternating
from w2vflow.embeddings.alternating import minimise_logistic


def loss_and_gradient(weights, W, C):
    """word2vec's loss, pair by pair, and its gradient."""
    A, B = weights.dense()
    x = W @ C.T
    error = B * expit(x) - A * expit(-x)
    loss = np.sum(A * np.logaddexp(0, -x) + B * np.logaddexp(0, x))
    return loss, np.stack([error @ C, error.T @ W])


def least_loss(weights, dim, starts):
    """The least of several minima found by SciPy from random starts."""
    shape = (2, weights.vocab_size, dim)

    def function(flat):
        loss, gradient = loss_and_gradient(weights, *flat.reshape(shape))
        return loss, gradient.ravel()

    rng, settings = (
        np.random.default_rng(0),
        {"jac": True, "method": "L-BFGS-B", "options": {"maxiter": 1000}},
    )
    found = [
        scipy.optimize.minimize(function, rng.normal(size=shape).ravel() / 2, **settings).fun
        for _ in range(starts)
    ]
    return min(found)


WEIGHTINGS = {
    "mikolov": wf.Mikolov(subsample=1e-2),
    "none skipped": wf.Mikolov(subsample=1e-2, skip_target=False),
    "plain": wf.Plain(),
    "rank-one": wf.RankOne(0.5),
    "symmetrized": wf.Symmetrized(wf.Mikolov(subsample=1e-2)),
}


# Rank-one weights let the loss fall on and on along a few logits that grow without end.
@pytest.mark.parametrize("name", ["mikolov", "plain", "symmetrized"])
def test_the_minimum_of_the_loss(name):
    weights = WEIGHTINGS[name].pair_weights(random_statistics(30)).normalised()
    least = least_loss(weights, 3, starts=3)
    first, last = (
        loss_and_gradient(weights, *minimise_logistic(weights, 3, sweeps=sweeps)) for sweeps in (1, 60)
    )
    assert last[0] - least < 0.01 * (first[0] - least)
    assert np.abs(last[1]).max() < 1e-2 * np.abs(first[1]).max()


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_the_loss_never_rises(name):
    weights = WEIGHTINGS[name].pair_weights(random_statistics(40, seed=3)).normalised()
    losses = [loss_and_gradient(weights, *minimise_logistic(weights, 4, sweeps=n))[0] for n in (1, 2, 3, 6)]
    assert (np.diff(losses) < 0).all()
    # Below that of vectors that are zero.
    assert losses[0] < 0.98 * weights.total() * np.log(2)


def test_blocks_that_do_not_fill_up_change_nothing(monkeypatch):
    weights = wf.Mikolov().pair_weights(random_statistics(37)).normalised()
    whole = minimise_logistic(weights, 3, sweeps=3)
    monkeypatch.setattr(alternating, "_ROWS", 8)
    for one, other in zip(whole, minimise_logistic(weights, 3, sweeps=3), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4 * np.abs(one).max())


def test_factors_are_balanced():
    """Under the sums of G over the other side, which a double loop would give."""
    weights = wf.Mikolov(subsample=1e-2).pair_weights(random_statistics(30)).normalised()
    W, C = minimise_logistic(weights, 3, sweeps=4)
    A, B = weights.dense()
    G = A + B
    for vectors, sums in ((W, G.sum(axis=1)), (C, G.sum(axis=0))):
        variance = vectors.T @ (sums[:, None] * vectors)
        assert (np.diff(np.diag(variance)) < 0).all()
        np.testing.assert_allclose(variance, np.diag(np.diag(variance)), atol=1e-5 * variance[0, 0])
    lengths = [
        np.sum(sums[:, None] * vectors**2, axis=0)
        for vectors, sums in ((W, G.sum(axis=1)), (C, G.sum(axis=0)))
    ]
    np.testing.assert_allclose(*lengths, rtol=1e-4)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_sums_of_G(name):
    weights = WEIGHTINGS[name].pair_weights(random_statistics(20))
    rows, columns = weights.sums()
    G = sum(weights.dense())
    np.testing.assert_allclose(rows, G.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(columns, G.sum(axis=0), rtol=1e-12)


def test_sums_of_G_of_arrays():
    weights = wf.Custom(np.ones((20, 20)), lambda pair, product: 1 + pair).pair_weights(random_statistics(20))
    G = sum(weights.dense())
    np.testing.assert_allclose(weights.sums()[1], G.sum(axis=0), rtol=1e-12)


def test_same_counts_same_vectors():
    stats = random_statistics(30)
    one, other = wf.embed(stats, 4), wf.embed(stats, 4)
    assert one.dtype == np.float32
    assert (one == other).all()


def test_words_without_rank_to_spare():
    """As many dimensions as words: directions that nothing fills are divided by, and stay finite."""
    assert np.isfinite(wf.embed(random_statistics(12), 12)).all()


def test_arguments():
    stats = random_statistics(20)
    with pytest.raises(ValueError, match="`dim` must be between 1 and the vocabulary size 20, but got 21"):
        wf.embed(stats, 21)
    with pytest.raises(ValueError, match="`sweeps` must be at least 1, but got 0"):
        wf.embed(stats, 2, sweeps=0)
    ones = np.ones((20, 20))
    with pytest.raises(ValueError, match="`weighting` must be of low rank where pairs were never seen"):
        wf.embed(stats, 2, weighting=wf.Custom(ones, ones))


def test_a_vocabulary_too_large_for_the_memory(monkeypatch):
    monkeypatch.setattr("w2vflow.support.machine.available_memory", lambda: 1000)
    with pytest.raises(
        ValueError, match="a matrix of 20 x 20 float32 numbers, and a copy of it, fits into memory"
    ):
        wf.embed(random_statistics(20), 2)


@pytest.mark.slow
def test_far_better_than_ppmi_on_wikipedia(wikipedia, corpus_folder):
    questions = corpus_folder / "eval" / "questions-words.txt"

    def accuracy(vectors):
        return wf.evaluate_analogies(vectors, wikipedia.words, questions).accuracy

    minimum, ppmi = (
        accuracy(wf.embed(wikipedia, 100)),
        wf.embeddings.factor_embedding(wf.embeddings.ppmi(wikipedia), 100),
    )
    assert minimum > accuracy(ppmi) + 0.1
