"""The folder of a run, written and read back."""

import dataclasses
import math
import shutil

import numpy as np
import pytest

from w2vflow.experiments.run import run_experiment
from w2vflow.experiments.run_folder import load_run, write_run
from w2vflow.experiments.settings import Experiment

SMALL = Experiment(
    vocab_size=40, dim=2, seeds=2, learning_rate=0.2, batch_size=1024, observations=10, flow_scales=(),
    cloud_words=15,
)  # fmt: skip


@pytest.fixture(scope="module")
def run():
    return run_experiment(SMALL)


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    assert all(written.is_file() for written in write_run(run, path))
    return path


def test_what_is_written_is_read(run, folder):
    saved = load_run(folder)
    assert saved.folder == folder
    assert saved.config["vocab_size"] == 40
    assert saved.summary == run.summary
    assert saved.features == run.features
    assert list(saved.comparison.trajectories) == list(run.comparison.trajectories)
    for name, times in run.comparison.step_times.items():
        np.testing.assert_array_equal(saved.comparison.step_times[name], times)
    np.testing.assert_array_equal(saved.comparison.spectrum.eigenvalues, run.spectrum.eigenvalues)
    assert saved.cloud.words == run.cloud.words
    assert len(saved.cloud.words) == 15
    np.testing.assert_array_equal(saved.cloud.coordinates["sgd"], run.cloud.coordinates["sgd"])


ENDS = [
    ("new york", "a", "", 'say "so"', "it's"),
    (" a ", "b,c", "d;e", "\u2028", "f\ng"),
    ("",),
    ('"',),
    ("a b",),
    ("the", "of", "\r", "\t"),
]


def test_words_with_spaces_are_read_back(run, tmp_path):
    features = [run.features[0]._replace(positive=ends, negative=ends[::-1]) for ends in ENDS]
    write_run(dataclasses.replace(run, features=features), tmp_path)
    assert load_run(tmp_path).features == features


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_without_positions(run, copy):
    """Of an earlier run into the folder they would be taken for its own."""
    write_run(dataclasses.replace(run, cloud=None), copy)
    assert load_run(copy).cloud is None


def test_concepts_of_a_folder_without_their_names(run, copy):
    rows = (copy / "features.csv").read_text().splitlines()
    (copy / "features.csv").write_text("\n".join(",".join(row.split(",")[:4]) for row in rows) + "\n")
    first, found = run.features[0], load_run(copy).features[0]
    assert (found.eigenvalue, found.positive) == (first.eigenvalue, first.positive)
    assert found.name == f"{first.positive[0]} / {first.negative[0]}"
    assert math.isnan(found.participation)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("comparison.nc", None, "which has no comparison.nc. Make one with `w2vflow run"),
        ("summary.json", b"{", "but got a damaged .*summary.json .*Run it again"),
        ("config.json", b"[1]", "config.json without names in it"),
        ("features.csv", b"concept\n1\n", "but got a damaged .*features.csv"),
        ("features.csv", b"concept,eigenvalue,positive_words,negative_words\n1,x,a,b\n", "damaged .*'x'"),
        ("comparison.nc", b"no netCDF", "comparison.nc"),
        ("cloud.nc", b"no netCDF", "cloud.nc"),
    ],
)
def test_folders_that_are_no_runs(copy, name, content, match):
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    with pytest.raises(ValueError, match=match):
        load_run(copy)


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*none. Make one with `w2vflow run`"):
        load_run(tmp_path / "none")
    with pytest.raises(ValueError, match=r"has no config\.json and no"):
        load_run(tmp_path)
