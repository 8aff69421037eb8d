"""One run of an experiment: closed form, flow and SGD of one problem, compared as they come."""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from w2vflow.corpus import load_statistics
from w2vflow.counts import CooccurrenceStatistics
from w2vflow.experiments.numbers import numbers_of
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
from w2vflow.spectrum import Spectrum, leading_eigenpairs, stable_rate
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.atomic_files import plain
from w2vflow.support.checks import argument_error
from w2vflow.support.devices import require_float64
from w2vflow.theory import ExactStart, exact_start, predict, step_time_law

__all__ = ["Run", "experiment_stages", "initial_weights", "run_experiment", "verify_flow"]

# Of `lambda_k`: when a concept counts as learned, in what is said of how it keeps its direction.
_LEARNED = (0.5, 0.9, 0.99)
# Leading eigenpairs from which the page computes; of the rest it has the density.
_PAIRS = 64


@checked
@dataclass(frozen=True, eq=False)
class Run:
    """Findings of a run, as far as it has got.

    Attributes:
        experiment: its configuration, with no more dimensions than there are concepts to learn.
        words: the vocabulary.
        spectrum: the `dim` leading eigenpairs.
        comparison: closed form, flow and SGD of all seeds.
        persistence: of flow and SGD, `(S, T, k)` each: `direction_persistence`.
        features: words at the ends of each concept.
        summary: the numbers, as JSON values.
        cloud: positions of words over time, closed form, flow and SGD of the first seed; None where
            `experiment.cloud_words` is 0.
        start: from which the page computes; None where there is no cloud.
    """

    experiment: Experiment
    words: tuple[str, ...]
    spectrum: Spectrum
    comparison: Comparison
    persistence: dict[str, np.ndarray]
    features: list[Feature]
    summary: dict[str, Any]
    cloud: Cloud | None
    start: ExactStart | None


@checked
def run_experiment(
    experiment: Experiment,
    *,
    stats: CooccurrenceStatistics | None = None,
    log: Log = lambda line: None,
    progress: bool = False,
) -> Run:
    """Return the run of an experiment: exact prediction, flow and SGD on one time axis, compared.

    The last that `experiment_stages` yields; arguments and errors are its.
    """
    *_, whole = experiment_stages(experiment, stats=stats, log=log, progress=progress)
    return whole


@checked
def experiment_stages(
    experiment: Experiment,
    *,
    stats: CooccurrenceStatistics | None = None,
    log: Log = lambda line: None,
    progress: bool = False,
) -> Iterator[Run]:
    """Yield the run of an experiment as it grows: the closed form, then with the flow, then with SGD.

    Of counts that have fewer words, or fewer concepts that can be learned, it has as many words and
    dimensions as there are, and `log` is told.

    Args:
        experiment: the configuration; the same one gives the same numbers on the same machine.
        stats: the statistics that `experiment.statistics` names, if at hand.
        log: called with a line at the start of every stage.
        progress: show progress bars.

    Raises:
        ValueError: float64 is off, SGD unstable at the learning rate, or counts from which nothing can be
            learned.
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
        asked, experiment = experiment, _with_concepts(experiment, basis, log)
    keys, W0 = initial_weights(experiment, problem.vocab_size)
    rate = experiment.learning_rate / float(basis.eigenvalues[0])
    stable_rate(problem, rate)
    with stage("closed form"):
        ts = _times(experiment, problem, basis, W0)
        exact = predict(problem, W0, ts, spectrum=basis)
        discrete = predict(problem, W0, ts, spectrum=basis, learning_rate=rate)
        # Of one seed: those of all would be the largest array of the run.
        placed = predict(problem, W0[:1], ts, spectrum=basis, save_embeddings=True)
        leading = on_host(basis.leading(experiment.dim))
        found = _Found(experiment, asked, stats, leading, on_host(placed), seconds)
        found.add(on_host(exact), on_host(discrete))
    run = found.run()
    if run.cloud is not None:
        pairs = max(_PAIRS, experiment.dim)
        found.start = exact_start(problem, W0, run.cloud.ranks, pairs=pairs, spectrum=basis)
    yield replace(run, start=found.start)
    recording = Recording(save_embeddings=True, progress=progress)
    with stage("gradient flow of every seed"):
        found.add(on_host(solve_flow(problem, W0, ts, spectrum=basis, recording=recording)))
        with _law_as_a_guide():
            law = on_host(step_time_law(problem, experiment.dim, experiment.scale, spectrum=basis))
        found.law = (law.mean, law.standard_deviation)
    yield found.run()
    with stage(f"SGD, {experiment.seeds} seeds, {round(ts[-1] / rate):,} steps"):
        settings = {name: getattr(experiment, name) for name in ("dim", "scale", "batch_size", "sampler")}
        sgd = run_sgd_ensemble(problem, keys, ts, learning_rate=rate, recording=recording, **settings)
        found.add(on_host(sgd))
    yield found.run()


@dataclass
class _Found:
    """What a run has found so far."""

    experiment: Experiment
    asked: Experiment
    stats: CooccurrenceStatistics
    leading: Spectrum
    placed: Trajectory
    seconds: dict[str, float]
    law: tuple[Any, Any] | None = None
    start: ExactStart | None = None
    trajectories: list[Trajectory] = field(default_factory=list)
    persistence: dict[float, dict[str, np.ndarray]] = field(default_factory=lambda: {f: {} for f in _LEARNED})

    def add(self, *trajectories: Trajectory) -> None:
        """Take trajectories of sources that there were none of."""
        self.trajectories += trajectories
        for traj in trajectories:
            for fraction, by in self.persistence.items() if traj.embeddings is not None else ():
                by[traj.source] = direction_persistence(traj, self.leading, fraction)

    def run(self) -> Run:
        """Return the run as far as it has got."""
        experiment, words = self.experiment, self.stats.words
        comparison = compare(*self.trajectories, spectrum=self.leading)
        features = label_features(self.leading, words, n=min(6, len(words)))
        cloud = None
        if experiment.cloud_words:
            embedded = [self.placed, *(t for t in self.trajectories if t.embeddings is not None)]
            cloud = embedding_cloud(embedded, self.leading, words, n_words=experiment.cloud_words)
        summary = {
            **provenance(experiment, self.stats),
            "asked": {"dim": self.asked.dim},
            "learning_rate": experiment.learning_rate / float(self.leading.eigenvalues[0]),
            **numbers_of(comparison, self.persistence, features, self.law),
            "seconds": self.seconds,
        }
        persistence = dict(self.persistence[0.99])
        return Run(
            *(experiment, words, self.leading, comparison, persistence, features, plain(summary), cloud),
            self.start,
        )


@checked
def verify_flow(
    run: Run, *, stats: CooccurrenceStatistics | None = None, log: Log = lambda line: None
) -> Run:
    """Return a run with checks of this package in its summary, under `flow_against_exact`.

    The gradient flow of the first seed in the basis of the words, and that of other initial scales
    (`experiment.flow_scales`), each against the closed form.

    Args:
        run: with its flow.
        stats: the statistics of the run, if at hand.
        log: called with a line at the start of every stage.

    Raises:
        ValueError: float64 is off.
        RuntimeError: the flow ran out of steps.
    """
    require_float64("verify_flow")
    experiment = run.experiment
    seconds: dict[str, float] = dict(run.summary["seconds"])
    stage = stages(log, seconds)
    problem = Problem.from_statistics(_statistics(experiment, stats, lambda line: None))
    basis = leading_eigenpairs(problem, problem.vocab_size)
    keys, W0 = initial_weights(experiment, problem.vocab_size)
    exact = run.comparison.trajectories["theory"]
    with stage("gradient flow of one seed, in the dense basis"):
        dense = on_host(solve_flow(problem, W0[0], exact.ts, basis="words"))
    with stage("flow against closed form at other initial scales"):
        errors = {}
        for scale in experiment.flow_scales:
            start = gaussian_init(keys[0], problem.vocab_size, experiment.dim, scale)
            ts = _times(experiment, problem, basis, start[None])
            flow = solve_flow(problem, start, ts, spectrum=basis)
            errors[f"{scale:g}"] = _error(flow, predict(problem, start, ts, spectrum=basis))
    checks = {
        **run.summary["flow_against_exact"],
        "first seed, dense flow": _error(dense, exact.sel(seed=0)),
        "by initial scale, eigenbasis flow": errors,
    }
    return replace(run, summary=plain({**run.summary, "flow_against_exact": checks, "seconds": seconds}))


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
    return stats.most_frequent(min(experiment.vocab_size, stats.vocab_size))


def _with_concepts(experiment: Experiment, basis: Spectrum, log: Log) -> Experiment:
    """Return the configuration with a concept to learn for every dimension: of positive eigenvalue."""
    # Rounding leaves a few 1e-16 of the largest where there is nothing.
    values = np.asarray(basis.eigenvalues)
    positive = int((values > 1e-9 * np.abs(values).max()).sum())
    if not positive:
        expected = "counts with a concept that can be learned (a positive eigenvalue of M*)"
        raise argument_error("statistics", expected, f"{len(values)} words without one", "Give more text.")
    if positive >= experiment.dim:
        return experiment
    log(f"{positive} dimensions, not {experiment.dim}: these counts have no more concepts to learn")
    return replace(experiment, dim=positive)


def _times(experiment: Experiment, problem: Problem, basis: Spectrum, W0: jax.Array) -> np.ndarray:
    """Return the observed times: whole steps, evenly spread, to `horizon` times the last step predicted.

    That is the mean over seeds of SGD's last step. Unless a shorter axis is asked for, it reaches beyond the
    last step of every seed.
    """
    values = np.asarray(basis.eigenvalues)
    rate, half = experiment.learning_rate / float(values[0]), values[: experiment.dim] / 2
    # Of weights along the eigenvectors; others are later. Then twice as far, until all have risen.
    start = experiment.scale**2 / experiment.dim
    alone = np.log(np.maximum(2 * half / start, np.exp(1))) * rate / np.log1p(2 * half * rate) / 2
    end = 1.5 * float(alone.max())
    for _ in range(40):
        looks = np.linspace(0, end, experiment.observations + 1)
        seen = on_host(predict(problem, W0, looks, spectrum=basis, learning_rate=rate))
        risen = (seen.singular_values**2 >= half).all(axis=-1)
        if risen[:, -1].all():
            break
        end *= 2
    # Where a concept is not learned yet for the last time; the step is within the interval after that.
    late = np.where(risen, 0, np.arange(len(looks)) + 0.5).max(axis=1) * looks[1]
    end = experiment.horizon * float(late.mean())
    if experiment.horizon >= 1:
        # SGD's own steps scatter about those predicted: the last by up to 7%.
        end = max(end, 1.15 * float(late.max()))
    steps = max(experiment.observations, int(np.ceil(end / rate)))
    return np.round(np.linspace(0, steps, experiment.observations + 1)) * rate


def _law_as_a_guide() -> AbstractContextManager[Any]:
    """Return a context without warnings of the law for small starts, which stands beside what is exact."""
    return warnings.catch_warnings(action="ignore", category=RuntimeWarning)


def _error(flow: Trajectory, exact: Trajectory) -> float:
    return compare(flow, exact).singular_value_error("flow", "theory")
