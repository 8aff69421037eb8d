"""Measured step times, and the persistence of learned directions."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import linear_sum_assignment

from w2vflow.results.trajectory import Trajectory
from w2vflow.spectrum import Spectrum, check_origin, direction_overlaps, left_directions
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host

__all__ = ["direction_persistence", "measure_step_times"]


@checked
def measure_step_times(traj: Trajectory, spectrum: Spectrum) -> Float[Array, "*S k"]:
    """Return when each `s_k^2` passes half of `|lambda_k|`, `([S,] k)`; NaN where it never does.

    Noise passes it many times, the first of them too early. So it is the time spent below half, until
    three quarters are reached: of an `s_k^2` that does not turn back, the time of its only passage.
    Between observed times `log(s^2 / (lambda - s^2))` is interpolated, which is linear in time for the
    sigmoid of an undisturbed step. A mode that starts above half has no step: NaN.

    A negative eigenvalue is learned only if its `s_k^2` is above half at the end too. Of untied
    weights it then is; singular values of tied weights pass by there at most on their way to 0.

    Args:
        traj: a trajectory.
        spectrum: leading eigenpairs, those of `extreme_eigenpairs` where weights are untied; modes beyond
            the smaller of their number and `dim` are left out.

    Raises:
        ValueError: the pairs are known to be of another problem.
    """
    check_origin(spectrum, traj.metadata.get("problem"))
    squares, ts = (jnp.asarray(one) for one in (traj.singular_values, traj.ts))
    one = squares.ndim == 2
    found = _step_times(squares[None] if one else squares, ts, spectrum.eigenvalues)
    return found[0] if one else found


@eqx.filter_jit
def _step_times(
    values: Float[Array, "S T d"], ts: Float[Array, " T"], eigenvalues: Float[Array, " k"]
) -> Float[Array, "S m"]:
    modes = min(values.shape[-1], len(eigenvalues))
    eigenvalues, eps = eigenvalues[:modes], jnp.finfo(eigenvalues.dtype)
    sizes = jnp.maximum(jnp.abs(eigenvalues), eps.tiny)
    fraction = values[..., :modes].astype(sizes.dtype) ** 2 / sizes[None, None]
    # SGD may overshoot lambda between two observed times.
    fraction = jnp.clip(fraction, 1e8 * eps.tiny, 1 - 1e-6)
    logit = jnp.moveaxis(jnp.log(fraction) - jnp.log1p(-fraction), -2, -1)
    above = logit >= 0
    after = jnp.argmax(above, axis=-1)
    crossed = jnp.any(above, axis=-1) & (after > 0) & (above[..., -1] | (eigenvalues > 0)[None])
    low, high = logit[..., :-1], logit[..., 1:]
    turns = (low >= 0) != (high >= 0)
    # Of an interval in which it passes, the part that lies below half.
    share = jnp.abs(jnp.where(low < 0, low, high) / jnp.where(turns, high - low, 1.0))
    below = jnp.where(turns, share, (low < 0).astype(ts.dtype))
    done = logit >= jnp.log(3.0).astype(logit.dtype)
    until = jnp.where(jnp.any(done, axis=-1), jnp.argmax(done, axis=-1), len(ts))
    places = jnp.arange(len(ts) - 1)[None, None]
    counted = places < until[..., None]
    # From the first passage on: what was before it, all of it below, is one number without rounding.
    last = jnp.maximum(after - 1, 0)
    later = counted & (places >= last[..., None])
    spent = jnp.sum(jnp.where(later, below * jnp.diff(ts)[None, None], 0.0), axis=-1)
    return jnp.where(crossed, ts[last] + spent, jnp.nan)


@checked
def direction_persistence(traj: Trajectory, spectrum: Spectrum, learned: float = 0.99) -> np.ndarray:
    """Return how little each learned direction rotates afterwards, `([S,] T, k)`.

    The squared cosine between the direction of concept k when it has risen to a fraction `learned`
    of `|lambda_k|` and at each later time; NaN before, and for concepts never learned. Concepts that
    do not rotate stay at 1. Concepts closer together than their rise is wide are learned jointly
    and turn within their common plane until both have risen: a smaller fraction shows it.

    The directions are the left singular vectors of `W`, matched to those at the end one to one,
    because their order by size changes where a late concept overtakes an early one.

    Args:
        traj: a trajectory with embeddings.
        spectrum: leading eigenpairs, those of `extreme_eigenpairs` where weights are untied.
        learned: between 0 and 1.

    Raises:
        ValueError: the trajectory has no embeddings, or the pairs are known to be of another problem.
    """
    check_origin(spectrum, traj.metadata.get("problem"))
    traj, spectrum = on_host((traj, spectrum))
    embeddings = np.asarray(traj.require_embeddings())
    if traj.seeds is not None:
        return np.stack(
            [direction_persistence(traj.sel(seed=s), spectrum, learned) for s in range(traj.seeds)]
        )
    modes = min(traj.dim, len(spectrum.eigenvalues))
    directions = left_directions(embeddings, modes)
    order = np.stack([_matching(direction_overlaps(U, directions[-1])) for U in directions])
    directions = np.take_along_axis(directions, order[:, None, :], axis=2)
    squares = np.take_along_axis(np.asarray(traj.singular_values)[:, :modes] ** 2, order, axis=1)
    reached = squares >= learned * np.abs(np.asarray(spectrum.eigenvalues)[:modes])
    when_learned = directions[reached.argmax(axis=0), :, np.arange(modes)].T
    cosines = np.sum(when_learned * directions, axis=1)
    return np.where(np.logical_or.accumulate(reached, axis=0), cosines**2, np.nan)


def _matching(overlaps: np.ndarray) -> np.ndarray:
    """Return for every column the row it goes with, one to one, with the largest sum of overlaps."""
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    return rows[np.argsort(columns)]
