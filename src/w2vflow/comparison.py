"""Trajectories side by side: when steps happen, which subspaces are learned, how far off each is."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from w2vflow.checks import argument_error
from w2vflow.directions import direction_overlaps, left_directions
from w2vflow.spectrum import Spectrum
from w2vflow.trajectory import Trajectory, write_netcdf

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Comparison",
    "compare",
    "direction_persistence",
    "measure_step_times",
]


def measure_step_times(traj: Trajectory, spec: Spectrum) -> np.ndarray:
    """Return when each `s_k^2` first passes half of `|lambda_k|`, `([S,] k)`; NaN where it never does.

    Between observed times `log(s^2 / (lambda - s^2))` is interpolated, which is linear in time for
    the sigmoid of an undisturbed step; so the grid may be coarse against the step. A mode that
    starts above half has no step: NaN.

    A negative eigenvalue is learned only if its `s_k^2` is above half at the end too. Of untied
    weights it then is; singular values of tied weights pass by there at most on their way to 0.

    Args:
        traj: a trajectory.
        spec: leading eigenpairs, those of `extreme_eigenpairs` where weights are untied; modes beyond
            the smaller of their number and `dim` are left out.
    """
    modes = min(traj.dim, len(spec.eigenvalues))
    values = spec.eigenvalues[:modes]
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


def direction_persistence(traj: Trajectory, spec: Spectrum, learned: float = 0.99) -> np.ndarray:
    """Return how little each learned direction rotates afterwards, `([S,] T, k)`.

    The squared cosine between the direction of concept k when it has risen to a fraction `learned`
    of `|lambda_k|` and at each later time; NaN before, and for concepts never learned. Concepts that
    do not rotate stay at 1. Concepts closer together than their rise is wide are learned jointly
    and turn within their common plane until both have risen: a smaller fraction shows it.

    The directions are the left singular vectors of `W`, matched to those at the end one to one,
    because their order by size changes where a late concept overtakes an early one.

    Args:
        traj: a trajectory with embeddings.
        spec: leading eigenpairs, those of `extreme_eigenpairs` where weights are untied.
        learned: between 0 and 1.

    Raises:
        ValueError: the trajectory has no embeddings.
    """
    embeddings = traj.require_embeddings()
    if traj.seeds is not None:
        return np.stack([direction_persistence(traj.of_seed(s), spec, learned) for s in range(traj.seeds)])
    modes = min(traj.dim, len(spec.eigenvalues))
    directions = left_directions(embeddings, modes)
    order = np.stack([_matching(direction_overlaps(U, directions[-1])) for U in directions])
    directions = np.take_along_axis(directions, order[:, None, :], axis=2)
    squares = np.take_along_axis(traj.singular_values[:, :modes] ** 2, order, axis=1)
    reached = squares >= learned * np.abs(spec.eigenvalues[:modes])
    when_learned = directions[reached.argmax(axis=0), :, np.arange(modes)].T
    cosines = np.sum(when_learned * directions, axis=1)
    return np.where(np.logical_or.accumulate(reached, axis=0), cosines**2, np.nan)


def _matching(overlaps: np.ndarray) -> np.ndarray:
    """Return for every column the row it goes with, one to one, with the largest sum of overlaps."""
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    return rows[np.argsort(columns)]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Trajectories of one problem on one time axis. Make one with `compare`.

    Attributes:
        trajectories: by source.
        spectrum: the leading eigenpairs they are measured against, or None.
        step_times: measured half-rise times by source, `(S, k)`; empty without a spectrum.
    """

    trajectories: Mapping[str, Trajectory]
    spectrum: Spectrum | None
    step_times: Mapping[str, np.ndarray]

    def singular_value_error(self, source: str, reference: str) -> float:
        """Return the largest difference of any singular value at any time, over the largest of all.

        Args:
            source, reference: names among `trajectories`. If one of them has seeds and the other
                has not, the other is compared with the first seed.
        """
        one, other = (_with_seeds(self.trajectories[name]).singular_values for name in (source, reference))
        seeds = min(len(one), len(other))
        return float(np.abs(one[:seeds] - other[:seeds]).max() / np.abs(other).max())

    def step_time_errors(self, source: str, reference: str) -> np.ndarray:
        """Return the mean over seeds of `|t_k / t_k,reference - 1|`, seed by seed, `(k,)`.

        NaN for modes that some seed has not learned, in either.
        """
        one, other = self.step_times[source], self.step_times[reference]
        return np.abs(one / other - 1).mean(axis=0)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = ["source            seeds  final loss      s_1 .. s_d at the end"]
        for name, traj in self.trajectories.items():
            last = _with_seeds(traj).singular_values[:, -1].mean(axis=0)
            loss = float(np.mean(_with_seeds(traj).loss[:, -1]))
            lines.append(f"{name:<16} {traj.seeds or 1:>6}  {loss:<14.6g} {last[0]:.4g} .. {last[-1]:.4g}")
        if self.step_times:
            lines += ["", "step times: mean (standard deviation over seeds)"]
            lines.append("concept " + "".join(f"{name:>24}" for name in self.step_times))
            modes = min(times.shape[1] for times in self.step_times.values())
            for mode in range(modes):
                cells = (spread(times[:, mode]) for times in self.step_times.values())
                lines.append(f"{mode + 1:>7} " + "".join(f"{cell:>24}" for cell in cells))
        return lines

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset over `source, seed, time, mode`; NaN where a source has fewer seeds."""
        import xarray as xr

        first = next(iter(self.trajectories.values()))
        seeds = max(traj.seeds or 1 for traj in self.trajectories.values())
        shape = (len(self.trajectories), seeds, len(first.ts), first.dim)
        values, loss = np.full(shape, np.nan), np.full(shape[:3], np.nan)
        for index, traj in enumerate(map(_with_seeds, self.trajectories.values())):
            values[index, : len(traj.loss)], loss[index, : len(traj.loss)] = traj.singular_values, traj.loss
        variables: dict[str, Any] = {
            "singular_values": (("source", "seed", "time", "mode"), values),
            "loss": (("source", "seed", "time"), loss),
        }
        if self.spectrum is not None:
            modes = min(first.dim, len(self.spectrum.eigenvalues))
            steps = np.full((shape[0], seeds, first.dim), np.nan)
            for index, times in enumerate(self.step_times.values()):
                steps[index, : len(times), :modes] = times
            variables["step_time"] = (("source", "seed", "mode"), steps)
            padding = np.full(first.dim - modes, np.nan)
            eigenvalues = np.concatenate([self.spectrum.eigenvalues[:modes], padding])
            variables["eigenvalue"] = (("mode",), eigenvalues)
        metadata = {name: dict(traj.metadata) for name, traj in self.trajectories.items()}
        return xr.Dataset(
            variables,
            {
                "source": list(self.trajectories),
                "seed": np.arange(seeds),
                "time": first.ts,
                "mode": np.arange(1, first.dim + 1),
            },
            {"trajectories": json.dumps(metadata, sort_keys=True)},
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_xarray()` as netCDF, atomically; the same numbers give the same bytes."""
        write_netcdf(self.to_xarray(), path)


def compare(*trajectories: Trajectory, spectrum: Spectrum | None = None) -> Comparison:
    """Return trajectories of one problem side by side.

    Args:
        trajectories: of equal times and dimension and different sources. SGD moves its times to
            whole steps: give its `ts` to the other solvers.
        spectrum: leading eigenpairs of the problem, to measure step times.

    Raises:
        ValueError: none given, or times, dimensions or sources that do not go together.
    """
    if not trajectories:
        raise argument_error("trajectories", "at least one trajectory", "none")
    first = trajectories[0]
    for traj in trajectories[1:]:
        if traj.ts.shape != first.ts.shape or not np.allclose(traj.ts, first.ts, rtol=1e-9, atol=0):
            raise argument_error(
                "trajectories",
                "on the same times",
                f"other times for {traj.source!r} than for {first.source!r}",
                "Pass the `ts` of the SGD trajectory to the other solvers.",
            )
        if traj.dim != first.dim:
            raise argument_error("trajectories", "of one dimension", f"{first.dim} and {traj.dim}")
    names = [traj.source for traj in trajectories]
    if len(set(names)) < len(names):
        raise argument_error(
            "trajectories",
            "of different sources",
            names,
            "Rename one with `dataclasses.replace(trajectory, source=...)`.",
        )
    by_source = dict(zip(names, trajectories, strict=True))
    times = {} if spectrum is None else {n: _steps(traj, spectrum) for n, traj in by_source.items()}
    return Comparison(by_source, spectrum, times)


def spread(values: np.ndarray) -> str:
    """Return `mean (standard deviation)` of the numbers; the mean alone of one number."""
    if not np.isfinite(values).all():
        return "not reached" if np.isnan(values).all() else "some not reached"
    mean = f"{values.mean():.4g}"
    return mean if len(values) == 1 else f"{mean} ({values.std(ddof=1):.2g})"


def _with_seeds(traj: Trajectory) -> Trajectory:
    if traj.seeds is not None:
        return traj
    kept = None if traj.embeddings is None else traj.embeddings[None]
    return Trajectory(traj.source, traj.ts, traj.singular_values[None], traj.loss[None], kept, traj.metadata)


def _steps(traj: Trajectory, spectrum: Spectrum) -> np.ndarray:
    return measure_step_times(_with_seeds(traj), spectrum)
