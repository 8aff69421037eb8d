"""Common part of SGD and full-batch descent: checks, identity of a run, result."""

import functools
import hashlib
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from w2vflow.problem import Objective, Problem
from w2vflow.results import Recording, Trajectory
from w2vflow.sgd.engine import Descent, Feed, GradientSource, Optimizer, descend, placement
from w2vflow.sgd.journal import Journal
from w2vflow.sgd.timeline import LearningRate, Timeline, lay_out
from w2vflow.spectrum import check_learning_rate, stability_limit_at
from w2vflow.support.checkpoint import Checkpoint
from w2vflow.support.devices import describe_devices, versions
from w2vflow.support.machine import check_embeddings_fit

__all__ = ["check_rate", "digest", "solve_by_steps"]


def check_rate(
    problem: Problem, ts: Any, learning_rate: LearningRate, optimizer: Optimizer | None
) -> Timeline:
    """Return the steps that reach the times, with the stability limit, infinite where it is not known.

    The largest rate is held against the limit, which is that of plain descent without an optimizer.

    Raises:
        ValueError: bad times or rates, or a rate at or above the limit.
    """
    timeline = lay_out(ts, learning_rate)
    if optimizer is not None:
        return timeline
    return replace(timeline, limit=check_learning_rate(problem, timeline.largest_rate))


def digest(array: Any) -> str:
    """Return the SHA-256 of the entries of an array."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def solve_by_steps(
    problem: Problem,
    source: GradientSource,
    starts: Float[np.ndarray, "S n d"],
    keys: Key[Array, " S"],
    timeline: Timeline,
    *,
    name: str,
    optimizer: Optimizer | None,
    settings: dict[str, Any],
    remedy: str,
    ensemble: bool,
    recording: Recording,
    feed: Feed | None = None,
) -> Trajectory:
    """Return the trajectory of descent with the gradients of `source`; see `run_sgd` and `run_gd`.

    Args:
        problem, optimizer, recording: as in `run_sgd`.
        source, starts, keys, feed: as in `descend`.
        timeline, remedy: as of a `Journal`.
        name: `"SGD"` or `"GD"`.
        settings: of the source, for the metadata.
        ensemble: whether the result has a seed axis.
    """
    S, rows, dim = starts.shape
    if recording.save_embeddings:
        check_embeddings_fit(S, len(timeline.steps), rows, dim)
    objective = problem.objective(starts.dtype)
    rate = timeline.rate if callable(timeline.rate) else jnp.asarray(timeline.rate, starts.dtype)
    about = {**settings, "learning_rate": timeline.described_rate(), "optimizer": _name_of(optimizer)}
    # The sum of all weights of pairs, of which every loss is some part; with `M*` given, its own too.
    loss_scale = float(problem.vocab_size) ** 2
    if problem.statistics is None:
        loss_scale += problem.target_norm_squared() / 4
    kept = None
    if recording.checkpoint is not None:
        identity = {"method": name, **about, "save_embeddings": recording.save_embeddings}
        identity |= _identity(problem, objective, starts, keys, timeline, optimizer)
        kept = Checkpoint(recording.checkpoint, identity, recording.checkpoint_every)
    journal = Journal(
        name=name,
        timeline=timeline,
        pairs_per_step=S * source.pairs,
        loss_scale=loss_scale,
        remedy=remedy,
        ensemble=ensemble,
        recording=recording,
        checkpoint=kept,
    )

    def limit_at(Z: np.ndarray) -> float:
        if np.isfinite(timeline.limit):
            return timeline.limit
        return stability_limit_at(problem, Z if problem.tied else Z.reshape(2, -1, dim))

    step, save = Descent(source, rate, optimizer), recording.save_embeddings
    seen = descend(step, objective, starts, keys, journal, save_weights=save, limit_at=limit_at, feed=feed)
    devices = list(dict.fromkeys(device for device, _ in placement(S, starts.dtype == np.float64)))
    about |= {
        "method": name,
        "steps": int(timeline.steps[-1]),
        "devices": len(devices),
        "device": describe_devices(devices),
        "precision": starts.dtype.name,
        "problem": problem.describe(),
        "versions": versions(),
    }
    values, loss = seen["singular_values"], seen["loss"]
    found = Trajectory(name.lower(), timeline.times, values, loss, metadata=about, words=problem.words)
    if recording.save_embeddings:
        words, *contexts = np.split(seen["weights"], problem.sides, axis=2)
        found = replace(found, embeddings=words, contexts=contexts[0] if contexts else None)
    return found if ensemble else found.sel(seed=0)


def _identity(
    problem: Problem,
    objective: Objective,
    starts: Float[np.ndarray, "S n d"],
    keys: Key[Array, " S"],
    timeline: Timeline,
    optimizer: Optimizer | None,
) -> dict[str, Any]:
    """Return what decides a run, by names that a message can use where a checkpoint is of another one."""
    stats = problem.statistics
    return {
        "optimizer_updates": _probed(optimizer, timeline.rate),
        "statistics": None if stats is None else stats.sha256,
        "loss": repr(problem.pair_loss),
        "weighting": repr(problem.weighting),
        "tied": problem.tied,
        "objective": objective.fingerprint(),
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
