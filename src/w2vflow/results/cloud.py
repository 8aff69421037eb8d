"""Cloud: words as points along the concepts, over time, in one gauge for every source."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from w2vflow.results.trajectory import Trajectory, same_times
from w2vflow.spectrum import Spectrum, check_origin, polar_factor
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, at_hand, is_known, namespace
from w2vflow.support.checks import argument_error, check_squares
from w2vflow.support.dataset_files import read_dataset, write_dataset
from w2vflow.support.display import shown_words
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.sharding import matmul

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Cloud", "concept_coordinates", "embedding_cloud"]

# How many words of each end of a concept are kept, where there is room for them.
_ENDS = 10


@checked
def concept_coordinates(embeddings: ArrayLike, spectrum: Spectrum) -> Float[AnyArray, "*s V k"]:
    """Return the coordinates of words along the concepts, whatever the rotation of the embedding space.

        W(t) Q(t),   Q = argmin ||W Q - V_k||_F   over rotations

    which makes `V_k^T W Q` symmetric and positive semidefinite. A closed form, a flow and SGD show the same
    cloud in it; at the optimum, with as many concepts as dimensions, column k is `sqrt(lambda_k) v_k`. With
    fewer concepts than dimensions the others are left out, with more the cloud lies in a subspace.

    Args:
        embeddings: of all words, `(..., V, d)`, at one time or many; of untied weights those of words.
        spectrum: leading eigenpairs, k of them.

    Raises:
        ValueError: embeddings of another number of words.

    References:
        Schonemann 1966, "A generalized solution of the orthogonal Procrustes problem".
    """
    vectors = spectrum.eigenvectors
    if is_known(embeddings, vectors):
        embeddings, vectors = np.asarray(embeddings), np.asarray(vectors)
    size = len(vectors)
    if np.ndim(embeddings) < 2 or embeddings.shape[-2] != size:
        raise argument_error("embeddings", f"of shape (..., {size}, dim)", f"shape {np.shape(embeddings)}")
    if is_known(embeddings):
        check_squares("embeddings", np.asarray(embeddings))
    return matmul(embeddings, _rotation(matmul(vectors.T, embeddings)))


def _rotation(overlaps: Float[AnyArray, "*s k d"]) -> Float[AnyArray, "*s d k"]:
    return namespace(overlaps).swapaxes(polar_factor(overlaps), -1, -2)


@checked
class Cloud(eqx.Module):
    """Some of the words along the leading concepts at some times. Make one with `embedding_cloud`.

    A pytree of its arrays.

    Attributes:
        ts: times `(T,)`, rising.
        words: those kept, `(N,)`, by falling frequency; none of traced eigenvectors, which choose them.
        ranks: their rows in the vocabulary, `(N,)`, from 0.
        eigenvalues: of the concepts, `(k,)`.
        coordinates: `(T, N, k)` by source, float32: `concept_coordinates`.
    """

    ts: Float[AnyArray, " T"]
    words: tuple[str, ...] = eqx.field(static=True)
    ranks: Int[AnyArray, " N"]
    eigenvalues: Float[AnyArray, " k"]
    coordinates: dict[str, Float[AnyArray, "T N k"]]

    def __repr__(self) -> str:
        span = f" in [{self.ts[0]:.4g}, {self.ts[-1]:.4g}]" if is_known(self.ts) else ""
        return (
            f"Cloud({shown_words(self.coordinates)}: {len(self.ranks)} words along {len(self.eigenvalues)} "
            f"concepts at {len(self.ts)} times{span})"
        )

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset over `source, time, word, mode`."""
        import xarray as xr

        return xr.Dataset(
            {
                "coordinates": (("source", "time", "word", "mode"), np.stack([*self.coordinates.values()])),
                "rank": (("word",), self.ranks),
                "eigenvalue": (("mode",), self.eigenvalues),
            },
            {
                "source": list(self.coordinates),
                "time": self.ts,
                "word": list(self.words or map(str, self.ranks)),
                "mode": np.arange(1, len(self.eigenvalues) + 1),
            },
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_xarray()` as netCDF, whole or not at all, or raise `OSError`."""
        write_dataset(self.to_xarray(), path, "cloud")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Cloud":
        """Read a cloud written by `save`.

        Raises:
            FileNotFoundError, ValueError: as `Trajectory.load`.
        """
        return read_dataset(path, "cloud", cls.from_xarray)

    @classmethod
    def from_xarray(cls, data: "xr.Dataset") -> "Cloud":
        """Return the cloud of a dataset that `to_xarray` made."""
        sources = [str(name) for name in data["source"].values]
        return cls(
            data["time"].values,
            tuple(str(word) for word in data["word"].values),
            data["rank"].values,
            data["eigenvalue"].values,
            dict(zip(sources, data["coordinates"].values, strict=True)),
        )


@checked
def embedding_cloud(
    trajectories: Sequence[Trajectory],
    spectrum: Spectrum,
    words: Sequence[str],
    *,
    seed: int = 0,
    n_words: int = 600,
    n_times: int = 41,
    n_concepts: int = 16,
) -> Cloud:
    """Return some of the words along the leading concepts at some of the times, of every trajectory.

    The words kept are those at the ends of the concepts, up to ten of each end and at most half of
    `n_words`, and the most frequent. The times are those observed, evenly chosen, first and last among them.

    Args:
        trajectories: with embeddings, on the same times, of different sources.
        spectrum: leading eigenpairs, those of `extreme_eigenpairs` where weights are untied.
        words: of the problem, the most frequent first.
        seed: which seed, of trajectories that have several.
        n_words, n_times, n_concepts: how many of each at most.

    Raises:
        ValueError: no trajectory, one without embeddings or such a seed, times or sources that do not go
            together, `words` not as many as the problem has, or a number below 1.

    Example:
        cloud = embedding_cloud([theory, flow, sgd], spectrum, stats.words)
    """
    if not len(trajectories):
        raise argument_error("trajectories", "at least one trajectory", "none")
    for argument, value in (("n_words", n_words), ("n_times", n_times), ("n_concepts", n_concepts)):
        if value < 1:
            raise argument_error(argument, "at least 1", value)
    size = len(spectrum.eigenvectors)
    if len(words) != size:
        raise argument_error("words", f"the {size} words of the problem", f"{len(words)} words")
    trajectories, spectrum = at_hand((list(trajectories), spectrum))
    ts, vectors = trajectories[0].ts, spectrum.eigenvectors
    kept = np.unique(np.linspace(0, len(ts) - 1, min(n_times, len(ts))).round().astype(int))
    # Of all dimensions, so that the concepts left out do not turn those that stay.
    aligned = vectors[:, : max(traj.dim for traj in trajectories)]
    modes = min(n_concepts, aligned.shape[1])
    rows = _kept_rows(vectors[:, :modes], n_words)
    coordinates: dict[str, Any] = {}
    for traj in trajectories:
        if traj.source in coordinates:
            raise argument_error("trajectories", "of different sources", f"{traj.source!r} twice")
        if not same_times(traj, trajectories[0]):
            raise argument_error("trajectories", "on the same times", f"other times for {traj.source!r}")
        check_origin(spectrum, traj.metadata.get("problem"))
        embeddings = (traj if traj.seeds is None else traj.sel(seed=seed)).require_embeddings()
        xp = namespace(embeddings, rows)
        # Time by time: all words at all times in float64 would be the largest array of a run.
        rotation = _rotation(xp.stack([matmul(aligned.T, embeddings[at]) for at in kept]))
        places = matmul(embeddings[kept[:, None], rows[None]], rotation)
        coordinates[traj.source] = places[..., :modes].astype(np.float32)
    named = tuple(words[row] for row in rows) if is_known(rows) else ()
    return Cloud(ts[kept], named, rows, spectrum.eigenvalues[:modes], coordinates)


def _kept_rows(directions: Float[AnyArray, "V k"], n_words: int) -> Int[AnyArray, " N"]:
    """Return the rows of the words to keep, rising: those at the ends, then the most frequent."""
    (size, modes), xp = directions.shape, namespace(directions)
    if n_words >= size:
        return np.arange(size)
    each = min(_ENDS, n_words // (4 * modes))
    order = xp.argsort(directions, axis=0, stable=True)
    ends = xp.concatenate([order[:each], order[size - each :]])
    return xp.sort(xp.argsort(~xp.isin(xp.arange(size), ends), stable=True)[:n_words])
