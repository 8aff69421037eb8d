"""Time axis of descent: each step advances it by its learning rate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from w2vflow.support.arrays import is_known, out_of_trace
from w2vflow.support.checks import argument_error, check_positive, check_times
from w2vflow.support.schedules import check_rates, scheduled_rates

__all__ = ["LearningRate", "Timeline", "is_laid_out", "lay_out"]

# A constant rate, or an optax schedule: the rate as a function of the number of steps made.
LearningRate = float | Callable[[Any], Any]

_MOST_STEPS = np.iinfo(np.int32).max
# Rates of a schedule are evaluated so many at a time: all steps of a long run need not fit into memory.
_BLOCK = 2**16


@dataclass(frozen=True, eq=False)
class Timeline:
    """Where the observations lie, in steps and in time.

    Attributes:
        steps: steps made before each observation, `(T,)`.
        times: their times, `(T,)`.
        rate: the learning rate, a number or a schedule.
        largest_rate: largest rate of all steps.
        block_times: times at the starts of the blocks of a schedule, with which any step has its time.
        limit: stability limit of plain descent, infinite where it is not known beforehand.
    """

    steps: Int[np.ndarray, " T"]
    times: Float[np.ndarray, " T"]
    rate: LearningRate
    largest_rate: float
    block_times: Float[np.ndarray, " n"]
    limit: float = float("inf")

    def time(self, step: int) -> float:
        """Return the time after `step` steps: the sum of their learning rates."""
        if not callable(self.rate):
            return step * self.rate
        block, within = divmod(step, _BLOCK)
        return float(self.block_times[block] + _rates(self.rate, block * _BLOCK, within).sum())

    def described_rate(self) -> float | str:
        """Return the rate for a result's metadata: the number, or what is known of a schedule."""
        if not callable(self.rate):
            return self.rate
        return f"schedule, {self.times[-1]:.6g} over {self.steps[-1]} steps, at most {self.largest_rate:.6g}"


def is_laid_out(ts: Any, learning_rate: LearningRate) -> bool:
    """Return whether times and rate are known, so that `lay_out` can count the steps."""
    if not callable(learning_rate):
        return is_known(ts, learning_rate)
    # Within a traced function, the rates of a schedule of known numbers are known all the same; those of
    # one of traced numbers may be asked for.
    with jax.ensure_compile_time_eval():
        return is_known(ts, learning_rate(jnp.zeros((), jnp.int32)))


def lay_out(ts: Any, learning_rate: LearningRate) -> Timeline:
    """Return the whole steps nearest to the times `ts`, and the times of those.

        time after n steps = eta_0 + eta_1 + ... + eta_(n-1)

    A schedule is evaluated in float64, on a CPU.

    Raises:
        ValueError: bad times; a rate that is negative, NaN or infinite; times less than a step apart;
            a schedule whose sum never reaches the last time; 2^31 steps or more.

    Example:
        >>> lay_out([0.0, 1.0, 2.02], 0.1).steps.tolist()
        [0, 10, 20]
        >>> halving = lay_out([1.5, 1.9], lambda step: 0.5**step)
        >>> halving.steps.tolist(), halving.times.tolist()
        ([2, 4], [1.5, 1.875])
    """
    with out_of_trace():
        times = np.asarray(check_times(ts), np.float64)
    if callable(learning_rate):
        with out_of_trace():
            steps, reached, largest, block_times = _scheduled(times, learning_rate)
    else:
        check_positive("learning_rate", learning_rate)
        learning_rate = float(learning_rate)
        if times[-1] / learning_rate > _MOST_STEPS:
            raise argument_error("learning_rate", "at least `ts[-1] / 2^31`", learning_rate)
        steps = np.rint(times / learning_rate).astype(np.int64)
        reached, largest, block_times = steps * learning_rate, learning_rate, np.zeros(1)
    if (np.diff(steps) == 0).any():
        expected, got = f"at least one step of {largest:.3g} apart", np.diff(times).min()
        remedy = "Ask for fewer times or use a smaller `learning_rate`."
        raise argument_error("ts", expected, f"times as close as {got:.3g}", remedy)
    if steps[-1] == 0:
        expected, remedy = f"at least half a step of {largest:.3g}", "Use a smaller `learning_rate`."
        raise argument_error("ts", expected, times[-1], remedy)
    return Timeline(steps, reached, learning_rate, largest, block_times)


def _scheduled(times: np.ndarray, schedule: Callable) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Return steps and times nearest to `times`, the largest rate and the times of the blocks."""
    steps, reached = np.zeros(len(times), np.int64), np.zeros(len(times))
    block_times, largest, last_rate, found = [0.0], 0.0, 0.0, 0
    for first in range(0, _MOST_STEPS - _BLOCK, _BLOCK):
        rates = _rates(schedule, first, _BLOCK)
        after = block_times[-1] + np.concatenate([[0.0], np.cumsum(rates)])
        moving = np.flatnonzero(rates)
        last_rate = rates[moving[-1]] if moving.size else last_rate
        largest = max(largest, float(rates.max()))
        # Beyond this block for certain: more than half a step behind its end.
        here = found + int(np.sum(times[found:] <= after[-1]))
        if not moving.size:
            # A schedule that has ended; its sum and the last time may differ by rounding.
            here = found + int(np.sum(times[found:] <= after[-1] + last_rate / 2))
            if here < len(times):
                expected = f"a schedule whose sum reaches `ts[-1]` = {times[-1]:.6g}"
                got = f"one that stays at {after[-1]:.6g} from step {first} on"
                raise argument_error("learning_rate", expected, got, "End `ts` earlier.")
        above = np.minimum(np.searchsorted(after, times[found:here]), len(rates))
        below = np.maximum(above - 1, 0)
        nearer = np.where(times[found:here] - after[below] <= after[above] - times[found:here], below, above)
        # Steps of rate 0 do not move: the first that has reached the time is meant.
        nearer = np.searchsorted(after, after[nearer])
        steps[found:here], reached[found:here] = first + nearer, after[nearer]
        found = here
        block_times.append(float(after[-1]))
        if found == len(times):
            return steps, reached, largest, np.asarray(block_times)
    expected = "a schedule that reaches `ts[-1]` within 2^31 steps"
    raise argument_error("learning_rate", expected, "one that does not")


def _rates(schedule: Callable, first: int, count: int) -> Float[np.ndarray, " n"]:
    """Return the rates of at most a block of steps from `first` on, checked."""
    rates = scheduled_rates(schedule, first, _BLOCK)[:count]
    check_rates(rates, "learning_rate", first)
    return rates
