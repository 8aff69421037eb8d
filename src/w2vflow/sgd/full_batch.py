"""Full-batch gradient descent, plain or with any optimizer."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from w2vflow.problem import Objective, Problem
from w2vflow.results import Recording, Trajectory
from w2vflow.sgd.engine import GradientSource, Number, Optimizer, Weights
from w2vflow.sgd.solver import Algorithm, Clock, solve_by_steps
from w2vflow.sgd.timeline import LearningRate
from w2vflow.support.arguments import checked
from w2vflow.support.checks import check_weights
from w2vflow.support.kinds import ArrayLike

__all__ = ["FullBatch", "run_gd"]


class FullBatch(GradientSource):
    """The gradient of the objective itself."""

    objective: Objective
    vocab_size: int = eqx.field(static=True)

    @property
    def pairs(self) -> int:
        """All pairs of words."""
        return self.vocab_size**2

    def gradient(self, number: Number, key: Key[Array, ""], Z: Weights) -> Weights:
        return self.objective.gradient(Z)


@checked
def run_gd(
    problem: Problem,
    W0: ArrayLike,
    ts: ArrayLike,
    *,
    learning_rate: LearningRate,
    optimizer: Optimizer | None = None,
    max_steps: int | None = None,
    recording: Recording = Recording(),
) -> Trajectory:
    """Return the trajectory of full-batch gradient descent, in the precision of JAX's default.

        W <- W - eta dL/dW;   time advances by eta a step

    As `eta` goes to 0 it becomes the gradient flow, with an error of first order in `eta`.

    Args:
        problem: of any loss and weighting, tied or untied.
        W0: initial weights `(V, dim)`, or `(S, V, dim)` for an ensemble; of untied problems
            `([S,] 2, V, dim)`, words before contexts.
        ts, learning_rate, optimizer, max_steps, recording: as in `run_sgd`.

    Raises:
        ValueError: a bad argument, a learning rate above the stability limit among them.
        RuntimeError: the weights diverged.

    Example:
        >>> import numpy as np
        >>> run = run_gd(Problem.from_target(np.diag([4.0, 1.0])), [[0.1], [0.2]], [5.0], learning_rate=0.01)
        >>> (run.singular_values**2).round(3).tolist()
        [[4.0]]
    """
    weights = check_weights(W0, problem.vocab_size, problem.sides)
    starts = (weights if weights.ndim == 3 else weights[None]).astype(jnp.zeros(()).dtype)
    source = FullBatch(problem.objective(starts.dtype), problem.vocab_size)
    return solve_by_steps(
        problem,
        Algorithm("GD", source, optimizer, {}, "Use a smaller `learning_rate`."),
        starts,
        # Nothing is drawn.
        jax.random.split(jax.random.key(0), len(starts)),
        Clock(ts, learning_rate, max_steps),
        ensemble=weights.ndim == 3,
        recording=recording,
    )
