"""A whole run at small size: the claims of the demo, its files, and the command line."""

import csv
import dataclasses
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import w2vflow as wf
from w2vflow.cli import main
from w2vflow.experiments.figures import draw_run
from w2vflow.experiments.run import experiment_stages, run_experiment, verify_flow
from w2vflow.experiments.run_folder import write_run
from w2vflow.experiments.settings import Experiment

SMALL = Experiment(
    vocab_size=400,
    dim=6,
    seeds=4,
    learning_rate=0.05,
    batch_size=32_768,
    observations=60,
    flow_scales=(1e-1, 1e-4, 1e-10),
)


@pytest.fixture(scope="module")
def run():
    return run_experiment(SMALL)


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    written = [*write_run(run, path), *draw_run(run, path)]
    assert all(file.is_file() for file in written)
    return path


def test_what_the_demo_claims_holds_at_small_size(run):
    summary = verify_flow(run).summary
    assert list(run.summary["flow_against_exact"]) == ["every seed, eigenbasis flow"]
    assert summary["concepts_learned"] == 6
    flow = summary["flow_against_exact"]
    assert flow["every seed, eigenbasis flow"] <= 1e-6
    assert flow["first seed, dense flow"] <= 1e-6
    assert set(flow["by initial scale, eigenbasis flow"]) == {"0.1", "0.0001", "1e-10"}
    assert max(flow["by initial scale, eigenbasis flow"].values()) <= 1e-6
    errors = [concept["sgd_step_time_error"] for concept in summary["concepts"]]
    assert max(errors[:4]) <= 0.03
    assert summary["largest_sgd_step_time_error_of_first_modes"] == max(errors)
    assert summary["subspace_overlap_of_first_modes"] >= 0.9
    assert summary["persistence_of_first_modes"]["from 99% of lambda_k"]["flow"] >= 0.98


def test_files_of_a_run(run, folder):
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    figures = {"learning", "embedding", "step_times", "overlaps", "rotation"}
    whole = {
        "config.json",
        "summary.json",
        "comparison.nc",
        "features.csv",
        "cloud.nc",
        "start.nc",
        "manifest.json",
    }
    assert names == whole | {f"figures/{name}.{kind}" for name in figures for kind in ("png", "svg")}
    config = json.loads((folder / "config.json").read_text())
    assert config.pop("command") == "run experiment"
    config["flow_scales"] = tuple(config["flow_scales"])
    assert Experiment(**config) == SMALL
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["concepts"][0]["eigenvalue"] == run.spectrum.eigenvalues[0]
    assert "CC BY-SA" in summary["statistics"]["source"]
    with (folder / "features.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["eigenvalue"]) == run.spectrum.eigenvalues[0]
    assert rows[0]["positive_words"].split() == list(run.features[0].positive)
    with xr.open_dataset(folder / "comparison.nc", engine="h5netcdf") as data:
        assert data.sizes.items() >= {"source": 4, "seed": 4, "time": 61, "mode": 6}.items()
        assert list(data["source"].values) == ["theory", "theory-discrete", "flow", "sgd"]
        assert np.isfinite(data["singular_values"]).all()


def test_same_seed_same_bytes(folder, tmp_path):
    write_run(run_experiment(SMALL), tmp_path)
    assert (tmp_path / "comparison.nc").read_bytes() == (folder / "comparison.nc").read_bytes()


def test_another_seed_is_another_run(run):
    other = run_experiment(dataclasses.replace(SMALL, seed=1, seeds=2, flow_scales=(), cloud_words=0))
    assert other.cloud is None
    assert other.summary["concepts"][0]["step_time_sgd"] != run.summary["concepts"][0]["step_time_sgd"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dim": 0}, "`dim` must be at least 1"),
        ({"seeds": 0}, "`seeds` must be at least 1"),
        ({"scale": 0.0}, "`scale` must be positive"),
        ({"horizon": float("nan")}, "`horizon` must be positive"),
        ({"cloud_words": -1}, "`cloud_words` must be at least 0"),
    ],
)
def test_bad_settings(change, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(SMALL, **change)


def test_positions_are_those_of_the_sources(run):
    """Closed form and flow agree on them: the flow owes nothing to the closed form's rotation."""
    cloud, flow = run.cloud, run.comparison.trajectories["flow"]
    assert list(cloud.coordinates) == ["theory", "flow", "sgd"]
    assert len(cloud.words) == 400
    largest = np.abs(cloud.coordinates["flow"]).max()
    assert np.abs(cloud.coordinates["theory"] - cloud.coordinates["flow"]).max() <= 1e-4 * largest
    # Rotations leave distances from the origin as they are.
    last = np.linalg.norm(flow.sel(seed=0).embeddings[-1], axis=1)
    np.testing.assert_allclose(np.linalg.norm(cloud.coordinates["flow"][-1], axis=1), last, rtol=1e-5)


@pytest.fixture
def few(tmp_path):
    """Two topics of five words: few concepts to learn."""
    words = [f"{topic}{number}" for topic in "ab" for number in range(5)]
    counts = np.kron([[9, 1], [1, 9]], np.ones((5, 5), int)) + np.eye(10, dtype=int)
    wf.CooccurrenceStatistics(words, counts, counts.sum(axis=0)).save(tmp_path / "few.npz")
    return dataclasses.replace(
        SMALL, statistics=str(tmp_path / "few.npz"), dim=1, seeds=1, batch_size=1024, observations=20,
        flow_scales=(),
    )  # fmt: skip


def test_at_most_so_many_words(few):
    stages = []
    run = run_experiment(few, log=stages.append)
    assert len(run.words) == run.summary["statistics"]["vocab_size"] == 10
    assert "10 words: the statistics have no more" in stages


@pytest.mark.parametrize("dim", [10, 11])
def test_no_more_dimensions_than_can_be_learned(few, dim):
    stages = []
    run = run_experiment(dataclasses.replace(few, dim=dim), log=stages.append)
    (note,) = (line for line in stages if "dimensions, not" in line)
    learned = run.experiment.dim
    assert note == f"{learned} dimensions, not {dim}: these counts have no more concepts to learn"
    assert 1 <= learned < 10
    assert run.comparison.trajectories["sgd"].dim == len(run.features) == learned
    assert run.summary["asked"]["dim"] == dim


def test_nothing_to_learn(few, tmp_path):
    counts = np.full((4, 4), 5)
    wf.CooccurrenceStatistics(list("abcd"), counts, counts.sum(axis=0)).save(tmp_path / "none.npz")
    nothing = dataclasses.replace(few, statistics=str(tmp_path / "none.npz"))
    with pytest.raises(ValueError, match=r"`statistics` must be counts with a concept .*Give more text"):
        run_experiment(nothing)


def test_stages_grow_to_the_whole_run(few, tmp_path):
    """Each can be written and has its page; numbers that are there stay as they are."""
    seen = []
    for number, run in enumerate(experiment_stages(few)):
        seen.append(run)
        write_run(run, tmp_path / str(number))
        saved = wf.load(tmp_path / str(number))
        assert saved.summary == run.summary
        page = wf.write_report(tmp_path / "page.html", run.comparison, run.cloud, run.features)
        assert page.stat().st_size > 50_000
    sources = [list(run.comparison.trajectories) for run in seen]
    assert sources == [
        ["theory", "theory-discrete"],
        ["theory", "theory-discrete", "flow"],
        ["theory", "theory-discrete", "flow", "sgd"],
    ]
    assert [list(run.cloud.coordinates) for run in seen] == [
        ["theory"], ["theory", "flow"], ["theory", "flow", "sgd"],
    ]  # fmt: skip
    first, last = seen[0], seen[-1]
    np.testing.assert_array_equal(
        first.comparison.trajectories["theory"].singular_values,
        last.comparison.trajectories["theory"].singular_values,
    )
    np.testing.assert_array_equal(first.cloud.coordinates["theory"], last.cloud.coordinates["theory"])
    for name in ("eigenvalue", "positive_words", "step_time_theory"):
        assert first.summary["concepts"][0][name] == last.summary["concepts"][0][name]


@pytest.mark.parametrize(
    "change",
    [{"dim": 6, "vocab_size": 300}, {"dim": 16, "vocab_size": 100, "seeds": 3}, {"scale": 0.3}],
    ids=str,
)
def test_the_axis_reaches_the_last_step_of_every_seed(change):
    settings = {"flow_scales": (), "cloud_words": 0, "learning_rate": 0.08, "batch_size": 16_384}
    run = run_experiment(dataclasses.replace(SMALL, **{**settings, "seeds": 4, **change}))
    for source, times in run.comparison.step_times.items():
        assert np.isfinite(times).all(), source
    ts = run.comparison.trajectories["theory"].ts
    rate = run.summary["learning_rate"]
    np.testing.assert_allclose(ts / rate, np.round(ts / rate), atol=1e-9)
    # A shorter axis, if one asks for it.
    short = dataclasses.replace(run.experiment, horizon=0.5, seeds=1)
    assert next(experiment_stages(short)).comparison.trajectories["theory"].ts[-1] < 0.6 * ts[-1]


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "w2vflow", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=300,
    )


def unboxed(text):
    """The words of a message that stands in a frame, on one line."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


TINY = (
    "--vocab-size",
    150,
    "--dim",
    3,
    "--seeds",
    2,
    "--batch-size",
    4096,
    "--observations",
    20,
    "--flow-scales",
)


def test_demo_command(tmp_path, capsys):
    main(["demo", *map(str, TINY), "--out", str(tmp_path / "run")])
    shown = capsys.readouterr().out
    for part in (
        "concept  lambda",
        "<->",
        "SGD against prediction",
        "summary.json",
        "learning.png",
        "Done in",
        "report.html in a browser",
    ):
        assert part in shown
    assert (tmp_path / "run" / "comparison.nc").is_file()


def test_plan_of_a_count_and_the_catalogue(tmp_path):
    (tmp_path / "text.txt").write_text("one two\n" * 1000)
    done = command("count", tmp_path / "text.txt", "--out", tmp_path / "out.npz", "--dry-run")
    assert done.returncode == 0, done.stderr
    for part in ("1 file, about", " tokens", "memory", "disk", "operations", "time"):
        assert part in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["text.txt"]
    listed = command("datasets", W2VFLOW_CACHE=str(tmp_path))
    assert listed.returncode == 0, listed.stderr
    rows = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert {"enwiki15k-v3000", "text8", "enwik9", "wikitext-103"} <= set(rows)
    assert " yes " in rows["enwiki15k-v3000"]
    assert " no " in rows["text8"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("demo", "--statistics", "wikipedia"), "`name` must be one of the bundled statistics"),
        (("demo", "--dim", "0"), "`dim` must be at least 1"),
        (("demo", "--dim", "x"), "dim"),
        (
            ("demo", "--learning-rate", "9", "--vocab-size", "150", "--flow-scales"),
            "below the stability limit",
        ),
        (("demo", "--statistics", "{damaged}"), "truncated, damaged or of another kind"),
        (("count", "{missing}", "--out", "x.npz"), "There is no text file"),
        (("count", "{damaged}", "--out", "x.txt"), "`out` must be a file name ending in .npz"),
        (("fly",), "fly"),
    ],
)
def test_bad_input_is_exit_code_2_and_leaves_nothing(tmp_path, arguments, match):
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(b"PK\x03\x04 not a statistics file")
    filled = [a.format(damaged=damaged, missing=tmp_path / "missing.txt") for a in arguments]
    if filled[0] == "demo":
        filled += ["--out", str(tmp_path / "run")]
    done = command(*filled)
    assert done.returncode == 2
    assert match in unboxed(done.stderr)
    assert "Traceback" not in done.stderr
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [damaged]


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = command("demo", "--out", tmp_path / "file" / "run")
    assert done.returncode == 2
    assert "`out` must be a folder that can be written" in done.stderr
