"""Measurements on trajectories whose answer is known, and files that come back."""

import dataclasses

import jax
import numpy as np
import pytest

import w2vflow as wf
from w2vflow.results.step_times import direction_persistence
from w2vflow.spectrum.directions import direction_overlaps, left_directions
from w2vflow.theory.aligned import half_rise_times


def spectrum(values, size=6):
    vectors = np.eye(size)[:, : len(values)]
    rest = np.zeros(size - len(values))
    return wf.Spectrum(np.array(values, float), vectors, np.zeros(len(values)), rest, np.ones(len(rest)))


def trajectory(ts, squares, embeddings=None, source="theory"):
    return wf.Trajectory(source, ts, np.sqrt(squares), np.zeros(squares.shape[:-1]), embeddings)


def test_half_rise_of_a_sigmoid_is_found_between_coarse_times():
    values, initial = np.array([4.0, 1.0]), np.array([1e-6, 1e-6])
    ts = np.linspace(0, 12, 25)
    squares = values / (1 + (values / initial - 1) * np.exp(-2 * values * ts[:, None]))
    measured = wf.measure_step_times(trajectory(ts, squares), spectrum(values))
    np.testing.assert_allclose(measured, half_rise_times(values, initial), rtol=1e-4)


def test_steps_not_taken_are_nan():
    ts = np.linspace(0, 1, 5)
    squares = np.stack([np.linspace(0.1, 0.9, 5), np.full(5, 0.1), np.full(5, 0.8)], axis=1)
    measured = wf.measure_step_times(trajectory(ts, squares), spectrum([1.0, 1.0, 1.0]))
    assert np.isfinite(measured[0])
    assert np.isnan(measured[1:]).all()


def test_subspace_overlap_by_its_angles():
    for angle in (0.0, 0.3, np.pi / 2):
        U = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        V = np.array([[1.0, 0.0], [0.0, np.cos(angle)], [0.0, np.sin(angle)]])
        mixed = V @ np.array([[2.0, 1.0], [0.5, 3.0]])
        np.testing.assert_allclose(wf.subspace_overlap(U, mixed), (1 + np.cos(angle) ** 2) / 2, atol=1e-14)
    with pytest.raises(ValueError, match="`U` must be of as many rows as V"):
        wf.subspace_overlap(np.eye(3), np.eye(4))


def test_overlap_of_random_subspaces_is_their_share():
    rng = np.random.default_rng(0)
    overlaps = [wf.subspace_overlap(rng.normal(size=(40, 4)), rng.normal(size=(40, 6))) for _ in range(300)]
    assert abs(np.mean(overlaps) - 6 / 40) < 0.01


def test_directions_are_left_singular_vectors():
    W = np.random.default_rng(0).normal(size=(3, 7, 4))
    U = np.linalg.svd(W, full_matrices=False)[0]
    overlaps = direction_overlaps(left_directions(W, 3), U)
    np.testing.assert_allclose(overlaps, np.broadcast_to(np.eye(4)[:3], (3, 3, 4)), atol=1e-12)
    with pytest.raises(ValueError, match="`k` must be between 1 and the dimension 4"):
        left_directions(W, 5)


def test_persistence_follows_a_concept_through_a_crossing():
    """Two fixed directions whose sizes cross: neither rotates, though their order changes."""
    sizes = np.array([[0.1, 0.05], [0.99, 0.2], [1.0, 1.5], [1.0, 2.0]])
    W = np.eye(6)[:, :2] * np.sqrt(sizes)[:, None, :]
    traj = trajectory(np.arange(4.0), -np.sort(-sizes), W)
    persistence = direction_persistence(traj, spectrum([2.0, 1.0]), learned=0.9)
    # By size at the end, the first concept is the second direction.
    assert np.isnan(persistence[:3, 0]).all()
    assert np.isnan(persistence[:1, 1]).all()
    np.testing.assert_allclose(persistence[3, 0], 1.0)
    np.testing.assert_allclose(persistence[1:, 1], 1.0)


def test_persistence_sees_a_rotation():
    angle = 0.4
    early, late = np.eye(6)[:, 0], np.cos(angle) * np.eye(6)[:, 0] + np.sin(angle) * np.eye(6)[:, 1]
    W = np.stack([early, late])[:, :, None]
    traj = trajectory(np.arange(2.0), np.ones((2, 1)), W)
    persistence = direction_persistence(traj, spectrum([1.0]))
    np.testing.assert_allclose(persistence[:, 0], [1.0, np.cos(angle) ** 2])
    with pytest.raises(ValueError, match="`traj` must be a trajectory with embeddings"):
        direction_persistence(dataclasses.replace(traj, embeddings=None), spectrum([1.0]))


@pytest.fixture(scope="module")
def trajectories(problem):
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 3), 30, 4, 1e-2)
    ts = np.linspace(0, 1.2 * wf.step_time_law(problem, 4, 1e-2).mean.max(), 30)
    flow = wf.solve_flow(problem, W0[0], ts, recording=wf.Recording(save_embeddings=True))
    return wf.predict(problem, W0, ts), flow


def test_comparison_side_by_side(trajectories, basis):
    exact, flow = trajectories
    table = wf.compare(exact, flow, spectrum=basis.leading(4))
    assert table.singular_value_error("flow", "theory") < 1e-8
    text = str(table)
    assert "theory" in text
    assert "flow" in text
    assert len(text.splitlines()) == 1 + 2 + 3 + 4
    data = table.to_xarray()
    sizes = {"source": 2, "seed": 3, "time": 30, "mode": 4, "concept": 4, "word": 30, "bath": 26}
    sizes["byte"] = 32  # of the fingerprint of the problem
    assert dict(data.sizes) == sizes
    np.testing.assert_array_equal(data["singular_values"].sel(source="theory"), exact.singular_values)
    assert np.isnan(data["singular_values"].sel(source="flow", seed=1)).all()
    np.testing.assert_array_equal(
        data["step_time"].sel(source="theory"), wf.measure_step_times(exact, basis.leading(4))
    )


def test_comparison_file_is_the_same_twice(trajectories, basis, tmp_path):
    for name in ("a.nc", "b.nc"):
        wf.compare(*trajectories, spectrum=basis.leading(4)).save(tmp_path / name)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_things_that_do_not_go_together(trajectories):
    exact, flow = trajectories
    later = dataclasses.replace(flow, ts=flow.ts + 1)
    wider = dataclasses.replace(flow, singular_values=np.zeros((30, 9)))
    for given, match in (
        ((), "`trajectories` must be at least one trajectory"),
        ((exact, later), "`trajectories` must be on the same times"),
        ((exact, wider), "`trajectories` must be of one dimension"),
        ((exact, exact), "`trajectories` must be of different sources"),
    ):
        with pytest.raises(ValueError, match=match):
            wf.compare(*given)


def test_saved_trajectories_come_back_equal(trajectories, tmp_path):
    for traj in trajectories:
        path = tmp_path / f"{traj.source}.nc"
        traj.save(path)
        loaded = wf.Trajectory.load(path)
        for name in ("ts", "singular_values", "loss"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(traj, name))
        assert (loaded.source, dict(loaded.metadata)) == (traj.source, dict(traj.metadata))
        if traj.embeddings is None:
            assert loaded.embeddings is None
        else:
            np.testing.assert_array_equal(loaded.embeddings, traj.embeddings)


def test_damaged_trajectories_are_refused(trajectories, tmp_path):
    path = tmp_path / "flow.nc"
    trajectories[1].save(path)
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="`path` must be a whole netCDF file"):
            wf.Trajectory.load(path)
    wf.compare(trajectories[1]).save(path)
    with pytest.raises(ValueError, match="`path` must be a trajectory"):
        wf.Trajectory.load(path)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        wf.Trajectory.load(tmp_path / "none.nc")


def test_trajectory_says_what_it_is(trajectories):
    exact, flow = trajectories
    assert "theory, 3 seeds, 30 times" in repr(exact)
    assert "flow, 1 seed" in repr(flow)
    assert exact.sel(seed=2).seeds is None
    with pytest.raises(ValueError, match="`seed` must be among the 3 seeds"):
        exact.sel(seed=3)
    with pytest.raises(ValueError, match="`seed` must be among the no seeds"):
        flow.sel(seed=0)


def test_features_are_the_extreme_words(stats, basis):
    features = wf.label_features(basis.leading(2), stats.words, n=3)
    order = np.argsort(basis.eigenvectors[:, 1])
    assert features[1].negative == tuple(stats.words[i] for i in order[:3])
    assert features[1].positive == tuple(stats.words[i] for i in order[::-1][:3])
    assert features[0].eigenvalue == basis.eigenvalues[0]
    with pytest.raises(ValueError, match="`words` must be the 30 words"):
        wf.label_features(basis, stats.words[:5])
    with pytest.raises(ValueError, match="`n` must be between 1"):
        wf.label_features(basis, stats.words, n=0)
