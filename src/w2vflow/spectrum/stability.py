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
from w2vflow.support.arrays import is_known, out_of_trace
from w2vflow.support.checks import argument_error, check_at_least, check_positive, check_weights
from w2vflow.support.devices import word_mesh
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.static import remembered

__all__ = ["check_learning_rate", "stability_limit", "stability_limit_at", "stable_rate"]


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
    return _limit_within(_ends(problem), problem.tied, 0.0)


def _ends(problem: Problem) -> Float[Array, "2"]:
    """Return both ends of the spectrum of `M*`, which a known problem is asked for once."""
    if not is_known(problem):
        return spectrum_ends(problem.target_operator())
    with out_of_trace():
        return remembered(problem, "spectrum_ends", lambda: spectrum_ends(problem.target_operator()))


@eqx.filter_jit
def _limit_within(ends: Float[Array, "2"], tied: bool, weight_decay: Any) -> Float[Array, ""]:
    """Return the limit; decay lowers what is learned, and pulls back what is not."""
    largest, smallest = ends
    if tied:
        return 2 / jnp.maximum(2 * (largest - weight_decay), jnp.maximum(largest, weight_decay) - smallest)
    size = jnp.maximum(largest, -smallest)
    return 2 / jnp.maximum(size, size / 2 + weight_decay)


@checked
def stability_limit_at(problem: Problem, W: ArrayLike) -> Float[Array, ""]:
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
def check_learning_rate(
    problem: Problem, learning_rate: float, *, weight_decay: float = 0.0, argument: str = "learning_rate"
) -> float:
    """Return the stability limit of the problem, infinite where it is not known beforehand.

    Args:
        problem: known.
        learning_rate: to hold against it.
        weight_decay: `kappa` of descent on `L + kappa/2 ||W||^2` (untied `+ kappa/2 ||C||^2`).
        argument: name of the rate in messages.

    Raises:
        ValueError: `learning_rate` is not positive and below it.
    """
    check_positive(argument, learning_rate)
    check_at_least("weight_decay", 0, weight_decay)
    if not problem.quartic_at_constant_G:
        return float("inf")
    # Within a traced function too, of a problem that is known.
    with out_of_trace():
        limit = float(_limit_within(_ends(problem), problem.tied, weight_decay))
    if learning_rate >= limit:
        formula = "2 / max(2 lambda_1, lambda_1 - lambda_min)" if problem.tied else "2 / max |lambda_k|"
        decay = f", with a weight decay of {float(weight_decay):.4g}" if weight_decay > 0 else ""
        expected = f"below the stability limit {limit:.4g} ({formula}{decay})"
        raise argument_error(argument, expected, learning_rate, "A twentieth of it is a safe start.")
    return limit


@checked
def stable_rate(
    problem: Problem, learning_rate: float, *, weight_decay: float = 0.0, argument: str = "learning_rate"
) -> Any:
    """Return the rate of a closed form, which beyond the stability limit would describe no descent.

    Of a known problem a traced rate beyond it becomes NaN, and so does all that follows from it.

    Args:
        problem: quartic and at constant `G`.
        learning_rate: 0 for the flow, or positive; maybe traced.
        weight_decay, argument: as in `check_learning_rate`.

    Raises:
        ValueError: a known rate is at or above the limit.
    """
    check_at_least(argument, 0, learning_rate)
    check_at_least("weight_decay", 0, weight_decay)
    if not is_known(problem, weight_decay):
        return learning_rate
    if not is_known(learning_rate):
        with out_of_trace():
            limit = _limit_within(_ends(problem), problem.tied, weight_decay)
        return jnp.where(learning_rate < limit, learning_rate, jnp.nan)
    if learning_rate > 0 and not learning_rate < _surely_stable(problem, weight_decay):
        check_learning_rate(
            problem, float(learning_rate), weight_decay=float(weight_decay), argument=argument
        )
    return learning_rate


def _surely_stable(problem: Problem, weight_decay: Any) -> float:
    """Return a lower bound of the limit by the norm of `M*`, which costs no eigenvalue."""
    # Rounding of the norm is allowed for.
    norm = 1.001 * float(problem.target_norm_squared()) ** 0.5
    return 2 / max(problem.speed * (2 * norm) + weight_decay, np.finfo(float).tiny)


class _Hessian(Operator):
    """Second derivative of an objective at weights, on directions laid out flat."""

    objective: Objective
    Z: Float[Array, "n d"]

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        def one(direction: Float[Array, " R"]) -> Float[Array, " R"]:
            moved = jax.jvp(self.objective.gradient, (self.Z,), (direction.reshape(self.Z.shape),))[1]
            return moved.ravel()

        return jax.vmap(one, in_axes=1, out_axes=1)(own)
