"""Leading eigenpairs of M*: the concepts."""

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import numpy as np
import scipy.linalg
from jaxtyping import Float

from w2vflow.problem.operators import Operator
from w2vflow.problem.problem import Problem
from w2vflow.spectrum.error_bounds import SpectrumBounds, residual_bounds
from w2vflow.spectrum.lanczos import (
    Order,
    Product,
    algebraic,
    both_ends,
    by_size,
    check_symmetric,
    lanczos_eigenpairs,
)
from w2vflow.support.checkpoint import Checkpoint
from w2vflow.support.checks import argument_error
from w2vflow.support.dataset_files import read_dataset, write_dataset
from w2vflow.support.display import beside, html_table, megabytes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Spectrum", "extreme_eigenpairs", "leading_eigenpairs", "spectrum_ends"]

Host = np.ndarray

# Eigenpairs that a notebook shows.
_SHOWN = 10
_FIELDS = {
    "eigenvalue": "eigenvalues",
    "eigenvector": "eigenvectors",
    "residual": "residuals",
    "bath_node": "bath_nodes",
    "bath_weight": "bath_weights",
}
_AXES = {
    "eigenvalue": ("mode",),
    "eigenvector": ("word", "mode"),
    "residual": ("mode",),
    "bath_node": ("bath",),
    "bath_weight": ("bath",),
}


class Spectrum(eqx.Module):
    """Eigenpairs of `M*`, algebraically largest first; those of `extreme_eigenpairs` by `|lambda|`.

    Attributes:
        eigenvalues: `lambda_k`, `(k,)`, falling.
        eigenvectors: orthonormal columns `v_k`, `(V, k)`; the entry of largest size is positive.
        residuals: `||M* v_k - lambda_k v_k||`, `(k,)`; each bounds the error of its eigenvalue.
        bath_nodes: `nu_j`, `(m,)`, and
        bath_weights: `w_j`, `(m,)`, of a quadrature of the spectral density of the eigenvalues not
            held: `sum_j w_j g(nu_j) ~ tr g(M*) - sum_k g(lambda_k)`, with `sum_j w_j = V - k`.
            Empty for a complete eigenbasis.
    """

    eigenvalues: Float[Host, " k"]
    eigenvectors: Float[Host, "V k"]
    residuals: Float[Host, " k"]
    bath_nodes: Float[Host, " m"]
    bath_weights: Float[Host, " m"]

    def __repr__(self) -> str:
        (_, first), *facts = self._facts()
        return "\n  ".join([f"Spectrum({first})", *(f"{name}: {fact}" for name, fact in facts)])

    def _facts(self) -> list[tuple[str, str]]:
        """Return what there is to know at a glance, by name."""
        (size, pairs), values = self.eigenvectors.shape, self.eigenvalues
        rest = f"{self.bath_weights.sum():,.0f} eigenvalues in {len(self.bath_nodes)} nodes"
        return [
            ("what", f"{pairs:,} of {size:,} eigenpairs, {megabytes(self.eigenvectors)}"),
            ("eigenvalues", f"{values[0]:.6g} .. {values[-1]:.6g}"),
            ("largest residual", f"{self.residuals.max():.1e}"),
            ("not held", rest if len(self.bath_nodes) else "none"),
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

        Args:
            words: the vocabulary, to name the rows of the eigenvectors by.
        """
        import xarray as xr

        variables = {name: (axes, getattr(self, _FIELDS[name])) for name, axes in _AXES.items()}
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
        return cls(**{field: data[name].values for name, field in _FIELDS.items()})

    def save(self, path: str | os.PathLike[str], words: Sequence[str] | None = None) -> None:
        """Write the spectrum as netCDF, or Zarr where `path` ends in `.zarr`, whole or not at all.

        Args:
            path: where to write.
            words: the vocabulary, for other readers of the file.

        Raises:
            ImportError: Zarr is wanted and not installed.
            ValueError: words of another number.
            OSError: the file cannot be written.
        """
        write_dataset(self.to_xarray(words), path, "spectrum")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Spectrum":
        """Read a spectrum written by `save`.

        Raises:
            FileNotFoundError: there is no such file.
            ImportError: it is Zarr, which is not installed.
            ValueError: the file is damaged, holds no spectrum, or was written by a later version.
        """
        return cls.from_xarray(read_dataset(path, "spectrum"))

    def leading(self, k: int) -> "Spectrum":
        """Return the first `k` pairs; eigenvalues left out join the bath, with weight 1.

        Raises:
            ValueError: there are fewer.
        """
        if not 1 <= k <= len(self.eigenvalues):
            raise argument_error("k", f"between 1 and the {len(self.eigenvalues)} pairs at hand", k)
        left_out = self.eigenvalues[k:]
        return Spectrum(
            self.eigenvalues[:k],
            self.eigenvectors[:, :k],
            self.residuals[:k],
            np.concatenate([left_out, self.bath_nodes]),
            np.concatenate([np.ones(len(left_out)), self.bath_weights]),
        )

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
        return residual_bounds(self.eigenvalues, self.residuals, complete)

    def require_complete(self) -> "Spectrum":
        """Return the pairs themselves, if they are the whole eigenbasis.

        Raises:
            ValueError: some are missing.
        """
        size, given = self.eigenvectors.shape
        if given != size:
            raise argument_error(
                "spectrum",
                f"the complete eigenbasis of {size} pairs",
                f"{given} pairs",
                "Use `leading_eigenpairs(problem, problem.vocab_size)`, or leave the argument out.",
            )
        return self

    def to_words(self, coordinates: Any) -> Host:
        """Return weights `(..., V, d)` from their coordinates `(..., k, d)` along the eigenvectors.

        One product for all times and seeds: many thin ones take ten times as long.
        """
        product = np.tensordot(self.eigenvectors, np.asarray(coordinates), axes=(1, -2))
        return np.moveaxis(product, 0, -2)


def leading_eigenpairs(
    problem: Problem,
    k: int,
    *,
    tol: float = 1e-10,
    max_products: int | None = None,
    max_basis: int | None = None,
    require_convergence: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> Spectrum:
    """Return the `k` algebraically largest eigenpairs of `M*`, on the host.

    Negative eigenvalues, however large in size, come last: tied weights never learn them. With
    `k = problem.vocab_size` the whole eigenbasis comes from LAPACK; few pairs of a large matrix
    come from block Lanczos with a fixed start, so that the result is reproducible.

    Args:
        problem: the problem.
        k: how many pairs.
        tol: largest residual norm wanted, over `lambda_1`. From 1e-6 on, products are taken in
            float32, in half the time, where `lambda_min` is not so large in size that their rounding
            errors would show; the pairs are float64 all the same.
        max_products: how many vectors to apply `M*` to at most; 100 k + 10,000 where not given.
        max_basis: how many vectors of length V to hold at most, at least `k + 160`; `3 k + 160` where
            not given. Fewer take less memory and more products.
        require_convergence: raise where the products did not suffice, and do not only warn.
        checkpoint: folder for the state of the iteration. Where it holds one, of this very
            computation, it goes on from there, to the same result bit for bit. Removed when all
            pairs are found.
        checkpoint_every: seconds between two states at least.

    Raises:
        ValueError: `k` outside 1..V, `tol` not between 0 and 1, `M*` not symmetric, a basis that
            does not fit into memory, or a checkpoint of another computation.
        RuntimeError: with `require_convergence`, some pairs did not reach `tol`.

    Warns:
        RuntimeWarning: some pairs did not reach `tol`; the result's `residuals` say which.

    References:
        arXiv 2502.09863, section 3: the eigenvectors are the concepts, in learning order.
    """
    settings = _Settings(tol, max_products, max_basis, require_convergence, checkpoint, checkpoint_every)
    return _eigenpairs(problem, k, algebraic, settings)


def extreme_eigenpairs(
    problem: Problem,
    k: int,
    *,
    tol: float = 1e-10,
    max_products: int | None = None,
    max_basis: int | None = None,
    require_convergence: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> Spectrum:
    """Return the `k` eigenpairs of `M*` that are largest in size, by falling `|lambda|`, signs kept.

    Words and contexts with vectors of their own (untied) learn negative eigenvalues as they learn
    positive ones: `|lambda|` is the singular value. Arguments and errors are those of
    `leading_eigenpairs`; `tol` is over the largest `|lambda|`.
    """
    settings = _Settings(tol, max_products, max_basis, require_convergence, checkpoint, checkpoint_every)
    return _eigenpairs(problem, k, by_size, settings)


class _Settings(NamedTuple):
    tol: float
    max_products: int | None
    max_basis: int | None
    require_convergence: bool
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: float


def _eigenpairs(problem: Problem, k: int, order: Order, settings: _Settings) -> Spectrum:
    size = problem.vocab_size
    if not 1 <= k <= size:
        raise argument_error("k", f"between 1 and the vocabulary size {size}", k)
    if not 0 < settings.tol < 1:
        raise argument_error("tol", "between 0 and 1", settings.tol)
    operator = problem.target_operator()
    product = operator.host_product(np.float64)
    check_symmetric(product, size, np.float64)
    matrix = None
    # At these sizes LAPACK's direct solver is faster than iterating, where there is room for it.
    if size <= 500 or k >= size // 10:
        try:
            matrix = operator.dense()
        except ValueError:
            if k + 5 * _block(size) > size:
                raise
    if matrix is None:
        values, vectors, residuals, nodes, weights = _iterated(operator, product, k, order, settings)
    else:
        every, basis = scipy.linalg.eigh(matrix, driver="evd")
        places = order(every)
        values, vectors = every[places[:k]], basis[:, places[:k]]
        nodes, weights = np.sort(every[places[k:]])[::-1], np.ones(size - k)
        values, residuals = _polished(product, values, vectors)
    # Values that are equal but for rounding may have changed places.
    places = order(values)
    if (places != np.arange(k)).any():
        values, vectors, residuals = values[places], vectors[:, places], residuals[places]
    return Spectrum(values, vectors, residuals, nodes, weights)


def _block(size: int) -> int:
    return 32 if size > 1000 else 8


def _iterated(
    operator: Operator, product: Product, k: int, order: Order, settings: _Settings
) -> tuple[Host, Host, Host, Host, Host]:
    dtype, working = _precision(operator, product, order, settings.tol)
    checkpoint = None
    if settings.checkpoint is not None:
        run = {"operator": operator.fingerprint()}
        checkpoint = Checkpoint(settings.checkpoint, run, settings.checkpoint_every)
    found = lanczos_eigenpairs(
        working,
        operator.size,
        k,
        tol=settings.tol,
        order=order,
        dtype=dtype,
        block=_block(operator.size),
        max_products=settings.max_products,
        max_basis=settings.max_basis,
        checkpoint=checkpoint,
    )
    values, residuals = _polished(product, found.values, found.vectors)
    scale = np.abs(values).max()
    # Estimates and residuals differ by rounding; both count, so that none is told to be what it is not.
    relative = np.maximum(found.residuals, residuals / 1.5) / scale
    missed = int((relative > settings.tol).sum())
    if missed:
        message = (
            f"{missed} of {k} eigenpairs did not reach a residual of {settings.tol:g} lambda_1 (worst: "
            f"{relative.max():.1e}) in {found.products} products. Ask for fewer pairs, for a larger "
            "`tol` or for more `max_products`."
        )
        if settings.require_convergence:
            raise RuntimeError(message)
        warnings.warn(message, RuntimeWarning, stacklevel=4)
    return values, found.vectors, residuals, found.nodes, found.weights


def _precision(operator: Operator, product: Product, order: Order, tol: float) -> tuple[type, Product]:
    """Return float32 and products in it where residuals of `tol` allow that, else float64 and `product`.

    Products are rounded at the size of the largest eigenvalue of either sign, maybe tens of `lambda_1`.
    """
    if tol < 1e-6:
        return np.float64, product
    single = operator.host_product(np.float32)
    ends = _ends(single, operator.size, 1e-3, np.float32)
    suffices = tol * abs(ends[order(ends)[0]]) >= 8 * np.finfo(np.float32).eps * np.abs(ends).max()
    return (np.float32, single) if suffices else (np.float64, product)


def spectrum_ends(operator: Operator) -> tuple[float, float]:
    """Return the largest and the smallest eigenvalue, to 1e-6 of the larger in size at least."""
    if operator.size <= 500:
        values: Host = scipy.linalg.eigvalsh(operator.dense())
        return float(values[-1]), float(values[0])
    largest, smallest = _ends(operator.host_product(np.float64), operator.size, 1e-6, np.float64)
    return float(largest), float(smallest)


def _ends(product: Product, size: int, tol: float, dtype: type) -> Host:
    """Return the largest and the smallest eigenvalue, with residuals of `tol` of the larger in size."""
    settings: dict[str, Any] = {"order": both_ends, "dtype": dtype, "block": 8, "max_basis": 128}
    return lanczos_eigenpairs(product, size, 2, tol=tol, **settings).values


def _polished(product: Product, values: Host, vectors: Host) -> tuple[Host, Host]:
    """Return Rayleigh quotients and residual norms in float64; normalise the vectors in place.

    The entry of largest size of each becomes positive. From float32 iterations, a Rayleigh
    quotient has twice the digits of its vector.
    """
    values, residuals = values.copy(), np.empty(len(values))
    for at in range(0, len(values), 32):
        some = slice(at, at + 32)
        block = np.ascontiguousarray(vectors[:, some])
        peaks = block[np.abs(block).argmax(axis=0), np.arange(block.shape[1])]
        block /= np.copysign(np.linalg.norm(block, axis=0), peaks)
        image = product(block)
        values[some] = np.einsum("ij,ij->j", block, image)
        residuals[some] = np.linalg.norm(image - block * values[some], axis=0)
        vectors[:, some] = block
    return values, residuals
