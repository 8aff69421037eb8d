"""The folder of a run, written and read back."""

import contextlib
import csv
import dataclasses
import io
import math
import os
import shutil

import numpy as np
import pytest
from kills import Killed

import w2vflow as wf
from w2vflow.experiments.ablation import Ablation, AblationRun
from w2vflow.experiments.run import run_experiment
from w2vflow.experiments.run_folder import load_run, write_ablation, write_run
from w2vflow.experiments.settings import Experiment
from w2vflow.semantics import Feature

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


def test_a_saved_run_prints_a_screenful(folder):
    saved = load_run(folder)
    lines = str(saved).splitlines()
    assert len(lines) < 40
    assert lines[0].startswith(f"Run in {folder}: statistics enwiki15k-v3000, vocab_size 40, dim 2")
    ends = saved.features[0]
    assert f"      1  {' '.join(ends.positive[:4])} <-> {' '.join(ends.negative[:4])}" in lines
    assert repr(saved).count("\n") == 0
    assert len(repr(saved)) < 300


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


FORMULAS = [
    ("=1+2", "the", "-1", "+1"), ("@SUM(A1)", "a b"), ("-x",), ("+",), ("\t=1",), ("\r=1",), ("\n@a",),
    ("-1.5",), ("the", "=1+2"), ("'=1", '"=1"'), ('"', "'"), ("'",), ("\uff1d1+2", "x"),
]  # fmt: skip


def test_words_are_no_formulas_of_a_spreadsheet(run, tmp_path):
    """No cell of words begins as a formula does, and each is read as it was; numbers remain numbers."""
    named = [f"{ends[0]} / {ends[-1]}" for ends in FORMULAS]
    features = [
        Feature(-1.5, ends, ends[::-1], name, 2.0) for ends, name in zip(FORMULAS, named, strict=True)
    ]
    write_run(dataclasses.replace(run, features=features), tmp_path)
    assert load_run(tmp_path).features == features
    with (tmp_path / "features.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["eigenvalue"] for row in rows} == {"-1.5"}
    for row in rows:
        for column in ("positive_words", "negative_words", "name"):
            assert not row[column].startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))


def test_names_in_quotation_marks_of_an_earlier_version(run, earlier):
    """They were written as they are."""
    text = (earlier / "features.csv").read_text()
    head, first, *rest = text.splitlines()
    cells = next(csv.reader([first]))
    cells[4] = '"so" / "it"'
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    (earlier / "features.csv").write_text("\n".join([head, line.getvalue().strip(), *rest]) + "\n")
    assert load_run(earlier).features[0].name == '"so" / "it"'


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture
def earlier(copy):
    """A folder of a version that wrote no manifest."""
    (copy / "manifest.json").unlink()
    return copy


def test_without_positions(run, copy):
    """Of an earlier run into the folder they would be taken for its own."""
    write_run(dataclasses.replace(run, cloud=None), copy)
    assert load_run(copy).cloud is None


def test_concepts_of_a_folder_without_their_names(run, earlier):
    rows = (earlier / "features.csv").read_text().splitlines()
    (earlier / "features.csv").write_text("\n".join(",".join(row.split(",")[:4]) for row in rows) + "\n")
    first, found = run.features[0], load_run(earlier).features[0]
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
def test_folders_that_are_no_runs(earlier, name, content, match):
    if content is None:
        (earlier / name).unlink()
    else:
        (earlier / name).write_bytes(content)
    with pytest.raises(ValueError, match=match):
        load_run(earlier)


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*none. Make one with `w2vflow run`"):
        load_run(tmp_path / "none")
    with pytest.raises(ValueError, match=r"has no config\.json and no"):
        load_run(tmp_path)


def other(run):
    """Return a run whose files are all different."""
    experiment = dataclasses.replace(run.experiment, seed=7)
    features = [feature._replace(name="other") for feature in run.features]
    return dataclasses.replace(run, experiment=experiment, summary={"other": 1}, features=features)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def what_is_loaded(folder, run):
    try:
        saved = load_run(folder)
    except ValueError as error:
        return str(error)
    old = saved.summary == run.summary
    expected = (0, run.features) if old else (7, other(run).features)
    assert (saved.config["seed"], saved.features) == expected
    return "old" if old else "new"


@pytest.mark.parametrize("version", ["copy", "earlier"])
def test_a_kill_while_a_run_is_written_over_another(request, run, version, monkeypatch):
    """Whatever is replaced when it comes, the folder is the old run, the new one, or refused."""
    folder = request.getfixturevalue(version)
    whole, exchanged, found = files(folder), [0], []
    replace = os.replace

    def until(limit):
        def killed(source, target, **options):
            if exchanged[0] == limit:
                raise Killed
            exchanged[0] += 1
            return replace(source, target, **options)

        return killed

    # `Path.replace` calls it too.
    for limit in range(20):
        shutil.rmtree(folder)
        folder.mkdir()
        for name, content in whole.items():
            (folder / name).write_bytes(content)
        exchanged[0] = 0
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", until(limit))
            with contextlib.suppress(Killed):
                write_run(other(run), folder)
        found.append(what_is_loaded(folder, run))
    assert (found[0], found[-1]) == ("old", "new")
    assert all("files of different runs" in what for what in found if what not in ("old", "new"))
    assert len(set(found)) > 2


def test_files_of_two_runs_in_one_folder(run, copy, tmp_path):
    write_run(other(run), tmp_path / "other")
    for name in ("config.json", "summary.json", "features.csv"):
        shutil.copytree(copy, tmp_path / "mixed")
        shutil.copy(tmp_path / "other" / name, tmp_path / "mixed" / name)
        with pytest.raises(ValueError, match=f"files of different runs: {name} .*Run it again"):
            wf.load(tmp_path / "mixed")
        shutil.rmtree(tmp_path / "mixed")


def test_damage_is_told_with_the_name_of_the_file(copy):
    for name in ("config.json", "summary.json", "features.csv", "comparison.nc", "cloud.nc", "manifest.json"):
        whole = (copy / name).read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 4
        for damaged in (bytes(flipped), whole[: len(whole) // 2], b""):
            (copy / name).write_bytes(damaged)
            with pytest.raises(ValueError, match=name):
                wf.load(copy)
        (copy / name).write_bytes(whole)
    (copy / "cloud.nc").unlink()
    with pytest.raises(ValueError, match=r"without its cloud\.nc"):
        load_run(copy)


def test_a_manifest_names_no_files_elsewhere(copy):
    """It decides what is compared, not what is read."""
    (copy / "manifest.json").write_text('{"files": {"../../etc/passwd": ""}}')
    with pytest.raises(ValueError, match=r"manifest\.json"):
        load_run(copy)


def test_a_folder_of_an_earlier_version_loads(run, earlier):
    assert load_run(earlier).summary == run.summary


def test_a_study_written_over_a_run_is_no_run(run, copy):
    study = AblationRun(Ablation(), {"quartic-uniform": run.comparison}, {"cells": {}})
    paths = write_ablation(study, copy)
    assert {path.name for path in paths} >= {"config.json", "summary.json", "comparison-quartic-uniform.nc"}
    with pytest.raises(ValueError, match="a study of the approximations"):
        load_run(copy)
