"""What rounding makes of small starts: the seed of late concepts."""

import warnings

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.problem import Problem
from w2vflow.spectrum.eigenpairs import learned_eigenpairs
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known, on_host
from w2vflow.support.checks import argument_error
from w2vflow.support.static import remembered

__all__ = ["rounding_advance", "warn_of_rounding"]

# Share of a step time from which rounding is warned of.
_NOTED = 0.02


@checked
def rounding_advance(
    problem: Problem, weights: Float[Array, "n d"], dtype: type[np.floating] | np.dtype
) -> Float[np.ndarray, " d"]:
    """Return by which share of itself each step time comes early where weights are rounded as `dtype`.

    Every rounding of a learned concept j, of amplitude `lambda_j^(1/2)`, leaves some

        eps (lambda_j sum_i v_ik^2 v_ij^2)^(1/2)

    along concept k. Where that is more than what has become of its own start, `R_kk e^(lambda_k t_j)`, it
    is from there that k rises, by the logarithm of their quotient over `lambda_k` too early. An estimate from
    above, within a third of it; 0 where the start is larger.
    """
    if len(weights) != problem.sides * problem.vocab_size:
        expected = f"of {problem.sides * problem.vocab_size} rows, those of contexts below those of words"
        raise argument_error("weights", expected, f"shape {np.shape(weights)}")
    dim = weights.shape[1]
    pairs = remembered(problem, f"{dim} pairs", lambda: learned_eigenpairs(problem, dim))
    values, vectors = (np.asarray(one, np.float64) for one in (pairs.eigenvalues, pairs.eigenvectors))
    start = np.asarray(weights, np.float64)
    overlaps = vectors.T @ start[: len(vectors)]
    if not problem.tied:
        overlaps = (overlaps + np.sign(values)[:, None] * (vectors.T @ start[len(vectors) :])) / 2
    sizes, squares = np.abs(values) if not problem.tied else np.maximum(values, 0), vectors**2
    with np.errstate(divide="ignore", invalid="ignore"):
        log_strengths = 2 * np.log(np.abs(np.diagonal(np.linalg.qr(overlaps.T, mode="r"))))
        times = (np.log(sizes) - log_strengths) / (2 * problem.speed * sizes)
        # Concept j in rows, k in columns.
        noise = np.log(np.finfo(dtype).eps) + np.log(sizes[:, None] * (squares.T @ squares)) / 2
        own = log_strengths / 2 + problem.speed * sizes * times[:, None]
        early = np.where(np.tri(dim, k=-1).T > 0, noise - own, 0.0) / (problem.speed * sizes * times)
    return np.clip(np.nan_to_num(early, nan=0.0, posinf=0.0, neginf=0.0).max(axis=0), 0.0, 1.0)


@checked
def warn_of_rounding(problem: Problem, starts: Float[Array, "S n d"], remedy: str) -> None:
    """Warn, two callers up, where rounding moves the steps of a known start by more than 2%."""
    if starts.dtype != np.float32 or not is_known(problem, starts):
        return
    limits = np.finfo(np.float32)
    size = float(jnp.max(jnp.abs(starts[0])))
    if 0 < size < limits.tiny / limits.eps:
        warnings.warn(
            f"The start has entries of {size:.1g} at most. Below {limits.tiny / limits.eps:.0e} products are "
            f"lost in float32, and little or nothing is ever learned. {remedy}",
            RuntimeWarning,
            stacklevel=3,
        )
        return
    # A start above the rounding of what is learned is never overtaken by it.
    if not problem.quartic_at_constant_G:
        return
    if not 0 < size < limits.eps * float(problem.target_norm_squared()) ** 0.25:
        return
    early = rounding_advance(problem, on_host(starts[0]), np.float32)
    if early.max() > _NOTED:
        worst = int(early.argmax())
        warnings.warn(
            "The start is so small that the rounding of float32 in what is learned first is more than "
            f"is left of later ones: concept {worst + 1} comes early by some {early[worst]:.0%}. {remedy}",
            RuntimeWarning,
            stacklevel=3,
        )
