"""One run of an experiment: theory, flow and SGD of one problem, compared."""

import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from w2vflow.corpus import load_statistics
from w2vflow.counts import CooccurrenceStatistics
from w2vflow.experiments.provenance import Log, provenance, stages
from w2vflow.experiments.settings import Experiment
from w2vflow.flow import solve_flow
from w2vflow.problem import Problem, gaussian_init
from w2vflow.results import (
    Cloud,
    Comparison,
    Recording,
    Trajectory,
    compare,
    direction_persistence,
    embedding_cloud,
)
from w2vflow.semantics import Feature, label_features
from w2vflow.sgd import run_sgd_ensemble
from w2vflow.spectrum import (
    Spectrum,
    check_learning_rate,
    direction_overlaps,
    leading_eigenpairs,
    left_directions,
    subspace_overlap,
)
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.atomic_files import plain
from w2vflow.support.checks import argument_error
from w2vflow.support.devices import require_float64
from w2vflow.theory import StepTimeLaw, predict, predict_step_times, step_time_law

__all__ = ["Run", "initial_weights", "run_experiment"]


@checked
@dataclass(frozen=True, eq=False)
class Run:
    """Findings of a run.

    Attributes:
        experiment: its configuration.
        words: the vocabulary.
        spectrum: the `dim` leading eigenpairs.
        comparison: theory, flow and SGD of all seeds.
        persistence: of flow and SGD, `(S, T, k)` each: `direction_persistence`.
        features: words at the ends of each concept.
        summary: the numbers, as JSON values.
        cloud: positions of words over time, closed form, flow and SGD of the first seed; None where
            `experiment.cloud_words` is 0.
    """

    experiment: Experiment
    words: tuple[str, ...]
    spectrum: Spectrum
    comparison: Comparison
    persistence: dict[str, np.ndarray]
    features: list[Feature]
    summary: dict[str, Any]
    cloud: Cloud | None


@checked
def run_experiment(
    experiment: Experiment,
    *,
    stats: CooccurrenceStatistics | None = None,
    log: Log = lambda line: None,
    progress: bool = False,
) -> Run:
    """Return the run of an experiment: exact prediction, flow and SGD on one time axis, compared.

    Args:
        experiment: the configuration; the same one gives the same numbers on the same machine.
        stats: the statistics that `experiment.statistics` names, if at hand.
        log: called with a line at the start of every stage.
        progress: show progress bars.

    Raises:
        ValueError: float64 is off, SGD unstable at the learning rate, or more dimensions asked for than
            there are words or concepts that can be learned.
        RuntimeError: SGD diverged, or the flow ran out of steps.
    """
    require_float64("run_experiment")
    seconds: dict[str, float] = {}
    stage = stages(log, seconds)
    with stage("statistics and problem"):
        stats = _statistics(experiment, stats, log)
        problem = Problem.from_statistics(stats)
    with stage("eigenvectors of M*"):
        basis = leading_eigenpairs(problem, problem.vocab_size)
        _check_concepts(experiment.dim, basis)
    keys, W0 = initial_weights(experiment, problem.vocab_size)
    rate = experiment.learning_rate / float(basis.eigenvalues[0])
    check_learning_rate(problem, rate)
    ts = _times(experiment, problem, basis, rate, W0)
    with stage("closed form, flow and step-size corrected"):
        exact = predict(problem, W0, ts, spectrum=basis)
        discrete = predict(problem, W0, ts, spectrum=basis, learning_rate=rate)
    with stage("gradient flow of every seed, in the eigenbasis"):
        recording = Recording(save_embeddings=True, progress=progress)
        flow = solve_flow(problem, W0, ts, spectrum=basis, recording=recording)
    with stage("gradient flow of one seed, in the dense basis"):
        dense = solve_flow(problem, W0[0], ts, basis="words", recording=Recording(progress=progress))
    with stage("flow against closed form at other initial scales"):
        scale_errors = {
            f"{scale:g}": _flow_error(experiment, problem, basis, keys[0], scale)
            for scale in experiment.flow_scales
        }
    with stage(f"SGD, {experiment.seeds} seeds, {round(ts[-1] / rate):,} steps"):
        settings = {name: getattr(experiment, name) for name in ("dim", "scale", "batch_size", "sampler")}
        sgd = run_sgd_ensemble(problem, keys, ts, learning_rate=rate, recording=recording, **settings)
    with stage("comparison"):
        exact, discrete, flow, dense, sgd = on_host((exact, discrete, flow, dense, sgd))
        leading = on_host(basis.leading(experiment.dim))
        comparison = compare(exact, discrete, flow, sgd, spectrum=leading)
        persistence = {
            fraction: {t.source: direction_persistence(t, leading, fraction) for t in (flow, sgd)}
            for fraction in (0.5, 0.9, 0.99)
        }
        features = label_features(leading, stats.words, n=min(6, stats.vocab_size))
        with _law_as_a_guide():
            law = on_host(step_time_law(problem, experiment.dim, experiment.scale, spectrum=basis))
        summary = {
            **provenance(experiment, stats),
            "learning_rate": rate,
            "flow_against_exact": {
                "every seed, eigenbasis flow": comparison.singular_value_error("flow", "theory"),
                "first seed, dense flow": _error(dense, exact.sel(seed=0)),
                "by initial scale, eigenbasis flow": scale_errors,
            },
            **_summary(comparison, persistence, features, law),
        }
    cloud = None
    if experiment.cloud_words:
        with stage("positions of words"):
            # Of one seed: those of all would be the largest array of the run.
            first = predict(problem, W0[:1], ts, spectrum=basis, save_embeddings=True)
            cloud = embedding_cloud([first, flow, sgd], leading, stats.words, n_words=experiment.cloud_words)
    summary = plain({**summary, "seconds": seconds})
    return Run(experiment, stats.words, leading, comparison, persistence[0.99], features, summary, cloud)


@checked
def initial_weights(experiment: Experiment, vocab_size: int) -> tuple[jax.Array, jax.Array]:
    """Return the keys `(S,)` of all seeds of a run and the weights `(S, V, d)` that they start from."""
    keys = jax.random.split(jax.random.key(experiment.seed), experiment.seeds)
    return keys, gaussian_init(keys, vocab_size, experiment.dim, experiment.scale)


def _statistics(
    experiment: Experiment, stats: CooccurrenceStatistics | None, log: Log
) -> CooccurrenceStatistics:
    """Return the statistics of as many words as there are, up to those asked for."""
    stats = load_statistics(experiment.statistics) if stats is None else stats
    if stats.vocab_size < experiment.vocab_size:
        log(f"{stats.vocab_size:,} words: the statistics have no more")
    stats = stats.most_frequent(min(experiment.vocab_size, stats.vocab_size))
    if experiment.dim > stats.vocab_size:
        expected = f"at most {stats.vocab_size}, the words of the statistics"
        remedy = "Choose a smaller `dim`, or count more words: of more text, or rarer ones."
        raise argument_error("dim", expected, experiment.dim, remedy)
    return stats


def _check_concepts(dim: int, basis: Spectrum) -> None:
    """Raise unless every dimension has a concept to learn: only those of positive eigenvalue are."""
    # Rounding leaves a few 1e-16 of the largest where there is nothing.
    values = np.asarray(basis.eigenvalues)
    positive = int((values > 1e-9 * np.abs(values).max()).sum())
    if dim > positive:
        learned = "the concepts that can be learned from these counts (positive eigenvalues of M*)"
        remedy = f"Try `dim={positive}`, or more text." if positive else "Give more text."
        raise argument_error("dim", f"at most {positive}, {learned}", dim, remedy)


def _times(
    experiment: Experiment, problem: Problem, basis: Spectrum, rate: float, W0: jax.Array
) -> np.ndarray:
    """Return the observed times: whole steps, evenly spread, to `horizon` times the last step of the law.

    If some concept of a seed is not half there by then, at this rate, to a little beyond its own step.
    """
    with _law_as_a_guide():
        mean = np.asarray(step_time_law(problem, experiment.dim, experiment.scale, spectrum=basis).mean)
    end = experiment.horizon * float(mean.max())
    last = on_host(predict(problem, W0, [end], spectrum=basis, learning_rate=rate))
    half = 0.55 * np.asarray(basis.eigenvalues)[: experiment.dim]
    if experiment.horizon >= 1 and (last.singular_values[..., -1, :] ** 2 < half).any():
        with _law_as_a_guide():
            own = predict_step_times(problem, W0, learning_rate=rate, spectrum=basis)
        end = max(end, (1 + 2 / experiment.observations) * float(np.nanmax(np.asarray(own), initial=0.0)))
    between = max(1, round(end / rate / experiment.observations))
    return np.arange(experiment.observations + 1) * between * rate


def _law_as_a_guide() -> AbstractContextManager[Any]:
    """Return a context without warnings of laws for small starts: they only place the observed times."""
    return warnings.catch_warnings(action="ignore", category=RuntimeWarning)


def _flow_error(
    experiment: Experiment, problem: Problem, basis: Spectrum, key: jax.Array, scale: float
) -> float:
    W0 = gaussian_init(key, problem.vocab_size, experiment.dim, scale)
    rate = experiment.learning_rate / float(basis.eigenvalues[0])
    ts = _times(replace(experiment, scale=scale), problem, basis, rate, W0)
    flow = solve_flow(problem, W0, ts, spectrum=basis)
    return _error(flow, predict(problem, W0, ts, spectrum=basis))


def _error(flow: Trajectory, exact: Trajectory) -> float:
    return compare(flow, exact).singular_value_error("flow", "theory")


def _summary(
    comparison: Comparison,
    persistence: dict[float, dict[str, np.ndarray]],
    features: list[Feature],
    law: StepTimeLaw,
) -> dict[str, Any]:
    """Return every number of the comparison, per concept and overall."""
    spectrum, steps = comparison.spectrum, comparison.step_times
    assert spectrum is not None
    sgd = comparison.trajectories["sgd"]
    modes = len(spectrum.eigenvalues)
    directions = left_directions(sgd.require_embeddings()[:, -1], modes)
    own = direction_overlaps(directions, spectrum.eigenvectors).diagonal(axis1=-2, axis2=-1).mean(axis=0)
    flow_error = comparison.step_time_errors("flow", "theory")
    sgd_error = comparison.step_time_errors("sgd", "theory-discrete")
    plain_error = comparison.step_time_errors("sgd", "theory")
    # Of every mode that was learned in all seeds of both.
    learned = int(np.logical_and(*(np.isfinite(steps[name]).all(axis=0) for name in ("flow", "sgd"))).sum())
    first = min(8, modes)
    concepts = [
        {
            "concept": k + 1,
            "eigenvalue": spectrum.eigenvalues[k],
            "step_time_law": {"mean": law.mean[k], "standard_deviation": law.standard_deviation[k]},
            **{f"step_time_{name}": _over_seeds(times[:, k]) for name, times in steps.items()},
            "flow_step_time_error": flow_error[k],
            "sgd_step_time_error": sgd_error[k],
            "sgd_step_time_error_uncorrected": plain_error[k],
            "overlap_with_eigenvector": own[k],
            "persistence": {name: _mean(p[:, -1, k]) for name, p in persistence[0.99].items()},
            "positive_words": features[k].positive,
            "negative_words": features[k].negative,
        }
        for k in range(modes)
    ]
    return {
        "concepts_learned": learned,
        "first_modes": first,
        "largest_sgd_step_time_error_of_first_modes": _largest(sgd_error[:first]),
        "subspace_overlap_of_first_modes": np.mean(
            [subspace_overlap(U[:, :first], spectrum.eigenvectors[:, :first]) for U in directions]
        ),
        "persistence_of_first_modes": {
            f"from {fraction:.0%} of lambda_k": {n: _mean(p[:, -1, :first]) for n, p in by.items()}
            for fraction, by in persistence.items()
        },
        "final_loss": {name: np.mean(t.loss[..., -1]) for name, t in comparison.trajectories.items()},
        "concepts": concepts,
    }


def _mean(values: np.ndarray) -> float:
    """Return the mean of the values that are finite; NaN if none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _largest(values: np.ndarray) -> float:
    """Return the largest of the values that are finite; NaN if none is."""
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else float("nan")


def _over_seeds(times: np.ndarray) -> dict[str, float]:
    """Return mean and standard deviation over the seeds that got there, and how many did."""
    known = times[np.isfinite(times)]
    deviation = float(known.std(ddof=1)) if known.size > 1 else 0.0
    return {"mean": _mean(times), "standard_deviation": deviation, "seeds": known.size}
