"""Matrices of association against double loops, their factors against dense linear algebra."""

import math

import numpy as np
import pytest
from scipy import sparse
from systems import random_statistics

import w2vflow as wf
from w2vflow.embeddings import factors
from w2vflow.embeddings.associations import log_counts, pmi, ppmi
from w2vflow.embeddings.factors import factor_embedding, singular_triplets


def loop(stats, value):
    """`value(P_ij, p_i, q_j)` of every seen pair by a double loop, 0 elsewhere."""
    X = stats.counts.toarray().astype(float)
    total, sums, matrix = X.sum(), X.sum(axis=1), np.zeros(X.shape)
    for i in range(len(X)):
        for j in range(len(X)):
            if X[i, j] > 0:
                matrix[i, j] = value(X[i, j] / total, sums[i] / total, sums / total, j)
    return matrix


def smoothed(smoothing):
    def value(pair, p, context, j):
        share = context**smoothing
        return math.log(pair / (p * share[j] / share.sum()))

    return value


@pytest.mark.parametrize("smoothing", [1.0, 0.75, 0.0])
def test_pmi_equals_a_double_loop(stats, smoothing):
    found = pmi(stats, smoothing=smoothing)
    np.testing.assert_allclose(found.toarray(), loop(stats, smoothed(smoothing)), rtol=1e-13, atol=1e-13)
    assert found.nnz == stats.counts.nnz
    assert found.nnz < stats.vocab_size**2


@pytest.mark.parametrize(("negatives", "smoothing"), [(1.0, 1.0), (5.0, 1.0), (2.0, 0.75), (0.5, 1.0)])
def test_shifted_ppmi_equals_a_double_loop(stats, negatives, smoothing):
    value = smoothed(smoothing)
    expected = loop(stats, lambda *pair: max(value(*pair) - math.log(negatives), 0))
    found = ppmi(stats, negatives, smoothing=smoothing)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-12, atol=1e-13)
    assert found.nnz == (expected > 0).sum()
    found.sum_duplicates()
    assert found.has_canonical_format


def test_blocks_of_entries_change_nothing(stats, monkeypatch):
    whole = pmi(stats), ppmi(stats, 2.0, smoothing=0.75), log_counts(stats)
    monkeypatch.setattr("w2vflow.support.csr._ENTRIES", 7)
    parts = pmi(stats), ppmi(stats, 2.0, smoothing=0.75), log_counts(stats)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.toarray(), other.toarray(), rtol=1e-12, atol=1e-12)


def test_pmi_is_symmetric_to_the_bit_and_knows_no_units(stats):
    found = pmi(stats).toarray()
    assert (found == found.T).all()
    tenfold = wf.CooccurrenceStatistics(stats.words, 10 * stats.counts, stats.unigram)
    np.testing.assert_allclose(pmi(tenfold).toarray(), found, atol=1e-13)


def test_pmi_and_the_target_of_plain_weights_are_functions_of_each_other(stats):
    """M* = 2 tanh(PMI / 2) on the seen pairs, by another path through the package."""
    target = wf.Problem.from_statistics(stats, weighting=wf.Plain()).pair_weights().dense_target()
    found = pmi(stats).toarray()
    seen = stats.counts.toarray() > 0
    np.testing.assert_allclose(2 * np.tanh(found[seen] / 2), target[seen], atol=1e-12)


def test_making_them_leaves_the_counts_alone(stats):
    before = stats.counts.toarray()
    ppmi(stats, 3.0), log_counts(stats)
    assert (stats.counts.toarray() == before).all()


@pytest.mark.parametrize(("cutoff", "power"), [(100.0, 0.75), (3.0, 0.75), (1.0, 0.0)])
def test_log_counts_leave_out_the_best_biases(stats, cutoff, power):
    """The biases by dense least squares with one row for every seen pair."""
    X = stats.counts.toarray().astype(float)
    i, j = np.nonzero(X)
    root = np.sqrt(np.minimum((X[i, j] / cutoff) ** power, 1))
    design = np.zeros((len(i), len(X)))
    np.add.at(design, (np.arange(len(i)), i), root)
    np.add.at(design, (np.arange(len(i)), j), root)
    bias = np.linalg.lstsq(design, root * np.log(X[i, j]), rcond=None)[0]
    expected = np.zeros(X.shape)
    expected[i, j] = np.log(X[i, j]) - bias[i] - bias[j]
    found = log_counts(stats, cutoff=cutoff, power=power).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-9)
    # Weighted sums of every row vanish: nothing is left for a bias.
    f = np.where(X > 0, np.minimum((X / cutoff) ** power, 1), 0)
    np.testing.assert_allclose((f * found).sum(axis=1), 0, atol=1e-9)


def test_log_counts_of_two_words_that_only_meet_each_other():
    """No bias is known by itself, only their sum: what is left is 0 all the same."""
    meeting = wf.CooccurrenceStatistics(("a", "b"), np.array([[0, 7], [7, 0]]), np.array([7, 7]))
    np.testing.assert_allclose(log_counts(meeting).toarray(), 0, atol=1e-10)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda s: pmi(s, smoothing=-0.1), "`smoothing` must be between 0 and 1, but got -0.1"),
        (lambda s: pmi(s, smoothing=float("nan")), "`smoothing` must be between 0 and 1"),
        (lambda s: ppmi(s, 0.0), "`negatives` must be positive and finite, but got 0.0"),
        (lambda s: ppmi(s, float("inf")), "`negatives` must be positive and finite"),
        (lambda s: ppmi(s, smoothing=2.0), "`smoothing` must be between 0 and 1"),
        (lambda s: log_counts(s, cutoff=0.0), "`cutoff` must be positive and finite"),
        (lambda s: log_counts(s, power=-1.0), "`power` must be at least 0 and finite"),
    ],
)
def test_bad_settings_of_a_matrix(stats, call, match):
    with pytest.raises(ValueError, match=match):
        call(stats)


def known_matrix(rows, columns, smallest=1e-2, seed=0):
    """Singular values falling from 100 like those of PMI, then a floor."""
    rng = np.random.default_rng(seed)
    size = min(rows, columns)
    values = np.maximum(100 / np.arange(1, size + 1) ** 0.9, smallest) * (1 + 1e-3 * rng.random(size))
    values = np.sort(values)[::-1]
    U = np.linalg.qr(rng.normal(size=(rows, size)))[0]
    V = np.linalg.qr(rng.normal(size=(columns, size)))[0]
    return (U * values) @ V.T, values


def check_triplets(found, matrix, values, tol):
    left, sigma, right = found
    k, first = len(sigma), values[0]
    np.testing.assert_allclose(sigma, values[:k], atol=10 * tol * first)
    for basis in (left, right):
        assert np.abs(basis.T @ basis - np.eye(k)).max() < 1e-5
    assert np.linalg.norm(matrix @ right - left * sigma, axis=0).max() <= 1.5 * tol * first + 1e-12 * first
    assert np.linalg.norm(matrix.T @ left - right * sigma, axis=0).max() <= 1.5 * tol * first + 1e-12 * first
    peaks = left[np.abs(left).argmax(axis=0), np.arange(k)]
    assert (peaks > 0).all()


@pytest.mark.parametrize("shape", [(30, 30), (30, 12), (12, 30), (1, 4)])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_matrix])
def test_singular_triplets_of_a_small_matrix(shape, form):
    matrix, values = known_matrix(*shape)
    k = max(1, min(shape) // 2)
    check_triplets(singular_triplets(form(matrix), k), matrix, values, 1e-13)


@pytest.fixture
def iterated(monkeypatch):
    """Matrices of 200 words are small no longer."""
    monkeypatch.setattr(factors, "_DIRECT_UP_TO", 200)


@pytest.mark.parametrize("shape", [(240, 240), (240, 260), (260, 240)])
@pytest.mark.parametrize("tol", [1e-5, 1e-9])
def test_singular_triplets_by_iteration(iterated, shape, tol):
    matrix, values = known_matrix(*shape)
    check_triplets(singular_triplets(matrix, 12, tol=tol), matrix, values, tol)


@pytest.mark.parametrize("dense_from", [0.0, 1.0])
def test_sparse_matrices_iterated_on_in_either_form(iterated, monkeypatch, dense_from):
    monkeypatch.setattr(factors, "_DENSE_FROM", dense_from)
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(240, 240)) * (rng.random((240, 240)) < 0.2) * rng.gamma(0.3, size=(240, 1))
    values = np.linalg.svd(matrix, compute_uv=False)
    check_triplets(singular_triplets(sparse.csr_array(matrix), 10), matrix, values, 1e-5)


def test_values_whose_squares_drown_in_float32(iterated):
    """sigma_8 is 3e-5 sigma_1, its square below the rounding of float32: a second round finds it."""
    rng = np.random.default_rng(1)
    U, V = (np.linalg.qr(rng.normal(size=(240, 240)))[0] for _ in range(2))
    values = np.concatenate([np.geomspace(1, 3e-5, 8), np.full(232, 1e-7)])
    matrix = (U * values) @ V.T
    found = singular_triplets(matrix, 8, tol=2e-6)
    check_triplets(found, matrix, values, 2e-6)
    np.testing.assert_allclose(found.values, values[:8], rtol=0.01)


def test_rank_below_what_is_asked_for(iterated):
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(240, 3)) @ rng.normal(size=(3, 240))
    values = np.linalg.svd(matrix, compute_uv=False)
    check_triplets(singular_triplets(matrix, 8), matrix, values, 1e-5)
    assert (singular_triplets(np.zeros((240, 240)), 3).values == 0).all()


def test_triplets_that_did_not_converge_are_told(iterated, monkeypatch):
    from w2vflow.spectrum.lanczos import lanczos_eigenpairs

    def hasty(*arguments, **settings):
        return lanczos_eigenpairs(*arguments, **settings, max_products=1)

    monkeypatch.setattr(factors, "lanczos_eigenpairs", hasty)
    matrix = np.random.default_rng(0).normal(size=(240, 240))
    with pytest.warns(RuntimeWarning, match=r"worst of 12 singular triplets has a residual of .* sigma_1"):
        singular_triplets(matrix, 12)


def test_an_operator_and_its_negative_eigenvalues(stats):
    problem = wf.Problem.from_statistics(stats)
    target = np.asarray(problem.target())
    values = np.linalg.svd(target, compute_uv=False)
    check_triplets(singular_triplets(problem.target_operator(), 5), target, values, 1e-12)


def test_target_of_weights_without_eigenvectors(stats):
    """Words x contexts of word2vec's own weights."""
    target = np.asarray(wf.Problem.from_statistics(stats, weighting=wf.Mikolov(), tied=False).target())
    assert np.abs(target - target.T).max() > 1e-3
    values = np.linalg.svd(target, compute_uv=False)
    check_triplets(singular_triplets(target, 5), target, values, 1e-12)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_a_symmetric_matrix_is_factored_by_its_largest_eigenvalues(stats, exponent):
    matrix = ppmi(stats)
    values, vectors = np.linalg.eigh(matrix.toarray())
    W = factor_embedding(matrix, 4, exponent=exponent)
    power = vectors[:, -4:] * values[-4:] ** (2 * exponent) @ vectors[:, -4:].T
    np.testing.assert_allclose(W @ W.T, power, atol=1e-9)


def test_any_other_matrix_is_factored_by_its_singular_values(stats):
    matrix = ppmi(stats, smoothing=0.5)
    left, values, right = np.linalg.svd(matrix.toarray())
    W = factor_embedding(matrix, 4)
    np.testing.assert_allclose(W @ W.T, left[:, :4] * values[:4] @ left[:, :4].T, atol=1e-9)
    found = singular_triplets(matrix, 4)
    contexts = found.right * found.values**0.5
    np.testing.assert_allclose(W @ contexts.T, left[:, :4] * values[:4] @ right[:4], atol=1e-9)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_whole_numbers_are_factored_too(form):
    matrix = np.array([[4, 2], [2, 4]])
    W = factor_embedding(form(matrix), 2)
    np.testing.assert_allclose(W @ W.T, matrix, atol=1e-12)


def test_vectors_of_the_target_are_those_of_its_leading_eigenpairs(stats):
    problem = wf.Problem.from_statistics(stats)
    spec = wf.leading_eigenpairs(problem, 4)
    for matrix in (problem.target_operator(), problem.target()):
        W = factor_embedding(matrix, 4)
        np.testing.assert_allclose(W, spec.eigenvectors * np.sqrt(spec.eigenvalues), atol=1e-9)


@pytest.mark.parametrize("dense_from", [0.0, 1.0])
@pytest.mark.parametrize("smoothing", [1.0, 0.75])
def test_embedding_by_iteration(monkeypatch, dense_from, smoothing):
    monkeypatch.setattr(factors, "_DENSE_FROM", dense_from)
    matrix = ppmi(random_statistics(600), smoothing=smoothing)
    dense = matrix.toarray()
    if smoothing == 1:
        values, vectors = (x[..., ::-1] for x in np.linalg.eigh(dense))
    else:
        vectors, values, _ = np.linalg.svd(dense)
    W = factor_embedding(matrix, 4)
    expected = vectors[:, :4] * values[:4] @ vectors[:, :4].T
    np.testing.assert_allclose(W @ W.T, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: singular_triplets(np.eye(3), 0), "`k` must be between 1 and 3, the shorter side"),
        (lambda: singular_triplets(np.ones((3, 2)), 3), "`k` must be between 1 and 2"),
        (lambda: singular_triplets(np.eye(3), 1, tol=0.0), "`tol` must be between 0 and 1"),
        (lambda: singular_triplets(np.ones(3), 1), r"`matrix` must be of two axes.*shape \(3,\)"),
        (
            lambda: singular_triplets(1j * np.eye(3), 1),
            "`matrix` must be an array of numbers, but got ndarray of shape .* and type complex128",
        ),
        (lambda: singular_triplets(np.full((3, 3), np.nan), 1), "`matrix` must be finite"),
        (lambda: singular_triplets(sparse.csr_array([[np.inf]]), 1), "`matrix` must be finite"),
        (lambda: factor_embedding(np.eye(3), 4), "`dim` must be between 1 and the vocabulary size 3"),
        (lambda: factor_embedding(np.eye(3), 2, exponent=np.inf), "`exponent` must be finite"),
        (
            lambda: factor_embedding(np.diag([2.0, 1.0, -3.0]), 3),
            "`dim` must be at most the 2 positive eigenvalues of the matrix, but got 3",
        ),
        (
            lambda: factor_embedding(np.outer([1.0, 2.0, 3.0], [3.0, 1.0, 1.0]), 2),
            "`dim` must be at most the 1 singular values above 0 of the matrix",
        ),
    ],
)
def test_bad_input_of_the_factors(call, match):
    with pytest.raises((TypeError, ValueError), match=match):
        call()
