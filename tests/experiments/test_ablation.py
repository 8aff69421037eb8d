"""The study of the approximations at small size: in the theory's own setting nothing may differ."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
import xarray as xr

import w2vflow as wf
from w2vflow.experiments.ablation import LOSSES, WEIGHTINGS, run_ablation
from w2vflow.experiments.figures import draw_ablation
from w2vflow.experiments.run_folder import load_run, write_ablation
from w2vflow.experiments.settings import Ablation

CELLS = [f"{loss}-{weighting}" for weighting in WEIGHTINGS for loss in LOSSES]
SMALL = Ablation(
    vocab_size=60,
    dim=3,
    seeds=2,
    pairs=16_000_000,
    observations=60,
    horizon=12.0,
    mikolov_horizon=5.0,
)


@pytest.fixture(scope="module")
def run():
    return run_ablation(SMALL)


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("ablation")
    assert all(file.is_file() for file in [*write_ablation(run, path), *draw_ablation(run, path)])
    return path


def test_nothing_differs_where_the_theory_holds(run):
    """The flow is integrated in the words and owes nothing to the closed form."""
    cell = run.summary["cells"]["quartic-Uniform"]
    flow = cell["flow"]
    assert cell["measured"] == 3
    assert flow["half_of_lambda"]["reached"] == flow["half_of_own_end"]["reached"] == 3
    for half in ("half_of_lambda", "half_of_own_end"):
        assert max(flow[half]["errors"]) <= 1e-4
        assert flow[half]["clock"] == pytest.approx(1, abs=1e-4)
        assert flow[half]["largest_error_on_own_clock"] <= 1e-4
    np.testing.assert_allclose(flow["final_over_lambda"], 1, atol=1e-4)
    for overlaps in (flow["overlap_with_own"], flow["overlap_with_Uniform"]):
        np.testing.assert_allclose(overlaps, 1, atol=1e-4)
    np.testing.assert_allclose(cell["own_concepts_in_those_of_Uniform"], 1, atol=1e-12)
    # SGD against the closed form at its step size; of two seeds, so within the noise of minibatches.
    sgd = cell["sgd"]
    assert sgd["half_of_lambda"]["reached"] == 3
    assert max(sgd["half_of_lambda"]["errors"]) <= 0.05
    np.testing.assert_allclose(sgd["final_over_lambda"], 1, atol=0.02)
    assert min(sgd["overlap_with_own"]) >= 0.99


def test_what_lifting_an_approximation_changes(run):
    cells = run.summary["cells"]
    flows = {name: cell["flow"] for name, cell in cells.items()}
    # Beyond its quadratic expansion the logistic loss pulls less: concepts grow beyond lambda_k.
    assert min(flows["logistic-Uniform"]["final_over_lambda"]) > 1.01
    assert flows["logistic-Uniform"]["half_of_lambda"]["mean_error"] < 0.05
    for name in ("quartic-Mikolov", "logistic-Mikolov"):
        assert flows[name]["half_of_lambda"]["mean_error"] > 0.2
        assert flows[name]["overlap_with_own"][-1] < 0.95


def test_numbers_are_those_of_the_trajectories(run, wikipedia):
    """Of one cell, formed anew from its comparison."""
    cell, compared = run.summary["cells"]["logistic-Mikolov"], run.comparisons["logistic-Mikolov"]
    weights = wf.Symmetrized(wf.Mikolov(SMALL.subsample, SMALL.power, SMALL.negatives))
    problem = wf.Problem.from_statistics(wikipedia.most_frequent(60), weighting=weights, loss="logistic")
    values, vectors = np.linalg.eigh(np.asarray(problem.target()))
    values, vectors = values[:-4:-1], vectors[:, :-4:-1]
    np.testing.assert_allclose(cell["eigenvalues"], values, rtol=1e-10)
    np.testing.assert_allclose(cell["eigenvalue_times_ipr"], values * (vectors**4).sum(axis=0), rtol=1e-8)
    flow, theory = compared.trajectories["flow"], compared.trajectories["theory"]
    final = flow.singular_values[-1] ** 2
    np.testing.assert_allclose(cell["flow"]["final_over_lambda"], final / values, rtol=1e-10)
    for mode in range(3):
        crossing = [
            np.interp(values[mode] / 2, traj.singular_values[:, mode] ** 2, traj.ts)
            for traj in (flow, theory.sel(seed=0))
        ]
        # A straight line between observed times instead of a sigmoid.
        ratio = cell["flow"]["half_of_lambda"]["ratios"][mode]
        assert ratio is None or ratio == pytest.approx(crossing[0] / crossing[1], rel=0.1)
    U = np.linalg.svd(flow.require_embeddings()[-1], full_matrices=False)[0]
    assert cell["flow"]["overlap_with_own"][0] == pytest.approx((U[:, 0] @ vectors[:, 0]) ** 2, rel=1e-6)
    assert cell["flow"]["overlap_with_own"][2] == pytest.approx(((U.T @ vectors) ** 2).sum() / 3, rel=1e-6)
    ratios = np.array([r for r in cell["flow"]["half_of_lambda"]["ratios"] if r is not None])
    clock = np.median(ratios)
    assert cell["flow"]["half_of_lambda"]["clock"] == pytest.approx(clock)
    on_clock = np.abs(ratios / clock - 1)
    assert cell["flow"]["half_of_lambda"]["mean_error_on_own_clock"] == pytest.approx(on_clock.mean())


def test_all_cells_start_alike_below_their_stability_limits(run):
    starts = [c.trajectories["flow"].require_embeddings()[0] for c in run.comparisons.values()]
    key = jax.random.split(jax.random.key(0), 2)[0]
    for start in starts:
        np.testing.assert_array_equal(start, wf.gaussian_init(key, 60, 3, SMALL.scale))
    for cell in run.summary["cells"].values():
        assert cell["learning_rate"] <= SMALL.learning_rate * cell["stability_limit"]
        assert cell["steps"] % SMALL.observations == 0
        assert 0.8 * SMALL.pairs <= cell["steps"] * cell["batch_size"] <= 1.001 * SMALL.pairs
    cell = run.summary["cells"]["quartic-Uniform"]
    lam = cell["eigenvalues"][0]
    assert cell["stability_limit"] <= 1.01 * 2 / (2 * lam)


def test_files_of_a_study(run, folder):
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    comparisons = {f"comparison-{cell}.nc" for cell in CELLS}
    assert names == comparisons | {
        *("config.json", "summary.json", "manifest.json", "figures/ablation.png", "figures/ablation.svg")
    }
    config = json.loads((folder / "config.json").read_text())
    assert config.pop("command") == "run ablation"
    assert Ablation(**config) == SMALL
    assert json.loads((folder / "summary.json").read_text()) == run.summary
    for cell in CELLS:
        with xr.open_dataset(folder / f"comparison-{cell}.nc", engine="h5netcdf") as data:
            assert data.sizes.items() >= {"source": 4, "seed": 2, "time": 61, "mode": 3}.items()
            assert list(data["source"].values) == ["theory", "theory-discrete", "flow", "sgd"]
            assert np.isfinite(data["singular_values"].sel(source="sgd")).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dim": 0}, "`dim` must be between 1 and the vocabulary size 60"),
        ({"seeds": 0}, "`seeds` must be at least 1"),
        ({"pairs": 0}, "`pairs` must be at least 1"),
        ({"mikolov_horizon": 0.0}, "`mikolov_horizon` must be positive"),
        ({"learning_rate": 1.0}, "`learning_rate` must be between 0 and 1, the stability limit"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be between 0 and 1"),
    ],
)
def test_bad_settings(change, match):
    with pytest.raises(ValueError, match=match):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"vocab_size": 3001}, "`vocab_size` must be between 1 and the 3000 words that were counted"),
        ({"dim": 60}, "`dim` must be at most the number of positive eigenvalues"),
        ({"negatives": 0.0}, "`negatives` must be positive and finite"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_solved(change, match):
    stages = []
    with pytest.raises(ValueError, match=match):
        run_ablation(replace(SMALL, **change), log=stages.append)
    assert not any("flow" in stage for stage in stages)


def test_a_study_is_no_run(folder):
    with pytest.raises(ValueError, match="`folder` must be that of a run, but got a study"):
        load_run(folder)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "w2vflow", "run", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
        timeout=600,
    )


def test_help_names_every_setting():
    done = command("ablation", "--help")
    assert done.returncode == 0
    for name in ("vocab-size", "dim", "seeds", "negatives", "mikolov-horizon", "pairs", "out"):
        assert f"--{name}" in done.stdout


def test_command(tmp_path):
    settings = ("--vocab-size", 40, "--dim", 2, "--seeds", 1, "--observations", 10, "--pairs", 2_000_000)
    # So short a horizon that in two cells nothing is learned: nothing to measure, and no error.
    done = command("ablation", *settings, "--mikolov-horizon", 0.2, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    for cell in CELLS:
        assert "{} loss, {} weights".format(*cell.split("-")) in done.stdout
    for part in (
        "step time, s^2 at half of lambda",
        "overlap with its own M*",
        "0 of 2",
        "ablation.svg",
        "Done in",
    ):
        assert part in done.stdout
    assert (tmp_path / "run" / "comparison-logistic-Mikolov.nc").is_file()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("ablation", "--seeds", "0"), "`seeds` must be at least 1"),
        (("ablation", "--vocab-size", "4000"), "`vocab_size` must be between 1 and the 3000 words"),
        (("ablation", "--sampler", "none"), "none"),
    ],
)
def test_bad_commands_are_exit_code_2_and_leave_nothing(tmp_path, arguments, match):
    done = command(*arguments, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert match in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_sgd_meets_the_closed_form_where_the_theory_holds():
    """More words, more concepts, more seeds: the noise of SGD falls as eigenvalues grow."""
    run = run_ablation(
        Ablation(vocab_size=400, dim=6, seeds=4, pairs=100_000_000, horizon=3.0, mikolov_horizon=1.0)
    )
    sgd = run.summary["cells"]["quartic-Uniform"]["sgd"]
    assert sgd["half_of_lambda"]["reached"] == 6
    assert sgd["half_of_lambda"]["mean_error"] <= 0.02
    assert sgd["half_of_lambda"]["clock"] == pytest.approx(1, abs=0.01)
    assert min(sgd["overlap_with_own"][:4]) >= 0.98
    np.testing.assert_allclose(sgd["final_over_lambda"][:4], 1, atol=0.02)
