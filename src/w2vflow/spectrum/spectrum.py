"""Spectrum: eigenpairs of `M*`, the density of the rest, files."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.spectrum.error_bounds import SpectrumBounds, residual_bounds
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray
from w2vflow.support.checks import argument_error
from w2vflow.support.dataset_files import read_dataset, write_dataset
from w2vflow.support.display import beside, html_table, megabytes
from w2vflow.support.sharding import PRECISION

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Spectrum"]

# Eigenpairs that a notebook shows.
_SHOWN = 10
# The variables of a file and their axes; an `s` behind, they are the fields.
_AXES = {
    "eigenvalue": ("mode",),
    "eigenvector": ("word", "mode"),
    "residual": ("mode",),
    "bath_node": ("bath",),
    "bath_weight": ("bath",),
}


def _array(given: Any) -> Any:
    # What a transformation puts in the place of an array stays as it is.
    return jnp.asarray(given) if isinstance(given, np.ndarray) else given


@checked
class Spectrum(eqx.Module):
    """Eigenpairs of `M*`, algebraically largest first; those of `extreme_eigenpairs` by `|lambda|`.

    Attributes:
        eigenvalues: `lambda_k`, `(k,)`, falling.
        eigenvectors: orthonormal columns `v_k`, `(V, k)`; the entry of largest size is positive.
        residuals: `||M* v_k - lambda_k v_k||`, `(k,)`; each bounds the error of its eigenvalue.
        bath_nodes, bath_weights: `nu_j` and `w_j`, `(m,)`, of a quadrature of the spectral density of
            the eigenvalues not held: `sum_j w_j g(nu_j) ~ tr g(M*) - sum_k g(lambda_k)`, with
            `sum_j w_j = V - k`. Empty for a complete eigenbasis.

        origin: fingerprint of the counts and the weighting of the problem, `(32,)`, by which pairs of
            another one are told; None where it is not known.

    A pytree of arrays on the devices on which it was found.
    """

    _made_by = "`leading_eigenpairs(problem, k)`"

    eigenvalues: Float[AnyArray, " k"] = eqx.field(converter=_array)
    eigenvectors: Float[AnyArray, "V k"] = eqx.field(converter=_array)
    residuals: Float[AnyArray, " k"] = eqx.field(converter=_array)
    bath_nodes: Float[AnyArray, " m"] = eqx.field(converter=_array)
    bath_weights: Float[AnyArray, " m"] = eqx.field(converter=_array)
    origin: AnyArray | None = eqx.field(converter=_array, default=None)

    def __repr__(self) -> str:
        (_, first), *facts = self._facts()
        return "\n  ".join([f"Spectrum({first})", *(f"{name}: {fact}" for name, fact in facts)])

    def _facts(self) -> list[tuple[str, str]]:
        """Return what there is to know at a glance, by name."""
        (size, pairs), values = self.eigenvectors.shape, self.eigenvalues
        nodes = int((self.bath_weights > 0).sum())
        rest = f"{self.bath_weights.sum():,.0f} eigenvalues in {nodes} nodes"
        return [
            ("what", f"{pairs:,} of {size:,} eigenpairs, {megabytes(self.eigenvectors)}"),
            ("eigenvalues", f"{values[0]:.6g} .. {values[-1]:.6g}"),
            ("largest residual", f"{self.residuals.max():.1e}"),
            ("not held", rest if nodes else "none"),
        ]

    def _repr_html_(self) -> str:
        pairs = zip(self.eigenvalues[:_SHOWN], self.residuals[:_SHOWN], strict=True)
        rows = [(k, f"{value:.6g}", f"{residual:.1e}") for k, (value, residual) in enumerate(pairs, 1)]
        return beside(
            html_table("Spectrum", (), self._facts()),
            html_table("Leading eigenpairs", ("concept", "eigenvalue", "residual"), rows),
        )

    def to_xarray(self, words: Sequence[str] | None = None) -> "xr.Dataset":
        """Return a dataset over `word, mode`, and over `bath` for what is left of the spectrum.

        The vocabulary `words` names the rows of the eigenvectors.
        """
        import xarray as xr

        variables = {name: (axes, np.asarray(getattr(self, f"{name}s"))) for name, axes in _AXES.items()}
        if self.origin is not None:
            variables["origin"] = (("byte",), np.asarray(self.origin).astype(np.uint8))
        coordinates: dict[str, Any] = {"mode": np.arange(1, len(self.eigenvalues) + 1)}
        if words is not None:
            if len(words) != len(self.eigenvectors):
                expected = f"the {len(self.eigenvectors)} words of the problem, in its order"
                raise argument_error("words", expected, f"{len(words)} words")
            coordinates["word"] = np.array(words, dtype=object)
        return xr.Dataset(variables, coordinates)

    @classmethod
    def from_xarray(cls, data: "xr.Dataset") -> "Spectrum":
        """Return the spectrum of a dataset that `to_xarray` made."""
        origin = data["origin"].values if "origin" in data else None
        return cls(**{f"{name}s": data[name].values for name in _AXES}, origin=origin)

    def save(self, path: str | os.PathLike[str], words: Sequence[str] | None = None) -> None:
        """Write the spectrum as netCDF, whole or not at all.

        Raises:
            OSError: as `Trajectory.save`.
            ValueError: `words`, the vocabulary for other readers of the file, of another number.
        """
        write_dataset(self.to_xarray(words), path, "spectrum")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Spectrum":
        """Read a spectrum written by `save`.

        Raises:
            FileNotFoundError, ValueError: as `Trajectory.load`.
        """
        return read_dataset(path, "spectrum", cls.from_xarray)

    def leading(self, k: int) -> "Spectrum":
        """Return the first `k` pairs; eigenvalues left out join the bath, with weight 1.

        Raises:
            ValueError: there are fewer.
        """
        if not 1 <= k <= len(self.eigenvalues):
            raise argument_error("k", f"between 1 and the {len(self.eigenvalues)} pairs at hand", k)
        left_out = self.eigenvalues[k:]
        nodes = jnp.concatenate([left_out, self.bath_nodes])
        weights = jnp.concatenate([jnp.ones_like(left_out), self.bath_weights])
        pairs = self.eigenvalues[:k], self.eigenvectors[:, :k], self.residuals[:k]
        return Spectrum(*pairs, nodes, weights, self.origin)

    def error_bounds(self) -> SpectrumBounds:
        """Return bounds that the residuals `r_k` put on the errors of the pairs.

        With `gap_k` from `lambda_k` to the nearest other eigenvalue (held ones taken as near as
        their own residuals allow; those not held end where the last pair held is):

            |lambda_k - exact| <= min(r_k, r_k^2 / gap_k)      (Kato and Temple)
            sin angle(v_k, exact) <= min(r_k / gap_k, 1)       (Davis and Kahan)

        Pairs closer together than their residuals share `(sum r^2)^(1/2)` in the place of `r_k`
        (Kahan), and a sine of 1: only their common plane is known. The last pair of an incomplete
        basis has an unknown neighbour: its bound is `r_k`, its direction NaN.

        A step time `t = ln(lambda / R^2 - 1) / (2 lambda)` has, with `q = R^2 / lambda`,

            d ln t / d ln lambda = -1 + 1 / ((1 - q) ln(1 / q - 1)),

        which for starts with `q < 0.3` is between -1 and 1. An eigenvalue off by at most `b` thus
        changes it, at fixed `R`, by less than `b / (|lambda| - b)` of itself.

        They hold if no eigenvalue between those held was missed, which residuals cannot tell, and
        down to rounding, about `1e-15 max |lambda|`.
        """
        complete = len(self.eigenvalues) == len(self.eigenvectors)
        return residual_bounds(np.asarray(self.eigenvalues), np.asarray(self.residuals), complete)

    def require_complete(self) -> "Spectrum":
        """Return the pairs themselves, if they are the whole eigenbasis; else raise `ValueError`."""
        size, given = self.eigenvectors.shape
        if given != size:
            remedy = "Use `leading_eigenpairs(problem, problem.vocab_size)`, or leave the argument out."
            expected = f"the complete eigenbasis of {size} pairs"
            raise argument_error("spectrum", expected, f"{given} pairs", remedy)
        return self

    def to_words(self, coordinates: AnyArray) -> Float[Array, "*s V d"]:
        """Return weights `(..., V, d)` from their coordinates `(..., k, d)` along the eigenvectors."""
        # One product for all times and seeds: many thin ones take ten times as long.
        product = jnp.tensordot(self.eigenvectors, coordinates, axes=(1, -2), precision=PRECISION)
        return jnp.moveaxis(product, 0, -2)
