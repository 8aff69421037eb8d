"""Trajectory: observables of the weights on the common time axis, as every solver returns them."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, is_known, largest_size
from w2vflow.support.checks import argument_error
from w2vflow.support.dataset_files import read_dataset, write_dataset
from w2vflow.support.display import beside, harmless, html_table, line_sketch, megabytes
from w2vflow.support.sharding import matmul
from w2vflow.support.static import Metadata, Vocabulary

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "AXES",
    "SeedChoice",
    "TimeChoice",
    "Trajectory",
    "arrays_of",
    "chosen_seeds",
    "chosen_times",
    "result_attributes",
    "same_times",
    "singular_values",
    "with_arrays",
]

TimeChoice = int | float | slice | Sequence[float] | np.ndarray
SeedChoice = int | slice | Sequence[int] | np.ndarray

# The arrays of a trajectory and their axes; without the first where there is no seed axis.
AXES = {
    "singular_values": ("seed", "time", "mode"),
    "loss": ("seed", "time"),
    "error_bound": ("seed", "time", "mode"),
    "embeddings": ("seed", "time", "word", "dim"),
    "contexts": ("seed", "time", "word", "dim"),
}
# What a sketch shows of an ensemble or of many modes.
_SKETCHED = 12


@checked
def singular_values(Z: Float[Array, "n d"], sides: int = 1) -> Float[Array, " d"]:
    """Return the singular values of tall weights, falling.

    Of untied weights, stacked as `[W; C]` with `sides=2`, the square roots of the singular values of
    `W C^T`, which for `W = C` are those of `W`; values below 1e-8 of the largest are lost in rounding.

    Through a QR rather than the Gram matrix, whose squared condition number would hide modes that
    are still small.
    """
    if sides == 1:
        return _values_of(Z)
    # In units of the largest entry: the product of small vectors is below the least number there is.
    unit = largest_size(Z)
    words, contexts = (jnp.linalg.qr(part, mode="r") for part in jnp.split(Z / unit, 2))
    values = jnp.linalg.svd(matmul(words, contexts.T), compute_uv=False)
    # A root has no slope at 0: of what is nothing there, none.
    there = values > 0
    return unit * jnp.where(there, jnp.sqrt(jnp.where(there, values, 1.0)), 0.0)


@jax.custom_jvp
def _values_of(Z: Float[Array, "n d"]) -> Float[Array, " d"]:
    return jnp.linalg.svd(jnp.linalg.qr(Z, mode="r"), compute_uv=False)


@_values_of.defjvp
def _values_changed(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Return the change `u_k^T dZ v_k`: through the triangle, small values would lose their digits."""
    (Z,), (change,) = primals, tangents
    Q, R = jnp.linalg.qr(Z)
    left, values, right = jnp.linalg.svd(R, full_matrices=False)
    return values, jnp.sum(matmul(Q, left) * matmul(change, right.T), axis=0)


def _words(given: Any) -> Vocabulary | None:
    return given if given is None or isinstance(given, Vocabulary) else Vocabulary(given)


@checked
class Trajectory(eqx.Module):
    """Observables of a run over time, of one seed or, with a leading axis, of an ensemble.

    A pytree of its arrays, on the devices that computed them.

    Attributes:
        source: what made it: `"theory"`, `"theory-discrete"`, `"flow"`, `"gd"` or `"sgd"`.
        ts: times `(T,)`, in the unit in which `dW/dt = -dL/dW` at `mean(G) = 1`.
        singular_values: of `W`, falling, `([S,] T, dim)`; `s_k^2` tends to `lambda_k`. Of untied
            weights the square roots of those of `W C^T`, which tend to `sqrt |lambda_k|`.
        loss: the full objective `L(W)`, `([S,] T)`.
        embeddings: the weights `([S,] T, V, dim)` where they were asked for. From a closed form
            they are right up to one rotation of the embedding space at each time.
        metadata: solver, settings, problem with the SHA-256 of its counts, precision, device, versions;
            JSON values.
        contexts: of untied weights, the context vectors `([S,] T, V, dim)` beside them.
        error_bound: proven bound on the error of `s_k^2` that stems from eigenvectors which were
            not computed, of the shape of `singular_values`; None where nothing was left out.
        words: the vocabulary, in the order of the rows of the embeddings, where it is known.
    """

    _made_by = "`predict`, `solve_flow` or `run_sgd`"

    source: str = eqx.field(static=True)
    ts: Float[AnyArray, " T"]
    singular_values: Float[AnyArray, "*S T d"]
    loss: Float[AnyArray, "*S T"]
    embeddings: Float[AnyArray, "*S T V d"] | None = None
    metadata: Any = eqx.field(static=True, converter=Metadata, default_factory=dict)
    error_bound: Float[AnyArray, "*S T d"] | None = None
    contexts: Float[AnyArray, "*S T V d"] | None = None
    words: Any = eqx.field(static=True, converter=_words, default=None)

    @property
    def seeds(self) -> int | None:
        """Number of seeds, or None where there is no seed axis."""
        return len(self.loss) if self.loss.ndim == 2 else None

    @property
    def dim(self) -> int:
        """Embedding dimension."""
        return self.singular_values.shape[-1]

    def require_embeddings(self) -> Float[AnyArray, "*S T V d"]:
        """Return the embeddings, or raise `ValueError` where they were not kept."""
        if self.embeddings is None:
            remedy = "Run the solver with `Recording(save_embeddings=True)`."
            raise argument_error("traj", "a trajectory with embeddings", "none", remedy)
        return self.embeddings

    def sel(self, *, time: TimeChoice | None = None, seed: SeedChoice | None = None) -> "Trajectory":
        """Return the trajectory at some of its times, of some of its seeds.

        Args:
            time: `slice(a, b)` for the observed times from `a` to `b`, both included; one or more times
                for the observed times nearest to them, each once; all by default.
            seed: one seed, whose trajectory has no seed axis; a slice or several, which keep it, counted
                from 0 anew; all by default.

        Raises:
            ValueError: times beyond those observed, a slice without any, or seeds that there are not.

        Example:
            >>> decay = Trajectory("flow", np.arange(4.0), np.ones((4, 1)), np.array([8.0, 4, 2, 1]))
            >>> decay.sel(time=slice(1, 2)).loss.tolist(), decay.sel(time=2.9).loss.tolist()
            ([4.0, 2.0], [1.0])
        """
        found = self
        if seed is not None:
            chosen = chosen_seeds(self.seeds or 0, seed)
            at = chosen if isinstance(chosen, int) else np.asarray(chosen)
            found = with_arrays(self, lambda array: array[at])
        if time is None:
            return found
        times = chosen_times(np.asarray(found.ts), time)
        lead = () if found.seeds is None else (slice(None),)
        return replace(with_arrays(found, lambda array: array[(*lead, times)]), ts=found.ts[times])

    def __repr__(self) -> str:
        (_, first), *facts = self._facts()
        return harmless("\n  ".join([f"Trajectory({first})", *(f"{name}: {fact}" for name, fact in facts)]))

    def _facts(self) -> list[tuple[str, str]]:
        """Return what there is to know at a glance, by name."""
        seeds = "1 seed" if self.seeds in (None, 1) else f"{self.seeds} seeds"
        loss = np.asarray(self.loss).mean(axis=0) if self.seeds else np.asarray(self.loss)
        last = np.atleast_2d(np.asarray(self.singular_values)[..., -1, :]).mean(axis=0)
        kept = [name for name in ("embeddings", "contexts") if getattr(self, name) is not None]
        size = megabytes(*arrays_of(self).values())
        span = f"[{self.ts[0]:.4g}, {self.ts[-1]:.4g}]"
        about, problem = self.metadata, self.metadata.get("problem")
        facts = [
            ("what", f"{self.source}, {seeds}, {len(self.ts)} times in {span}, dim {self.dim}"),
            ("loss", f"{loss[0]:.6g} -> {loss[-1]:.6g}"),
            ("at the end", f"s_1 .. s_{self.dim} = {last[0]:.4g} .. {last[-1]:.4g}"),
            ("kept", f"{' and '.join(kept) or 'no embeddings'}, {size} in all"),
        ]
        if "method" in about:
            facts.insert(1, ("method", str(about["method"])))
        if _is_description(problem):
            facts.append(("problem", _described(problem)))
        where = [f"{about[name]}" for name in ("precision", "device") if name in about]
        if where:
            facts.append(("computed", " on ".join(where)))
        return facts

    def _repr_html_(self) -> str:
        squares = np.moveaxis(np.asarray(self.singular_values)[..., :_SKETCHED] ** 2, -1, -2)
        loss = np.atleast_2d(np.asarray(self.loss))[:_SKETCHED]
        staircase = squares if self.seeds is None else squares.mean(axis=0)
        return beside(
            html_table("Trajectory", (), self._facts()),
            line_sketch("loss", np.asarray(self.ts), {self.source: loss}),
            line_sketch("squared singular values", np.asarray(self.ts), {self.source: staircase}),
        )

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset over `(seed,) time, mode` (and `word, dim` of embeddings).

        Coordinates are the source, the seeds from 0, the times, the modes from 1 and the words, if known.
        Attributes hold the configuration as JSON, versions, device, precision and the SHA-256 of the
        counts, if the solver told them.
        """
        import xarray as xr  # here, because it takes longer to import than the rest of the package

        lead = slice(1 if self.seeds is None else 0, None)
        variables = {name: (AXES[name][lead], np.asarray(array)) for name, array in arrays_of(self).items()}
        coordinates: dict[str, Any] = {
            "source": self.source,
            "time": np.asarray(self.ts),
            "mode": np.arange(1, self.dim + 1),
        }
        if self.seeds is not None:
            coordinates["seed"] = np.arange(self.seeds)
        # Without an axis of words to name, they would be most of a file.
        if self.words is not None and any("word" in axes for axes, _ in variables.values()):
            coordinates["word"] = np.array(self.words, dtype=object)
        attributes = {
            "configuration": json.dumps(self.metadata, sort_keys=True),
            **result_attributes([self.metadata]),
        }
        return xr.Dataset(variables, coordinates, attributes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trajectory as netCDF, whole or not at all.

        The same trajectory gives the same bytes. `words` are kept beside embeddings.

        Raises:
            OSError: the file cannot be written.
        """
        write_dataset(self.to_xarray(), path, "trajectory")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Trajectory":
        """Read a trajectory written by `save`, of this version or an earlier one.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, holds no trajectory, or was written by a later version.
        """
        return read_dataset(path, "trajectory", cls.from_xarray)

    @classmethod
    def from_xarray(cls, data: "xr.Dataset") -> "Trajectory":
        """Return the trajectory of a dataset that `to_xarray` made."""
        # Files of the first format had the source and all metadata as attributes.
        source = data.attrs["source"] if "source" in data.attrs else data["source"].item()
        metadata = data.attrs["configuration" if "configuration" in data.attrs else "metadata"]
        words = list(map(str, data["word"].values)) if "word" in data.coords else None
        arrays = {name: data[name].values for name in AXES if name in data}
        return cls(str(source), data["time"].values, metadata=json.loads(metadata), words=words, **arrays)


def arrays_of(traj: Trajectory) -> dict[str, AnyArray]:
    """Return those of the arrays of a trajectory that it has, by name."""
    arrays = {name: getattr(traj, name) for name in AXES}
    return {name: array for name, array in arrays.items() if array is not None}


def with_arrays(traj: Trajectory, function: Callable[[AnyArray], AnyArray]) -> Trajectory:
    """Return the trajectory with the function of each of its arrays."""
    changed: dict[str, Any] = {name: function(array) for name, array in arrays_of(traj).items()}
    return replace(traj, **changed)


def same_times(one: Trajectory, other: Trajectory) -> bool:
    """Return whether two trajectories are observed at the same times, up to rounding; as many traced ones."""
    if np.shape(one.ts) != np.shape(other.ts) or not is_known(one.ts, other.ts):
        return np.shape(one.ts) == np.shape(other.ts)
    return np.allclose(np.asarray(one.ts), np.asarray(other.ts), rtol=1e-9, atol=0)


def _is_description(problem: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return whether `Problem.describe` made it: metadata may be anyone's own."""
    return isinstance(problem, Mapping) and "statistics_sha256" in problem


def _described(problem: Mapping[str, Any]) -> str:
    """Return what `Problem.describe` says, in a line."""
    sha = problem["statistics_sha256"]
    return (
        f"{problem['vocab_size']:,} words, {problem['loss']}, {problem['weighting'] or 'given M*'}, "
        f"{'tied' if problem['tied'] else 'untied'}" + (f", counts {sha[:12]}" if sha else "")
    )


def result_attributes(metadata: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return where results come from as attributes of a dataset; what differs among them, one by one."""
    found: dict[str, list[str]] = {}
    for about in metadata:
        problems = about.get("problem")
        for problem in problems if isinstance(problems, list) else [problems]:
            if _is_description(problem) and problem["statistics_sha256"]:
                found.setdefault("statistics_sha256", []).append(problem["statistics_sha256"])
        for name in ("device", "precision"):
            if name in about:
                found.setdefault(name, []).append(str(about[name]))
        if "versions" in about:
            found.setdefault("versions", []).append(json.dumps(about["versions"], sort_keys=True))
    return {name: "; ".join(dict.fromkeys(values)) for name, values in found.items()}


def chosen_seeds(seeds: int, seed: SeedChoice) -> int | list[int]:
    """Return the seed, or those of a slice or of several, of so many; else raise `ValueError`."""
    expected = f"among the {seeds or 'no'} seeds, from 0"
    if isinstance(seed, slice):
        found = list(range(seeds))[seed]
        if not found:
            raise argument_error("seed", f"a slice of some {expected}", seed)
        return found
    given = np.asarray(seed)
    whole = given.dtype.kind in "iu" and given.ndim <= 1 and given.size > 0
    if not whole or (given < 0).any() or (given >= seeds).any():
        raise argument_error("seed", expected, seed)
    if len(np.unique(given)) < given.size:
        raise argument_error("seed", "different seeds", seed)
    return int(given) if given.ndim == 0 else [int(number) for number in given]


def chosen_times(ts: np.ndarray, time: TimeChoice) -> np.ndarray:
    """Return the places, rising, of the observed times between two, or nearest to some.

    Raises:
        ValueError: none is between, or one lies beyond those observed by more than the distance of two.
    """
    observed = f"within the observed times, {ts[0]:.4g} to {ts[-1]:.4g}"
    if isinstance(time, slice):
        if time.step is not None:
            raise argument_error("time", "a slice without a step", time, "Pass the times themselves.")
        low = -np.inf if time.start is None else float(time.start)
        high = np.inf if time.stop is None else float(time.stop)
        between = np.flatnonzero((ts >= low) & (ts <= high))
        if not between.size:
            raise argument_error("time", f"a slice with some time {observed}", time)
        return between
    numbers = np.asarray(time)
    wanted = np.atleast_1d(numbers.astype(np.float64) if numbers.dtype.kind in "iuf" else np.nan)
    if wanted.ndim != 1 or wanted.size == 0 or not np.isfinite(wanted).all():
        raise argument_error("time", "a time, several, or a slice of two", time)
    rounding = 1e-9 * np.abs(ts[[0, -1]])
    before, after = np.maximum(rounding, [ts[1] - ts[0], ts[-1] - ts[-2]] if len(ts) > 1 else 0.0)
    beyond = (wanted < ts[0] - before) | (wanted > ts[-1] + after)
    if beyond.any():
        raise argument_error("time", observed, wanted[beyond][0])
    return np.unique(np.abs(ts[:, None] - wanted).argmin(axis=0))
