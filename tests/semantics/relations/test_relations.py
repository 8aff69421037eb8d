"""Task vectors of relations: moments without bias, unequal steps, and planted relations."""

from itertools import permutations

import numpy as np
import pytest

import w2vflow as wf
from w2vflow.semantics.questions import read_pairs
from w2vflow.semantics.relations.relations import (
    relation_moments,
    study_relations,
    task_vectors,
    uneven_lengths,
)

WORDS = [f"word{n}" for n in range(40)]


def planted(rng, steps=None, dim=12, noise=0.1):
    """Vectors of `word0 word1`, `word2 word3`...: the second of a pair is 2 steps along axis 3 away."""
    steps = np.ones(20) if steps is None else steps
    base = rng.normal(size=(20, dim)) * np.linspace(3, 1, dim)
    vectors = np.repeat(base, 2, axis=0)
    vectors[1::2, 3] += 2 * steps
    vectors[1::2] += noise * rng.normal(size=(20, dim))
    return vectors


def pairs_of(number):
    return [(WORDS[2 * n], WORDS[2 * n + 1]) for n in range(number)]


def test_task_vectors_are_differences_of_known_pairs():
    vectors = np.arange(8.0).reshape(4, 2) ** 2
    words = ["Man", "woman", "king", "man"]
    pairs = [("man", "WOMAN"), ("king", "queen"), ("woman", "king")]
    # Of `Man` and `man` the first.
    expected = [vectors[1] - vectors[0], vectors[2] - vectors[1]]
    np.testing.assert_array_equal(task_vectors(vectors, words, pairs), expected)
    assert task_vectors(vectors.astype(np.float32), words, pairs).dtype == np.float64
    assert task_vectors(vectors, words, [("king", "queen")]).shape == (0, 2)


@pytest.mark.parametrize("pair", ["ab", ("a", "b", "c"), ("a",)])
def test_a_pair_is_two_words(pair):
    with pytest.raises(ValueError, match="`pairs` must be pairs of words"):
        task_vectors(np.eye(2), ["a", "b"], [("a", "b"), pair])


def test_vectors_and_words_are_checked():
    with pytest.raises(ValueError, match="`words` must be different"):
        task_vectors(np.eye(2), ["a", "a"], [("a", "b")])
    with pytest.raises(ValueError, match="`vectors` must be finite"):
        study_relations(np.diag([1.0, np.nan]), ["a", "b"], {"one": [("a", "b")]})


def test_moments_by_hand():
    moments = relation_moments(np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]]))
    np.testing.assert_allclose(moments.mean, [2, 2])
    np.testing.assert_allclose(moments.variances, [1, 12])
    np.testing.assert_allclose(moments.mean_squared, [4 - 1 / 3, 4 - 4])
    assert moments.n == 3


def test_squares_of_means_have_no_bias():
    rng = np.random.default_rng(0)
    mean, deviations = np.array([0.0, 0.2, 1.0]), np.array([1.0, 2.0, 0.5])
    rows = mean + deviations * rng.normal(size=(4000, 5, 3))
    found = np.array([relation_moments(one).mean_squared for one in rows])
    error = found.std(axis=0) / np.sqrt(len(rows))
    assert (np.abs(found.mean(axis=0) - mean**2) < 5 * error).all()
    assert (rows.mean(axis=1) ** 2).mean(axis=0)[0] > 5 * error[0]  # what is taken off matters


def test_scaled_moments_are_those_of_scaled_rows():
    rng = np.random.default_rng(1)
    rows, scale = rng.normal(size=(6, 4)) + 1, np.array([2.0, 0.0, -1.0, 0.1])
    found, expected = relation_moments(rows).scaled(scale), relation_moments(rows * scale)
    for name in ("mean", "mean_squared", "variances"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-15)
    assert found.n == 6
    assert found.outlier() == expected.outlier()
    with pytest.raises(ValueError, match="`scale` must be finite, one number for each of 4"):
        relation_moments(rows).scaled(np.ones(3))


def test_uneven_lengths_equal_the_averages_over_different_rows():
    rng = np.random.default_rng(2)
    R = (1 + 0.3 * rng.normal(size=(6, 1))) * [2.0, -1.0, 1.0] + 0.1 * rng.normal(size=(6, 3))
    three = np.mean([(R[i] @ R[j]) * (R[j] @ R[k]) for i, j, k in permutations(range(6), 3)])
    four = np.mean([(R[i] @ R[j]) * (R[k] @ R[m]) for i, j, k, m in permutations(range(6), 4)])
    variances = R.var(axis=0, ddof=1)
    known = ((R.mean(axis=0) ** 2 - variances / 6) * variances).sum()
    length = np.mean([R[i] @ R[j] for i, j in permutations(range(6), 2)])
    expected = (three - four - known) / length**2
    assert expected > 0.02
    assert uneven_lengths(R) == pytest.approx(expected)


@pytest.mark.parametrize("unevenness", [0.0, 0.15])
def test_uneven_lengths_find_what_was_planted(unevenness):
    rng, k = np.random.default_rng(3), 80
    mean = np.ones(k) / np.sqrt(k)
    lengths = 1 + np.sqrt(unevenness) * rng.normal(size=(300, 40, 1))
    R = lengths * mean + rng.normal(size=(300, 40, k)) / np.sqrt(k)
    found = np.array([uneven_lengths(one) for one in R])
    error = found.std() / np.sqrt(len(found))
    # A share 1 / k of it is in the variances; estimates below 0 are 0; a ratio of estimates.
    assert abs(found.mean() - unevenness * (1 - 1 / k)) < 5 * error + 0.01


def test_no_mean_has_no_unevenness():
    R = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert uneven_lengths(R) == 0
    # Not above what the direction of largest variance would give: 2 sum of squares / 3 over |m|^2.
    far = np.array([[9.0, 0.0], [0.5, 0.1], [-0.5, 0.1], [0.4, 0.0], [0.0, 0.1]])
    length = np.mean([one @ other for one, other in permutations(far, 2)])
    assert uneven_lengths(far) <= np.linalg.norm(far - far.mean(axis=0), 2) ** 2 / 4 / length * (1 + 1e-12)
    with pytest.raises(ValueError, match="N at least 4"):
        uneven_lengths(np.ones((3, 2)))


def test_a_planted_relation_is_found_and_a_random_one_is_not():
    rng = np.random.default_rng(4)
    vectors = planted(rng)
    mixed = [(WORDS[a], WORDS[b]) for a, b in rng.permutation(40).reshape(20, 2)]
    study = study_relations(vectors, WORDS, {"step": pairs_of(20), "none": mixed})
    step, none = study.relations["step"], study.relations["none"]
    R = task_vectors(vectors, WORDS, pairs_of(20))
    assert step.location == pytest.approx(np.linalg.eigvalsh(R @ R.T)[-1])
    assert step.predicted.exists
    assert step.predicted.location == pytest.approx(step.location, rel=0.02)
    assert step.predicted.overlap == pytest.approx(step.overlap, abs=0.02)
    assert step.overlap > 0.95
    assert step.noise == pytest.approx(np.linalg.norm(R - R.mean(axis=0), 2) ** 2)
    assert not none.predicted.exists
    assert none.overlap < 0.5


def test_unequal_steps_lower_the_overlap():
    rng = np.random.default_rng(5)
    steps = 1 + 0.5 * rng.normal(size=20)
    dim = 30
    turned = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    study = study_relations(planted(rng, steps, dim) @ turned, WORDS, {"step": pairs_of(20)})
    relation = study.relations["step"]
    expected = steps.mean() ** 2 / (steps**2).mean()
    assert relation.overlap == pytest.approx(expected, abs=0.02)
    assert relation.predicted.overlap == pytest.approx(relation.overlap, abs=0.05)


def test_axes_of_the_vectors_do_not_matter():
    rng = np.random.default_rng(6)
    vectors, turned = planted(rng), np.linalg.qr(rng.normal(size=(12, 12)))[0]
    one, other = (
        study_relations(rows, WORDS, {"step": pairs_of(9)}).relations["step"]
        for rows in (vectors, vectors @ turned)
    )
    np.testing.assert_allclose(one.shares, other.shares, atol=1e-9)
    assert one.shares.sum() == pytest.approx(1)
    for name in ("edge", "location", "overlap"):
        assert getattr(one.predicted, name) == pytest.approx(getattr(other.predicted, name))
    for name in ("snr", "effective_dimension", "effective_dimension_error", "unevenness", "noise"):
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name


def test_shares_say_which_axis_carries_the_relation():
    vectors = np.zeros((8, 4))
    vectors[:, :3] = np.array([[1, 1, 1], [1, -1, 1], [-1, 1, 1], [-1, -1, 1]]).repeat(2, axis=0) * [9, 4, 2]
    vectors[1::2, 3] = 1
    study = study_relations(vectors, WORDS[:8], {"step": pairs_of(4)})
    # Axes by size: 9, 4, then the two of lengths 2 sqrt(8) and 2, which share the step.
    np.testing.assert_allclose(study.relations["step"].shares[:2], 0, atol=1e-9)
    same = study_relations(np.ones((8, 4)), WORDS[:8], {"none": pairs_of(4)}).relations["none"]
    assert (same.shares == 0).all()
    assert np.isnan(same.snr)
    assert not same.predicted.exists


def test_relations_of_few_pairs_are_listed():
    pairs = {"step": [*pairs_of(20), ("word0", "elsewhere")], "two": pairs_of(2), "three": pairs_of(3)}
    study = study_relations(planted(np.random.default_rng(7)), WORDS, pairs)
    assert list(study.relations) == ["step", "three"]
    assert study.too_few == {"two": 2}
    assert (study.relations["step"].n, study.relations["step"].unknown) == (20, 1)
    three = study.relations["three"]
    assert np.isnan(three.effective_dimension)
    assert np.isnan(three.effective_dimension_error)
    assert three.unevenness == 0
    table = str(study).splitlines()
    assert table[0].split()[:3] == ["relation", "pairs", "unknown"]
    assert table[1].split()[:3] == ["step", "20", "1"]
    assert table[3].split() == ["two", "2", "known", "pairs:", "too", "few"]
    assert len({line.index("/") for line in table[1:3]}) == 1
    with pytest.raises(ValueError, match="`pairs` must be relations of which one has 3 pairs"):
        study_relations(np.eye(40), WORDS, {"two": pairs_of(2)})


@pytest.mark.slow
def test_relations_of_a_wikipedia(wikipedia, corpus_folder):
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(wikipedia), 100)
    vectors = spectrum.eigenvectors * np.sqrt(spectrum.eigenvalues)
    pairs = read_pairs(corpus_folder / "eval" / "questions-words.txt")
    study = study_relations(vectors, wikipedia.words, pairs)
    assert len(study.relations) + len(study.too_few) == 14
    for name, relation in study.relations.items():
        if relation.n >= 10:
            assert relation.predicted.exists, name
            assert relation.predicted.location == pytest.approx(relation.location, rel=0.1), name
            assert relation.predicted.overlap == pytest.approx(relation.overlap, abs=0.15), name
