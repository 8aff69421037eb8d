"""Clouds along the concepts: the same from every source, whatever the rotation; files that come back."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

import w2vflow as wf
from w2vflow.results.cloud import Cloud, concept_coordinates, embedding_cloud


def rotations(number, dim, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(number, dim, dim)))[0]


@pytest.fixture(scope="module")
def runs(problem, basis):
    """Theory, flow and, as another source, the flow turned at each time by a rotation of its own."""
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 2), problem.vocab_size, 4, 1e-2)
    ts = np.linspace(0, 12 / basis.eigenvalues[0], 13)
    theory = wf.predict(problem, W0, ts, spectrum=basis, save_embeddings=True)
    flow = wf.solve_flow(problem, W0, ts, spectrum=basis, recording=wf.Recording(save_embeddings=True))
    turned = dataclasses.replace(flow, source="turned", embeddings=flow.embeddings @ rotations(13, 4))
    return theory, flow, turned


def test_every_source_shows_one_cloud_whatever_its_rotation(runs, basis, stats):
    flow = runs[1]
    cloud = embedding_cloud(runs, basis, stats.words, seed=1, n_concepts=4)
    np.testing.assert_allclose(cloud.coordinates["turned"], cloud.coordinates["flow"], atol=1e-6)
    np.testing.assert_allclose(cloud.coordinates["theory"], cloud.coordinates["flow"], atol=1e-4)
    own = concept_coordinates(flow.sel(seed=1).embeddings, basis.leading(4))
    np.testing.assert_allclose(cloud.coordinates["flow"], own, atol=1e-6)
    other = embedding_cloud(runs, basis, stats.words, seed=0).coordinates["flow"][0]
    assert np.abs(other - cloud.coordinates["flow"][0]).max() > 1e-4


@pytest.mark.parametrize("modes", [2, 3, 5])
def test_the_rotation_is_that_of_procrustes(modes):
    """Padded with zeros to one number of columns, SciPy's solver finds it too."""
    rng = np.random.default_rng(modes)
    W = rng.normal(size=(9, 3))
    vectors = np.linalg.qr(rng.normal(size=(9, modes)))[0]
    spec = wf.Spectrum(np.arange(modes, 0.0, -1), vectors, np.zeros(modes), np.zeros(0), np.zeros(0))
    found = concept_coordinates(W, spec)
    width = max(3, modes)
    wide, target = (np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in (W, vectors))
    expected = (wide @ orthogonal_procrustes(wide, target)[0])[:, :modes]
    np.testing.assert_allclose(vectors.T @ found, vectors.T @ expected, atol=1e-12)
    if modes >= 3:
        np.testing.assert_allclose(found, expected, atol=1e-12)
    product = vectors.T @ found
    np.testing.assert_allclose(product, product.T, atol=1e-12)
    assert np.linalg.eigvalsh(product).min() > -1e-12


def test_at_the_optimum_coordinates_are_scaled_eigenvectors(basis):
    leading = basis.leading(4)
    optimum = leading.eigenvectors * np.sqrt(leading.eigenvalues)
    found = concept_coordinates(optimum @ rotations(5, 4), leading)
    np.testing.assert_allclose(found, np.broadcast_to(optimum, (5, *optimum.shape)), atol=1e-12)


def test_untied_weights_show_their_word_vectors(runs, basis, stats):
    flow = runs[1].sel(seed=0)
    untied = dataclasses.replace(flow, contexts=-2 * flow.embeddings)
    one, other = (embedding_cloud([t], basis, stats.words).coordinates["flow"] for t in (flow, untied))
    np.testing.assert_array_equal(one, other)


def test_words_at_both_ends_and_frequent_ones_are_kept(runs, basis, stats):
    cloud = embedding_cloud(runs[:1], basis, stats.words, n_words=12, n_times=4, n_concepts=3)
    assert cloud.coordinates["theory"].shape == (4, 12, 3)
    assert cloud.words == tuple(stats.words[row] for row in cloud.ranks)
    assert (np.diff(cloud.ranks) > 0).all()
    vectors = np.asarray(basis.eigenvectors)[:, :3]
    ends = {*vectors.argmin(axis=0), *vectors.argmax(axis=0)}
    assert ends <= set(cloud.ranks)
    frequent = [row for row in range(len(stats.words)) if row not in ends][: 12 - len(ends)]
    assert set(cloud.ranks) == ends | set(frequent)
    assert cloud.ts[0] == runs[0].ts[0]
    assert cloud.ts[-1] == runs[0].ts[-1]
    assert set(cloud.ts) <= set(runs[0].ts.tolist())


def test_within_jit_the_same_words_are_kept(runs, basis, stats):
    def cloud(trajectories, spectrum):
        return embedding_cloud(trajectories, spectrum, stats.words, n_words=12, n_concepts=3)

    traced, known = jax.jit(cloud)(list(runs), basis), cloud(runs, basis)
    assert traced.words == ()
    np.testing.assert_array_equal(traced.ranks, known.ranks)
    for source, places in known.coordinates.items():
        np.testing.assert_allclose(traced.coordinates[source], places, atol=1e-6)
    copied = jax.tree.map(np.asarray, known)
    assert copied.words == known.words


def test_a_cloud_comes_back_from_its_file(runs, basis, tmp_path):
    words = tuple(f"<b>ä{i}\"'" for i in range(30))
    cloud = embedding_cloud(runs[:2], basis, words, n_words=20)
    cloud.save(tmp_path / "cloud.nc")
    back = Cloud.load(tmp_path / "cloud.nc")
    assert back.words == cloud.words
    assert list(back.coordinates) == ["theory", "flow"]
    for name in ("ts", "ranks", "eigenvalues"):
        np.testing.assert_array_equal(getattr(back, name), getattr(cloud, name))
    for source, places in cloud.coordinates.items():
        np.testing.assert_array_equal(back.coordinates[source], places)
        assert back.coordinates[source].dtype == np.float32
    assert repr(back) == repr(cloud)
    assert repr(cloud).startswith("Cloud(theory, flow: 20 words along 4 concepts at 13 times in [0, ")


def test_bad_arguments_are_named(runs, basis, stats):
    theory, flow, _ = runs
    with pytest.raises(ValueError, match=r"`embeddings` must be of shape \(\.\.\., 30, dim\)"):
        concept_coordinates(np.zeros((29, 4)), basis)
    with pytest.raises(ValueError, match="`trajectories` must be at least one trajectory"):
        embedding_cloud([], basis, stats.words)
    with pytest.raises(ValueError, match="`n_times` must be at least 1, but got 0"):
        embedding_cloud([flow], basis, stats.words, n_times=0)
    with pytest.raises(ValueError, match="`words` must be the 30 words of the problem, but got 2 words"):
        embedding_cloud([flow], basis, ["a", "b"])
    with pytest.raises(ValueError, match="`trajectories` must be of different sources, but got 'flow' twice"):
        embedding_cloud([flow, flow], basis, stats.words)
    with pytest.raises(ValueError, match="on the same times, but got other times for 'flow'"):
        embedding_cloud([theory, dataclasses.replace(flow, ts=2 * flow.ts)], basis, stats.words)
    with pytest.raises(ValueError, match=r"Run the solver with `Recording\(save_embeddings=True\)`"):
        embedding_cloud([dataclasses.replace(flow, embeddings=None)], basis, stats.words)
    with pytest.raises(ValueError, match="`seed` must be among the 2 seeds"):
        embedding_cloud([flow], basis, stats.words, seed=2)
