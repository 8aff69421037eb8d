"""Ladder of plateaus: the flow of any loss and weights, one more direction on each."""

import warnings
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from w2vflow.problem import Problem
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_dimension, check_weights
from w2vflow.support.devices import require_float64
from w2vflow.support.kinds import ArrayLike
from w2vflow.theory.ladder.pairs import Stiffness
from w2vflow.theory.ladder.plateaus import next_plateau, plateau_at
from w2vflow.theory.ladder.reduced_flow import ReducedFlow, reduced_flow

__all__ = ["Ladder", "predict_ladder"]

# A direction that grows more slowly than this, relative to the first, is left where it is.
_LEARNABLE = 1e-6
# What a start may have outside of the reduced flow, as a fraction of the last plateau's weakest strength.
_LEFT_OUT = 0.1
# How many plateaus after the last step the reduced flow knows of.
_BEYOND = 4
# Directions of the reduced flow at most, by default.
_MODES = 80


@checked
@dataclass(frozen=True, eq=False)
class Ladder:
    """Plateaus of the loss and the flow from each to the next, for all small initial weights alike.

    Attributes:
        losses: on each plateau, `(r + 1,)`: at zero weights, then after each step.
        strengths: `s_k^2` on the plateau after each step, falling, `(r, r)`, zero where none.
        growth: leading eigenvalues `Lambda_j` of `E` on each plateau, falling, `(r + 1, r + 8)`, or `K`
            if fewer; the first is the rate at which the next direction grows, `s^2` at twice that.
        plateaus: the weights of each plateau, `(V, k)`, or `(2, V, k)` where words and contexts have
            their own, `k = 0 .. r`.
        directions: leading eigenvectors of `E` at zero weights, `(n, m)`, `n = V` or `2 V`.
        flow: the reduced flow, among the directions that rise.
    """

    losses: np.ndarray
    strengths: np.ndarray
    growth: np.ndarray
    plateaus: tuple[np.ndarray, ...]
    directions: np.ndarray
    flow: ReducedFlow

    @property
    def steps(self) -> int:
        """Number of steps `r`."""
        return len(self.strengths)

    def step_times(self, W0: ArrayLike) -> np.ndarray:
        """Return when each step happens from the given initial weights, `([S,] r)`.

        Step k happens when `s_k^2` passes half of `strengths[k, k]`, its value on the plateau it leads
        to; NaN where it never does, or starts above. All that rises is carried at once, in the `K`
        directions of `flow`: a second or less for a seed.

        Args:
            W0: initial weights `([S,] V, d)`, or `([S,] 2, V, d)`; `d` may be any, and no more than `d`
                steps happen.

        Raises:
            ValueError: `W0` does not fit the problem.

        Warns:
            RuntimeWarning: the start is too large for what the flow leaves out of it; times may be wrong by
                more than 10%.
        """
        require_float64("Ladder.step_times")
        sides = 1 if self.plateaus[0].ndim == 2 else 2
        weights = np.asarray(check_weights(W0, len(self.directions) // sides, sides))
        basis = np.asarray(self.flow.basis)
        starts = basis.T @ weights
        steps = min(self.steps, weights.shape[-1])
        if not steps:
            return np.empty((*weights.shape[:-2], 0))
        _warn_of_large_starts(weights - basis @ starts, self.strengths[-1, -1])
        seeds = starts.reshape(-1, *starts.shape[-2:])
        times = np.stack([np.asarray(self.flow.step_times(jnp.asarray(start))) for start in seeds])
        return times.reshape(*weights.shape[:-2], steps)


@checked
def predict_ladder(problem: Problem, steps: int, *, modes: int | None = None) -> Ladder:
    """Return the plateaus of the gradient flow from small weights, and the flow between them, for any loss.

    Small weights `Z` grow as `dZ/dt = E(Q) Z`, `Q` the product of those already grown, `E = -2 S` of tied
    weights, `S_ij = A l+'(x_ij) + B l-'(x_ij)`, and `-[[0, S], [S^T, 0]]` of words above contexts. Plateau r
    is a minimum of rank r, reached from the one before along the top eigenvector of its `E`.

    Steps closer together than they are wide rise jointly. So the flow is reduced to few directions, the
    leading eigenvectors at zero weights and what the plateaus and growth on them add, and integrated there
    from the start's own amplitudes (`Ladder.step_times`). It needs no pairs any more: `E` is taken as linear
    in `Q`, but right on every plateau, of which there are four more than steps.

    At constant `G` and quartic loss the plateaus are those of the leading eigenpairs of `M*`, and times those
    of `predict_step_times` to 0.2%. For others see docs/predictions.md, "Any weights, any loss: the ladder".

    The cost is that of some fifty to two hundred losses and gradients for each plateau.

    Args:
        problem: of any loss and weighting, tied or untied.
        steps: how many, `r`; at most V.
        modes: of the reduced flow, `K`; by default `4 r + 32`, 80 at most but `r + 12` at least. Memory
            grows as `K^4`.

    Raises:
        ValueError: float64 is off, `steps` is outside 1..V, fewer modes than steps, or a loss without
            a minimum.

    Warns:
        RuntimeWarning: nothing grows any more before `steps` plateaus; the ladder ends there.

    References:
        Li, Luo, Lyu (2021), arXiv 2012.09839, greedy low-rank learning; Jacot et al. (2021),
        arXiv 2106.15933, saddle to saddle; Kunin et al. (2025), arXiv 2506.06489, alternating gradient
        flows.

    Example:
        >>> import jax, numpy as np
        >>> jax.config.update("jax_enable_x64", True)
        >>> problem = Problem.from_target(np.diag([3.0, 2.0, 1.0, -1.0]))
        >>> ladder = predict_ladder(problem, 2)
        >>> ladder.losses.round(3).tolist()
        [3.75, 1.5, 0.5]
    """
    require_float64("predict_ladder")
    check_dimension(steps, problem.vocab_size)
    size = problem.sides * problem.vocab_size
    # What comes after the last step rises beside it, and decides when it does.
    climbed = min(problem.vocab_size, steps + _BEYOND)
    modes = min(size, max(climbed + 8, min(4 * climbed + 16, _MODES))) if modes is None else modes
    if not steps <= modes <= size:
        raise argument_error("modes", f"between `steps` = {steps} and {size}", modes)
    objective, stiffness = problem.objective(np.float64), Stiffness.of(problem)
    seen = min(modes, steps + 8)
    plateaus = [plateau_at(objective, np.zeros((size, climbed)), min(modes, 2 * climbed + 4))]
    while len(plateaus) <= climbed and plateaus[-1].growth[0] > _LEARNABLE * plateaus[0].growth[0]:
        plateaus.append(next_plateau(objective, stiffness, plateaus[-1], len(plateaus) - 1, seen))
    rank = min(steps, len(plateaus) - 1)
    wanted = plateaus[: rank + 1]
    if rank < steps:
        warnings.warn(
            f"`predict_ladder` found {rank} steps of the {steps} asked for: on the plateau after them no "
            "direction grows, and further ones are never learned.",
            RuntimeWarning,
            stacklevel=2,
        )
    own = (problem.vocab_size,) if problem.tied else (2, problem.vocab_size)
    return Ladder(
        np.asarray([plateau.loss for plateau in wanted]),
        np.asarray([plateau.strengths[:rank] for plateau in wanted[1:]]).reshape(rank, rank),
        np.asarray([plateau.growth[:seen] for plateau in wanted]),
        tuple(plateau.weights[:, :k].reshape(*own, k) for k, plateau in enumerate(wanted)),
        plateaus[0].vectors,
        reduced_flow(problem, objective, stiffness, plateaus, rank, modes),
    )


def _warn_of_large_starts(left_out: Float[np.ndarray, "*s n d"], weakest: float) -> None:
    """Warn where what a start has outside of the reduced flow is not small beside the weakest plateau."""
    largest = np.max(np.linalg.norm(left_out, ord=2, axis=(-2, -1)), initial=0.0)
    if largest**2 > _LEFT_OUT * weakest:
        warnings.warn(
            "The initial weights are too large for `Ladder.step_times`, which leaves out what hardly grows: "
            f"that is already {largest**2 / weakest:.0%} of the last step. Use `solve_flow`.",
            RuntimeWarning,
            stacklevel=3,
        )
