"""What every solver returns: observables of the weights on the common time axis."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.checks import argument_error
from w2vflow.layout import PRECISION
from w2vflow.storage import atomic_path

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Trajectory", "read_netcdf", "singular_values", "write_netcdf"]


def singular_values(Z: Float[Array, "n d"], sides: int = 1) -> Float[Array, " d"]:
    """Return the singular values of tall weights, falling.

    Of untied weights, stacked as `[W; C]` with `sides=2`, the square roots of the singular values of
    `W C^T`, which for `W = C` are those of `W`; values below 1e-8 of the largest are lost in rounding.

    Through a QR rather than the Gram matrix, whose squared condition number would hide modes that
    are still small.
    """
    if sides == 1:
        return jnp.linalg.svd(jnp.linalg.qr(Z, mode="r"), compute_uv=False)
    words, contexts = (jnp.linalg.qr(part, mode="r") for part in jnp.split(Z, 2))
    product = jnp.matmul(words, contexts.T, precision=PRECISION)
    return jnp.sqrt(jnp.linalg.svd(product, compute_uv=False))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Observables of a run over time, of one seed or, with a leading axis, of an ensemble.

    Attributes:
        source: what made it: `"theory"`, `"theory-discrete"`, `"flow"`, `"gd"` or `"sgd"`.
        ts: times `(T,)`, in the unit in which `dW/dt = -dL/dW` at `mean(G) = 1`.
        singular_values: of `W`, falling, `([S,] T, dim)`; `s_k^2` tends to `lambda_k`. Of untied
            weights: see `singular_values`.
        loss: the full objective `L(W)`, `([S,] T)`.
        embeddings: the weights `([S,] T, V, dim)` where they were asked for. From a closed form
            they are right up to one rotation of the embedding space at each time.
        metadata: solver, settings, precision, device; JSON values.
        contexts: of untied weights, the context vectors `([S,] T, V, dim)` beside them.
        error_bound: proven bound on the error of `s_k^2` that stems from eigenvectors which were
            not computed, of the shape of `singular_values`; None where nothing was left out.
    """

    source: str
    ts: np.ndarray
    singular_values: np.ndarray
    loss: np.ndarray
    embeddings: np.ndarray | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error_bound: np.ndarray | None = None
    contexts: np.ndarray | None = None

    @property
    def seeds(self) -> int | None:
        """Number of seeds, or None where there is no seed axis."""
        return len(self.loss) if self.loss.ndim == 2 else None

    @property
    def dim(self) -> int:
        """Embedding dimension."""
        return self.singular_values.shape[-1]

    def require_embeddings(self) -> np.ndarray:
        """Return the embeddings.

        Raises:
            ValueError: they were not kept.
        """
        if self.embeddings is None:
            raise argument_error(
                "traj", "a trajectory with embeddings", "none", "Run the solver with `save_embeddings=True`."
            )
        return self.embeddings

    def of_seed(self, seed: int) -> "Trajectory":
        """Return the trajectory of one seed, without the seed axis.

        Raises:
            ValueError: there is no such seed.
        """
        if self.seeds is None or not 0 <= seed < self.seeds:
            raise argument_error("seed", f"one of the {self.seeds or 'no'} seeds, from 0", seed)
        kept = None if self.embeddings is None else self.embeddings[seed]
        bound = None if self.error_bound is None else self.error_bound[seed]
        contexts = None if self.contexts is None else self.contexts[seed]
        return replace(
            self,
            singular_values=self.singular_values[seed],
            loss=self.loss[seed],
            embeddings=kept,
            error_bound=bound,
            contexts=contexts,
        )

    def __repr__(self) -> str:
        seeds = "1 seed" if self.seeds is None else f"{self.seeds} seeds"
        kept = (
            "no embeddings"
            if self.embeddings is None
            else f"embeddings {self.embeddings.nbytes / 1e6:.0f} MB"
        )
        loss = np.mean(self.loss, axis=0) if self.seeds else self.loss
        return (
            f"Trajectory({self.source}, {seeds}, "
            f"{len(self.ts)} times in [{self.ts[0]:.4g}, {self.ts[-1]:.4g}], dim {self.dim}, "
            f"loss {loss[0]:.6g} -> {loss[-1]:.6g}, {kept}, {dict(self.metadata)})"
        )

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with named axes `(seed,) time, mode` (and `word, dim` of embeddings)."""
        import xarray as xr  # here, because it takes longer to import than the rest of the package

        lead = ("time",) if self.seeds is None else ("seed", "time")
        variables = {
            "singular_values": ((*lead, "mode"), self.singular_values),
            "loss": (lead, self.loss),
        }
        if self.embeddings is not None:
            variables["embeddings"] = ((*lead, "word", "dim"), self.embeddings)
        if self.contexts is not None:
            variables["contexts"] = ((*lead, "word", "dim"), self.contexts)
        if self.error_bound is not None:
            variables["error_bound"] = ((*lead, "mode"), self.error_bound)
        coordinates = {"time": self.ts, "mode": np.arange(1, self.dim + 1)}
        if self.seeds is not None:
            coordinates["seed"] = np.arange(self.seeds)
        attributes = {"source": self.source, "metadata": json.dumps(self.metadata, sort_keys=True)}
        return xr.Dataset(variables, coordinates, attributes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trajectory as netCDF, atomically; the same trajectory gives the same bytes.

        Raises:
            OSError: the file cannot be written.
        """
        write_netcdf(self.to_xarray(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Trajectory":
        """Read a trajectory written by `save`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or holds no trajectory.
        """
        data = read_netcdf(path)
        if "source" not in data.attrs or "singular_values" not in data:
            raise argument_error("path", "a trajectory written by `Trajectory.save`", str(path))
        return cls(
            data.attrs["source"],
            data["time"].values,
            data["singular_values"].values,
            data["loss"].values,
            data["embeddings"].values if "embeddings" in data else None,
            json.loads(data.attrs["metadata"]),
            data["error_bound"].values if "error_bound" in data else None,
            data["contexts"].values if "contexts" in data else None,
        )


def write_netcdf(data: "xr.Dataset", path: str | os.PathLike[str]) -> None:
    """Write a dataset as netCDF-4, atomically."""
    with atomic_path(path) as temporary:
        data.to_netcdf(temporary, engine="h5netcdf")


def read_netcdf(path: str | os.PathLike[str]) -> "xr.Dataset":
    """Read a netCDF-4 file whole into memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, damaged or not netCDF.
    """
    import xarray as xr

    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as data:
            return data.load()
    except (OSError, ValueError, KeyError) as error:
        raise argument_error(
            "path", "a whole netCDF file", f"{path}, which is truncated or of another kind ({error})"
        ) from error
