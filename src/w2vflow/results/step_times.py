"""Measured step times, and the persistence of learned directions."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from w2vflow.results.trajectory import Trajectory
from w2vflow.spectrum import Spectrum, direction_overlaps, left_directions
from w2vflow.support.arguments import checked

__all__ = ["direction_persistence", "measure_step_times"]


@checked
def measure_step_times(traj: Trajectory, spectrum: Spectrum) -> np.ndarray:
    """Return when each `s_k^2` first passes half of `|lambda_k|`, `([S,] k)`; NaN where it never does.

    Between observed times `log(s^2 / (lambda - s^2))` is interpolated, which is linear in time for
    the sigmoid of an undisturbed step. A mode that starts above half has no step: NaN.

    A negative eigenvalue is learned only if its `s_k^2` is above half at the end too. Of untied
    weights it then is; singular values of tied weights pass by there at most on their way to 0.

    Args:
        traj: a trajectory.
        spectrum: leading eigenpairs, those of `extreme_eigenpairs` where weights are untied; modes beyond
            the smaller of their number and `dim` are left out.
    """
    modes = min(traj.dim, len(spectrum.eigenvalues))
    values = spectrum.eigenvalues[:modes]
    sizes = np.maximum(np.abs(values), np.finfo(float).tiny)
    fraction = traj.singular_values[..., :modes].astype(np.float64) ** 2 / sizes
    # SGD may overshoot lambda between two observed times.
    fraction = np.clip(fraction, 1e-300, 1 - 1e-6)
    logit = np.moveaxis(np.log(fraction) - np.log1p(-fraction), -2, -1)
    above = logit >= 0
    after = above.argmax(axis=-1)
    crossed = above.any(axis=-1) & (after > 0) & (above[..., -1] | (values > 0))
    after = np.maximum(after, 1)
    low = np.take_along_axis(logit, after[..., None] - 1, -1)[..., 0]
    high = np.take_along_axis(logit, after[..., None], -1)[..., 0]
    share = -low / np.where(crossed, high - low, 1.0)
    ts = traj.ts
    return np.where(crossed, ts[after - 1] + share * (ts[after] - ts[after - 1]), np.nan)


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
        ValueError: the trajectory has no embeddings.
    """
    embeddings = traj.require_embeddings()
    if traj.seeds is not None:
        return np.stack(
            [direction_persistence(traj.sel(seed=s), spectrum, learned) for s in range(traj.seeds)]
        )
    modes = min(traj.dim, len(spectrum.eigenvalues))
    directions = left_directions(embeddings, modes)
    order = np.stack([_matching(direction_overlaps(U, directions[-1])) for U in directions])
    directions = np.take_along_axis(directions, order[:, None, :], axis=2)
    squares = np.take_along_axis(traj.singular_values[:, :modes] ** 2, order, axis=1)
    reached = squares >= learned * np.abs(spectrum.eigenvalues[:modes])
    when_learned = directions[reached.argmax(axis=0), :, np.arange(modes)].T
    cosines = np.sum(when_learned * directions, axis=1)
    return np.where(np.logical_or.accumulate(reached, axis=0), cosines**2, np.nan)


def _matching(overlaps: np.ndarray) -> np.ndarray:
    """Return for every column the row it goes with, one to one, with the largest sum of overlaps."""
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    return rows[np.argsort(columns)]
