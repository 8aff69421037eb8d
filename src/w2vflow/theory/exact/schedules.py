"""Phases of a learning-rate schedule."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, stable_rate
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import check_fits
from w2vflow.support.schedules import check_rates, scheduled_rates
from w2vflow.theory.exact.phases import Phase

__all__ = ["schedule_phases"]


@checked
def schedule_phases(
    problem: Problem,
    schedule: Callable[[Any], Any] | ArrayLike,
    steps: ArrayLike,
    *,
    pieces: int = 32,
    weight_decay: float = 0.0,
    spectrum: Spectrum | None = None,
) -> list[Phase]:
    """Return phases of constant learning rate by which `predict_phases` predicts descent under a schedule.

    Descent grows by `sum ln(1 + eta_i lambda)` over a stretch of steps, which to second order in the step
    size is that of the constant rate `sum eta_i^2 / sum eta_i` over the same time: that is the rate of each
    phase. Where a mode saturates, the first-order correction of `predict` takes the phase's rate for the
    one at that moment. Many pieces thus give errors of second order, as at a constant rate.

    Args:
        problem: quartic, constant `G`, tied.
        schedule: an optax schedule, a function of the step; or the rates of all steps, an array.
        steps: numbers of steps after which to observe, increasing; phases end at some of them.
        pieces: how many phases, at most one for each observation.
        weight_decay: as for `Phase`.
        spectrum: eigenpairs of the problem, if at hand.

    Raises:
        ValueError: steps that do not increase from 1 on, rates that are negative, not finite, at or above
            `stability_limit` or fewer than steps, observations between which the rate is 0 throughout, or
            no pieces.

    Example:
        >>> phases = schedule_phases(Problem.from_target(np.eye(2)), [0.1, 0.1, 0.3], [2, 3], pieces=2)
        >>> [(phase.ts.round(3).tolist(), round(phase.learning_rate, 3)) for phase in phases]
        [([0.2], 0.1), ([0.3], 0.3)]
    """
    numbers = np.atleast_1d(np.asarray(steps))
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or (np.diff(numbers, prepend=0) <= 0).any():
        raise argument_error("steps", "whole numbers that increase from 1 on", np.asarray(steps).tolist())
    if pieces < 1:
        raise argument_error("pieces", "at least 1", pieces)
    rates = _rates(schedule, int(numbers[-1]))
    stable_rate(problem, rates.max(), weight_decay=weight_decay, argument="schedule")
    after = np.concatenate([[0.0], np.cumsum(rates)])
    # Parts of nearly one length.
    edges = np.linspace(0, len(numbers), min(pieces, len(numbers)) + 1).round().astype(int)
    stretches = np.split(numbers, edges[1:-1])
    phases = []
    for begin, inside in zip([0, *(s[-1] for s in stretches[:-1])], stretches, strict=True):
        ts, own = after[inside] - after[begin], rates[begin : inside[-1]]
        if (np.diff(ts, prepend=0.0) <= 0).any():
            expected = "such that some rate between any two is positive"
            raise argument_error("steps", expected, "steps that do not move")
        rate = float(np.sum(own**2) / np.sum(own))
        phases.append(Phase(problem, ts, rate, weight_decay, spectrum))
    return phases


def _rates(schedule: Any, count: int) -> Float[np.ndarray, " n"]:
    """Return the rates of the first `count` steps, checked."""
    check_fits("steps", f"the rates of {count} steps", 32 * count, "Observe fewer steps.")
    known = scheduled_rates(schedule, 0, count) if callable(schedule) else np.asarray(schedule, np.float64)
    rates = np.atleast_1d(known)[:count]
    if rates.shape != (count,):
        raise argument_error("schedule", f"the rates of {count} steps or more", f"shape {rates.shape}")
    check_rates(rates, "schedule")
    return rates
