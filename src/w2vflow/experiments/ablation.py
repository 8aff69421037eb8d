"""Ablation study of the theory's approximations: {quartic, logistic} loss x {Uniform, Mikolov} weights.

The closed form holds for the quartic loss, constant `G` and small steps; each is lifted alone, and all
together. Weights are tied, so those of Mikolov are symmetrised, which leaves the objective as it is. The
prediction for a cell is the closed form for its `M*`, as if `G` were constant.

References:
    arXiv 2502.09863, section 3 and its appendix, where the approximations are lifted one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from w2vflow.corpus import load_statistics
from w2vflow.counts import CooccurrenceStatistics
from w2vflow.experiments.provenance import Log, Stage, provenance, stages
from w2vflow.experiments.settings import Ablation
from w2vflow.flow import solve_flow
from w2vflow.problem import Mikolov, Problem, Symmetrized, Uniform, Weighting, gaussian_init
from w2vflow.results import Comparison, Recording, Trajectory, compare, measure_step_times
from w2vflow.sgd import run_sgd_ensemble
from w2vflow.spectrum import Spectrum, left_directions, stability_limit_at, subspace_overlap
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import plain
from w2vflow.support.devices import require_float64
from w2vflow.theory import basis_for, predict, step_time_law

__all__ = ["LOSSES", "WEIGHTINGS", "AblationRun", "run_ablation"]

LOSSES = ("quartic", "logistic")
WEIGHTINGS = ("Uniform", "Mikolov")
# Concepts measured, if the embedding has as many directions.
_MEASURED = 8
# A mode has settled if its means over the last tenth of the time and the one before differ by less.
_SETTLED = 0.05


@checked
@dataclass(frozen=True, eq=False)
class AblationRun:
    """Findings of a study of the approximations.

    Attributes:
        ablation: its settings.
        comparisons: theory, flow and SGD by cell, e.g. `"quartic-Uniform"`.
        summary: the numbers, as JSON values.
    """

    ablation: Ablation
    comparisons: Mapping[str, Comparison]
    summary: dict[str, Any]


class _Theory(NamedTuple):
    """The theory for one weighting, of every seed: the quartic problem at constant `G` with the same `M*`."""

    problem: Problem
    spectrum: Spectrum
    exact: Trajectory


@checked
def run_ablation(ablation: Ablation, *, log: Log = lambda line: None, progress: bool = False) -> AblationRun:
    """Return theory, flow and SGD of all four cells, from the same initial weights, compared.

    Args:
        ablation: the settings; the same ones give the same numbers on the same machine.
        log: called with a line at the start of every stage.
        progress: show progress bars.

    Raises:
        ValueError: float64 is off, or a setting does not fit the statistics.
        RuntimeError: SGD diverged, or the flow ran out of steps.
    """
    require_float64("run_ablation")
    mikolov = Symmetrized(Mikolov(ablation.subsample, ablation.power, ablation.negatives))
    weightings = zip(
        WEIGHTINGS, (Uniform(), mikolov), (ablation.horizon, ablation.mikolov_horizon), strict=True
    )
    seconds: dict[str, float] = {}
    stage = stages(log, seconds)
    with stage("statistics"):
        stats = load_statistics(ablation.statistics).most_frequent(ablation.vocab_size)
    keys = jax.random.split(jax.random.key(ablation.seed), ablation.seeds)
    W0 = np.asarray(gaussian_init(keys, ablation.vocab_size, ablation.dim, ablation.scale))
    comparisons: dict[str, Comparison] = {}
    cells: dict[str, dict[str, Any]] = {}
    concepts: np.ndarray | None = None
    for name, weighting, horizon in weightings:
        with stage(f"{name}: eigenvectors of M* and closed form"):
            theory = _theory(ablation, stats, weighting, horizon, W0)
        vectors = theory.spectrum.eigenvectors[:, : ablation.dim]
        # The concepts of the theory's own setting, to which those of the others are held.
        concepts = vectors if concepts is None else concepts
        for loss in LOSSES:
            cell = f"{loss}-{name}"
            problem = Problem.from_statistics(stats, weighting=weighting, loss=loss)
            compared, steps = _solve(ablation, problem, theory, keys, W0, cell, stage, progress)
            comparisons[cell] = compared
            cells[cell] = {**steps, **_agreement(compared, concepts)}
    summary = {**provenance(ablation, stats), "cells": cells, "seconds": seconds}
    return AblationRun(ablation, comparisons, plain(summary))


def _theory(
    ablation: Ablation, stats: CooccurrenceStatistics, weighting: Weighting, horizon: float, W0: np.ndarray
) -> _Theory:
    """Return the closed form for a weighting, over times that reach beyond the last step measured."""
    own = Problem.from_statistics(stats, weighting=weighting)
    problem = Problem.from_target(own.target_operator())
    spectrum = basis_for(problem, ablation.dim, None)
    law, _ = step_time_law(problem, ablation.dim, ablation.scale, spectrum=spectrum)
    ts = np.linspace(0, horizon * law[:_MEASURED].max(), ablation.observations + 1)
    return _Theory(problem, spectrum, predict(problem, W0, ts, spectrum=spectrum))


def _solve(
    ablation: Ablation,
    problem: Problem,
    theory: _Theory,
    keys: jax.Array,
    W0: np.ndarray,
    cell: str,
    stage: Stage,
    progress: bool,
) -> tuple[Comparison, dict[str, Any]]:
    """Return theory, flow and SGD of one cell, and how SGD stepped."""
    ts, spectrum = theory.exact.ts, theory.spectrum
    recording = Recording(save_embeddings=True, progress=progress)
    with stage(f"{cell}: flow"):
        # In the words also where an eigenbasis would do: a check that owes nothing to the theory.
        flow = solve_flow(problem, W0[0], ts, basis="words", rtol=ablation.rtol, recording=recording)
    with stage(f"{cell}: stability limit at the end of the flow"):
        limit = float(stability_limit_at(problem, flow.require_embeddings()[-1]))
    # Observed times are whole steps, so that all solvers are on the same times.
    between = int(np.ceil(ts[1] / (ablation.learning_rate * limit)))
    rate, steps = float(ts[1]) / between, between * ablation.observations
    batch_size = _batch_size(ablation.pairs, steps)
    discrete = predict(theory.problem, W0, ts, spectrum=spectrum, learning_rate=rate)
    with stage(f"{cell}: SGD, {ablation.seeds} seeds, {steps} steps of {batch_size} pairs"):
        sgd = run_sgd_ensemble(
            problem,
            keys,
            ts,
            dim=ablation.dim,
            scale=ablation.scale,
            learning_rate=rate,
            batch_size=batch_size,
            sampler=ablation.sampler,
            recording=recording,
        )
    compared = compare(theory.exact, discrete, flow, sgd, spectrum=spectrum.leading(ablation.dim))
    return compared, {
        "stability_limit": limit,
        "learning_rate": rate,
        "steps": steps,
        "batch_size": batch_size,
        "flow_steps": sum(flow.metadata["accepted_steps"] + flow.metadata["rejected_steps"]),
    }


def _batch_size(pairs: int, steps: int) -> int:
    """Return about `pairs / steps`, a multiple of 256 if that is small beside it, else even."""
    # The engine cuts batches into parts that fit a cache, of equal size.
    size = max(2, pairs // steps)
    return size - size % (256 if size >= 2048 else 2)


def _agreement(compared: Comparison, concepts: np.ndarray) -> dict[str, Any]:
    """Return how far flow and SGD of a cell are from theory; `concepts` are eigenvectors for Uniform."""
    spectrum = compared.spectrum
    assert spectrum is not None
    measured = min(_MEASURED, len(spectrum.eigenvalues))
    vectors = spectrum.eigenvectors
    return {
        "eigenvalues": spectrum.eigenvalues,
        # The quadratic expansion of the logistic loss is good while this is far below 1.
        "eigenvalue_times_ipr": spectrum.eigenvalues * np.sum(vectors**4, axis=0),
        "own_concepts_in_those_of_Uniform": _subspace_overlaps(vectors, concepts),
        "measured": measured,
        "step_times_theory": compared.step_times["theory"].mean(axis=0),
        # SGD is held to the closed form at its step size.
        "flow": _of_source(compared, "flow", "theory", concepts, measured),
        "sgd": _of_source(compared, "sgd", "theory-discrete", concepts, measured),
    }


def _of_source(
    compared: Comparison, source: str, reference: str, concepts: np.ndarray, measured: int
) -> dict[str, Any]:
    spectrum, solved = compared.spectrum, compared.trajectories[source]
    assert spectrum is not None
    values, weights = solved.singular_values, solved.require_embeddings()
    if solved.seeds is None:
        values, weights = values[None], weights[None]
    predicted = compared.step_times[reference][: len(values), :measured]
    directions = left_directions(weights[:, -1], measured)
    own, uniform = spectrum.eigenvectors[:, :measured], concepts[:, :measured]
    fractions = values[:, -1] ** 2 / spectrum.eigenvalues
    return {
        "half_of_lambda": _clock(compared.step_times[source][:, :measured], predicted),
        "half_of_own_end": _clock(_half_rises(solved, spectrum)[:, :measured], predicted),
        "final_over_lambda": fractions.mean(axis=0),
        "overlap_with_own": np.mean([_subspace_overlaps(U, own) for U in directions], axis=0),
        "overlap_with_Uniform": np.mean([_subspace_overlaps(U, uniform) for U in directions], axis=0),
    }


def _clock(times: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Return how step times `(S, k)` compare with predicted ones, seed by seed, and on a clock of their own.

    Another loss or weighting may change the pace of all modes alike: the clock is the median over modes of
    `t_k / t_k,predicted`. Modes that some seed has not reached are left out.
    """
    ratios = times / predicted
    reached = np.isfinite(ratios).all(axis=0)
    known = ratios[:, reached]
    clock = np.median(known.mean(axis=0)) if known.size else np.nan
    errors, left = np.abs(known - 1), np.abs(known / clock - 1)
    return {
        "ratios": np.where(reached, ratios.mean(axis=0), np.nan),
        "errors": np.where(reached, np.abs(ratios - 1).mean(axis=0), np.nan),
        "reached": int(reached.sum()),
        "mean_error": errors.mean() if known.size else np.nan,
        "clock": clock,
        "mean_error_on_own_clock": left.mean() if known.size else np.nan,
        "largest_error_on_own_clock": left.mean(axis=0).max() if known.size else np.nan,
    }


def _half_rises(traj: Trajectory, spectrum: Spectrum) -> np.ndarray:
    """Return when each `s_k^2` passes half of what it ends at, `(S, k)`; NaN where it has not settled.

    The end is the mean over the last tenth of the time, because SGD goes on wandering.
    """
    runs = [traj] if traj.seeds is None else [traj.sel(seed=seed) for seed in range(traj.seeds)]
    tenth = max(1, len(traj.ts) // 10)
    times = []
    for run in runs:
        squares = run.singular_values**2
        before, end = squares[-2 * tenth : -tenth].mean(axis=0), squares[-tenth:].mean(axis=0)
        rises = measure_step_times(run, replace(spectrum, eigenvalues=end))
        times.append(np.where(np.abs(before / end - 1) < _SETTLED, rises, np.nan))
    return np.stack(times)


def _subspace_overlaps(U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Return the overlap of the first 1, 2, ... columns of `U` with as many of `V`."""
    return np.array([float(subspace_overlap(U[:, :k], V[:, :k])) for k in range(1, U.shape[1] + 1)])
