"""Results that come back from files as they were, show themselves, and are cut by time and seed."""

import dataclasses
import json
import zipfile

import jax
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import w2vflow as wf
from w2vflow.experiments.run import Run
from w2vflow.experiments.run_folder import write_run
from w2vflow.experiments.settings import Experiment
from w2vflow.loading import load
from w2vflow.results.cloud import Cloud
from w2vflow.results.trajectory import AXES
from w2vflow.support.dataset_files import any_dataset

# What HDF5 can hold as text: all but NUL and lone surrogates.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=6)
JSON = st.dictionaries(TEXT, st.one_of(st.none(), st.integers(), TEXT, st.lists(st.booleans())), max_size=3)


@st.composite
def trajectories(draw, times=None, dim=None, words=None):
    """A trajectory of any shape, with or without its optional fields, some numbers not finite."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    times = draw(st.integers(1, 4)) if times is None else times
    dim = draw(st.integers(1, 3)) if dim is None else dim
    words = tuple(draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))) if words is None else words
    seeds, dtype = draw(st.sampled_from([None, 1, 2, 3])), draw(st.sampled_from([np.float32, np.float64]))
    sizes = {"seed": seeds, "time": times, "mode": dim, "word": len(words), "dim": dim}

    def array(name):
        numbers = rng.normal(size=[sizes[axis] for axis in AXES[name] if sizes[axis] is not None])
        numbers.flat[rng.integers(numbers.size)] = rng.choice([np.nan, np.inf, 1.0])
        return numbers.astype(dtype)

    optional = {n: array(n) for n in ("error_bound", "embeddings", "contexts") if draw(st.booleans())}
    ts = 0.1 * np.arange(times)
    source, values, loss = draw(TEXT), array("singular_values"), array("loss")
    named = words if {"embeddings", "contexts"} & set(optional) and draw(st.booleans()) else None
    return wf.Trajectory(source, ts, values, loss, metadata=draw(JSON), words=named, **optional)


def check_equal(one, other, names=tuple(AXES)):
    assert (one.source, one.seeds, one.metadata) == (other.source, other.seeds, other.metadata)
    for name in ("ts", *names):
        left, right = getattr(one, name), getattr(other, name)
        assert (left is None) == (right is None), name
        if left is not None:
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)


def check_equal_spectra(one, other):
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@settings(max_examples=12, deadline=None)
@given(traj=trajectories())
def test_any_trajectory_comes_back_equal(tmp_path_factory, traj):
    path = tmp_path_factory.mktemp("any") / "traj.nc"
    traj.save(path)
    back = wf.Trajectory.load(path)
    check_equal(back, traj)
    assert back.words == traj.words
    bytes_before = path.read_bytes()
    back.save(path)
    assert path.read_bytes() == bytes_before


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_comparison_comes_back_equal(tmp_path_factory, data):
    words = ("a", "é", "日本")
    draw = trajectories(data.draw(st.integers(2, 4)), data.draw(st.integers(1, 3)), words)
    given_ = data.draw(st.lists(draw, min_size=1, max_size=3, unique_by=lambda traj: traj.source))
    pairs = data.draw(st.sampled_from([None, 1, 2, 3]))
    spec = None
    if pairs is not None:
        rest = np.zeros(3 - pairs)
        spec = wf.Spectrum(-np.arange(1.0, pairs + 1), np.eye(3)[:, :pairs], np.ones(pairs), rest, rest + 1)
    # A source may differ in the last digits of its times.
    given_[-1] = dataclasses.replace(given_[-1], ts=given_[-1].ts * (1 + 1e-12))
    whole = wf.compare(*given_, spectrum=spec)
    embeddings = data.draw(st.booleans())
    path = tmp_path_factory.mktemp("any") / "together.nc"
    whole.save(path, embeddings=embeddings)
    back = wf.Comparison.load(path)
    assert list(back.trajectories) == list(whole.trajectories)
    for name, traj in whole.trajectories.items():
        kept = back.trajectories[name]
        check_equal(kept, traj, AXES if embeddings else ("singular_values", "loss", "error_bound"))
        if not embeddings:
            assert kept.embeddings is None
    assert set(back.step_times) == set(whole.step_times)
    for name, times in whole.step_times.items():
        np.testing.assert_array_equal(back.step_times[name], times)
    assert (back.spectrum is None) == (spec is None)
    if spec is not None:
        check_equal_spectra(back.spectrum, spec)


def test_every_solver_says_where_its_numbers_come_from(solved, problem, stats):
    for traj in solved:
        attributes = traj.to_xarray().attrs
        assert attributes["statistics_sha256"] == stats.sha256
        assert attributes["precision"] == ("float32" if traj.source == "sgd" else "float64")
        assert "cpu" in attributes["device"]
        assert json.loads(attributes["versions"])["jax"] == jax.__version__
        assert json.loads(attributes["configuration"]) == traj.metadata
        assert traj.words == stats.words
    assert "loss" in solved[0].metadata["problem"]
    own = dataclasses.replace(solved[0], metadata={"problem": "mine", "device": 3})
    assert own.to_xarray().attrs["device"] == "3"
    assert "mine" not in repr(own)
    given_ = wf.predict(wf.Problem.from_target(np.eye(3)), np.full((3, 1), 0.1), [1.0])
    assert "statistics_sha256" not in given_.to_xarray().attrs
    assert given_.words is None


def test_coordinates_are_named(together, solved, stats, basis):
    data = together.to_xarray()
    assert set(data.coords) == {"source", "seed", "time", "mode", "concept", "word"}
    assert data["word"].values.tolist() == list(stats.words)
    near = data["singular_values"].sel(source="sgd", seed=2).sel(time=0.11, method="nearest").sel(mode=1)
    assert float(near) == solved[2].singular_values[2, 2, 0]
    word = stats.words[7]
    np.testing.assert_array_equal(data["concept_eigenvector"].sel(word=word), basis.eigenvectors[7, :6])
    assert data.attrs["statistics_sha256"] == stats.sha256
    assert set(json.loads(data.attrs["configuration"])) == {"theory", "flow", "sgd"}
    own = solved[1].to_xarray()
    assert own["source"].item() == "flow"
    np.testing.assert_array_equal(own["embeddings"].sel(word=word), solved[1].embeddings[:, 7])
    assert "word" not in solved[0].to_xarray().coords


def test_all_kinds_load_by_content(together, solved, basis, stats, tmp_path):
    spec, named = basis.leading(6), tmp_path / "file.nc"
    for write in (1, 2):  # once anew, once in the place of what stands there
        together.save(named, embeddings=True)
        back = load(named)
        assert isinstance(back, wf.Comparison), write
        check_equal_spectra(back.spectrum, spec)
        assert back.trajectories["flow"].words == stats.words
        for name, traj in together.trajectories.items():
            check_equal(back.trajectories[name], traj)
        solved[1].save(named)
        check_equal(load(named), solved[1])
        assert load(named).words == stats.words
        spec.save(named, stats.words)
        check_equal_spectra(load(named), spec)
        assert any_dataset(named)[1]["word"].values.tolist() == list(stats.words)
    cloud = Cloud(np.arange(2.0), ("a",), np.array([3]), np.ones(1), {"flow": np.ones((2, 1, 1), "f4")})
    cloud.save(named)
    assert load(named).words == ("a",)
    # Nothing temporary is left behind.
    assert [path.name for path in tmp_path.iterdir()] == [named.name]


def test_files_of_other_packages_and_statistics_load(stats, tmp_path):
    stats.save(tmp_path / "counts.npz")
    assert load(tmp_path / "counts.npz").sha256 == stats.sha256
    wf.export_vectors(tmp_path / "v.txt", np.eye(2), ["a", "b"])
    wf.export_vectors(tmp_path / "board", np.eye(2), ["a", "b"], format="tensorboard")
    for name in ("v.txt", "board"):
        assert load(tmp_path / name).words == ("a", "b")


def test_archives_are_what_is_in_them(stats, tmp_path):
    def zipped(name, **files):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for inside, content in files.items():
                archive.writestr(inside, content)
        return tmp_path / name

    vectors = zipped("glove.zip", glove="one 1 2\ntwo 3 4\n")
    assert load(vectors).words == ("one", "two")
    stats.save(tmp_path / "counts.npz")
    (tmp_path / "counts.zip").write_bytes((tmp_path / "counts.npz").read_bytes())
    assert load(tmp_path / "counts.zip").sha256 == stats.sha256
    (tmp_path / "cut.npz").write_bytes((tmp_path / "counts.npz").read_bytes()[:-200])
    np.savez(tmp_path / "arrays.npz", a=np.eye(2), b=np.eye(3))
    for path, match in (
        (tmp_path / "cut.npz", "a whole statistics file of this package, but got .*truncated"),
        (tmp_path / "arrays.npz", r"arrays of NumPy \(a.npy, b.npy\), which `numpy.load` reads"),
        (zipped("six.zip", a="one 1 2\n", b="", c="", d=""), r"which holds a, b, c and 1 more .*Unpack it"),
        (
            zipped("text.zip", a="It was a dark night.\n"),
            r"another kind, which holds a \(.*a file in one of the",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            load(path)


def test_the_folder_of_a_run_loads(together, basis, stats, tmp_path):
    features = wf.label_features(basis.leading(4), stats.words, n=2)
    run = Run(Experiment(), stats.words, basis, together, {}, features, {"learned": 4}, None, None)
    write_run(run, tmp_path)
    back = load(tmp_path)
    assert (back.summary, back.features, back.cloud) == ({"learned": 4}, features, None)
    np.testing.assert_array_equal(back.comparison.step_times["sgd"], together.step_times["sgd"])


def test_what_cannot_be_loaded_says_what_it_is(tmp_path):
    (tmp_path / "empty.nc").touch()
    (tmp_path / "text.txt").write_text("It was a dark night.\nAnd then more words came\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text("{}")
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    for name, match in (
        ("empty.nc", "an empty file"),
        ("text.txt", "a file of another kind.*Count a text with `w2vflow count`"),
        ("folder", "a folder without config.json"),
        ("half", "`folder` must be that of a run, .* no summary.json"),
        ("other.nc", "must be a trajectory, .* a dataset that this package did not write"),
    ):
        with pytest.raises(ValueError, match=match):
            load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        load(tmp_path / "nothing")


def old_trajectory(path):
    """A file as versions before the named format wrote it."""
    data = xr.Dataset(
        {
            "singular_values": (("seed", "time", "mode"), np.arange(12.0).reshape(2, 3, 2)),
            "loss": (("seed", "time"), np.ones((2, 3))),
        },
        {"time": [0.0, 1.0, 2.0], "mode": [1, 2], "seed": [0, 1]},
        {"source": "flow", "metadata": '{"rtol": 1e-09}'},
    )
    data.to_netcdf(path, engine="h5netcdf")


def old_comparison(path):
    values = np.stack([np.full((2, 3, 2), 5.0), np.full((2, 3, 2), 6.0)])
    steps = np.array([[[1.0, np.nan], [2.0, np.nan]], [[3.0, np.nan], [np.nan, np.nan]]])
    values[1, 1] = np.nan
    data = xr.Dataset(
        {
            "singular_values": (("source", "seed", "time", "mode"), values),
            "loss": (("source", "seed", "time"), values[..., 0]),
            "step_time": (("source", "seed", "mode"), steps),
            "eigenvalue": (("mode",), [4.0, np.nan]),
        },
        {"source": ["theory", "flow"], "seed": [0, 1], "time": [0.0, 1.0, 2.0], "mode": [1, 2]},
        {"trajectories": '{"flow": {"rtol": 1}, "theory": {}}'},
    )
    data.to_netcdf(path, engine="h5netcdf")


def test_files_of_the_first_format_are_read(tmp_path):
    old_trajectory(tmp_path / "t.nc")
    with pytest.warns(RuntimeWarning, match=r"t\.nc is of an earlier format, without a checksum"):
        traj = load(tmp_path / "t.nc")
    assert (traj.source, traj.seeds, traj.metadata) == ("flow", 2, {"rtol": 1e-9})
    np.testing.assert_array_equal(traj.singular_values, np.arange(12.0).reshape(2, 3, 2))
    old_comparison(tmp_path / "c.nc")
    with pytest.warns(RuntimeWarning, match=r"c\.nc is of an earlier format, without a checksum"):
        both = load(tmp_path / "c.nc")
    assert both.spectrum is None
    assert [traj.seeds for traj in both.trajectories.values()] == [2, None]
    assert both.trajectories["flow"].metadata == {"rtol": 1}
    np.testing.assert_array_equal(both.trajectories["flow"].loss, np.full(3, 6.0))
    np.testing.assert_array_equal(both.step_times["theory"], [[1.0], [2.0]])
    np.testing.assert_array_equal(both.step_times["flow"], [[3.0]])
    # And it can be saved again, in the format of now.
    both.save(tmp_path / "new.nc")
    np.testing.assert_array_equal(load(tmp_path / "new.nc").step_times["flow"], [[3.0]])


def test_a_later_format_names_the_version_to_install(solved, tmp_path):
    path = tmp_path / "later.nc"
    later = {"w2vflow_format": "trajectory 4", "w2vflow_version": "9.1"}
    solved[0].to_xarray().assign_attrs(later).to_netcdf(path, engine="h5netcdf")
    for read in (load, wf.Trajectory.load, wf.Comparison.load):
        with pytest.raises(
            ValueError, match=r"format 4, written by w2vflow 9.1. `pip install -U 'w2vflow>=9.1'`"
        ):
            read(path)


def test_another_kind_says_what_it_is(together, solved, basis, tmp_path):
    together.save(tmp_path / "c.nc")
    solved[0].save(tmp_path / "t.nc")
    assert (any_dataset(tmp_path / "c.nc")[0], any_dataset(tmp_path / "t.nc")[0]) == (
        "comparison",
        "trajectory",
    )
    with pytest.raises(
        ValueError, match=r"must be a trajectory .* holds a comparison. Use `Comparison.load`"
    ):
        wf.Trajectory.load(tmp_path / "c.nc")
    for read in (wf.Comparison.load, wf.Spectrum.load):
        with pytest.raises(ValueError, match=r"holds a trajectory. Use `Trajectory.load`"):
            read(tmp_path / "t.nc")
    with pytest.raises(ValueError, match="`words` must be the 30 words"):
        basis.save(tmp_path / "s.nc", ["a"])


@pytest.mark.parametrize("kind", ["comparison", "spectrum"])
def test_cut_short_files_are_refused(together, basis, tmp_path, kind):
    path = tmp_path / "whole.nc"
    (together if kind == "comparison" else basis).save(path)
    whole = path.read_bytes()
    for size in (60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"`path` must be (a whole netCDF file|a trajectory)"):
            load(path)


def test_zarr_is_named_with_what_to_do(solved, tmp_path):
    (tmp_path / "old.zarr").mkdir()
    (tmp_path / "old.zarr" / ".zgroup").touch()
    for act in (lambda: solved[0].save(tmp_path / "new.zarr"), lambda: load(tmp_path / "old.zarr")):
        with pytest.raises(
            ValueError, match=r"a netCDF file, but got .*zarr, a Zarr folder.*to_zarr\(path\)"
        ):
            act()


def test_other_readers_of_netcdf_see_the_same(solved, tmp_path):
    """The seal is behind what HDF5 reads."""
    solved[1].save(tmp_path / "t.nc")
    with xr.open_dataset(tmp_path / "t.nc", engine="h5netcdf") as data:
        xr.testing.assert_identical(data.load(), any_dataset(tmp_path / "t.nc")[1])


def test_cutting_by_time_and_seed(solved, together):
    exact, flow, sgd = solved
    early = sgd.sel(time=slice(0.05, 0.2))
    np.testing.assert_array_equal(early.ts, sgd.ts[1:5])
    np.testing.assert_array_equal(early.singular_values, sgd.singular_values[:, 1:5])
    np.testing.assert_array_equal(sgd.sel(time=[0.21, 0.04, 0.19]).loss, np.asarray(sgd.loss)[:, [1, 4]])
    one = flow.sel(time=0.31)
    assert (one.seeds, one.embeddings.shape) == (None, (1, 30, 4))
    np.testing.assert_array_equal(one.embeddings[0], flow.embeddings[6])
    np.testing.assert_array_equal(exact.sel(seed=[2, 0]).loss, np.asarray(exact.loss)[[2, 0]])
    np.testing.assert_array_equal(exact.sel(seed=slice(1, None)).loss, exact.loss[1:])
    assert exact.sel(seed=1).seeds is None
    second = together.sel(time=slice(0.1, None), seed=slice(1, 3))
    assert list(second.trajectories) == ["theory", "sgd"]
    np.testing.assert_array_equal(second.trajectories["sgd"].loss, sgd.loss[1:, 2:])
    np.testing.assert_array_equal(second.step_times["theory"], together.step_times["theory"][1:])
    first = together.sel(seed=0)
    assert [traj.seeds for traj in first.trajectories.values()] == [None] * 3
    assert [len(times) for times in first.step_times.values()] == [1] * 3
    np.testing.assert_array_equal(first.trajectories["flow"].loss, flow.loss)


@pytest.mark.parametrize(
    ("choice", "match"),
    [
        (
            {"time": slice(3, 4)},
            "`time` must be a slice with some time within the observed times, 0 to 0.4",
        ),
        ({"time": slice(0, 1, 2)}, "`time` must be a slice without a step"),
        ({"time": 0.6}, "`time` must be within the observed times, 0 to 0.4, but got 0.6"),
        ({"time": [0.1, -0.2]}, "got -0.2"),
        ({"time": float("nan")}, "`time` must be a time, several, or a slice"),
        ({"time": []}, "`time` must be a time, several, or a slice"),
        ({"seed": 3}, "`seed` must be among the 3 seeds, from 0, but got 3"),
        ({"seed": -1}, "`seed` must be among the 3 seeds"),
        ({"seed": [0, 0]}, "`seed` must be different seeds"),
        ({"seed": 0.5}, "`seed` must be among the 3 seeds"),
        ({"seed": slice(3, 9)}, "`seed` must be a slice of some among the 3 seeds"),
    ],
)
def test_bad_cuts_are_refused(solved, together, choice, match):
    for result in (solved[2], together):
        with pytest.raises(ValueError, match=match):
            result.sel(**choice)


def test_seeds_of_a_run_without_them(solved):
    with pytest.raises(ValueError, match="`seed` must be among the no seeds"):
        solved[1].sel(seed=0)
