"""Stability limits: the largest steps that gradient descent can take."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.problem import Objective, Operator, Problem
from w2vflow.spectrum.eigenpairs import spectrum_ends
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import out_of_trace
from w2vflow.support.checks import argument_error, check_positive_rate, check_weights
from w2vflow.support.devices import word_mesh

__all__ = ["check_learning_rate", "stability_limit", "stability_limit_at"]


@checked
def stability_limit(problem: Problem) -> Float[Array, ""]:
    """Return the learning rate above which gradient descent leaves the solution it should settle on.

        tied:     eta < 2 / max(2 lambda_1, lambda_1 - lambda_min)
        untied:   eta < 2 / max |lambda_k|

    The largest curvature at the end point is either along the leading concept or, with tied weights,
    between it and the most negative eigenvalue, which is never learned but pulls back. Untied weights
    learn eigenvalues of either sign; the curvature between a learned concept j and any k is
    `(|lambda_j| + |lambda_k|) / 2`. The limit is that of full-batch descent from small weights, to less
    than 1e-6 of itself; noise of small batches lowers it.

    Raises:
        ValueError: the loss is not quartic or `G` not constant; then use `stability_limit_at`.
    """
    if not problem.quartic_at_constant_G:
        expected = "quartic and at constant G, where the end point is known"
        got = f"the loss {problem.pair_loss!r} with the weighting {problem.weighting!r}"
        remedy = "Use `stability_limit_at(problem, W)` with weights near those that descent settles on."
        raise argument_error("problem", expected, got, remedy)
    return _limit_within(spectrum_ends(problem.target_operator()), problem.tied)


@eqx.filter_jit
def _limit_within(ends: Float[Array, "2"], tied: bool) -> Float[Array, ""]:
    largest, smallest = ends
    return 2 / (jnp.maximum(2 * largest, largest - smallest) if tied else jnp.maximum(largest, -smallest))


@checked
def stability_limit_at(problem: Problem, W: Any) -> Float[Array, ""]:
    """Return `2 / h` with `h` the largest eigenvalue of the Hessian of the objective at given weights.

    Descent with steps above it moves away from such weights along that eigenvector, where they are a
    minimum. Differentiable in the problem and in the weights.

    Args:
        problem: of any loss and weighting.
        W: weights `(V, dim)`, or `(2, V, dim)` where they are untied.

    Raises:
        ValueError: `W` is of another shape or not finite.
    """
    Z = check_weights(W, problem.vocab_size, problem.sides)
    if Z.ndim != 2:
        raise argument_error("W", "those of one seed", f"shape {np.shape(W)}")
    hessian = _Hessian(Z.size, word_mesh(), problem.objective(Z.dtype), Z)
    return 2 / spectrum_ends(hessian)[0]


@checked
def check_learning_rate(problem: Problem, learning_rate: float) -> float:
    """Return the stability limit of the problem, infinite where it is not known beforehand.

    Raises:
        ValueError: `learning_rate` is not positive and below it.
    """
    check_positive_rate(learning_rate)
    if not problem.quartic_at_constant_G:
        return float("inf")
    # Within a traced function too, of a problem that is known.
    with out_of_trace():
        limit = float(stability_limit(problem))
    if learning_rate >= limit:
        formula = "2 / max(2 lambda_1, lambda_1 - lambda_min)" if problem.tied else "2 / max |lambda_k|"
        expected = f"below the stability limit {limit:.4g} ({formula})"
        raise argument_error("learning_rate", expected, learning_rate, "A twentieth of it is a safe start.")
    return limit


class _Hessian(Operator):
    """Second derivative of an objective at weights, on directions laid out flat."""

    objective: Objective
    Z: Float[Array, "n d"]

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        def one(direction: Float[Array, " R"]) -> Float[Array, " R"]:
            moved = jax.jvp(self.objective.gradient, (self.Z,), (direction.reshape(self.Z.shape),))[1]
            return moved.ravel()

        return jax.vmap(one, in_axes=1, out_axes=1)(own)
