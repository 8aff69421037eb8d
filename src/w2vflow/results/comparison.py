"""Comparison of trajectories: step times, distances, in print and in files."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from w2vflow.results.step_times import measure_step_times
from w2vflow.results.trajectory import (
    AXES,
    SeedChoice,
    TimeChoice,
    Trajectory,
    arrays_of,
    chosen_seeds,
    chosen_times,
    result_attributes,
    same_times,
    with_arrays,
)
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error
from w2vflow.support.dataset_files import read_dataset, write_dataset
from w2vflow.support.display import beside, harmless, html_table, line_sketch, megabytes, shown_words

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Comparison", "compare", "spread"]

# What an embedding of every time takes is seldom wanted beside the observables.
_OBSERVABLES = ("singular_values", "loss", "error_bound")
# Concepts that a print or a notebook shows.
_SHOWN = 10


@checked
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

    def sel(self, *, time: TimeChoice | None = None, seed: SeedChoice | None = None) -> "Comparison":
        """Return the comparison at some of its times, of some of its seeds; see `Trajectory.sel`.

        A source without a seed axis counts as seed 0. One with fewer seeds keeps those that it has, and
        is left out if it has none. Step times stay as they were measured, on all times.

        Raises:
            ValueError: times beyond those observed, a slice without any, or seeds that no source has.
        """
        trajectories, steps = dict(self.trajectories), dict(self.step_times)
        if seed is not None:
            chosen = chosen_seeds(max(traj.seeds or 1 for traj in trajectories.values()), seed)
            several = [chosen] if isinstance(chosen, int) else chosen
            for name, traj in self.trajectories.items():
                own = [number for number in several if number < (traj.seeds or 1)]
                if not own:
                    del trajectories[name]
                    steps.pop(name, None)
                    continue
                if traj.seeds is not None:
                    trajectories[name] = traj.sel(seed=chosen if isinstance(chosen, int) else own)
                if name in steps:
                    steps[name] = steps[name][own]
        if time is not None:
            # By place: times of two sources may differ by rounding.
            first = next(iter(trajectories.values()))
            kept = chosen_times(first.ts, time)
            trajectories = {name: traj.sel(time=traj.ts[kept]) for name, traj in trajectories.items()}
        return Comparison(trajectories, self.spectrum, steps)

    def __repr__(self) -> str:
        first = next(iter(self.trajectories.values()))
        pairs = "no spectrum" if self.spectrum is None else f"{len(self.spectrum.eigenvalues)} eigenpairs"
        return (
            f"Comparison({shown_words(self.trajectories)}; {len(first.ts)} times in "
            f"[{first.ts[0]:.4g}, {first.ts[-1]:.4g}], dim {first.dim}, {pairs}, {self._size()})"
        )

    def _size(self) -> str:
        arrays = [array for traj in self.trajectories.values() for array in arrays_of(traj).values()]
        return megabytes(*arrays, None if self.spectrum is None else self.spectrum.eigenvectors)

    def __str__(self) -> str:
        source, seeds, loss, sizes, computed = _COLUMNS
        lines = [f"{source:<16} {seeds:>6}  {loss:<24} {sizes:<18} {computed}"]
        for row in self._rows():
            lines.append("{:<16} {:>6}  {:<24} {:<18} {}".format(*row).rstrip())
        if self.step_times:
            lines += ["", "step times: mean (standard deviation over seeds)"]
            lines.append("concept " + "".join(f"{name:>24}" for name in self.step_times))
            for mode, *cells in self._step_rows():
                lines.append(f"{mode:>7} " + "".join(f"{cell:>24}" for cell in cells))
            if self._modes() > _SHOWN:
                lines.append(f"and {self._modes() - _SHOWN} more in `step_times`")
        return harmless("\n".join(lines))

    def _repr_html_(self) -> str:
        loss = {name: _with_seeds(traj).loss.mean(axis=0)[None] for name, traj in self.trajectories.items()}
        stairs = {
            name: (_with_seeds(traj).singular_values[..., :_SHOWN] ** 2).mean(axis=0).T
            for name, traj in self.trajectories.items()
        }
        ts = next(iter(self.trajectories.values())).ts
        parts = [html_table(f"Comparison, {self._size()}", _COLUMNS, self._rows())]
        if self.step_times:
            more = f", the first {_SHOWN} of {self._modes()}" if self._modes() > _SHOWN else ""
            caption = f"Step times: mean (standard deviation over seeds){more}"
            parts.append(html_table(caption, ("concept", *self.step_times), self._step_rows()))
        parts.append(line_sketch("loss", ts, loss))
        parts.append(line_sketch("squared singular values", ts, stairs))
        return beside(*parts)

    def _rows(self) -> list[tuple[str, ...]]:
        """Return for every source what `_COLUMNS` say."""
        rows: list[tuple[str, ...]] = []
        for name, traj in self.trajectories.items():
            last = _with_seeds(traj).singular_values[:, -1].mean(axis=0)
            loss = _with_seeds(traj).loss.mean(axis=0)
            about = [str(traj.metadata[key]) for key in ("precision", "device") if key in traj.metadata]
            fall, ends = f"{loss[0]:.6g} -> {loss[-1]:.6g}", f"{last[0]:.4g} .. {last[-1]:.4g}"
            rows.append((name, str(traj.seeds or 1), fall, ends, " on ".join(about)))
        return rows

    def _modes(self) -> int:
        return min(times.shape[1] for times in self.step_times.values())

    def _step_rows(self) -> list[tuple[str, ...]]:
        """Return the step times of the first concepts, each from every source."""
        return [
            (str(mode + 1), *(spread(times[:, mode]) for times in self.step_times.values()))
            for mode in range(min(self._modes(), _SHOWN))
        ]

    def to_xarray(self, *, embeddings: bool = False) -> "xr.Dataset":
        """Return a dataset over `source, seed, time, mode`; NaN where a source has fewer seeds.

        With a spectrum there are its eigenpairs too, over `concept` and `word`, and what is left of the
        spectrum over `bath`. Coordinates and attributes are as those of `Trajectory.to_xarray`.

        Args:
            embeddings: with the embeddings of the sources that have them.
        """
        import xarray as xr

        every = list(self.trajectories.values())
        sources, first = list(map(_with_seeds, every)), every[0]
        variables: dict[str, Any] = {}
        kept = tuple(AXES) if embeddings else _OBSERVABLES
        seeds = max(len(traj.loss) for traj in sources)
        for name in kept:
            arrays = [getattr(traj, name) for traj in sources]
            if any(array is not None for array in arrays):
                variables[name] = (("source", *AXES[name]), _stacked(arrays, seeds))
        if self.step_times:
            steps = np.full((len(sources), seeds, first.dim), np.nan)
            for index, times in enumerate(map(self.step_times.get, self.trajectories)):
                if times is not None:
                    steps[index, : len(times), : times.shape[1]] = times
            variables["step_time"] = (("source", "seed", "mode"), steps)
        if any((traj.ts != first.ts).any() for traj in every):
            variables["source_time"] = (("source", "time"), np.stack([traj.ts for traj in every]))
        pairs = xr.Dataset()
        if self.spectrum is not None:
            padding = np.full(max(0, first.dim - len(self.spectrum.eigenvalues)), np.nan)
            values = np.concatenate([self.spectrum.eigenvalues, padding])[: first.dim]
            variables["eigenvalue"] = (("mode",), values)
            pairs = _renamed(self.spectrum.to_xarray(), {"mode": "concept", **_SPECTRUM, **_ORIGIN})
        coordinates: dict[str, Any] = {
            "source": np.array(list(self.trajectories), dtype=object),
            "seed": np.arange(seeds),
            "time": first.ts,
            "mode": np.arange(1, first.dim + 1),
        }
        words = next((traj.words for traj in every if traj.words is not None), None)
        if words is not None and (self.spectrum is not None or {"embeddings", "contexts"} & set(variables)):
            coordinates["word"] = np.array(words, dtype=object)
        metadata = {name: dict(traj.metadata) for name, traj in self.trajectories.items()}
        attributes = {
            "configuration": json.dumps(metadata, sort_keys=True),
            "layout": json.dumps(_layout(self, kept), sort_keys=True),
            **result_attributes(list(metadata.values())),
        }
        return xr.merge([xr.Dataset(variables, coordinates), pairs]).assign_attrs(attributes)

    def save(self, path: str | os.PathLike[str], *, embeddings: bool = False) -> None:
        """Write `to_xarray()` as netCDF, whole or not at all.

        The same numbers give the same bytes. Embeddings are most of the memory by far.

        Raises:
            OSError: as `Trajectory.save`.
        """
        write_dataset(self.to_xarray(embeddings=embeddings), path, "comparison")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Comparison":
        """Read a comparison written by `save`, of this version or an earlier one.

        Files of the first format hold no eigenpairs: `spectrum` is None, the step times are there.

        Raises:
            FileNotFoundError, ValueError: as `Trajectory.load`.
        """
        return read_dataset(path, "comparison", cls.from_xarray)

    @classmethod
    def from_xarray(cls, data: "xr.Dataset") -> "Comparison":
        """Return the comparison of a dataset that `to_xarray` made."""
        metadata = json.loads(
            data.attrs["configuration" if "configuration" in data.attrs else "trajectories"]
        )
        layout = json.loads(data.attrs["layout"]) if "layout" in data.attrs else _first_layout(data)
        words = tuple(map(str, data["word"].values)) if "word" in data.coords else None
        times = data["source_time"] if "source_time" in data else [data["time"]] * data.sizes["source"]
        trajectories, steps = {}, {}
        for index, name in enumerate(map(str, data["source"].values)):
            own = layout[name]
            seeds = 0 if own["seeds"] is None else slice(own["seeds"])
            trajectories[name] = Trajectory(
                name,
                np.asarray(times[index]),
                metadata=metadata[name],
                words=words if own["words"] else None,
                **{n: data[n].values[index][seeds].astype(d) for n, d in own["arrays"].items()},
            )
            if own["step_times"] is not None:
                steps[name] = data["step_time"].values[index][tuple(map(slice, own["step_times"]))]
        found = set(_SPECTRUM.values()) <= set(data.variables)
        back = {new: old for old, new in {**_SPECTRUM, **_ORIGIN}.items()}
        spectrum = Spectrum.from_xarray(_renamed(data, back)) if found else None
        return cls(trajectories, spectrum, steps)


_COLUMNS = ("source", "seeds", "loss", "s_1 .. s_d at end", "computed")

# The arrays of a spectrum, whose pairs are more or fewer than modes, among those of trajectories.
_SPECTRUM = {
    "eigenvalue": "concept_eigenvalue",
    "eigenvector": "concept_eigenvector",
    "residual": "concept_residual",
    "bath_node": "bath_node",
    "bath_weight": "bath_weight",
}
_ORIGIN = {"origin": "concept_origin"}


def _renamed(data: "xr.Dataset", names: dict[str, str]) -> "xr.Dataset":
    """Return the parts of a dataset that have one of some names, under others."""
    there = {old: new for old, new in names.items() if old in data.variables}
    return data[list(there)].rename(there)


def _stacked(arrays: list[np.ndarray | None], seeds: int) -> np.ndarray:
    """Return arrays `(S, ...)` of several sources as one; NaN where one has fewer seeds or is missing."""
    given = [array for array in arrays if array is not None]
    shape = (len(arrays), seeds, *given[0].shape[1:])
    whole = np.full(shape, np.nan, np.result_type(np.float32, *given))
    for place, array in zip(whole, arrays, strict=True):
        if array is not None:
            place[: len(array)] = array
    return whole


def _layout(comparison: Comparison, kept: tuple[str, ...]) -> dict[str, Any]:
    """Return by source what the common arrays of a dataset do not tell of its own."""
    layout = {}
    for name, traj in comparison.trajectories.items():
        arrays = {key: array.dtype.str for key, array in arrays_of(traj).items() if key in kept}
        steps = comparison.step_times.get(name)
        layout[name] = {
            "seeds": traj.seeds,
            "words": traj.words is not None,
            "arrays": arrays,
            "step_times": None if steps is None else steps.shape,
        }
    return layout


def _first_layout(data: "xr.Dataset") -> dict[str, Any]:
    """Return the layout of a file of the first format, in which seeds that a source has not are NaN."""
    dtype = data["loss"].dtype.str
    modes = int(np.isfinite(data["eigenvalue"]).sum()) if "eigenvalue" in data else 0
    layout = {}
    for name, loss in zip(data["source"].values, data["loss"].values, strict=True):
        seeds = max(1, int(np.isfinite(loss).any(axis=1).sum()))
        layout[str(name)] = {
            "seeds": None if seeds == 1 else seeds,
            "words": False,
            "arrays": {"singular_values": dtype, "loss": dtype},
            "step_times": (seeds, modes) if modes else None,
        }
    return layout


@checked
def compare(*trajectories: Trajectory, spectrum: Spectrum | None = None) -> Comparison:
    """Return trajectories of one problem side by side.

    Args:
        trajectories: of equal times and dimension and different sources. SGD moves its times to
            whole steps: give its `ts` to the other solvers.
        spectrum: leading eigenpairs of the problem, to measure step times.

    Raises:
        ValueError: none given, times, dimensions or sources that do not go together, or eigenpairs that are
            known to be of another problem.
    """
    if not trajectories:
        raise argument_error("trajectories", "at least one trajectory", "none")
    first = trajectories[0]
    for traj in trajectories[1:]:
        if not same_times(traj, first):
            got = f"other times for {traj.source!r} than for {first.source!r}"
            remedy = "Pass the `ts` of the SGD trajectory to the other solvers."
            raise argument_error("trajectories", "on the same times", got, remedy)
        if traj.dim != first.dim:
            raise argument_error("trajectories", "of one dimension", f"{first.dim} and {traj.dim}")
    # What is compared is written, printed and drawn.
    trajectories, spectrum = on_host((trajectories, spectrum))
    names = [traj.source for traj in trajectories]
    if len(set(names)) < len(names):
        remedy = "Rename one with `dataclasses.replace(trajectory, source=...)`."
        raise argument_error("trajectories", "of different sources", names, remedy)
    by_source, times = dict(zip(names, trajectories, strict=True)), {}
    if spectrum is not None:
        times = {
            name: np.asarray(measure_step_times(_with_seeds(traj), spectrum))
            for name, traj in by_source.items()
        }
    return Comparison(by_source, spectrum, times)


def spread(values: np.ndarray) -> str:
    """Return `mean (standard deviation)` of the numbers; the mean alone of one number."""
    if not np.isfinite(values).all():
        return "not reached" if np.isnan(values).all() else "some not reached"
    mean = f"{values.mean():.4g}"
    return mean if len(values) == 1 else f"{mean} ({values.std(ddof=1):.2g})"


def _with_seeds(traj: Trajectory) -> Trajectory:
    return traj if traj.seeds is not None else with_arrays(traj, lambda array: array[None])
