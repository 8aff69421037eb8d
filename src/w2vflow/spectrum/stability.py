"""Stability limits: the largest steps that gradient descent can take."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse.linalg
from jaxtyping import Array, Float

from w2vflow.problem import Objective, Problem
from w2vflow.spectrum.eigenpairs import spectrum_ends
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_positive_rate, check_weights

__all__ = ["check_learning_rate", "stability_limit", "stability_limit_at"]


@checked
def stability_limit(problem: Problem) -> float:
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
    largest, smallest = spectrum_ends(problem.target_operator())
    if problem.tied:
        return 2 / max(2 * largest, largest - smallest)
    return 2 / max(largest, -smallest)


@checked
def stability_limit_at(problem: Problem, W: Any) -> float:
    """Return `2 / h` with `h` the largest eigenvalue of the Hessian of the objective at given weights.

    Descent with steps above it moves away from such weights along that eigenvector, where they are a
    minimum. Found by Lanczos to 0.1%.

    Args:
        problem: of any loss and weighting.
        W: weights `(V, dim)`, or `(2, V, dim)` where they are untied.

    Raises:
        ValueError: `W` is of another shape or not finite.
    """
    Z = jnp.asarray(check_weights(W, problem.vocab_size, problem.sides), jnp.zeros(()).dtype)
    objective = problem.objective(Z.dtype)

    def product(vector: np.ndarray) -> np.ndarray:
        return np.asarray(_curvature(objective, Z, jnp.asarray(vector.reshape(Z.shape), Z.dtype))).ravel()

    hessian = scipy.sparse.linalg.LinearOperator((Z.size, Z.size), matvec=product, dtype=np.dtype(Z.dtype))
    start = np.asarray(Z, np.float64).ravel() + 1e-3 * np.random.default_rng(0).normal(size=Z.size)
    if Z.size < 4:
        return float(2 / np.linalg.eigvalsh(hessian @ np.eye(Z.size)).max())
    values = scipy.sparse.linalg.eigsh(hessian, 1, which="LA", tol=1e-3, v0=start, return_eigenvectors=False)
    return float(2 / values[0])


@checked
def check_learning_rate(problem: Problem, learning_rate: float) -> float:
    """Return the stability limit of the problem, infinite where it is not known beforehand.

    Raises:
        ValueError: `learning_rate` is not positive and below it.
    """
    check_positive_rate(learning_rate)
    if not problem.quartic_at_constant_G:
        return float("inf")
    limit = stability_limit(problem)
    if learning_rate >= limit:
        formula = "2 / max(2 lambda_1, lambda_1 - lambda_min)" if problem.tied else "2 / max |lambda_k|"
        expected = f"below the stability limit {limit:.4g} ({formula})"
        raise argument_error("learning_rate", expected, learning_rate, "A twentieth of it is a safe start.")
    return limit


@eqx.filter_jit
def _curvature(
    objective: Objective, Z: Float[Array, "n d"], direction: Float[Array, "n d"]
) -> Float[Array, "n d"]:
    return jax.jvp(objective.gradient, (Z,), (direction,))[1]
