"""Error bounds of eigenpairs from their residuals."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from w2vflow.spectrum.ranking import algebraic

__all__ = ["SpectrumBounds", "residual_bounds"]

Host = np.ndarray


class SpectrumBounds(NamedTuple):
    """What the residuals of a `Spectrum` say about its errors; each `(k,)`. See `Spectrum.error_bounds`.

    Attributes:
        eigenvalues: of `|lambda_k - exact|`.
        directions: of the sine of the angle between `v_k` and the exact eigenvector; NaN for the
            last pair of an incomplete basis.
        step_times: of the relative change of a step time.
    """

    eigenvalues: Float[Host, " k"]
    directions: Float[Host, " k"]
    step_times: Float[Host, " k"]


def residual_bounds(
    values: Float[Host, " k"], residuals: Float[Host, " k"], complete: bool
) -> SpectrumBounds:
    """Return the bounds that `Spectrum.error_bounds` explains; `complete` if there are no other pairs."""
    shared = _shared_residuals(values, residuals)
    distances = np.abs(values[:, None] - values) - shared
    np.fill_diagonal(distances, np.inf)
    gaps = distances.min(axis=1)
    if not complete:
        gaps = np.minimum(gaps, _distance_to_unknown(values) - shared[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (gaps > 0) & (shared == residuals)
        bounds = np.where(apart, np.minimum(residuals, residuals**2 / gaps), shared)
        sines = np.where(apart, np.minimum(residuals / gaps, 1), 1.0)
        times = np.where(bounds < np.abs(values), bounds / (np.abs(values) - bounds), np.inf)
    if not complete:
        sines[-1] = np.nan
    return SpectrumBounds(bounds, sines, times)


def _shared_residuals(values: Host, residuals: Host) -> Host:
    """Return the norm of the residuals of each group of pairs closer together than their residuals."""
    falling = np.asarray(algebraic(values))
    ordered = values[falling]
    shared = residuals[falling]
    while True:
        # Groups are drawn with the norms of the last round: a larger norm may reach one more pair.
        joined = ordered[:-1] - ordered[1:] <= shared[:-1] + shared[1:]
        groups = np.concatenate([[0], np.cumsum(~joined)])
        norms = np.sqrt(np.bincount(groups, residuals[falling] ** 2))[groups]
        single = np.bincount(groups)[groups] == 1
        norms = np.where(single, residuals[falling], norms)
        if (norms <= shared).all():
            back = np.empty_like(shared)
            back[falling] = shared
            return back
        shared = np.maximum(norms, shared)


def _distance_to_unknown(values: Host) -> Host:
    """Return how far each value is from where those not held may be: below the last, in value or in size."""
    sizes, last = np.abs(values), values[-1]
    distances = np.full(len(values), np.inf)
    if (np.diff(values) <= 0).all():
        distances = np.minimum(distances, values - last)
    if (np.diff(sizes) <= 0).all():
        distances = np.minimum(distances, sizes - abs(last))
    # In neither order: nothing is known.
    return np.where(np.isinf(distances), 0.0, distances)
