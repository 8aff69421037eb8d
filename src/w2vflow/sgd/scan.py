"""Descent as one pure function: its steps in compiled loops, observed in between."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from w2vflow.problem import Objective
from w2vflow.results import singular_values
from w2vflow.sgd.engine import Descent, Number, Weights
from w2vflow.sgd.timeline import LearningRate, Timeline
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import argument_error, check_positive, check_times

__all__ = ["Marks", "marks_of", "observed", "traced_marks"]


class Marks(NamedTuple):
    """Where the observations lie.

    Attributes:
        steps: steps made before each observation.
        times: their times.
        longest: bound on the steps between two observations, or None.
        enough: whether no bound is broken.
    """

    steps: Int[Array, " T"]
    times: Float[Array, " T"]
    longest: int | None
    enough: Bool[Array, ""]


def marks_of(timeline: Timeline) -> Marks:
    """Return where the observations of known times and rates lie."""
    most = int(np.diff(timeline.steps, prepend=0).max())
    steps = jnp.asarray(timeline.steps, jnp.int32)
    return Marks(steps, jnp.asarray(timeline.times), most, jnp.ones((), bool))


def traced_marks(ts: Any, rate: LearningRate, max_steps: int | None) -> Marks:
    """Return the whole steps nearest to times, where these or the rate are traced; see `lay_out`.

    Raises:
        ValueError: a traced schedule without `max_steps`, and as `lay_out` of what is known.
    """
    times = check_times(ts)
    if callable(rate):
        if max_steps is None:
            expected = "given for a traced schedule: how many rates it is asked for"
            raise argument_error("max_steps", expected, None)
        steps, reached, enough = _scheduled(times, rate, max_steps)
    else:
        check_positive("learning_rate", rate)
        steps = jnp.rint(times / rate).astype(jnp.int32)
        reached = steps * jnp.asarray(rate, times.dtype)
        enough = jnp.ones((), bool) if max_steps is None else steps[-1] <= max_steps
    longest = max_steps
    if max_steps is not None and is_known(ts) and not callable(rate):
        known = np.atleast_1d(np.asarray(ts, np.float64))
        shares = np.diff(known, prepend=0) / known[-1]
        longest = min(max_steps, math.ceil(max_steps * float(shares.max())) + 1)
    return Marks(steps, reached, longest, enough)


def _scheduled(
    times: Float[Array, " T"], schedule: Callable[[Any], Any], most: int
) -> tuple[Int[Array, " T"], Float[Array, " T"], Bool[Array, ""]]:
    """Return the steps of a schedule, their times, and whether so many reach the last time."""
    rates = jax.vmap(schedule)(jnp.arange(most, dtype=jnp.int32)).astype(times.dtype)
    after = jnp.concatenate([jnp.zeros(1, times.dtype), jnp.cumsum(rates)])
    above = jnp.clip(jnp.searchsorted(after, times), 1, most)
    nearer = jnp.where(times - after[above - 1] <= after[above] - times, above - 1, above)
    # Steps of rate 0 do not move: the first that has reached the time is meant.
    steps = jnp.searchsorted(after, after[nearer]).astype(jnp.int32)
    last = jnp.max(jnp.where(rates > 0, jnp.arange(most), 0))
    return steps, after[steps], times[-1] <= after[-1] + rates[last] / 2


def observed(
    descent: Descent, objective: Objective, Z: Weights, key: Key[Array, ""], marks: Marks, keep: bool
) -> dict[str, Array]:
    """Return what is seen of one seed at the marks: singular values, loss and, to `keep`, weights.

    Differentiable forward, and backward where the steps between two marks are bounded: weights are kept
    at the marks, and at the root of the steps between two while these are gone through once more.
    """

    def step(number: Number, now: tuple[Weights, Any]) -> tuple[Weights, Any]:
        return descent.step(number, key, *now)

    def advance(now: tuple[Weights, Any], ends: tuple[Number, Number]) -> tuple[Any, dict[str, Array]]:
        if marks.longest is None:
            now = jax.lax.fori_loop(*ends, step, now)
        else:
            now = _bounded(step, marks.longest, now, *ends)
        seen = {"singular_values": singular_values(now[0], objective.sides), "loss": objective.value(now[0])}
        return now, (seen | {"weights": now[0]} if keep else seen)

    begin = jnp.where(marks.enough, Z, jnp.nan)
    starts = jnp.concatenate([jnp.zeros(1, jnp.int32), marks.steps[:-1]])
    again = jax.checkpoint(advance, prevent_cse=False)
    return jax.lax.scan(again, (begin, descent.start(begin)), (starts, marks.steps))[1]


def _bounded(step: Callable[[Number, Any], Any], longest: int, now: Any, start: Number, end: Number) -> Any:
    """Make the steps from `start` to `end`, at most so many, in a loop of fixed length."""
    width = max(1, math.isqrt(longest))

    def one(now: Any, number: Number) -> tuple[Any, None]:
        return jax.lax.cond(number < end, partial(step, number), lambda now: now, now), None

    def several(now: Any, first: Number) -> tuple[Any, None]:
        return jax.lax.scan(one, now, first + jnp.arange(width, dtype=jnp.int32))[0], None

    firsts = start + width * jnp.arange(-(-longest // width), dtype=jnp.int32)
    return jax.lax.scan(jax.checkpoint(several, prevent_cse=False), now, firsts)[0]
