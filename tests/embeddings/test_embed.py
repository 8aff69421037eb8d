"""Embeddings from counts: each row against SciPy's minimum of the same loss, and word2vec's loss itself."""

import numpy as np
import pytest
import scipy.optimize
from scipy.special import expit
from systems import random_statistics

import w2vflow as wf
from w2vflow.embeddings import alternating
from w2vflow.embeddings.alternating import minimise_logistic
from w2vflow.embeddings.row_kernel import target_products


def loss_and_gradient(weights, W, C, ridge=0.0):
    """word2vec's loss with a penalty on lengths, pair by pair, and its gradient."""
    A, B = weights.dense()
    x = W @ C.T
    error = B * expit(x) - A * expit(-x)
    loss = np.sum(A * np.logaddexp(0, -x) + B * np.logaddexp(0, x)) + ridge / 2 * (
        np.sum(W**2) + np.sum(C**2)
    )
    return loss, np.stack([error @ C + ridge * W, error.T @ W + ridge * C])


WEIGHTINGS = {
    "mikolov": wf.Mikolov(subsample=1e-2),
    "none skipped": wf.Mikolov(subsample=1e-2, skip_target=False),
    "plain": wf.Plain(),
    "rank-one": wf.RankOne(0.5),
    "symmetrized": wf.Symmetrized(wf.Mikolov(subsample=1e-2)),
}


def all_seen(size, seed=0):
    """Counts of which no pair is missing, so that nothing is left to the moments of unseen ones."""
    counts = random_statistics(size, seed).counts.toarray() + 1
    return wf.CooccurrenceStatistics(tuple(map(str, range(size))), counts, counts.sum(axis=1))


def row_loss(A, B, w, C, ridge):
    """The loss of one vector by its definition: seen pairs one by one, unseen ones as a Gaussian."""
    x, seen = C @ w, A > 0
    loss = np.sum((A * np.logaddexp(0, -x) + B * np.logaddexp(0, x))[seen]) + ridge / 2 * w @ w
    if seen.all():
        return loss
    share = B[~seen] / B[~seen].sum()
    mean = share @ x[~seen]
    width = np.sqrt(share @ (x[~seen] - mean) ** 2)
    nodes, shares = np.polynomial.hermite_e.hermegauss(40)
    return loss + B[~seen].sum() * shares @ np.logaddexp(0, mean + width * nodes) / shares.sum()


@pytest.mark.parametrize("steps", [1, 30], ids=["one by one", "at once"])
@pytest.mark.parametrize(("name", "size"), [*((name, 40) for name in WEIGHTINGS), ("none skipped", 400)])
def test_rows_at_the_minimum_of_their_loss(name, size, steps):
    """Of 400 words, rows are so long that the last step is measured by a part of them."""
    weights, ridge = WEIGHTINGS[name].pair_weights(random_statistics(size)).normalised(), 0.3
    C = np.random.default_rng(1).normal(size=(size, 3)).astype(np.float32)
    pairs, words, contexts = alternating._sides(weights)
    assert (np.diff(pairs.indptr) < size).any(), "pairs that were never seen"
    W = np.zeros_like(C)
    for _ in range(60 // steps):
        W = alternating._refitted(W, C, pairs, (words, contexts), ridge, steps)
    A, B = weights.dense()
    for word in (0, 1, size // 2, size - 1):
        least = scipy.optimize.minimize(lambda w, i=word: row_loss(A[i], B[i], w, C, ridge), np.zeros(3))
        np.testing.assert_allclose(W[word], least.x, atol=5e-3 * np.abs(least.x).max())


def test_contexts_are_fitted_as_words_of_the_transpose():
    """Weights that treat both differently, from either side."""
    weights = wf.Mikolov(subsample=1e-2).pair_weights(random_statistics(40)).normalised()
    W = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    pairs, words, contexts = alternating._sides(weights)
    C = alternating._refitted(np.zeros_like(W), W, pairs, (contexts, words), 0.3, 60)
    A, B = weights.dense()
    least = scipy.optimize.minimize(lambda c: row_loss(A[:, 5], B[:, 5], c, W, 0.3), np.zeros(3))
    np.testing.assert_allclose(C[5], least.x, atol=5e-3 * np.abs(least.x).max())


def least_loss(weights, dim, ridge, starts):
    """The least of several minima of the loss of all pairs, found by SciPy from random starts."""
    shape = (2, weights.vocab_size, dim)

    def function(flat):
        loss, gradient = loss_and_gradient(weights, *flat.reshape(shape), ridge)
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


@pytest.mark.parametrize("name", ["mikolov", "rank-one", "symmetrized"])
def test_the_minimum_of_the_loss(name):
    weights, ridge = WEIGHTINGS[name].pair_weights(all_seen(30)).normalised(), 0.5
    least = least_loss(weights, 3, ridge, starts=2)
    first, last = (
        loss_and_gradient(weights, *minimise_logistic(weights, 3, sweeps, ridge), ridge)
        for sweeps in (1, 100)
    )
    assert last[0] - least < 0.01 * (first[0] - least)
    assert np.abs(last[1]).max() < 1e-2 * np.abs(first[1]).max()


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_the_loss_never_rises(name):
    weights = WEIGHTINGS[name].pair_weights(all_seen(40, seed=3)).normalised()
    losses = [
        loss_and_gradient(weights, *minimise_logistic(weights, 4, n, 0.1), 0.1)[0] for n in (1, 2, 3, 6, 12)
    ]
    assert (np.diff(losses) < 0).all()
    # Below that of vectors that are zero.
    assert losses[-1] < 0.98 * weights.total() * np.log(2)


def test_unseen_pairs_by_their_moments_are_near_the_minimum():
    """Of the loss in which each of them has its own logit."""
    weights = WEIGHTINGS["none skipped"].pair_weights(random_statistics(60)).normalised()
    assert len(weights.values) < 0.6 * 60**2
    least, none = least_loss(weights, 4, 1.0, starts=2), weights.total() * np.log(2)
    found = loss_and_gradient(weights, *minimise_logistic(weights, 4, 60, 1.0), 1.0)[0]
    assert found - least < 0.05 * (none - least)


def test_products_with_the_target():
    weights = wf.Symmetrized(wf.Mikolov(subsample=1e-2)).pair_weights(random_statistics(40)).normalised()
    pairs, words, _ = alternating._sides(weights)
    vectors, out = (
        np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32),
        np.empty((40, 5), np.float32),
    )
    target_products(0, 40, pairs, words, vectors, out)
    np.testing.assert_allclose(out, (weights.dense_target() + 2) @ vectors, rtol=1e-4, atol=1e-4)


def test_parts_change_nothing(monkeypatch):
    weights = wf.Mikolov().pair_weights(random_statistics(37)).normalised()
    whole = minimise_logistic(weights, 3, 3, 0.1)
    monkeypatch.setattr(alternating, "_PARTS", 5)
    for one, other in zip(whole, minimise_logistic(weights, 3, 3, 0.1), strict=True):
        assert (one == other).all()


def test_factors_are_balanced():
    weights = wf.Mikolov(subsample=1e-2).pair_weights(random_statistics(30)).normalised()
    variances = [vectors.T @ vectors for vectors in minimise_logistic(weights, 3, 4, 0.1)]
    np.testing.assert_allclose(*variances, atol=1e-5 * variances[0][0, 0])
    np.testing.assert_allclose(variances[0], np.diag(np.diag(variances[0])), atol=1e-5 * variances[0][0, 0])
    assert (np.diff(np.diag(variances[0])) < 0).all()


def test_rare_words_are_held_back_most():
    stats = random_statistics(40)
    loose, held = (np.linalg.norm(wf.embed(stats, 4, prior=prior), axis=1) for prior in (0.1, 10))
    order = np.argsort(stats.unigram)
    assert np.median((held / loose)[order[:10]]) < 0.8 * np.median((held / loose)[order[-10:]])


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
    with pytest.raises(ValueError, match="`sweeps` must be between 1 and 1000, but got 0"):
        wf.embed(stats, 2, sweeps=0)
    for prior in (-1.0, np.inf):
        with pytest.raises(ValueError, match="`prior` must be finite and not negative"):
            wf.embed(stats, 2, prior=prior)
    ones = np.ones((20, 20))
    with pytest.raises(ValueError, match="`weighting` must be of low rank where pairs were never seen"):
        wf.embed(stats, 2, weighting=wf.Custom(ones, ones))


def test_a_vocabulary_too_large_for_the_memory(monkeypatch):
    monkeypatch.setattr("w2vflow.support.machine.available_memory", lambda: 1000)
    with pytest.raises(ValueError, match="pairs, and eight vectors for each of 20 words, fits into memory"):
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
