"""Influences on eigenvalues and step times, against finite differences and against removal."""

import warnings

import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf
from w2vflow.corpus.documents.documents import count_documents
from w2vflow.corpus.documents.token_file import TokenFile
from w2vflow.counts.reweighing import reweigh_words
from w2vflow.theory.corpora.influence import (
    changed_spectrum,
    count_influence,
    document_influence,
    pmi_influence,
    strongest_influences,
    word_influence,
)
from w2vflow.theory.corpora.sensitivity import changed_step_times, step_time_slopes

SIZE = 14


def target_of(counts):
    """`M*` of Setting 3.1, from its definition."""
    joint = counts / counts.sum()
    product = np.outer(joint.sum(axis=1), joint.sum(axis=1))
    return 2 * (joint - product) / (joint + product)


def eigenvalues_of(target):
    return np.linalg.eigvalsh(target)[::-1]


def slope(function, step):
    """Central difference with the error of fourth order."""
    near, far = (function(h) - function(-h) for h in (step, 2 * step))
    return (8 * near - far) / (12 * step)


@pytest.fixture(scope="module")
def small():
    problem = wf.Problem.from_statistics(random_statistics(SIZE, seed=3))
    return problem, wf.leading_eigenpairs(problem, 5)


def topical_text(documents=400, words=SIZE, topics=4, seed=0):
    """Documents of one topic each, with words in bursts."""
    rng = np.random.default_rng(seed)
    law = rng.dirichlet(np.full(words, 0.6), size=topics) + 0.02
    tokens = [*range(words), -1]
    for _ in range(documents - 1):
        chances = rng.dirichlet(5 * law[rng.integers(topics)])
        tokens += [*rng.choice(words, size=rng.integers(20, 60), p=chances).tolist(), -1]
    tokens = np.array(tokens, np.int32)
    return TokenFile(tuple(f"w{i}" for i in range(words)), np.bincount(tokens[tokens >= 0]), tokens)


@pytest.fixture(scope="module")
def text():
    return topical_text()


@pytest.fixture(scope="module")
def of_text(text):
    problem = wf.Problem.from_statistics(count_documents(text, window=4))
    return problem, wf.leading_eigenpairs(problem, 5)


@pytest.mark.parametrize(("i", "j"), [(3, 5), (5, 10), (7, 7)])
def test_pair_influences_equal_finite_differences(small, i, j):
    problem, spectrum = small
    counts = problem.statistics.counts.toarray().astype(float)
    assert counts[i, j] > 0

    def more_often(step):
        changed = counts.copy()
        changed[i, j] = changed[j, i] = counts[i, j] * np.exp(step)
        return eigenvalues_of(target_of(changed))[:5]

    def associated(step):
        target = target_of(counts)
        target[i, j] = target[j, i] = 2 * np.tanh(np.arctanh(target[i, j] / 2) + step / 2)
        return eigenvalues_of(target)[:5]

    for function, influence in ((more_often, count_influence), (associated, pmi_influence)):
        found = [influence(problem, spectrum, k) for k in range(5)]
        np.testing.assert_allclose([f[i, j] for f in found], slope(function, 1e-3), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found[0], found[0].T, rtol=1e-13)


def test_twice_all_counts_change_nothing(small):
    problem, spectrum = small
    for k in range(5):
        found = count_influence(problem, spectrum, k)
        assert abs(np.triu(found).sum()) < 1e-12 * np.abs(found).sum()
    np.testing.assert_allclose(word_influence(problem, spectrum).sum(axis=0), 0, atol=1e-11)


def test_pairs_never_seen_have_no_influence(small):
    problem, spectrum = small
    unseen = problem.statistics.counts.toarray() == 0
    assert unseen.any()
    assert (pmi_influence(problem, spectrum, 0)[unseen] == 0).all()
    assert (count_influence(problem, spectrum, 0)[unseen] == 0).all()


def test_word_influences_equal_finite_differences(small):
    problem, spectrum = small
    counts = problem.statistics.counts.toarray().astype(float)
    found = word_influence(problem, spectrum)
    for word in range(SIZE):

        def scaled(step, word=word):
            factor = np.ones(SIZE)
            factor[word] = 1 + step
            return eigenvalues_of(target_of(counts * np.outer(factor, factor)))[:5]

        np.testing.assert_allclose(found[word], slope(scaled, 1e-3), rtol=1e-7, atol=1e-9)


def test_document_influences_equal_finite_differences(text, of_text):
    problem, spectrum = of_text
    counts = problem.statistics.counts.toarray().astype(float)
    found = document_influence(problem, spectrum, text, workers=2)
    assert found.shape == (text.documents, 5)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-5)
    for document in (0, 17, 80):
        start, end = text.document_starts[document], text.document_ends[document]
        own, tokens = np.zeros((SIZE, SIZE)), text.tokens[start:end]
        for distance in range(1, 5):
            np.add.at(own, (tokens[:-distance], tokens[distance:]), 5 - distance)
        own += own.T

        def repeated(step, own=own):
            return eigenvalues_of(target_of(counts + step * own))[:5]

        # Pairs are looked up in float32.
        np.testing.assert_allclose(found[document], slope(repeated, 0.01), rtol=1e-4, atol=1e-6)


def removed(text, documents):
    weights = np.ones(text.documents, int)
    weights[documents] = 0
    return wf.Problem.from_statistics(count_documents(text, weights=weights, window=4))


@pytest.mark.parametrize("end", ["hastening", "delaying"])
def test_removing_the_strongest_documents_does_what_was_predicted(text, of_text, end):
    problem, spectrum = of_text
    influence = document_influence(problem, spectrum, text)
    for k in (0, 1):
        documents = getattr(strongest_influences(influence[:, k], 5), end)
        changed = removed(text, documents)
        exact = eigenvalues_of(changed.target())[:5] - spectrum.eigenvalues
        first = -influence[documents].sum(axis=0)
        second = changed_spectrum(changed, spectrum).eigenvalues - spectrum.eigenvalues
        assert np.sign(exact[k]) == {"hastening": -1, "delaying": 1}[end]
        assert abs(first[k] / exact[k] - 1) < 0.15
        assert abs(second[k] / exact[k] - 1) < 0.005


def test_first_order_holds_as_the_change_shrinks(text, of_text):
    """The error of first order falls with the square of the change."""
    problem, spectrum = of_text
    counts = problem.statistics.counts.toarray().astype(float)
    influence = document_influence(problem, spectrum, text)[:, 0]
    own = counts - removed(text, [3]).statistics.counts.toarray()
    errors = [
        eigenvalues_of(target_of(counts - h * own))[0] - spectrum.eigenvalues[0] + h * influence[3]
        for h in (0.5, 0.25)
    ]
    assert 3.0 < errors[0] / errors[1] < 5.5


def test_a_changed_spectrum_is_exact_in_a_complete_basis(text, of_text):
    problem, _ = of_text
    changed = removed(text, [1, 2, 3])
    whole = wf.leading_eigenpairs(problem, SIZE)
    expected = eigenvalues_of(changed.target())
    found = changed_spectrum(changed, whole)
    np.testing.assert_allclose(found.eigenvalues, expected, atol=1e-12)
    vectors = found.eigenvectors
    np.testing.assert_allclose(vectors * expected @ vectors.T, changed.target(), atol=1e-12)
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(SIZE)] > 0).all()


def test_a_changed_spectrum_keeps_the_order_of_the_spectrum(text, of_text):
    problem, _ = of_text
    changed = removed(text, [1, 2, 3])
    by_size = wf.extreme_eigenpairs(problem, SIZE)
    found = changed_spectrum(changed, by_size).eigenvalues
    expected = eigenvalues_of(changed.target())
    np.testing.assert_allclose(np.sort(found), expected[::-1], atol=1e-12)
    np.testing.assert_array_equal(np.argsort(found), np.argsort(by_size.eigenvalues))


def test_the_push_of_eigenvectors_not_held_is_most_of_what_is_missing(text, of_text):
    spectrum = of_text[1]
    changed = removed(text, np.arange(1, 20))
    exact = eigenvalues_of(changed.target())[:2]
    basis = spectrum.eigenvectors
    inside = eigenvalues_of(basis.T @ np.asarray(changed.target()) @ basis)[:2]
    found = changed_spectrum(changed, spectrum)
    assert (np.abs(found.eigenvalues[:2] - exact) < 0.4 * np.abs(inside - exact)).all()
    # Vectors gain as well, in which the old ones and their mixtures have no part.
    new = np.linalg.eigh(changed.target())[1][:, ::-1][:, :2]
    sines = [np.linalg.norm(new - q @ (q.T @ new), axis=0) for q in (basis, found.eigenvectors)]
    assert (sines[1] < 0.8 * sines[0]).all()
    np.testing.assert_allclose(found.eigenvectors.T @ found.eigenvectors, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("size", [0.1, 0.3, 1.0, 2.0, 3.0, 5.0])
def test_a_change_is_right_or_said_to_be_too_large(size):
    stats = random_statistics(80)
    spectrum, rng = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 12), np.random.default_rng(0)
    factors = {word: float(np.exp(size * rng.normal())) for word in stats.words if rng.random() < 0.1}
    changed = wf.Problem.from_statistics(reweigh_words(stats, factors))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = np.sort(changed_spectrum(changed, spectrum).eigenvalues)[::-1]
    off = np.abs(found / eigenvalues_of(changed.target())[:12] - 1)[:6].max()
    if size < 3:
        assert not said
        assert off < 0.01
    else:
        assert "is for changes that the old eigenvectors nearly hold" in str(said[0].message)
        assert off > 0.04


@pytest.mark.parametrize("sides", [1, 2])
def test_step_times_follow_eigenvalues(sides):
    values, strengths = np.array([8.0, 5.0, -3.0]), np.array([1e-8, 1e-3, 0.5])
    values = values if sides == 2 else np.abs(values)

    def times(values):
        sizes = np.abs(values)
        return sides * np.log(sizes / strengths - 1) / (2 * sizes)

    found = step_time_slopes(values, times(values), sides=sides)
    np.testing.assert_allclose(found, slope(lambda h: times(values + h), 1e-3), rtol=1e-8)
    moved = changed_step_times(values, times(values), values * 1.3, sides=sides)
    np.testing.assert_allclose(moved, times(1.3 * values), rtol=1e-12)
    several = np.outer([0.9, 1.2], values)
    moved = changed_step_times(values, times(values), several, sides=sides)
    np.testing.assert_allclose(moved, times(several), rtol=1e-12)


def test_a_step_that_never_comes_has_no_time():
    found = changed_step_times([4.0, 4.0], [0.5, 0.5], [-4.0, 1e-9])
    assert np.isnan(found).all()


def test_the_strongest_are_the_ends_of_the_order():
    values = np.array([0.5, -2.0, 3.0, 1.0])
    found = strongest_influences(values, 2)
    assert found.hastening.tolist() == [2, 3]
    assert found.delaying.tolist() == [1, 0]
    assert strongest_influences(values, 4).hastening.tolist() == [2, 3, 0, 1]
    pairs = np.array([[1.0, -7.0], [-7.0, 4.0]])
    found = strongest_influences(pairs, 1)
    assert found.hastening.tolist() == [[1, 1]]
    assert found.delaying.tolist() == [[0, 1]]


def ring():
    """Counts on a ring, whose eigenvalues come in pairs."""
    steps = np.abs(np.arange(12)[:, None] - np.arange(12))
    counts = np.rint(1000 * np.exp(-np.minimum(steps, 12 - steps) / 2)).astype(int)
    stats = wf.CooccurrenceStatistics(tuple(f"w{i}" for i in range(12)), counts, counts.sum(axis=1))
    return wf.Problem.from_statistics(stats)


def test_equal_eigenvalues_share_the_derivative_of_their_mean():
    problem = ring()
    spectrum = wf.leading_eigenpairs(problem, 12)
    counts = problem.statistics.counts.toarray().astype(float)
    values = spectrum.eigenvalues
    assert values[0] - values[1] < 1e-9 * values[0]

    def more_often(step):
        changed = counts.copy()
        changed[2, 5] = changed[5, 2] = counts[2, 5] * np.exp(step)
        return eigenvalues_of(target_of(changed))[:2].mean()

    with pytest.warns(RuntimeWarning, match=r"5 of 12 eigenvalues are equal to the one before within"):
        found = [count_influence(problem, spectrum, k)[2, 5] for k in (0, 1)]
    np.testing.assert_allclose(found, slope(more_often, 1e-3), rtol=1e-7)
    with pytest.warns(RuntimeWarning, match="only the subspace of the group is defined"):
        words = word_influence(problem, spectrum)
    # All words of a ring are alike.
    np.testing.assert_allclose(words[:, :2], 0, atol=1e-12)
    with pytest.warns(RuntimeWarning, match="no derivatives or error bars of their own"):
        assert wf.spectrum.equal_eigenvalues(spectrum).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6]
    # Those that their residuals do not tell apart, by both together.
    rough = wf.Spectrum(np.array([3.0, 2.0, 1.9]), np.eye(3), np.full(3, 0.06), *[np.empty(0)] * 2)
    with pytest.warns(RuntimeWarning, match="1 of 3 eigenvalues"):
        assert wf.spectrum.equal_eigenvalues(rough).tolist() == [0, 1, 1]


def test_other_problems_are_refused(small, text):
    problem, spectrum = small
    stats = problem.statistics
    mikolov = wf.Problem.from_statistics(stats, weighting=wf.Symmetrized(wf.Mikolov()), loss="logistic")
    with pytest.raises(ValueError, match=r"`problem` must be quartic and at constant G for `pmi_influence`"):
        pmi_influence(mikolov, spectrum, 0)
    with pytest.raises(ValueError, match="`word_influence`"):
        word_influence(mikolov, spectrum)
    with pytest.raises(ValueError, match="`count_influence`"):
        count_influence(mikolov, spectrum, 0)
    with pytest.raises(ValueError, match="`document_influence`"):
        document_influence(mikolov, spectrum, text)
    with pytest.raises(ValueError, match="`changed_spectrum`"):
        changed_spectrum(mikolov, spectrum)
    matrix = wf.Problem.from_target(np.diag(np.arange(SIZE) - 3.0))
    with pytest.raises(ValueError, match="made from statistics, from which influences of counts are found"):
        word_influence(matrix, spectrum)


def test_spectra_of_other_problems_are_refused(small, problem, basis):
    own, spectrum = small
    with pytest.raises(ValueError, match=r"`spectrum` must be one of the 14 words .* got one of 30 words"):
        word_influence(own, basis)
    with pytest.raises(ValueError, match=r"`problem` must be one of the same 14 words"):
        changed_spectrum(problem, spectrum)


def test_texts_that_were_not_counted_are_refused(small, text, of_text):
    problem, spectrum = small
    with pytest.raises(ValueError, match="`tokens` must be the text that was counted"):
        document_influence(problem, spectrum, text)
    stats = of_text[0].statistics
    for metadata in ({}, {**stats.metadata, "restricted_to_most_frequent": 14}):
        other = wf.CooccurrenceStatistics(stats.words, stats.counts, stats.unigram, metadata)
        with pytest.raises(ValueError, match="counts restricted later or of unknown windows"):
            document_influence(wf.Problem.from_statistics(other), of_text[1], text)


def test_matrices_that_do_not_fit_are_refused(of_text, text, monkeypatch):
    monkeypatch.setattr("w2vflow.support.machine.available_memory", lambda: 1000)
    problem, spectrum = of_text
    with pytest.raises(ValueError, match="a matrix of 14 x 14 pairs fits into memory"):
        pmi_influence(problem, spectrum, 0)
    with pytest.raises(ValueError, match="a table of 14 x 14 pairs fits into memory"):
        document_influence(problem, spectrum, text)


@pytest.mark.parametrize("k", [-1, 5])
def test_concepts_that_are_not_there_are_refused(small, k):
    problem, spectrum = small
    with pytest.raises(ValueError, match=r"`k` must be between 0 and 4, but got"):
        pmi_influence(problem, spectrum, k)


def test_bad_times_and_numbers_are_refused():
    with pytest.raises(ValueError, match="`step_times` must be positive and finite, but got nan"):
        step_time_slopes([1.0, 2.0], [1.0, np.nan])
    with pytest.raises(ValueError, match=r"`step_times` must be positive and finite, but got 0\.0"):
        changed_step_times([1.0], [0.0], [2.0])
    with pytest.raises(ValueError, match=r"`influence` must be of shape \(items,\) or \(V, V\)"):
        strongest_influences(np.ones((2, 3)))
    with pytest.raises(ValueError, match="`n` must be between 1 and the 3 items, but got 4"):
        strongest_influences(np.ones(3), 4)
