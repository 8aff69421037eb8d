"""Matched directions against constructions with known permutation, sign, angle and rotation."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

import w2vflow as wf
from w2vflow.plotting.directions import plot_overlaps
from w2vflow.spectrum.directions import align, common_rows, match_directions, principal_directions

ROWS = 30


def orthonormal(columns, seed=0, rows=ROWS):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(rows, columns)))[0]


def test_a_permuted_and_flipped_basis_is_put_back():
    U = orthonormal(5)
    permutation, signs = np.array([3, 0, 4, 1, 2]), np.array([1.0, -1.0, -1.0, 1.0, -1.0])
    V = np.empty_like(U)
    V[:, permutation] = U * signs
    match = match_directions(U, V)
    np.testing.assert_array_equal(match.order, permutation)
    np.testing.assert_array_equal(match.signs, signs)
    np.testing.assert_allclose(V[:, match.order] * match.signs, U, atol=1e-15)
    np.testing.assert_allclose(match.overlaps, np.eye(5), atol=1e-14)
    np.testing.assert_allclose(match.cosines, 1, rtol=1e-14)
    np.testing.assert_allclose(match.principal_angles, 0, atol=1e-14)
    assert match.subspace_overlap == pytest.approx(1, rel=1e-14)


def test_a_noisy_basis_matches_as_the_best_of_all_permutations():
    rng = np.random.default_rng(1)
    for _ in range(20):
        U, V = orthonormal(4), np.linalg.qr(orthonormal(4) + 0.3 * rng.normal(size=(ROWS, 4)))[0]
        V = V[:, rng.permutation(4)]
        squares = (U.T @ V) ** 2
        best = max(itertools.permutations(range(4)), key=lambda p: sum(squares[k, p[k]] for k in range(4)))
        match = match_directions(U, V)
        assert tuple(match.order) == best
        np.testing.assert_allclose(match.overlaps, (U.T @ V)[:, match.order] * match.signs, atol=1e-14)
        assert (match.cosines >= 0).all()


def test_squares_are_summed_and_not_cosines():
    """0.7^2 + 0.1^2 is more than twice 0.45^2, and 0.7 + 0.1 less than twice 0.45."""
    cosines = np.array([[0.7, 0.45], [0.45, 0.1]])
    basis = orthonormal(4)
    values, axes = np.linalg.eigh(np.eye(2) - cosines @ cosines)
    V = basis[:, :2] @ cosines + basis[:, 2:] @ (axes * np.sqrt(values) @ axes.T)
    match = match_directions(basis[:, :2], V)
    assert match.order.tolist() == [0, 1]
    np.testing.assert_allclose(match.overlaps, cosines, atol=1e-14)


def test_a_rotation_in_a_plane_shows_in_cosines_and_not_in_the_space():
    U = orthonormal(4)
    angle = 0.6
    V = U.copy()
    V[:, 1] = np.cos(angle) * U[:, 1] + np.sin(angle) * U[:, 2]
    V[:, 2] = -np.sin(angle) * U[:, 1] + np.cos(angle) * U[:, 2]
    match = match_directions(U, V)
    np.testing.assert_allclose(match.cosines, [1, np.cos(angle), np.cos(angle), 1], rtol=1e-14)
    np.testing.assert_allclose(match.captured, 1, rtol=1e-14)
    assert match.subspace_overlap == pytest.approx(1, rel=1e-14)


def test_principal_angles_are_those_built_in():
    """Each direction is turned by its own angle towards one that the other basis has not."""
    basis, angles = orthonormal(6), np.array([1e-9, 0.2, 1.1])
    U, away = basis[:, :3], basis[:, 3:]
    match = match_directions(U, U * np.cos(angles) - away * np.sin(angles))
    np.testing.assert_allclose(match.principal_angles, angles, rtol=1e-5, atol=1e-14)
    np.testing.assert_allclose(match.cosines, np.cos(angles), rtol=1e-12)
    np.testing.assert_allclose(match.captured, np.cos(angles) ** 2, rtol=1e-12)
    assert match.subspace_overlap == pytest.approx(np.mean(np.cos(angles) ** 2), rel=1e-12)


def test_directions_to_spare_come_last_in_their_own_order():
    basis = orthonormal(5)
    match = match_directions(basis[:, [4, 1]], basis)
    assert match.order.tolist() == [4, 1, 0, 2, 3]
    assert match.overlaps.shape == (2, 5)
    np.testing.assert_allclose(match.principal_angles, 0, atol=1e-14)


def test_columns_of_any_length_and_angle_are_made_orthonormal_first():
    """The nearest orthonormal columns, found here by descent on the angles of a rotation."""
    U, skewed = np.eye(3), np.array([[1.0, 0.3, 0.0], [0.2, 1.0, -0.4], [0.0, 0.1, 1.0]])
    unit = skewed / np.linalg.norm(skewed, axis=0)
    found = minimize(
        lambda x: np.sum((Rotation.from_rotvec(x).as_matrix() - unit) ** 2), np.zeros(3), tol=1e-14
    )
    match = match_directions(U, skewed * [2.0, 0.1, 30.0])
    nearest = Rotation.from_rotvec(found.x).as_matrix()
    np.testing.assert_allclose(match.overlaps, nearest, atol=1e-6)


def test_shuffled_vocabularies_meet_in_their_common_words():
    rng = np.random.default_rng(3)
    words = [f"word{i}" for i in range(ROWS)]
    U = orthonormal(3)
    shuffled = rng.permutation(ROWS)
    other_words = ["only here", *(words[i] for i in shuffled[4:])]
    V = np.concatenate([rng.normal(size=(1, 3)), U[shuffled[4:]][:, [2, 0, 1]]])
    rows, others = common_rows(words, other_words)
    assert [words[i] for i in rows] == [other_words[i] for i in others]
    assert rows.tolist() == sorted(shuffled[4:].tolist())
    match = match_directions(U[rows], V[others])
    assert match.order.tolist() == [1, 2, 0]
    np.testing.assert_allclose(match.cosines, 1, rtol=1e-12)


@pytest.mark.parametrize("dim", [3, ROWS, ROWS + 5])
def test_principal_directions_are_eigenvectors_of_the_gram_matrix(dim):
    strengths = np.concatenate([[5.0, 3.0, 1.0], np.full(dim - 3, 1e-3)])
    vectors = np.random.default_rng(4).normal(size=(ROWS, dim)) * strengths
    found = principal_directions(vectors, 3)
    exact = np.linalg.eigh(vectors @ vectors.T)[1]
    np.testing.assert_allclose(np.abs(np.sum(found * exact[:, ::-1][:, :3], axis=0)), 1, rtol=1e-12)
    peaks = np.abs(found).argmax(axis=0)
    assert (found[peaks, np.arange(3)] > 0).all()
    turned = vectors @ orthonormal(dim, seed=5, rows=dim)
    np.testing.assert_allclose(principal_directions(turned, 3), found, atol=1e-12)


def test_trained_embeddings_have_the_eigenvectors_as_directions(problem, basis):
    W0 = np.random.default_rng(0).normal(size=(ROWS, 4)) * 1e-4
    trained = wf.predict(problem, W0, [1e7], save_embeddings=True).embeddings[-1]
    match = match_directions(basis.eigenvectors[:, :4], principal_directions(trained, 4))
    assert match.order.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(match.cosines, 1, rtol=1e-10)


def test_alignment_undoes_a_rotation_and_beats_any_other():
    rng = np.random.default_rng(6)
    reference = rng.normal(size=(ROWS, 3))
    rotation = orthonormal(3, seed=7, rows=3)
    np.testing.assert_allclose(align(reference @ rotation, reference), reference, atol=1e-13)
    noisy = reference @ rotation + 0.5 * rng.normal(size=(ROWS, 3))
    aligned = align(noisy, reference)
    np.testing.assert_allclose(aligned @ aligned.T, noisy @ noisy.T, atol=1e-12)
    least = np.linalg.norm(aligned - reference)
    for seed in range(50):
        near = Rotation.from_rotvec(rng.normal(size=3) * 0.05).as_matrix()
        assert np.linalg.norm(aligned @ near - reference) > least
        assert np.linalg.norm(noisy @ orthonormal(3, seed=seed, rows=3) - reference) > least


def test_fewer_dimensions_are_aligned_into_a_subspace():
    reference = np.random.default_rng(8).normal(size=(ROWS, 4))
    flat = reference.copy()
    flat[:, 2] = 0
    vectors = flat @ orthonormal(4, seed=9, rows=4)
    left, values, _ = np.linalg.svd(vectors, full_matrices=False)
    thin = left[:, :3] * values[:3]
    aligned = align(thin, flat)
    assert aligned.shape == (ROWS, 4)
    np.testing.assert_allclose(aligned, flat, atol=1e-12)


def test_bad_input_is_refused():
    U = orthonormal(3)
    with pytest.raises(
        ValueError, match=r"`V` must be of as many rows as `U`, 30, but got 29 rows.*common_rows"
    ):
        match_directions(U, U[1:])
    with pytest.raises(ValueError, match="`V` must be of at least the 3 columns of `U`, but got 2 columns"):
        match_directions(U, U[:, :2])
    with pytest.raises(ValueError, match="`V` must be linearly independent columns, but got 3 dependent"):
        match_directions(U, U[:, [0, 1, 1]])
    with pytest.raises(ValueError, match="`U` must be linearly independent columns, but got 3 dependent"):
        match_directions(U[:2], U[:2])
    with pytest.raises(ValueError, match="`U` must be linearly independent"):
        match_directions(U * [1.0, 0.0, 1.0], U)
    with pytest.raises(ValueError, match="`U` must be finite"):
        match_directions(U * [1.0, np.nan, 1.0], U)
    with pytest.raises(
        ValueError, match=r"`V` must be a matrix with a row for each word, but got shape \(30,\)"
    ):
        match_directions(U, U[:, 0])
    with pytest.raises(ValueError, match="`words` must be different, but got 'a' 2 times"):
        common_rows(["a", "b", "a"], ["a"])
    with pytest.raises(ValueError, match="`other_words` must be different, but got 'b' 2 times"):
        common_rows(["a"], ["a", "b", "b"])
    with pytest.raises(ValueError, match="`other_words` must be some of `words`, but got none of 2"):
        common_rows(["a", "b"], ["A"])
    for k in (0, 4):
        with pytest.raises(
            ValueError, match=f"`k` must be between 1 and the rank 3 of the vectors, but got {k}"
        ):
            principal_directions(U @ np.ones((3, 5)) + U @ np.eye(3, 5), k)
    with pytest.raises(ValueError, match="`vectors` must be finite"):
        principal_directions(U * np.inf, 1)
    with pytest.raises(ValueError, match="`reference` must be of as many rows as `vectors`, 30, but got 29"):
        align(U, U[1:])
    with pytest.raises(
        ValueError, match="`reference` must be of at least the 3 columns of `vectors`, but got 2"
    ):
        align(U, U[:, :2])


def test_overlaps_are_drawn_in_matched_order_with_names():
    basis = orthonormal(4)
    match = match_directions(basis[:, :2], basis[:, ::-1])
    ax = plot_overlaps(match, names=["game / law", "sea / book"], other_names=["a", "b", "c", "d"])
    drawn = ax.images[0].get_array()
    np.testing.assert_allclose(drawn, np.eye(2, 4), atol=1e-12)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["game / law 1", "sea / book 2"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a 4", "b 3", "c 1", "d 2"]
    own = plot_overlaps(match, ax=plt.subplots()[1])
    assert [label.get_text() for label in own.get_xticklabels()] == ["4", "3", "1", "2"]
    with pytest.raises(ValueError, match="`names` must be 2 names, one for a direction, but got 3 names"):
        plot_overlaps(match, names=["a", "b", "c"])
    plt.close("all")
