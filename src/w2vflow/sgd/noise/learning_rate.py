"""Recommended learning rate, for SGD that follows the flow to a given accuracy."""

from typing import NamedTuple

import numpy as np

from w2vflow.problem import Problem
from w2vflow.sgd.noise.gradient_noise import concepts_of, gradient_noise
from w2vflow.sgd.noise.settled import Balance
from w2vflow.sgd.noise.step_times import Growth
from w2vflow.sgd.samplers.batches import Blocking, blocked, shared_out
from w2vflow.spectrum import Spectrum, stability_limit
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_initial_scale

__all__ = ["RecommendedRate", "recommended_learning_rate"]

# Starts over which the median noise of step times is taken.
_STARTS = 101
# Of the search for the rate of a given overlap.
_TRIES, _CLOSE = 8, 0.01


class RecommendedRate(NamedTuple):
    """A learning rate, and what bounds it.

    Attributes:
        rate: the rate.
        limits: the largest rate that each condition allows, by its name; `rate` is the least.
    """

    rate: float
    limits: dict[str, float]

    @property
    def bound_by(self) -> str:
        """The condition that binds."""
        return min(self.limits, key=self.limits.__getitem__)


@checked
def recommended_learning_rate(
    problem: Problem,
    dim: int,
    *,
    batch_size: int,
    sampler: str = "corpus",
    accuracy: float = 0.01,
    scale: float = 1e-2,
    spectrum: Spectrum | None = None,
) -> RecommendedRate:
    """Return the largest learning rate at which plain SGD follows the flow to a wanted accuracy.

    The least of seven (`q` is 2 tied, 1 untied):

    - `"step size"`: step times of descent are later than those of the flow by at most
      `q eta lambda_k / 4` of themselves; for every concept at most `accuracy`.
    - `"noise of step times"`: one standard deviation of a step time over minibatches, of itself
      (`step_time_noise`); its median over concepts and over starts of `gaussian_init` is at most
      `accuracy`. The last concepts have two or three times the median, because little is left over for
      them to start from (see docs/predictions.md, "Finite steps and minibatches").
    - `"noise of settled values"`: `stationary_noise` of every concept is at most `accuracy` of `s_k`.
    - `"overlap"`: `expected_overlap` is at least `1 - accuracy`.
    - `"stability"`: half of `stability_limit`.
    - `"mean square"`: half of `mean_square_limit`, or the least of the others if that is less.
    - `"single pairs"`: a step does not overshoot in the heaviest pair, of the longest vectors; half of
      the rate at which it would swing up there, by a bound from above on the weight of that pair.

    Step times and settled values are of first order in `accuracy`, good up to some hundredths. It takes the
    leading eigenpairs and some tens of `dim` sums over seen pairs: no matrix of pairs, no sampling.

    Args:
        problem: quartic and at constant `G`, made from statistics; tied or untied.
        dim: embedding dimension.
        batch_size, sampler: as in `run_sgd`.
        accuracy: the relative error wanted, between 0 and 1.
        scale: of the start, on whose logarithm step times depend.
        spectrum: at least `dim` leading eigenpairs, if at hand; untied: `extreme_eigenpairs`.

    Raises:
        ValueError: as `stationary_noise`.
    """
    problem.require_solvable("recommended_learning_rate")
    if not 0 < accuracy < 1:
        raise argument_error("accuracy", "between 0 and 1", accuracy)
    check_initial_scale(scale)
    concepts = concepts_of(problem, dim, spectrum)
    sizes = np.abs(concepts.eigenvalues)
    settled = np.diag(gradient_noise(problem, concepts, learned=True, batch_size=batch_size, sampler=sampler))
    growth = Growth.of(problem, dim, batch_size, sampler, concepts)
    square = 4 * accuracy**2 * sizes
    limits = {
        "step size": 2 * accuracy / (problem.speed * sizes[0]),
        "noise of step times": accuracy**2 / _relative_variance(growth, scale / np.sqrt(dim * problem.sides)),
        "noise of settled values": float(np.min(square / (problem.speed * (settled + square * sizes)))),
        "stability": float(stability_limit(problem)) / 2,
        "single pairs": 1 / _heaviest(problem, concepts, batch_size, sampler),
    }
    balance = Balance.of(problem, dim, batch_size, sampler, concepts)
    limits["overlap"] = _of_overlap(balance, accuracy, min(limits.values()))
    least = min(limits.values())
    limits["mean square"] = balance.limit(2 * least, 2 * least) / 2
    return RecommendedRate(min(limits.values()), limits)


def _of_overlap(balance: Balance, accuracy: float, most: float) -> float:
    """Return the largest rate at which all but `accuracy` of what is held are concepts, to a hundredth.

    Or a larger one than `most`, to first order, where that is larger by far.
    """
    rate = accuracy * balance.rate_of_noise()
    if rate > 10 * most:
        return rate
    for _ in range(_TRIES):
        lost = 1 - float(balance.settle(rate).overlap)
        # Where there is no balance the rate is too large by far; else loss is nearly in proportion to it.
        left = accuracy / lost if np.isfinite(lost) else 0.5
        rate *= left
        if abs(left - 1) < _CLOSE:
            break
    return rate


def _relative_variance(growth: Growth, deviation: float) -> float:
    """Return the median of `Var(t_k) / (eta t_k^2)` over concepts and starts of such overlaps."""
    size = len(growth.sizes)
    drawn = deviation * np.random.default_rng(0).normal(size=(_STARTS, size, size))
    variance, logarithm = growth.variance(drawn, np.full((_STARTS, size), deviation**2))
    # A start above half of lambda_k has no step; where most do, nothing is asked of steps.
    relative = np.where(logarithm > 0, variance / logarithm**2, 0.0)
    return float(np.maximum(np.median(relative), np.finfo(np.float64).tiny))


def _heaviest(problem: Problem, concepts: Spectrum, batch_size: int, sampler: str) -> float:
    """Return `h` such that a step of rate `eta` leaves `1 - eta h` of the deviation of the heaviest pair."""
    lengths = concepts.eigenvectors**2 @ np.abs(concepts.eigenvalues)
    V = problem.vocab_size
    if sampler == "corpus":
        word = problem.require_statistics("pairs are drawn").word_probability
        return float(np.max(lengths / word) / word.min()) / (batch_size // 2)
    if sampler == "balanced":
        blocking = Blocking(batch_size, 1, 1)
    else:
        blocking = blocked(batch_size) if sampler == "blocks" else shared_out(batch_size)[1]
    count, rows, columns = blocking
    typical = max(rows, columns) * float(np.abs(concepts.eigenvalues[0])) / V
    return V**2 / (count * rows * columns) * (typical + float(lengths.max()))
