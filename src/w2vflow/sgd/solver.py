"""Common part of SGD and full-batch descent: checks, identity of a run, result."""

import functools
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from w2vflow.problem import Problem
from w2vflow.results import Recording, Trajectory
from w2vflow.sgd.engine import Descent, Feed, GradientSource, Optimizer, descend, placement
from w2vflow.sgd.journal import Journal
from w2vflow.sgd.minibatches import Minibatches
from w2vflow.sgd.noise.guard import check_noise
from w2vflow.sgd.scan import Marks, marks_of, observed, traced_marks
from w2vflow.sgd.timeline import LearningRate, Timeline, is_laid_out, lay_out
from w2vflow.spectrum import check_learning_rate, stability_limit_at, warn_of_rounding
from w2vflow.support.arrays import is_known
from w2vflow.support.checkpoint import Checkpoint, digest
from w2vflow.support.checks import argument_error
from w2vflow.support.devices import describe_devices, versions
from w2vflow.support.machine import check_embeddings_fit

__all__ = ["Algorithm", "Clock", "solve_by_steps"]

# Words up to which every run is checked for noise, and for how often it draws each pair if there are more. Of
# fewer than a hundred, averages over words say little of one.
_FEW, _SMALL, _CHECKED = 100, 1000, 20


def _checked_rate(problem: Problem, timeline: Timeline, optimizer: Optimizer | None) -> Timeline:
    """Return a timeline with its stability limit, infinite where that is not known.

    The largest rate is held against the limit, which is that of plain descent without an optimizer.

    Raises:
        ValueError: a rate at or above the limit.
    """
    if optimizer is not None:
        return timeline
    return replace(timeline, limit=check_learning_rate(problem, timeline.largest_rate))


def _check_noise(
    problem: Problem, algorithm: "Algorithm", starts: Float[Array, "S n d"], timeline: Timeline
) -> None:
    """Check that plain descent along minibatches settles at a rate, if that takes a fraction of the run.

    Raises:
        ValueError: it does not.
    """
    source = algorithm.source
    if not isinstance(source, Minibatches) or algorithm.optimizer is not None or callable(timeline.rate):
        return
    if not problem.quartic_at_constant_G or problem.vocab_size < _FEW:
        return
    long = timeline.steps[-1] * source.pairs > _CHECKED * problem.vocab_size**2
    if long or problem.vocab_size <= _SMALL:
        check_noise(
            problem,
            starts.shape[2],
            timeline.largest_rate,
            source.batch_size,
            source.name,
            start=float(jnp.sum(starts**2, axis=(1, 2)).max()) / starts.shape[1],
            until=float(timeline.steps[-1]) * timeline.largest_rate,
        )


class Algorithm(NamedTuple):
    """What makes the steps of a run.

    Attributes:
        name: `"SGD"` or `"GD"`.
        source: of the gradients.
        optimizer: as in `run_sgd`.
        settings: of the source, for the metadata.
        remedy: as of a `Journal`.
    """

    name: str
    source: GradientSource
    optimizer: Optimizer | None
    settings: dict[str, Any]
    remedy: str


class Clock(NamedTuple):
    """Times of the observations and sizes of the steps, as in `run_sgd`."""

    ts: Any
    learning_rate: LearningRate
    max_steps: int | None = None


def solve_by_steps(
    problem: Problem,
    algorithm: Algorithm,
    starts: Float[Array, "S n d"],
    keys: Key[Array, " S"],
    clock: Clock,
    *,
    ensemble: bool,
    recording: Recording,
    feed: Feed | None = None,
) -> Trajectory:
    """Return the trajectory of descent by an algorithm; see `run_sgd` and `run_gd`.

    Where all is known the host looks at it in between; else it is one pure function.

    Args:
        problem, recording: as in `run_sgd`.
        starts, keys, feed: as in `descend`.
        ensemble: whether the result has a seed axis.
    """
    ts, rate, _ = clock
    timeline = lay_out(ts, rate) if is_laid_out(ts, rate) else None
    if timeline is not None and is_known(problem):
        timeline = _checked_rate(problem, timeline, algorithm.optimizer)
    if timeline is None or not is_known(problem, algorithm.source, starts, keys):
        if feed is not None:
            raise argument_error("W0", "known, as all else, where pairs come from a text", "traced values")
        marks = traced_marks(*clock) if timeline is None else marks_of(timeline)
        found = _traced(problem, algorithm, starts, keys, marks, rate, recording)
    else:
        _check_noise(problem, algorithm, starts, timeline)
        journal = _journal(problem, algorithm, starts, keys, timeline, recording, ensemble)
        if algorithm.optimizer is None:
            warn_of_rounding(problem, starts, "Use a larger scale, or `predict` or `solve_flow` in float64.")
        found = _looked_at(problem, algorithm, starts, keys, journal, feed)
    return found if ensemble else found.sel(seed=0)


def _looked_at(
    problem: Problem,
    algorithm: Algorithm,
    starts: Float[Array, "S n d"],
    keys: Key[Array, " S"],
    journal: Journal,
    feed: Feed | None,
) -> Trajectory:
    """Return the trajectory of a known run, whose journal the host keeps."""
    timeline, save = journal.timeline, journal.recording.save_embeddings
    S, rows, dim = starts.shape
    if save:
        check_embeddings_fit(S, len(timeline.steps), rows, dim)

    def limit_at(Z: np.ndarray) -> float:
        if np.isfinite(timeline.limit):
            return timeline.limit
        return float(stability_limit_at(problem, Z if problem.tied else Z.reshape(2, -1, dim)))

    step = Descent(algorithm.source, _in_precision(timeline.rate, starts.dtype), algorithm.optimizer)
    objective, drawn = problem.objective(starts.dtype), np.asarray(starts)
    seen = descend(step, objective, drawn, keys, journal, save_weights=save, limit_at=limit_at, feed=feed)
    devices = list(dict.fromkeys(device for device, _ in placement(S, starts.dtype == np.float64)))
    about = {
        **_told(problem, algorithm, timeline.described_rate(), starts.dtype),
        "steps": int(timeline.steps[-1]),
        "devices": len(devices),
        "device": describe_devices(devices),
    }
    return _trajectory(problem, timeline.times, seen, about)


def _journal(
    problem: Problem,
    algorithm: Algorithm,
    starts: Float[Array, "S n d"],
    keys: Key[Array, " S"],
    timeline: Timeline,
    recording: Recording,
    ensemble: bool,
) -> Journal:
    # The sum of all weights of pairs, of which every loss is some part; with `M*` given, its own too.
    loss_scale = float(problem.vocab_size) ** 2
    if problem.statistics is None:
        loss_scale += float(problem.target_norm_squared()) / 4
    kept = None
    if recording.checkpoint is not None:
        identity = _identity(problem, algorithm, np.asarray(starts), keys, timeline)
        identity["save_embeddings"] = recording.save_embeddings
        kept = Checkpoint(recording.checkpoint, identity, recording.checkpoint_every)
    return Journal(
        name=algorithm.name,
        timeline=timeline,
        pairs_per_step=len(starts) * algorithm.source.pairs,
        loss_scale=loss_scale,
        remedy=algorithm.remedy,
        ensemble=ensemble,
        recording=recording,
        checkpoint=kept,
    )


def _traced(
    problem: Problem,
    algorithm: Algorithm,
    starts: Float[Array, "S n d"],
    keys: Key[Array, " S"],
    marks: Marks,
    rate: LearningRate,
    recording: Recording,
) -> Trajectory:
    """Return the trajectory where something is traced."""
    keep = recording.save_embeddings
    if recording != Recording(save_embeddings=keep):
        raise argument_error("recording", "of weights alone for a traced run", repr(recording))
    objective = problem.objective(starts.dtype)
    descent = Descent(algorithm.source, _in_precision(rate, starts.dtype), algorithm.optimizer)
    seen = jax.vmap(lambda Z, key: observed(descent, objective, Z, key, marks, keep))(starts, keys)
    described = "schedule" if callable(rate) else float(rate) if is_known(rate) else "traced"
    return _trajectory(problem, marks.times, seen, _told(problem, algorithm, described, starts.dtype))


def _in_precision(rate: LearningRate, dtype: Any) -> Any:
    return rate if callable(rate) else jnp.asarray(rate, dtype)


def _told(problem: Problem, algorithm: Algorithm, rate: float | str, dtype: Any) -> dict[str, Any]:
    """Return what a result says of any run."""
    return {
        **algorithm.settings,
        "method": algorithm.name,
        "learning_rate": rate,
        "optimizer": _name_of(algorithm.optimizer),
        "precision": np.dtype(dtype).name,
        "problem": problem.describe(),
        "versions": versions(),
    }


def _trajectory(problem: Problem, times: Any, seen: dict[str, Any], about: dict[str, Any]) -> Trajectory:
    values, loss, weights = seen["singular_values"], seen["loss"], seen.get("weights")
    sides: list[Any] = [None]
    if weights is not None:
        size = problem.vocab_size
        sides = [weights[:, :, size * side : size * (side + 1)] for side in range(problem.sides)]
    return Trajectory(
        about["method"].lower(),
        times,
        values,
        loss,
        sides[0],
        about,
        contexts=sides[1] if len(sides) > 1 else None,
        words=problem.words,
    )


def _identity(
    problem: Problem,
    algorithm: Algorithm,
    starts: Float[np.ndarray, "S n d"],
    keys: Key[Array, " S"],
    timeline: Timeline,
) -> dict[str, Any]:
    """Return what decides a run, by names that a message can use where a checkpoint is of another one."""
    stats = problem.statistics
    return {
        "method": algorithm.name,
        **algorithm.settings,
        "learning_rate": timeline.described_rate(),
        "optimizer": _name_of(algorithm.optimizer),
        "optimizer_updates": _probed(algorithm.optimizer, timeline.rate),
        "statistics": None if stats is None else stats.sha256,
        "loss": repr(problem.pair_loss),
        "weighting": repr(problem.weighting),
        "tied": problem.tied,
        "objective": problem.objective(starts.dtype).fingerprint(),
        "seeds": starts.shape[0],
        "dim": starts.shape[2],
        "starts": digest(starts),
        "keys": digest(jax.random.key_data(keys)),
        "times": digest(timeline.times),
        "steps": digest(timeline.steps),
        "precision": starts.dtype.name,
    }


def _name_of(optimizer: Optimizer | None) -> str:
    if optimizer is None:
        return "none"
    if isinstance(optimizer, functools.partial):
        given = [repr(value) for value in optimizer.args]
        given += [f"{name}={value!r}" for name, value in optimizer.keywords.items()]
        return f"{_name_of(optimizer.func)}({', '.join(given)})"
    return getattr(optimizer, "__qualname__", type(optimizer).__name__)


def _probed(optimizer: Optimizer | None, rate: LearningRate) -> list[float] | None:
    """Return what an optimizer makes of three gradients: functions do not tell their settings."""
    if optimizer is None:
        return None
    transformation, place = optimizer(rate), jnp.ones((2, 1), jnp.float32)
    state, updates = transformation.init(place), []
    for gradient in (1.0, -0.5, 2.0):
        update, state = transformation.update(gradient * place, state, place)
        updates.append(float(f"{float(update[0, 0]):.5g}"))
    return updates
