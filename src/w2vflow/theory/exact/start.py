"""What decides an exact trajectory, small enough for a page that computes it anew."""

import os
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, at_hand
from w2vflow.support.checks import argument_error, check_moving, check_weights
from w2vflow.support.dataset_files import read_dataset, write_dataset
from w2vflow.support.kinds import ArrayLike
from w2vflow.theory.exact.evolution import basis_for, state_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ExactStart", "exact_start"]

# Products with so many words at once: a block of the matrix that fits into memory at any vocabulary.
_BLOCK = 64
_AXES = {
    "eigenvalues": ("mode",),
    "overlaps": ("seed", "row", "dimension"),
    "nodes": ("bath",),
    "log_weights": ("bath",),
    "norm_squared": (),
    "ranks": ("word",),
    "vectors": ("word", "mode"),
    "frame": ("word", "rest"),
    "diagonal": ("word",),
    "row_norms_squared": ("word",),
}


@checked
class ExactStart(eqx.Module):
    """Start of an exact trajectory in the eigenbasis of `M*`. Make one with `exact_start`.

    The trajectory follows from these numbers alone, as in `predict`: `K` leading eigenpairs, the overlaps
    `V^T W0` of `S` seeds, and below them `r = d` rows `L` with `L^T L = W_rest^T W_rest` for what the
    pairs leave out, whose spectrum is known by its density; `r = 0` where the pairs are complete.

    Attributes:
        eigenvalues: `lambda_k`, falling, `(K,)`.
        overlaps: `(S, K + r, d)`.
        nodes, log_weights: density of the other eigenvalues, `(m,)`; none where the pairs are complete.
        norm_squared: `||M*||_F^2`.
        ranks: rows in the vocabulary of the `N` words kept, from 0, `(N,)`.
        vectors: their rows of the eigenvectors, `(N, K)`.
        frame: their rows of `W_rest L^-1` of the first seed, `(N, r)`.
        diagonal, row_norms_squared: `M*_ww` and `sum_j M*_wj^2` of these words, `(N,)`.
    """

    eigenvalues: Float[AnyArray, " K"]
    overlaps: Float[AnyArray, "S n d"]
    nodes: Float[AnyArray, " m"]
    log_weights: Float[AnyArray, " m"]
    norm_squared: Float[AnyArray, ""]
    ranks: Int[AnyArray, " N"]
    vectors: Float[AnyArray, "N K"]
    frame: Float[AnyArray, "N r"]
    diagonal: Float[AnyArray, " N"]
    row_norms_squared: Float[AnyArray, " N"]

    def __repr__(self) -> str:
        seeds, _, dim = self.overlaps.shape
        pairs, words = len(self.eigenvalues), len(self.ranks)
        return f"ExactStart({pairs} eigenpairs, {seeds} seeds of {dim} dimensions, {words} words)"

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset over `seed, row, dimension`, `mode`, `bath` and `word`."""
        import xarray as xr

        return xr.Dataset({name: (axes, np.asarray(getattr(self, name))) for name, axes in _AXES.items()})

    @classmethod
    def from_xarray(cls, data: "xr.Dataset") -> "ExactStart":
        """Return the start of a dataset that `to_xarray` made."""
        return cls(**{name: data[name].values for name in _AXES})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_xarray()` as netCDF, whole or not at all, or raise `OSError`."""
        write_dataset(self.to_xarray(), path, "start")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "ExactStart":
        """Read a start written by `save`.

        Raises:
            FileNotFoundError, ValueError: as `Trajectory.load`.
        """
        return read_dataset(path, "start", cls.from_xarray)


@checked
def exact_start(
    problem: Problem,
    W0: ArrayLike,
    ranks: ArrayLike,
    *,
    pairs: int = 64,
    spectrum: Spectrum | None = None,
) -> ExactStart:
    """Return what decides the exact trajectories of some seeds, and the rows of some words.

    Args:
        problem: quartic, at constant `G`, tied.
        W0: initial weights `([S,] V, dim)`.
        ranks: rows of the words to keep, from 0, `(N,)`.
        pairs: how many leading eigenpairs, at most; at least `dim`.
        spectrum: eigenpairs of the problem, if at hand.

    Raises:
        ValueError: another problem, weights or a spectrum that do not fit it, rows that it does not have,
            or fewer pairs than dimensions.

    Example:
        start = exact_start(problem, W0, np.arange(600))
    """
    problem.require_solvable("exact_start")
    if not problem.tied:
        raise argument_error("problem", "tied", "one of untied weights")
    weights = check_weights(W0, problem.vocab_size)
    check_moving(weights)
    seeds = weights if weights.ndim == 3 else weights[None]
    dim = seeds.shape[-1]
    if pairs < dim:
        raise argument_error("pairs", f"at least the {dim} dimensions", pairs)
    rows = np.asarray(ranks)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise argument_error("ranks", "whole numbers, one for a word", f"shape {rows.shape}, {rows.dtype}")
    if rows.size and not 0 <= rows.min() <= rows.max() < problem.vocab_size:
        raise argument_error("ranks", f"from 0 to {problem.vocab_size - 1}", f"{rows.min()} to {rows.max()}")
    basis = basis_for(problem, dim, spectrum)
    if len(basis.eigenvalues) > pairs:
        basis = basis.leading(pairs)
    state = state_of(basis, seeds, keep_frame=False)
    first = state_of(basis, seeds[:1], keep_frame=True)
    # The rows of the rest of the first seed in the same gauge as its frame.
    overlaps = state.overlaps.at[0].set(first.overlaps[0])
    frame = jnp.zeros((problem.vocab_size, 0)) if first.frame is None else first.frame[0]
    found = at_hand(
        ExactStart(
            basis.eigenvalues,
            overlaps,
            # The quadrature may place a node above the last pair by its own error; no eigenvalue is there.
            jnp.minimum(basis.bath_nodes, basis.eigenvalues[-1]),
            first.log_weights,
            problem.target_norm_squared(),
            rows,
            basis.eigenvectors[rows],
            frame[rows],
            *_diagonal_and_norms(problem, rows),
        )
    )
    # A weight of 0 is no node: its logarithm could not be written as JSON.
    kept = np.isfinite(found.log_weights)
    return eqx.tree_at(
        lambda start: (start.nodes, start.log_weights),
        found,
        (found.nodes[: len(kept)][kept], found.log_weights[kept]),
    )


def _diagonal_and_norms(problem: Problem, rows: np.ndarray) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    """Return `M*_ww` and `sum_j M*_wj^2` of some words, from products with their unit vectors."""
    operator = problem.target_operator()
    diagonal, norms = [jnp.zeros(0)], [jnp.zeros(0)]
    for start in range(0, len(rows), _BLOCK):
        own = rows[start : start + _BLOCK]
        columns = operator.product(jax.nn.one_hot(own, problem.vocab_size, dtype=operator.dtype).T)
        diagonal.append(columns[own, np.arange(len(own))])
        norms.append(jnp.sum(columns**2, axis=0))
    return jnp.concatenate(diagonal), jnp.concatenate(norms)
